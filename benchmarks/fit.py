"""`python -m benchmarks.fit ARCHIVES VISION`: what making images square costs, stretched or cropped (``data.fit``).

Each cut-out photo of ``images.tar.xz`` (108 of 103 WordNet synsets, 8 of them nearly square) looks for the emoji of its
synset among all 445 (square, so that both ways show them alike), and for a photo of its own kind (of 8: animals, food,
…) among the others, by the vectors of DINOv2, which learned from neither.
``VISION`` is the folder that `python -m mkgc.prepare weights=e5_dino` writes, ``weights/e5_dino/vision``.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from benchmarks.runs import unpacked
from mkgc.encoders.vision import VisionEncoder, pretrained_vision
from mkgc.images.decode import FITS, Fit
from mkgc.images.features import image_vectors
from mkgc.images.loaded import LoadedImages

SIZE = 224


def columns(path: Path, *names: str) -> list[tuple[str, ...]]:
    """Some columns of a table with a header."""
    header, *rows = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
    return [tuple(row[header.index(name)] for name in names) for row in rows]


def vectors(files: Sequence[Path], vision: VisionEncoder, fit: Fit) -> Float[Tensor, "n F"]:
    """The unit vector of each file."""
    store = LoadedImages({"image": files}, {"image": SIZE}, fit=fit)
    found, _ = image_vectors([{"image": (file,)} for file in files], store, {"image": SIZE}, vision)
    return F.normalize(found, dim=1)


def ranks(scores: Float[Tensor, "n m"], right: Sequence[set[int]]) -> Float[Tensor, " k"]:
    """The rank of the best right answer, of those queries that have any."""
    best = [row[list(answers)].max() for row, answers in zip(scores, right, strict=True) if answers]
    asked = scores[[bool(answers) for answers in right]]
    return 1 + (asked > torch.stack(best)[:, None]).sum(1).float()


def main(archives: Path, weights: Path) -> None:
    """Prints a line for each way."""
    vision = pretrained_vision(
        "vit_small_patch14_dinov2", str(weights / "model.safetensors"), img_size=SIZE, dynamic_img_pad=True
    )
    with TemporaryDirectory() as folder:
        root = unpacked(archives, "images", Path(folder))
        photos = columns(root / "tuxpaint/captions.tsv", "path", "wn30_synset")
        table = (root / "wn18_emoji/synset2emoji.tsv").read_text(encoding="utf-8").splitlines()
        emoji = [line.split("\t")[:2] for line in table]
        places = sorted({file for _, file in emoji})
        right = [{places.index(file) for synset, file in emoji if synset == wanted} for _, wanted in photos]
        targets = vectors([root / "wn18_emoji/64" / file for file in places], vision, "stretch")
        for fit in FITS:
            shown = vectors([root / "tuxpaint" / path for path, _ in photos], vision, fit)
            found = ranks(shown @ targets.T, right)
            nearest = (shown @ shown.T).fill_diagonal_(-1).argmax(1).tolist()
            same = [photos[i][0].split("/")[0] == photos[j][0].split("/")[0] for i, j in enumerate(nearest)]
            print(f"{fit}: emoji MRR {(1 / found).mean():.3f} of {len(found)}, kind {sum(same)} of {len(same)}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
