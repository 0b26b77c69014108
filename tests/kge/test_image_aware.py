"""Models of entities with images: their scores, what they keep, and that they learn from images."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from mkgc.data.settings import DataSettings
from mkgc.errors import ConfigError, DataError
from mkgc.images.loaded import LoadedImages
from mkgc.kge.ikrl import IKRL, attention
from mkgc.kge.image_aware import ImageAware
from mkgc.kge.model import Target
from mkgc.kge.rsme import RSME
from mkgc.kge.transae import TransAE
from tests.kge.models import ENTITIES, RELATIONS, WIDTH, candidates, queries, triples
from tests.kge.models import MODELS as STRUCTURE
from tests.kge.models import built as structure

MODELS: dict[str, Callable[..., ImageAware]] = {
    "ikrl": IKRL,
    "transae": lambda *sizes: TransAE(*sizes, hidden_dim=4),
    "rsme": lambda *sizes: RSME(*sizes, init_std=1.0, beta=0.6),
}
ALL = pytest.mark.parametrize("name", MODELS)
BOTH_SIDES = pytest.mark.parametrize("target", ["head", "tail"])
FEATURES = 5
OWNERS = torch.tensor([0, 0, 3, 7, 7, 7, *range(9, ENTITIES)])
"""Of the images: entities 0 and 7 have several, 1, 2, 4, 5, 6 and 8 none, the rest one each."""


def images(count: int = len(OWNERS)) -> Tensor:
    return torch.randn(count, FEATURES, generator=torch.Generator().manual_seed(3))


def built(name: str) -> ImageAware:
    torch.manual_seed(0)
    model = MODELS[name](ENTITIES, RELATIONS, WIDTH)
    model.see(images(), OWNERS)
    return model


def of(entity: int) -> list[Tensor]:
    """The entity's images, of length 1."""
    return [vector / vector.norm() for vector, owner in zip(images(), OWNERS, strict=True) if owner == entity]


def ikrl_score(model: IKRL, head: int, relation: int, tail: int) -> Tensor:
    def ends(entity: int) -> list[Tensor]:
        own = model.entities.weight[entity]
        if not of(entity):
            return [own, own]
        projected = [model.projection.T @ vector for vector in of(entity)]
        exponentials = [torch.exp(p @ own) for p in projected]
        return [own, sum(a * p for a, p in zip(exponentials, projected, strict=True)) / sum(exponentials)]

    moved = model.relations.weight[relation]
    return -sum((h + moved - t).abs().sum() for h in ends(head) for t in ends(tail))


def transae_score(model: TransAE, head: int, relation: int, tail: int) -> Tensor:
    def end(entity: int) -> Tensor:
        if not of(entity):
            return model.entities.weight[entity].sigmoid()
        mean = sum(of(entity))
        mean = mean / mean.norm() * math.sqrt(FEATURES)
        return model.middle((mean @ model.first + model.first_bias).sigmoid()).sigmoid()

    return -(end(head) + model.relations.weight[relation] - end(tail)).abs().sum()


def rsme_score(model: RSME, head: int, relation: int, tail: int) -> Tensor:
    def best(entity: int) -> Tensor:
        files = of(entity)
        likeness = [round(sum(float(one @ other) for other in files if other is not one), 5) for one in files]
        return files[likeness.index(max(likeness))]

    def end(entity: int) -> Tensor:
        own = model.entities.weight[entity]
        mixed = 0.5 * own + 0.5 * best(entity) @ model.projection if of(entity) else own
        return torch.complex(*mixed.chunk(2))

    turn = torch.complex(*model.relations.weight[relation].chunk(2))
    structure = (end(head) * turn * end(tail).conj()).sum().real
    cosine = best(head) @ best(tail) if of(head) and of(tail) else torch.zeros(())
    return 0.6 * structure + 0.4 * model.gate[relation] * cosine


BY_HAND: dict[str, Callable[[Any, int, int, int], Tensor]] = {
    "ikrl": ikrl_score,
    "transae": transae_score,
    "rsme": rsme_score,
}


@ALL
def test_scores_are_those_of_the_paper_written_out(name: str) -> None:
    model = built(name)
    if isinstance(model, RSME):
        model.gate[0] = 0.0
    heads, relations, tails = (torch.cat([part, extra]) for part, extra in zip(triples(), _pairs(), strict=True))
    expected = [BY_HAND[name](model, *map(int, triple)) for triple in zip(heads, relations, tails, strict=True)]
    assert_close(model.score(heads, relations, tails), torch.stack(expected))


def _pairs() -> tuple[Tensor, Tensor, Tensor]:
    """No, one and several images on either side."""
    ends = torch.cartesian_prod(torch.tensor([1, 3, 7]), torch.tensor([0, 4, 10]))
    return ends[:, 0], torch.arange(9) % RELATIONS, ends[:, 1]


@ALL
@BOTH_SIDES
def test_a_triple_scores_alike_by_itself_among_all_in_slices_and_among_some(name: str, target: Target) -> None:
    model, (heads, relations, tails) = built(name), triples()
    answers = heads if target == "head" else tails
    alone, among = model.score(heads, relations, tails), model.score_all(*queries(target))
    slices = [model.score_all(*queries(target), rows=slice(start, start + 10)) for start in (0, 10, 20)]
    assert_close(among.gather(1, answers[:, None])[:, 0], alone)
    assert_close(torch.cat(slices, 1), among)
    assert_close(model.score_some(*queries(target), candidates()), among.gather(1, candidates()))


@ALL
def test_all_and_some_have_the_same_gradients_and_images_have_none(name: str) -> None:
    model = built(name)
    learned = {"entities.weight", "relations.weight", *({"projection"} if name != "transae" else {"first"})}
    gradients = []
    for scores in (
        model.score_all(*queries("tail")).gather(1, candidates()),
        model.score_some(*queries("tail"), candidates()),
    ):
        model.zero_grad()
        scores.cos().sum().backward()
        found = {key: value.grad for key, value in model.named_parameters() if key in learned}
        assert set(found) == learned
        assert all(grad is not None and grad.abs().sum() > 0 for grad in found.values())
        gradients.append(found)
    assert_close(gradients[0], gradients[1], atol=1e-4, rtol=1e-4)
    assert not model.vectors.requires_grad


@ALL
def test_scores_under_autocast_are_near_those_in_full_precision(name: str) -> None:
    model = built(name)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = model.score_all(*queries("tail"))
        model.score_some(*queries("tail"), candidates()).sum().backward()
    assert_close(near.float(), model.score_all(*queries("tail")), atol=0.1, rtol=0.05)


@ALL
def test_an_entity_without_images_scores_as_if_no_images_were_there(name: str) -> None:
    model, blind = built(name), built(name)
    blind.see(torch.empty(0, FEATURES), torch.empty(0, dtype=torch.long))
    blind.load_state_dict({**model.state_dict(), "vectors": blind.vectors, "owners": blind.owners})
    one, other = torch.tensor([1, 2]), torch.tensor([4, 8])
    assert_close(model.score(one, one, other), blind.score(one, one, other))
    seen = torch.tensor([3, 7])
    assert not torch.isclose(model.score(one, one, seen), blind.score(one, one, seen)).any()


@ALL
def test_a_model_that_has_seen_nothing_scores_by_structure(name: str) -> None:
    model = MODELS[name](ENTITIES, RELATIONS, WIDTH)
    assert model.score_all(*queries("head")).isfinite().all()
    own = model.auxiliary_loss(*triples())
    assert own is None or not own.any()


@ALL
def test_images_in_any_order_and_of_any_length_make_the_same_scores(name: str) -> None:
    model = built(name)
    expected = model.score_all(*queries("tail"))
    order = torch.randperm(len(OWNERS), generator=torch.Generator().manual_seed(5))
    model.see(3 * images()[order], OWNERS[order])
    assert_close(model.score_all(*queries("tail")), expected)


@ALL
def test_saved_weights_bring_their_images_however_many_there_were(name: str) -> None:
    model, again = built(name), MODELS[name](ENTITIES, RELATIONS, WIDTH)
    if isinstance(model, RSME):
        model.gate[1] = 0.0
    again.load_state_dict(model.state_dict())
    assert again.features == FEATURES
    assert_close(again.score_all(*queries("head")), model.score_all(*queries("head")))
    other = built(name)
    other.see(images(2), torch.tensor([2, 5]))
    other.load_state_dict(model.state_dict())
    assert_close(other.score_all(*queries("head")), model.score_all(*queries("head")))


@ALL
def test_a_part_of_a_greater_module_restores_too(name: str) -> None:
    whole, again = torch.nn.ModuleDict({"kge": built(name)}), MODELS[name](ENTITIES, RELATIONS, WIDTH)
    torch.nn.ModuleDict({"kge": again}).load_state_dict(whole.state_dict())
    assert len(again.vectors) > 0


@ALL
def test_a_image_of_no_entity_is_an_error(name: str) -> None:
    with pytest.raises(DataError, match=f"^owners of images reach from 0 to {ENTITIES}, but entities are {ENTITIES}$"):
        built(name).see(images(2), torch.tensor([0, ENTITIES]))


@ALL
def test_a_model_without_an_encoder_cannot_look(name: str) -> None:
    with pytest.raises(ConfigError, match=r"^a model of images was built without backbone\.vision"):
        built(name).prepare([], torch.empty(0, 3, dtype=torch.long), LoadedImages({}, {}), DataSettings("nowhere"))


def test_attention_is_a_softmax_among_the_images_of_one_entity() -> None:
    fit, place = torch.tensor([0.0, math.log(3.0), 200.0, -200.0, -200.0]), torch.tensor([0, 0, 1, 3, 3])
    there = torch.ones(5, dtype=torch.bool)
    assert_close(attention(fit, place, there, 4), torch.tensor([0.25, 0.75, 1.0, 0.5, 0.5]))
    there = torch.tensor([False, True, False, True, True])
    assert_close(attention(fit, place, there, 4), torch.tensor([0.0, 1.0, 0.0, 0.5, 0.5]))


def test_the_forget_gate_is_open_for_the_relations_whose_images_agree() -> None:
    model = RSME(6, 3, 2, remember=0.5)
    model.see(torch.eye(6)[[0, 0, 1, 1, 2]], torch.arange(5))
    model.judge(torch.tensor([[0, 1, 1], [2, 1, 3], [0, 0, 3], [1, 0, 2], [4, 2, 5]]))
    assert model.gate.tolist() == [0.0, 1.0, 0.0]  # relation 2 has no triple with two images
    same = torch.tensor([0])
    by_images = model.score(same, same + 1, same + 1) - model.score(same, same, same + 1)
    assert_close(by_images.item(), 0.05, atol=1e-3, rtol=0)


def test_the_autoencoder_learns_to_give_images_back() -> None:
    model = built("transae")
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05)
    losses = []
    for _ in range(60):
        own = model.auxiliary_loss(*triples())
        assert own is not None
        loss = own.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_only_the_autoencoder_has_a_loss_of_its_own() -> None:
    own = {name: built(name).auxiliary_loss(*triples()) for name in MODELS}
    assert [name for name, loss in own.items() if loss is not None] == ["transae"]
    assert all(structure(name).auxiliary_loss(*triples()) is None for name in STRUCTURE)


def test_what_is_rebuilt_is_the_mean_image_of_each_entity_of_the_triples() -> None:
    model = built("transae")
    assert isinstance(model, TransAE)
    none, some = torch.tensor([1]), torch.tensor([7])
    image = F.normalize(torch.stack(of(7)).sum(0, keepdim=True)) * math.sqrt(FEATURES)
    hidden = model.middle((image @ model.first + model.first_bias).sigmoid()).sigmoid()
    again = model.back(hidden).sigmoid() @ model.last + model.last_bias
    error = float((again - image).detach().square().mean())
    heads, tails = torch.cat([some, none, some]), torch.cat([none, none, some])
    assert_close(model.auxiliary_loss(heads, heads, tails), torch.tensor([error, 0.0, error]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TransAE(2, 2, 2, hidden_dim=0), r"^backbone\.hidden_dim=0 must be at least 1$"),
        (
            lambda: TransAE(2, 2, 2, reconstruction_weight=-1.0),
            r"^backbone\.reconstruction_weight=-1\.0 must not be negative$",
        ),
        (lambda: RSME(2, 2, 2, alpha=1.5), r"^backbone\.alpha=1\.5 must lie between 0 and 1$"),
        (lambda: IKRL(0, 2, 2), r"^a structure model with entities=0: there must be at least 1$"),
    ],
)
def test_settings_that_make_no_sense_are_errors(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()
