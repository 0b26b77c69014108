"""Matching the blanks: what precedes the training of MTB."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator

from mkgc.data.examples import Span
from mkgc.errors import ConfigError, DataError
from mkgc.relations.example import RelationExample
from mkgc.relations.processor import RelationFeatures
from tasks.mre.data import RelationProcessor
from tasks.mre.matching import MatchingBlanks, batches, blanked, find_couples, matching_loss, mentions

MTB = ("system=mtb", "data.images={}")


@pytest.fixture
def processor(mre_root: Path, made: Callable[..., Any]) -> RelationProcessor:
    found: RelationProcessor = made("mre", mre_root, *MTB)[1].processor
    return found


def encoded(processor: Any, *tokens: str, head: tuple[int, int], tail: tuple[int, int]) -> RelationFeatures:
    return processor.encode(RelationExample("", tokens, Span(*head), Span(*tail)))


def shown(processor: RelationProcessor, ids: Any) -> str:
    names = dict(zip(processor.marker_ids, ("<s>", "</s>", "<o>", "</o>"), strict=True))
    return " ".join(names.get(i) or processor.tokenizer.names[i] for i in ids)


def test_a_blank_takes_the_place_of_a_whole_mention(processor: RelationProcessor) -> None:
    item = encoded(processor, "Ada", "today", "and", "Bob", ".", head=(3, 4), tail=(0, 2))
    assert [shown(processor, (item.ids[i] for i in span)) for span in mentions(processor, item)] == ["bob", "ada today"]
    both, tail, none = (blanked(processor, item, which) for which in ((True, True), (False, True), (False, False)))
    assert shown(processor, both.ids) == "[CLS] <o> [MASK] </o> and <s> [MASK] </s> . [SEP]"
    assert shown(processor, tail.ids) == "[CLS] <o> [MASK] </o> and <s> bob </s> . [SEP]"
    assert none.ids == item.ids
    for one in (both, tail, none):
        assert len(one.words) == len(one.ids)
        assert one.ids[one.head] == processor.marker_ids[0]
        assert one.ids[one.tail] == processor.marker_ids[2]


def test_the_loss_asks_of_each_pair_of_sentences_whether_it_is_about_the_same() -> None:
    products, keys = torch.randn(6, 6), [0, 0, 1, 1, 2, 0]
    kinds: dict[bool, list[float]] = {True: [], False: []}
    for i in range(6):
        for j in range(6):
            if i != j:
                likely = 1 / (1 + math.exp(-float(products[i, j])))
                same = keys[i] == keys[j]
                kinds[same].append(-math.log(likely if same else 1 - likely))
    expected = sum(sum(kind) / len(kind) for kind in kinds.values()) / 2
    given = torch.tensor(keys)
    assert float(matching_loss(products, given[:, None] == given)) == pytest.approx(expected, abs=1e-5)


def test_a_batch_has_couples_about_the_same_pair_and_each_sentence_once(processor: RelationProcessor) -> None:
    people = ("Ada", "Bob", "today")
    features = [
        encoded(processor, one, "and", two, *["."] * n, head=(0, 1), tail=(2, 3))
        for one in people
        for two in people
        for n in range(1, 4)
    ]
    couples = find_couples(processor, [*features, encoded(processor, "and", "Bob", head=(0, 1), tail=(1, 2))])
    assert [len(items) for items in couples] == [3] * 9
    met = []
    for batch in batches(couples, 8, Generator().manual_seed(0)):
        keys = [key for _, key in batch]
        assert len(batch) <= 8
        assert keys[::2] == keys[1::2]
        met += [item.ids for item, _ in batch]
    assert len(met) == len(set(met)) > 9


def test_what_cannot_be_matched_is_one_line(mre_root: Path, made: Callable[..., Any]) -> None:
    dataset = made("mre", mre_root, *MTB)[1]
    with pytest.raises(DataError, match="about the same two mentions: set task.model.matching.epochs=0"):
        find_couples(dataset.processor, dataset.features["train"][:1])
    unmarked = made("mre", mre_root, *MTB, "task.data.markers=none")[1]
    with pytest.raises(ConfigError, match="task.data.markers=new"):
        find_couples(unmarked.processor, unmarked.features["train"])
    with pytest.raises(ConfigError, match="blank=2.0 between 0 and 1"):
        MatchingBlanks(blank=2.0)


@pytest.mark.slow
def test_sentences_about_the_same_pair_become_alike_and_nothing_else_is_trained(
    mre_root: Path, made: Callable[..., Any], tmp_path: Path
) -> None:
    file = mre_root / "txt" / "ours_train.txt"
    lines = file.read_text().splitlines()
    other = [line.replace("'Ada'", "'Eve'").replace("'Bob'", "'Tom'") for line in lines]
    file.write_text("\n".join([*lines, *other]) + "\n")
    task, dataset, _ = made(
        "mre", mre_root, *MTB, "task.model.matching={epochs: 25, batch_size: 8, lr: 3e-3, blank: 0.2}"
    )
    head = {name: value.clone() for name, value in task.head.state_dict().items()}
    figures = task.before_fit(dataset)
    assert figures["matching/recognised"] > 0.7  # of two pairs, some of whose sentences have lost their names
    assert figures["matching/loss"] < 0.6  # 0.69 by chance
    assert all(torch.equal(value, head[name]) for name, value in task.head.state_dict().items())
    assert all(parameter.grad is None for parameter in task.parameters())
    assert task.before_fit(dataset, resumed=True) == {}
