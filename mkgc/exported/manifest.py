"""What lies beside exported towers: how their inputs are made, and digests by which a damaged file is noticed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from mkgc.app.files import write_json
from mkgc.errors import CheckpointError
from mkgc.images.decode import FITS, Fit

NAME = "towers.json"
"""The file of the manifest; it is written last, so that a folder that has one is whole."""

TEXT, VISION = "text.onnx", "vision.onnx"
FORMAT = "mkgc exported towers 1"


@dataclass(frozen=True)
class Manifest:
    """What is said of exported towers.

    ``digest`` is that of the checkpoint's vectors, ``image_size`` the pixels of a side, ``fit`` what makes an image
    square, ``max_length`` the tokens of the longest text; ``files`` are digests of all others in the folder.
    """

    digest: str
    dim: int
    image_size: int
    fit: Fit
    max_length: int
    tokenizer: dict[str, Any]
    files: dict[str, str]

    def write(self, folder: Path) -> None:
        """Writes it into the folder."""
        write_json(folder / NAME, {"format": FORMAT, **asdict(self)})

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a folder.

        Raises:
            CheckpointError: It is damaged, or none that this version reads.
        """
        path = folder / NAME
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            if said.pop("format") != FORMAT:
                raise CheckpointError(f"'{path}' is of another version of mkgc: export the checkpoint again")
            found = cls(**said)
        except CheckpointError:
            raise
        except Exception as error:  # damaged bytes raise nearly anything
            raise CheckpointError(f"'{path}' is damaged: export the checkpoint again") from error
        kinds = {"digest": str, "dim": int, "image_size": int, "max_length": int, "tokenizer": dict, "files": dict}
        if found.fit not in FITS or any(not isinstance(getattr(found, key), kind) for key, kind in kinds.items()):
            raise CheckpointError(f"'{path}' is damaged: export the checkpoint again")
        return found

    def check_files(self, folder: Path, start: str) -> None:
        """Checks the files whose names begin so.

        Raises:
            CheckpointError: One is missing or damaged.
        """
        for name, digest in self.files.items():
            if name.startswith(start) and file_digest(folder / name) != digest:
                raise CheckpointError(f"'{folder / name}' is damaged or of another export: export the checkpoint again")


def is_export(folder: Path | str) -> bool:
    """Whether a folder holds exported towers."""
    return (Path(folder) / NAME).is_file()


def file_digest(path: Path) -> str | None:
    """The digest of a file's contents; None where there is no such file."""
    try:
        with path.open("rb") as file:
            found = blake2b(digest_size=16)
            while part := file.read(2**20):
                found.update(part)
            return found.hexdigest()
    except OSError:
        return None
