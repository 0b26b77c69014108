"""Entities found by an index are those that scoring all of them finds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mkgc
from mkgc.errors import ConfigError
from mkgc.train import train

pytest.importorskip("faiss")

ASKED = [
    {"head": "e/1", "relation": "likes"},
    {"relation": "is near", "tail": "e/2"},
    {"head": "e/3", "tail": "e/4"},
    {"head": "e/7", "relation": "near"},
]


def named(answers: list[dict[str, Any]]) -> list[list[str]]:
    return [[found["id"] for found in answer.get("entities", answer.get("relations"))] for answer in answers]


@pytest.mark.slow
@pytest.mark.parametrize("exclude_known", [False, True])
@pytest.mark.parametrize("backbone", ["kge/distmult", "kge/complex", "kge/rescal", "text_only", "mkgformer"])
def test_an_exact_index_names_the_same_entities_in_the_same_order(
    predictor: Any, backbone: str, exclude_known: bool
) -> None:
    model = predictor(f"backbone={backbone}", "task.model.top_k=4")
    plain = model.predict(ASKED, exclude_known=exclude_known)
    model.task.use_index("faiss")
    found = model.predict(ASKED, exclude_known=exclude_known)
    assert named(found) == named(plain)
    assert [answer["side"] for answer in found] == ["tail", "head", "relation", "tail"]
    assert not found[0]["calibrated"]


def test_euclidean_distances_have_an_index_too(predictor: Any) -> None:
    model = predictor("backbone=kge/transe", "backbone.norm=2", "task.model.top_k=4")
    plain = named(model.predict(ASKED))
    model.task.use_index("faiss")
    assert named(model.predict(ASKED)) == plain


def test_an_approximate_index_over_few_entities_misses_none(predictor: Any) -> None:
    model = predictor("backbone=kge/distmult", "task.model.top_k=4")
    plain = named(model.predict(ASKED))
    model.task.use_index("approximate")
    assert named(model.predict(ASKED)) == plain


@pytest.mark.parametrize(
    ("keys", "kind", "said"),
    [
        (["backbone=kge/rotate"], "faiss", "index=faiss knows inner products and Euclidean distances, and RotatE"),
        (["backbone=kg_bert"], "faiss", "SequencePrediction compares no vectors that an index could hold"),
        (["backbone=kge/distmult"], "hnsw", "index=hnsw: choose faiss or approximate, or null for none"),
    ],
)
def test_what_has_no_index_says_so(predictor: Any, keys: list[str], kind: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        predictor(*keys).task.use_index(kind)
    assert str(caught.value).startswith(said)


@pytest.mark.slow
def test_the_command_takes_an_index_for_links_alone(
    kg_root: Path, mre_root: Path, tiny: Callable[..., Any], tmp_path: Path
) -> None:
    train(tiny("link_prediction", kg_root, "backbone=kge/complex", "task.epochs=1"), tmp_path / "links")
    answer = mkgc.load(tmp_path / "links/best.ckpt", index="faiss").predict(ASKED[:1])[0]
    assert len(answer["entities"]) == 10
    train(tiny("mre", mre_root, "backbone=text_only", "task.epochs=1"), tmp_path / "mre")
    with pytest.raises(ConfigError, match="^index=faiss is for tasks that are asked of a graph"):
        mkgc.load(tmp_path / "mre/best.ckpt", index="faiss")
