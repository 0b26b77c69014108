"""Two processes that compare their pairs with each other's learn what one process that has all pairs learns."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.multiprocessing import start_processes
from torch.nn.parallel import DistributedDataParallel

from mkgc.batch import Images
from mkgc.losses.contrastive import contrastive_loss
from mkgc.models.dual_encoder import DualEncoder
from tests.models.test_dual_encoder import two_towers
from tests.nn.test_fusion import words

LENGTHS = [5, 2, 4, 6, 3, 5]
TEXTS, PICTURES = torch.tensor([0, 1, 0, 2, 3, 4]), torch.tensor([7, 7, 8, 9, 8, 6])
"""Which caption and which image each pair has: some twice, in both processes."""


class Pairs(torch.nn.Module):
    """The loss of some pairs."""

    def __init__(self, model: DualEncoder, ids: bool, chunk: int | None) -> None:
        super().__init__()
        self.model, self.ids, self.chunk = model, ids, chunk

    def forward(self, rows: torch.Tensor, gather: bool) -> torch.Tensor:
        images = [Images("image", IMAGES[rows], torch.arange(len(rows))[:, None])]
        text = words(LENGTHS).rows(rows)
        directions = self.model.encode_text(text, self.chunk), self.model.encode_image(images, self.chunk)
        ids = (TEXTS[rows], PICTURES[rows]) if self.ids else (None, None)
        return contrastive_loss(*directions, self.model.scale, *ids, gather=gather)


IMAGES = torch.randn(6, 3, 32, 32, generator=torch.Generator().manual_seed(3))


def made(ids: bool, chunk: int | None) -> Pairs:
    torch.manual_seed(0)
    return Pairs(two_towers().eval(), ids, chunk)


def learned(pairs: Any, loss: torch.Tensor) -> dict[str, torch.Tensor]:
    loss.backward()
    return {name.removeprefix("module."): p.grad for name, p in pairs.named_parameters() if p.grad is not None}


def one_of_two(rank: int, folder: Path, ids: bool, chunk: int | None) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1"}
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    pairs = DistributedDataParallel(made(ids, chunk))
    loss = pairs(torch.arange(6)[rank::2], gather=True)
    torch.save((loss.detach(), learned(pairs, loss)), folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize(("ids", "chunk"), [(False, None), (True, None), (True, 2)])
def test_two_processes_have_the_loss_and_the_gradients_of_one(ids: bool, chunk: int | None, tmp_path: Path) -> None:
    start_processes(one_of_two, (tmp_path, ids, chunk), nprocs=2, start_method="fork")
    (first, gradients), (second, others) = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    pairs = made(ids, None)
    loss = pairs(torch.cat([torch.arange(6)[0::2], torch.arange(6)[1::2]]), gather=False)
    torch.testing.assert_close((first + second) / 2, loss.detach(), rtol=0, atol=1e-6)
    expected = learned(pairs, loss)
    assert expected.keys() == gradients.keys() == others.keys()
    for name, value in expected.items():
        near = {"rtol": 0, "atol": 1e-6 * max(1.0, value.abs().max().item())}
        torch.testing.assert_close(gradients[name], value, **near, msg=lambda said, name=name: f"{name}: {said}")
        assert torch.equal(gradients[name], others[name])
