"""What tells data sets apart: runs are compared only where it is the same."""

import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mkgc.data.digest import digest
from mkgc.data.examples import Span
from tests.conftest import composed


@dataclass(frozen=True)
class Example:
    tokens: tuple[str, ...]
    span: Span
    images: dict[str, Any] = field(default_factory=dict)
    note: str = field(default="", compare=False)


ONE = Example(("Ada", "met", "Bob"), Span(0, 1))


@pytest.mark.parametrize(
    "other", [replace(ONE, tokens=("Ada", "met", "Bo")), replace(ONE, span=Span(1, 2))], ids=["a word", "a span"]
)
def test_another_word_or_label_is_another_data_set(other: Example) -> None:
    assert digest({"test": [ONE]}) != digest({"test": [other]})
    assert digest({"test": [ONE, other]}) != digest({"test": [other, ONE]})
    assert digest({"dev": [ONE], "test": []}) != digest({"dev": [], "test": [ONE]})


def test_images_and_what_is_not_compared_make_no_difference() -> None:
    """Models that read images are compared with models that read none."""
    other = replace(ONE, images={"image": (Path("a.png"),)}, note="of another file")
    assert digest({"test": [ONE]}) == digest({"test": [other]})


def test_rows_of_numbers_mean_what_their_names_say() -> None:
    rows = np.array([[0, 0, 1]])
    assert digest({"test": rows}, ("a", "b")) != digest({"test": rows}, ("a", "c"))
    assert digest({"test": rows}) != digest({"test": rows[:, ::-1]})
    assert digest({"test": np.asfortranarray(np.arange(6).reshape(2, 3))}) == digest(
        {"test": np.arange(6).reshape(2, 3)}
    )


def test_every_process_finds_the_same() -> None:
    program = "from mkgc.data.digest import digest; print(digest({'test': [({'b', 'a', 'c'}, object(), 1.5, None)]}))"
    found = {
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(found) == 1


@pytest.mark.parametrize(
    ("task", "word", "other"), [("mre", "and", "or"), ("mner", "saw", "met"), ("link_prediction", "near", "likes")]
)
@pytest.mark.slow
def test_a_low_resource_run_and_one_without_images_have_the_digest_of_the_whole(
    task: str, word: str, other: str, roots: dict[str, Path]
) -> None:
    from mkgc.data.dataset import read_settings, read_source

    def found(*words: str) -> str:
        config = composed(f"task={task}", f"data.root={roots[task]}", "data.atlas_seed=null", *words)
        return read_source(config, read_settings(config)).digest()

    whole = found()
    assert found("data.shots=1") == found("data.images={}") == whole
    train = next(path for path in (roots[task].rglob("*train*")) if path.is_file())
    train.write_text(train.read_text().replace(word, other, 1))
    assert found() != whole
