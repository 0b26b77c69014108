"""`python -m benchmarks.maps`: what vision towers can tell from the locator maps of the Atlas (after ``make weights``).

Region and subregion of countries that nothing was fitted on: by a linear probe on frozen DINOv2 states, by the nearest
neighbours of the true coordinates, and by the small tower, trained from random weights on this question alone. Writes
``benchmarks/maps.json`` and the table of ``docs/atlas.md``.
"""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from benchmarks.runs import fill
from mkgc.batch import Images
from mkgc.data.atlas.draw import Land
from mkgc.data.atlas.facts import Country, countries
from mkgc.encoders.vision import VisionEncoder, pretrained_vision, random_vision
from tasks.link_prediction.atlas import locator

RESULTS = Path("benchmarks/maps.json")
PAGE = Path("docs/atlas.md")
BEGIN, END = "<!-- table: python -m benchmarks.maps -->", "<!-- end of maps -->"
DINO = "weights/e5_dino/vision/model.safetensors"
STEPS, BATCH, SIZE = 300, 32, 96
WHAT = ("region", "subregion")
ROWS = ("always the most frequent", "nearest by true coordinates", "DINOv2, linear probe", "small tower, 300 steps")


def main() -> None:
    """Fits each on three quarters of the countries and asks about the others."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    world = countries()
    known = [country for _, country in sorted(world.items()) if country.rings and country.subregion]
    Random(0).shuffle(known)
    maps = _maps(known, Land(world.values()))
    test = len(known) // 4
    dino = pretrained_vision("vit_small_patch14_dinov2", DINO, img_size=224, dynamic_img_pad=True).eval()
    figures: dict[str, dict[str, float]] = {name: {} for name in ROWS}
    for what in WHAT:
        labels = np.unique([getattr(country, what) for country in known], return_inverse=True)[1]
        frequent = np.bincount(labels[test:]).argmax()
        figures[ROWS[0]][what] = float((labels[:test] == frequent).mean())
        places = np.array([country.centre for country in known])
        near = KNeighborsClassifier(3).fit(places[test:], labels[test:])
        figures[ROWS[1]][what] = float(near.score(places[:test], labels[:test]))
        figures[ROWS[2]][what] = _probed(_states(dino, maps, 9), labels, test)
        figures[ROWS[3]][what] = _trained(maps, labels, test)
    RESULTS.write_text(json.dumps({"countries": len(known), "asked": test, "right": figures}, indent=1) + "\n")
    fill(PAGE, BEGIN, END, table(figures))


def _maps(known: list[Country], land: Land) -> Tensor:
    images = [np.asarray(locator(country, land).draw_image().resize((SIZE, SIZE))) for country in known]
    return torch.from_numpy(np.stack(images).transpose(0, 3, 1, 2).copy())


def _run(tower: VisionEncoder, maps: Tensor, depth: int | None = None) -> Tensor:
    """The mean state of each map's tokens."""
    embedded = tower.embed([Images("image", maps, torch.arange(len(maps))[:, None])])
    x = tower.run(embedded, stop=depth).states
    return torch.cat([x[:, 0], x[:, 1:].mean(1)], 1)


@torch.no_grad()
def _states(tower: VisionEncoder, maps: Tensor, depth: int) -> np.ndarray:
    return torch.cat([_run(tower, part, depth) for part in maps.split(BATCH)]).numpy()


def _probed(states: np.ndarray, labels: np.ndarray, test: int) -> float:
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    return float(probe.fit(states[test:], labels[test:]).score(states[:test], labels[:test]))


def _trained(maps: Tensor, labels: np.ndarray, test: int) -> float:
    """The tower of ``size=small``, trained with the task's own rate."""
    tower = random_vision("vit_tiny_patch16_224", 0.2, img_size=96, embed_dim=128, depth=4, num_heads=4)
    head, right = nn.Linear(256, int(labels.max()) + 1), torch.from_numpy(labels)
    optimizer = torch.optim.AdamW([*tower.parameters(), *head.parameters()], lr=1e-3)
    for step in range(STEPS):
        chosen = torch.tensor(Random(step).sample(range(test, len(maps)), BATCH))
        loss = F.cross_entropy(head(_run(tower, maps[chosen])), right[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return float((head(_run(tower, maps[:test])).argmax(1) == right[:test]).float().mean())


def table(figures: dict[str, dict[str, float]]) -> str:
    """The shares of right answers as Markdown."""
    lines = ["| of the countries not fitted on, right | " + " | ".join(WHAT) + " |", "| --- | --- | --- |"]
    lines += [f"| {name} | " + " | ".join(f"{row[what]:.2f}" for what in WHAT) + " |" for name, row in figures.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
