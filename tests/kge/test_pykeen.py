"""Scores are those of PyKEEN's interactions on the same parameters."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pykeen.utils import negative_norm
from torch import Tensor
from torch.testing import assert_close

from mkgc.kge.model import KGEModel, Target
from tests.kge.models import INTERACTIONS, built, candidates, queries, representations, triples

TOLERANCE: dict[str, Any] = {"atol": 1e-5, "rtol": 1e-5}


def pykeen_scores(name: str, model: KGEModel, target: Target, rows: Tensor) -> Tensor:
    """Of entities B x K, or 1 x N, in place of ``target``."""
    entities, relations = representations(model)
    known, asked, _ = queries(target)
    fixed, changed = entities[known][:, None], entities[rows]
    head, tail = (fixed, changed) if target == "tail" else (changed, fixed)
    relation = relations[asked][:, None]
    if name == "rotate-moduli":
        return negative_norm(head * relation - tail, p=1)
    return INTERACTIONS[name](head, relation, tail)


MODELS = pytest.mark.parametrize("name", [*INTERACTIONS, "rotate-moduli"])
BOTH_SIDES = pytest.mark.parametrize("target", ["head", "tail"])


@MODELS
def test_triples_score_as_in_pykeen(name: str) -> None:
    model = built(name)
    heads, relations, tails = triples()
    expected = pykeen_scores(name, model, "tail", tails[:, None])[:, 0]
    assert_close(model.score(heads, relations, tails), expected, **TOLERANCE)


@MODELS
@BOTH_SIDES
def test_all_entities_score_as_in_pykeen(name: str, target: Target) -> None:
    model = built(name)
    expected = pykeen_scores(name, model, target, torch.arange(model.entities.num_embeddings)[None])
    assert_close(model.score_all(*queries(target)), expected, **TOLERANCE)


@MODELS
@BOTH_SIDES
def test_candidates_score_as_in_pykeen(name: str, target: Target) -> None:
    model = built(name)
    expected = pykeen_scores(name, model, target, candidates())
    assert_close(model.score_some(*queries(target), candidates()), expected, **TOLERANCE)
