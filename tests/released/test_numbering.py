"""The rows of released link prediction weights go to the entities and relations that they were trained for."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.data.formats import kg
from mkgc.errors import MkgcError
from tasks.link_prediction.numbering import row_orders
from tasks.link_prediction.released import ReleasedLinkPrediction
from tests.released.test_released import random_state

WORDS = 41
PLACE = "backbone.text.embeddings.word_embeddings"


def loaded(root: Path, entities: tuple[str, ...], relations: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Our tensors of weights in which every row of the vocabulary, and its bias, is the row's own number."""
    state = random_state("link_prediction", width=4, hidden_dim=8, words=WORDS + len(entities) + len(relations))
    rows = torch.arange(WORDS + len(entities) + len(relations), dtype=torch.float)
    state["unimo.text_embeddings.word_embeddings.weight"] = rows[:, None].expand(-1, 4).clone()
    state["cls.predictions.decoder.weight"] = state["unimo.text_embeddings.word_embeddings.weight"]
    state["cls.predictions.bias"] = state["cls.predictions.decoder.bias"] = rows
    orders = row_orders(root, {"entities": entities, "relations": relations})
    return ReleasedLinkPrediction().renamed(state, {"entities": len(entities), "relations": len(relations)}, orders)


def lines(path: Path, *names: str) -> None:
    path.write_text("".join(f"{name}\tabout {name}\n" for name in names))


def test_rows_are_found_by_name_whatever_the_order_of_the_files(kg_root: Path) -> None:
    entities = (kg_root / "entities.txt").read_text().split()
    theirs = random.Random(1).sample(entities, len(entities))
    lines(kg_root / "entity2textlong.txt", *theirs)
    (kg_root / "relations.txt").write_text("likes\nnear\n")
    graph = kg.read(kg_root, ())
    ours = loaded(kg_root, graph.entities, graph.relations)
    for i, name in enumerate(graph.entities):
        row = WORDS + theirs.index(name)
        assert ours[f"{PLACE}.new_tokens.entities.weight"][i].tolist() == [row] * 4
        assert ours["head.table.weight"][i, 0] == ours["head.bias"][i] == row
    for i, name in enumerate(graph.relations):
        row = WORDS + len(entities) + ["likes", "near"].index(name)
        assert ours[f"{PLACE}.new_tokens.relations.weight"][i, 0] == row


def test_the_short_texts_number_where_there_are_no_long_ones(kg_root: Path) -> None:
    entities = (kg_root / "entities.txt").read_text().split()
    lines(kg_root / "entity2text.txt", *reversed(entities))
    long = row_orders(kg_root, {"entities": entities})
    (kg_root / "entity2textlong.txt").unlink()
    assert (long["entities"], row_orders(kg_root, {"entities": entities})["entities"]) == (
        list(range(12)),
        list(range(11, -1, -1)),
    )


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (("a", "b"), "entity2text.txt: has no line for 'c' of the graph"),
        (("a",), r"no line for 2 names \(first 'b'\) of the graph"),
        (("c", "b", "d", "a"), "has lines for 'd', which the graph lacks"),
        (("b", "a", "b", "c"), "entity2text.txt:3: 'b' stands here a second time"),
    ],
)
def test_names_that_are_missing_surplus_or_double_are_said_in_a_line(
    tmp_path: Path, written: Any, message: Any
) -> None:
    lines(tmp_path / "entity2text.txt", *written)
    with pytest.raises(MkgcError, match=message) as caught:
        row_orders(tmp_path, {"entities": ("a", "b", "c")})
    assert "\n" not in str(caught.value)


def test_a_layout_that_has_no_such_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(MkgcError, match="no such file, nor entity2text.txt"):
        row_orders(tmp_path, {"entities": ("a",)})


def test_all_of_wn18s_rows_are_right(real: Callable[[str], Path]) -> None:
    root = real("wn18")
    graph = kg.read(root, ())
    ours = loaded(root, graph.entities, graph.relations)
    theirs = [line.split("\t")[0] for line in (root / "entity2text.txt").read_text().splitlines()]
    assert len(theirs) == 40_943
    rows = (ours["head.table.weight"][:, 0].long() - WORDS).tolist()
    assert [theirs[row] for row in rows] == list(graph.entities)
    assert (ours["head.bias"].long() - WORDS).tolist() == rows
    assert sum(row == i for i, row in enumerate(rows)) == 2  # as they were taken before
    relations = [line.strip() for line in (root / "relations.txt").read_text().splitlines()]
    named = ours[f"{PLACE}.new_tokens.relations.weight"][:, 0].long() - WORDS - len(theirs)
    assert [relations[row] for row in named.tolist()] == list(graph.relations)
