"""Models of link prediction as they are before training."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.checkpoint import build_task, describe
from mkgc.data.corpus import read_corpus
from mkgc.predictor import Predictor


@pytest.fixture
def built(kg_root: Path, tiny) -> Callable[..., tuple[Any, ...]]:
    """An untrained model of a backbone, with its corpus and configuration."""

    def build(*overrides: str):
        config = tiny("link_prediction", kg_root, *overrides)
        corpus = read_corpus(config)
        model = build_task(config, corpus.codec).eval()
        model.saved = describe(config, corpus.codec)
        return model, corpus, config

    return build


@pytest.fixture
def predictor(built) -> Callable[..., Predictor]:
    """The same, ready to be asked."""

    def build(*overrides: str) -> Predictor:
        model, _, config = built(*overrides)
        return Predictor(model, config)

    return build
