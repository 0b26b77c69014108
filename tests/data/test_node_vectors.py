"""Vectors of nodes are found by their ids, in a run of TransE or in safetensors."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mkgc.data.node_vectors import read_node_vectors
from mkgc.errors import CheckpointError, DataError
from tests.conftest import composed

IDS = {"entities": ["fr", "de"], "relations": ["borders"]}


def write(path: Path, ids: dict[str, Any] = IDS, width: int = 3, **tensors: torch.Tensor) -> Path:
    rows = {kind: torch.arange(len(ids[kind]) * width).reshape(-1, width).float() + 1 for kind in ids}
    save_file(rows | tensors, path, metadata={kind: json.dumps(names) for kind, names in ids.items()})
    return path


def test_rows_are_found_by_ids_in_any_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "v.safetensors")
    entities, relations = read_node_vectors(path, ["mali", "de", "fr"], ["borders", "in"], 3)
    assert entities.rows.tolist() == [1, 2]
    assert entities.values.tolist() == [[4, 5, 6], [1, 2, 3]]
    assert (relations.rows.tolist(), relations.values.tolist()) == ([0], [[1, 2, 3]])
    said = "vectors of 2 of 3 entities and 1 of 2 relations; the others begin at random"
    assert capsys.readouterr().out == f"{path}: {said}\n"


def test_a_run_of_transe_has_them(tmp_path: Path, kg_root: Path) -> None:
    from mkgc.data.dataset import read_dataset
    from mkgc.training.checkpoint import build_task, save

    config = composed(
        "task=link_prediction", "system=transe", "backbone.width=4", "data=folder", f"data.root={kg_root}"
    )
    processor: Any = read_dataset(config).processor
    task: Any = build_task(config, processor)
    save(task, tmp_path / "best.ckpt")
    for place in (tmp_path, tmp_path / "best.ckpt"):
        entities, relations = read_node_vectors(place, processor.entities, processor.relations, 4)
        assert torch.equal(entities.values, task.kge.entities.weight)
        assert torch.equal(relations.values, task.kge.relations.weight)


def test_vectors_that_cannot_be_are_a_line(tmp_path: Path) -> None:
    good = write(tmp_path / "good.safetensors")
    with pytest.raises(DataError, match=r"vectors of 3 numbers, for backbone.side.width=100"):
        read_node_vectors(good, ["fr"], [], 100)
    with pytest.raises(DataError, match="none of the graph's 1 entities"):
        read_node_vectors(good, ["x"], ["borders"], 3)
    for name, more in (("short", torch.ones(1, 3)), ("nan", torch.full((2, 3), torch.nan)), ("flat", torch.ones(2))):
        with pytest.raises(DataError, match=f"{name}.safetensors: has "):
            read_node_vectors(write(tmp_path / f"{name}.safetensors", entities=more), ["fr"], [], 3)
    save_file({"entities": torch.ones(2, 3)}, tmp_path / "bare.safetensors")
    with pytest.raises(DataError, match="each with its id: give a run or checkpoint of system=transe"):
        read_node_vectors(tmp_path / "bare.safetensors", ["fr"], [], 3)


def test_files_that_are_none_are_a_line(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("fr 1 2 3")
    for name in ("text.safetensors", "none.safetensors"):
        with pytest.raises(DataError, match=f"{name}: cannot be read"):
            read_node_vectors(tmp_path / name, ["fr"], [], 3)
    (tmp_path / "best.ckpt").write_text("fr 1 2 3")
    with pytest.raises(CheckpointError, match="damaged or not one of mkgc's"):
        read_node_vectors(tmp_path, ["fr"], [], 3)
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        read_node_vectors(tmp_path / "other.ckpt", ["fr"], [], 3)
