"""Each model of images learns what only images tell."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mkgc.kge.ikrl import IKRL
from mkgc.kge.image_aware import ImageAware
from mkgc.kge.rsme import RSME
from mkgc.kge.transae import TransAE

FEATURES = 5


def scored(model: ImageAware, heads: Tensor, traits: int) -> Tensor:
    """The scores of all traits as what entities are linked with."""
    return model.score_all(heads, torch.zeros_like(heads), torch.ones_like(heads, dtype=torch.bool), slice(0, traits))


@pytest.mark.parametrize("kind", [IKRL, TransAE, RSME])
def test_images_alone_tell_answers_apart(kind: type[ImageAware]) -> None:
    """Each of some entities has a trait in its image; what it is linked with follows from that alone."""
    traits, per_trait = 3, 8
    torch.manual_seed(0)
    entities = traits + traits * per_trait  # the traits' own entities, then those that have them
    having = torch.arange(traits, entities)
    trait = torch.arange(traits).repeat_interleave(per_trait)
    vectors = torch.cat([F.one_hot(torch.arange(traits), FEATURES).float(), F.one_hot(trait, FEATURES).float()])
    model = kind(entities, 1, 8)
    model.see(vectors + 0.1 * torch.randn(len(vectors), FEATURES), torch.arange(entities))
    held = torch.arange(len(having)) % per_trait == 0
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    known, answers = having[~held], trait[~held]
    first, last = 0.0, 0.0
    for step in range(150):
        scores = scored(model, known, traits)
        loss = F.cross_entropy(scores, answers)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        last = loss.item()
        first = first if step else last
    assert last < 0.5 * first
    guessed = scored(model, having[held], traits).argmax(1)
    assert guessed.tolist() == trait[held].tolist()
    model.see(torch.empty(0, FEATURES), torch.empty(0, dtype=torch.long))
    blind = scored(model, having[held], traits).argmax(1)
    assert blind.tolist() != trait[held].tolist()
