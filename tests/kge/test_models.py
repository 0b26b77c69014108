"""What holds of every structure model."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from mkgc.errors import ConfigError
from mkgc.kge import l1_distance
from mkgc.kge.distances import RotatE, TransE
from mkgc.kge.model import KGEModel, Target
from mkgc.kge.products import RESCAL, ComplEx, DistMult
from tests.kge.models import ENTITIES, MODELS, RELATIONS, WIDTH, built, candidates, queries, triples

ALL = pytest.mark.parametrize("name", MODELS)
BOTH_SIDES = pytest.mark.parametrize("target", ["head", "tail"])


def gradients(model: KGEModel, scores: Tensor) -> list[Tensor]:
    """Of both tables, dense."""
    model.zero_grad()
    scores.cos().sum().backward()
    grads = [table.weight.grad for table in (model.entities, model.relations)]
    return [grad.to_dense() for grad in grads if grad is not None]


@ALL
@BOTH_SIDES
def test_a_triple_scores_alike_by_itself_among_all_and_among_some(name: str, target: Target) -> None:
    model, (heads, relations, tails) = built(name), triples()
    answers = heads if target == "head" else tails
    alone = model.score(heads, relations, tails)
    assert_close(model.score_all(*queries(target)).gather(1, answers[:, None])[:, 0], alone)
    assert_close(model.score_some(*queries(target), answers[:, None])[:, 0], alone)


@ALL
@BOTH_SIDES
def test_slices_of_the_entities_make_up_the_whole(name: str, target: Target) -> None:
    model = built(name)
    slices = [model.score_all(*queries(target), rows=slice(start, start + 10)) for start in (0, 10, 20)]
    assert [part.shape[1] for part in slices] == [10, 10, 3]
    assert_close(torch.cat(slices, dim=1), model.score_all(*queries(target)))


@ALL
@BOTH_SIDES
@pytest.mark.parametrize("buffer", [1, 10**6])
def test_some_and_all_have_the_same_gradients_at_any_size_of_the_buffer(
    name: str, target: Target, buffer: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(l1_distance, "BUFFER", {"cpu": buffer})
    model = built(name)
    among_all = gradients(model, model.score_all(*queries(target)).gather(1, candidates()))
    among_some = gradients(model, model.score_some(*queries(target), candidates()))
    assert len(among_all) == 2
    assert all(grad.abs().sum() > 0 for grad in among_all)
    assert_close(among_some, among_all, atol=1e-4, rtol=1e-4)


@ALL
@BOTH_SIDES
def test_gradients_are_those_of_finite_differences(name: str, target: Target) -> None:
    model = built(name).double()
    known, relations, tail = queries(target)

    def scores(*new_tokens: Tensor) -> tuple[Tensor, ...]:
        weights = {"entities.weight": new_tokens[0], "relations.weight": new_tokens[1]}
        return torch.func.functional_call(_Scores(model), {f"model.{key}": value for key, value in weights.items()})

    class _Scores(torch.nn.Module):
        def __init__(self, model: KGEModel) -> None:
            super().__init__()
            self.model = model

        def forward(self) -> tuple[Tensor, ...]:
            asked = known[:3], relations[:3], tail[:3]
            return self.model.score_all(*asked), self.model.score_some(*asked, candidates()[:3])

    assert torch.autograd.gradcheck(scores, (model.entities.weight, model.relations.weight), fast_mode=True)


@ALL
def test_sparse_gradients_are_the_dense_ones_with_rows_of_the_batch_only(name: str) -> None:
    dense, sparse = built(name), built(name, sparse=True)
    asked = *queries("tail"), candidates()
    expected, found = (gradients(model, model.score_some(*asked)) for model in (dense, sparse))
    assert_close(found, expected)
    for table in (sparse.entities, sparse.relations):
        assert table.weight.grad is not None
        assert table.weight.grad.is_sparse


@ALL
def test_scores_need_no_gradient(name: str) -> None:
    model = built(name)
    with torch.inference_mode():
        some, everything = model.score_some(*queries("head"), candidates()), model.score_all(*queries("head"))
    assert_close(some, everything.gather(1, candidates()))
    assert not everything.requires_grad


@pytest.mark.parametrize("name", ["transe-l1", "transe-l2", "rotate-moduli", "rotate-l2"])
def test_a_distance_of_nothing_has_a_finite_gradient(name: str) -> None:
    model = built(name)
    with torch.no_grad():
        model.entities.weight.fill_(0.5)
        model.relations.weight.zero_()
    known, tail = torch.zeros(2, dtype=torch.long), torch.ones(2, dtype=torch.bool)
    for scores in (
        model.score(known, known, known),
        model.score_all(known, known, tail),
        model.score_some(known, known, tail, torch.ones(2, 3, dtype=torch.long)),
    ):
        assert_close(scores, torch.zeros_like(scores), atol=1e-3, rtol=0)  # the root of what rounding leaves
        assert all(grad.isfinite().all() for grad in gradients(model, scores))


@pytest.mark.parametrize("name", ["transe-l2", "rotate-l2", "rotate-moduli", "transe-l1", "distmult", "complex"])
def test_scores_keep_their_precision_under_autocast(name: str) -> None:
    model = built(name)
    expected = model.score_all(*queries("tail"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(model.score_all(*queries("tail")), expected)


@ALL
def test_a_candidate_that_is_no_entity_is_an_error(name: str) -> None:
    for number in (ENTITIES, -1):
        wrong = candidates()
        wrong[0, 0] = number
        for sparse in (False, True):
            with pytest.raises(RuntimeError, match=r"^a candidate is no row of the table of entities$"):
                built(name, sparse=sparse).score_some(*queries("tail"), wrong)


def test_relations_of_rotate_are_rotations_of_any_angle() -> None:
    model = RotatE(1, 1000, 8, margin=6.0)
    real, imaginary = model.rotations(torch.arange(1000)).chunk(2, dim=-1)
    assert_close(real.square() + imaginary.square(), torch.ones(1000, 8))
    assert model.relations.weight.abs().max() < 1.0
    angles = torch.atan2(imaginary, real)
    assert angles.min() < -0.99 * math.pi
    assert angles.max() > 0.99 * math.pi


def test_entities_of_unit_transe_return_to_length_1() -> None:
    model = TransE(ENTITIES, RELATIONS, WIDTH, unit=True)
    assert_close(model.relations.weight.norm(dim=1), torch.ones(RELATIONS))
    with torch.no_grad():
        model.entities.weight.mul_(3)
    model.constrain()
    assert_close(model.entities.weight.norm(dim=1), torch.ones(ENTITIES))


def test_parameters_have_the_deviation_of_the_literature() -> None:
    torch.manual_seed(0)
    assert_close(DistMult(500, 2, 40).entities.weight.std().item(), 1e-3, atol=2e-5, rtol=0)
    assert_close(ComplEx(500, 2, 40, init_std=0.5).entities.weight.std().item(), 0.5, atol=1e-2, rtol=0)
    assert_close(RESCAL(9, 40, 25).relations.weight.std().item(), 0.2, atol=5e-3, rtol=0)
    assert TransE(500, 2, 40, margin=6.0).entities.weight.abs().max() < 8 / 40


def test_factors_of_complex_numbers_are_their_moduli() -> None:
    model = built("complex")
    heads, _, tails = model.factors(*triples())
    real, imaginary = model.entities(triples()[0]).chunk(2, dim=-1)
    assert_close(heads, torch.hypot(real, imaginary))
    assert tails.shape == (len(heads), WIDTH)


@pytest.mark.parametrize("sizes", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_a_model_without_entities_relations_or_width_is_an_error(sizes: tuple[int, int, int]) -> None:
    name = ("entities", "relations", "width")[sizes.index(0)]
    for kind in (TransE, RotatE, DistMult, ComplEx, RESCAL):
        with pytest.raises(ConfigError, match=f"^a structure model with {name}=0: there must be at least 1$"):
            kind(*sizes)


def test_no_candidates_have_no_scores() -> None:
    for name in MODELS:
        assert built(name).score_some(*queries("tail"), candidates()[:, :0]).shape == (9, 0)
