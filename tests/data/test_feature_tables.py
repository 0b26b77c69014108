import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mkgc.data.formats.feature_tables import read_features, read_tokens
from mkgc.errors import DataError
from tests.data.test_crops import Malicious

TABLE = torch.arange(6.0).reshape(3, 2)


def refused(path: Path, entities: int | None = None) -> str:
    with pytest.raises(DataError) as error:
        read_features(path, entities)
    return str(error.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("suffix", ["pth", "pt", "npy", "safetensors"])
def test_one_row_an_entity_in_any_of_the_usual_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x.{suffix}"
    if suffix == "npy":
        np.save(path, TABLE.numpy())
    elif suffix == "safetensors":
        save_file({"visual": TABLE}, path)
    else:
        torch.save(TABLE, path)
    assert read_features(path, 3).equal(TABLE)


@pytest.mark.parametrize(
    "content", [TABLE.half(), TABLE.double(), TABLE.int(), torch.nn.Parameter(TABLE), {"weight": TABLE}]
)
def test_numbers_of_any_kind_become_plain_floats(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "x.pth")
    table = read_features(tmp_path / "x.pth")
    assert table.equal(TABLE)
    assert (table.dtype, table.requires_grad) == (torch.float32, False)


def test_columns_first_in_memory_are_still_rows(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.asfortranarray(TABLE.numpy()))
    assert read_features(tmp_path / "x.npy").equal(TABLE)


def test_nothing_in_a_file_of_features_is_executed(tmp_path: Path) -> None:
    folder = tmp_path / "made by the pickle"
    torch.save({"x": Malicious(folder)}, tmp_path / "x.pth")
    np.save(tmp_path / "x.npy", np.array([Malicious(folder)], dtype=object), allow_pickle=True)
    for name in ("x.pth", "x.npy"):
        assert refused(tmp_path / name) == "was not loaded: it is damaged, or holds more than plain numbers"
    assert not folder.exists()


@pytest.mark.parametrize("suffix", ["pth", "npy", "safetensors"])
@pytest.mark.parametrize("content", [b"", b"an error page", b"\x93NUMPY\x01\x00"])
def test_a_damaged_file_is_named_as_such(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(content)
    assert refused(path) == "was not loaded: it is damaged, or holds more than plain numbers"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([1.0], "a list"),
        ({"a": TABLE, "b": TABLE}, "a dictionary of 2"),
        (torch.zeros(3), "numbers of shape (3,) and type float32"),
        (torch.zeros(3, 2, 2), "numbers of shape (3, 2, 2) and type float32"),
        (torch.zeros(3, 2, dtype=torch.bool), "numbers of shape (3, 2) and type bool"),
        (torch.zeros(3, 2, dtype=torch.complex64), "numbers of shape (3, 2) and type complex64"),
    ],
)
def test_anything_but_a_table_is_refused(tmp_path: Path, content: Any, said: str) -> None:
    torch.save(content, tmp_path / "x.pth")
    assert refused(tmp_path / "x.pth") == f"holds {said} where a table of numbers is wanted, one row an entity"


def test_an_array_of_words_is_no_table(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([["a"]]))
    said = "numbers of shape (1, 1) and type <U1"
    assert refused(tmp_path / "x.npy") == f"holds {said} where a table of numbers is wanted, one row an entity"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_are_counted(tmp_path: Path, bad: float) -> None:
    torch.save(torch.tensor([[0.0, 1.0], [bad, bad], [bad, 2.0]]), tmp_path / "x.pth")
    assert refused(tmp_path / "x.pth") == "2 of 3 rows hold numbers that are not finite"


def test_rows_must_be_as_many_as_entities(tmp_path: Path) -> None:
    torch.save(TABLE, tmp_path / "x.pth")
    assert refused(tmp_path / "x.pth", 4) == "has 3 rows, but there are 4 entities"


def test_tokens_are_kept_as_released_in_their_order_with_repetitions(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"b": [2, 0, 2], "c": []}))
    torch.save(TABLE, tmp_path / "book.pth")
    tokens = read_tokens(tmp_path / "x.json", {"a": 0, "b": 1, "c": 2}, 3, tmp_path / "book.pth")
    assert [codes.tolist() for codes in tokens.codes] == [[], [2, 0, 2], []]
    assert tokens.vectors is not None
    assert tokens.vectors.equal(TABLE)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("[]", "must map entities to lists of tokens"),
        ('{"z": [1]}', "the entity 'z' is not in the graph"),
        ('{"a": 1}', "the tokens of 'a' must be a list of whole numbers from 0, not 1"),
        ('{"a": [true]}', "the tokens of 'a' must be a list of whole numbers from 0, not [True]"),
        ('{"a": [-1]}', "the tokens of 'a' must be a list of whole numbers from 0, not [-1]"),
        ('{"a": [1, 3]}', "'a' has the token 3, but the codebook 3 rows"),
    ],
)
def test_tokens_that_cannot_be_used_are_named_with_their_reason(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / "x.json").write_text(content)
    torch.save(TABLE, tmp_path / "book.pth")
    with pytest.raises(DataError) as error:
        read_tokens(tmp_path / "x.json", {"a": 0}, 1, tmp_path / "book.pth")
    assert str(error.value) == f"{tmp_path / 'x.json'}: {reason}"


def test_the_public_codebook_of_beit_has_a_row_a_code_and_one_for_none(real: Any) -> None:
    table = read_features(real("mmkg") / "mygo_tokens" / "visual.pth")
    assert table.shape == (8_193, 32)
    assert bool(table.isfinite().all())
