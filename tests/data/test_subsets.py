from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mkgc.data.examples import SPLITS, Span
from mkgc.data.graph_source import GraphSource
from mkgc.data.sentences import read_sentences
from mkgc.data.settings import DataSettings
from mkgc.data.subsets import draw_rows, subset_rows, write_subsets
from mkgc.data.tokens import learned
from mkgc.errors import ConfigError, DataError
from mkgc.relations.example import RelationExample
from tasks.link_prediction.data import read as read_links
from tasks.link_prediction.source import LinkSource
from tasks.mner import twitter
from tasks.mner.example import TaggedExample
from tasks.mner.source import TaggedSource
from tasks.mre import mnre
from tasks.mre.data import RelationProcessor
from tasks.mre.source import RelationSource
from tests.made import made

RELATIONS = ["None"] * 60 + ["couple"] * 30 + ["race"] * 3
TYPES = [("PER",), ("PER", "LOC"), ("LOC",), (), ("PER", "ORG"), ("PER",)] * 20 + [("MISC",)] * 2


def settings(root: Path | str = ".", **changes: Any) -> DataSettings:
    return DataSettings(root=str(root), **changes)


def drawn(labels: Sequence[str], **changes: Any) -> Counter[str]:
    return Counter(labels[row] for row in draw_rows([{label} for label in labels], settings(**changes)))


def example(row: int, relation: str) -> RelationExample:
    return RelationExample(str(row), ("Ada", "left", "Rome"), Span(0, 1), Span(2, 3), relation)


EXAMPLES = [example(row, relation) for row, relation in enumerate(RELATIONS)]


@pytest.fixture
def source(tmp_path: Path) -> Callable[..., GraphSource]:
    """A graph of borders and languages, as a low-resource split is to be made of it."""
    train = [f"a{i}\tborders\tb{i}" for i in range(40)] + [f"a{i}\tspeaks\tc" for i in range(3)]
    (tmp_path / "train.tsv").write_text("\n".join([*train, train[0]]))
    (tmp_path / "dev.tsv").write_text("a5\tspeaks\tc\n")
    (tmp_path / "test.tsv").write_text("a6\teats\tc\n")
    return lambda **changes: GraphSource(settings(tmp_path, **changes))


def sentences(train: Sequence[Any] = EXAMPLES, kind: Any = RelationSource, **changes: Any) -> Any:
    return made(kind, ("None", "couple", "race"), {"train": train}, settings(**changes))


def cut(source: Any) -> Sequence[Any]:
    """The examples of train that are left."""
    rows = subset_rows(source, source.settings)
    train = source.examples()["train"]
    return train if rows is None else [train[row] for row in rows]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shots": 8, "fraction": 0.1}, "data.shots=8 and data.fraction=0.1 exclude each other: set one"),
        ({"shots": 0}, "data.shots=0 must be at least 1"),
        ({"fraction": 0.0}, "data.fraction=0.0 must lie above 0 and not above 1"),
        ({"fraction": 1.5}, "data.fraction=1.5 must lie above 0 and not above 1"),
        ({"subset_seed": -1}, "data.subset_seed=-1 must not be negative"),
    ],
)
def test_settings_that_no_draw_can_follow_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        settings(**changes)
    assert str(error.value) == message


def test_each_class_gives_its_shots_and_one_with_fewer_examples_all_of_them() -> None:
    assert drawn(RELATIONS, shots=8) == {"None": 8, "couple": 8, "race": 3}


def test_each_entity_type_occurs_in_at_least_its_shots_of_sentences_and_none_is_drawn_without_need() -> None:
    rows = draw_rows(TYPES, settings(shots=5))
    found = Counter(kind for row in rows for kind in TYPES[row])
    assert found["MISC"] == 2
    assert all(found[kind] >= 5 for kind in ("PER", "LOC", "ORG"))
    assert all(TYPES[row] for row in rows)
    assert len(rows) <= 3 * 5 + 2


def test_a_fraction_is_taken_of_each_class_and_never_none_of_it() -> None:
    assert drawn(RELATIONS, fraction=0.1) == {"None": 6, "couple": 3, "race": 1}
    assert drawn(RELATIONS, fraction=1.0) == Counter(RELATIONS)


def test_the_seed_decides_alike_on_every_machine() -> None:
    alike = [{"x"}] * 1000
    assert draw_rows(alike, settings(shots=5, subset_seed=42)) == [646, 740, 743, 810, 997]
    assert draw_rows(alike, settings(shots=5, subset_seed=43)) != [646, 740, 743, 810, 997]


@pytest.mark.parametrize("examples", [[{label} for label in RELATIONS], TYPES])
def test_a_larger_draw_holds_a_smaller_one(examples: list[Any]) -> None:
    for draw in range(20):
        shots = [set(draw_rows(examples, settings(shots=k, subset_seed=draw))) for k in range(1, 20)]
        shares = [set(draw_rows(examples, settings(fraction=f, subset_seed=draw))) for f in (0.1, 0.25, 0.5)]
        for nested in (shots, shares):
            assert all(small <= large for small, large in pairwise(nested))


def test_a_type_that_a_sentence_has_twice_counts_once_and_a_sentence_without_tags_has_none() -> None:
    tagged = sentences((), TaggedSource)
    assert tagged.classes(TaggedExample("1", ("a", "b", "c"), ("B-PER", "I-PER", "B-PER"))) == {"PER"}
    assert tagged.classes(TaggedExample("1", ("a",))) == frozenset()
    assert sentences().classes(EXAMPLES[0]) == {"None"}


def test_without_shots_or_a_fraction_train_stays_whole(source: Any) -> None:
    assert cut(sentences()) is EXAMPLES
    whole = source()
    assert whole.subset() is whole.graph


def test_written_draws_are_named_by_size_and_seed_and_are_what_is_drawn_without_them(tmp_path: Path) -> None:
    eight = sentences(root=tmp_path, shots=8)
    fresh = cut(eight)
    paths = write_subsets(eight, eight.settings, range(42, 47))
    assert [path.name for path in paths] == [f"8shot-{draw}-train.rows" for draw in range(42, 47)]
    assert paths[0].read_text().splitlines() == [e.id for e in fresh]
    assert len({path.read_text() for path in paths}) == 5
    assert cut(eight) == fresh
    assert sorted(path.name for path in tmp_path.iterdir()) == [path.name for path in paths]


def test_a_share_is_named_in_percent(tmp_path: Path) -> None:
    names = [write_subsets(sentences(), settings(tmp_path, fraction=f), [42])[0].name for f in (0.1, 0.07, 0.005)]
    assert names == ["10percent-42-train.rows", "7percent-42-train.rows", "0.5percent-42-train.rows"]


def test_a_graphs_draw_is_written_as_triples_and_read_back_as_they_are(source: Any) -> None:
    two = source(shots=2)
    fresh = two.subset()
    (path,) = write_subsets(two, two.settings, [42])
    assert path.name == "2shot-42-train.tsv"
    assert [line.split("\t")[1] for line in path.read_text().splitlines()] == ["borders"] * 2 + ["speaks"] * 2
    assert np.array_equal(two.subset().triples["train"], fresh.triples["train"])


def test_what_a_graph_repeats_is_drawn_once(source: Any) -> None:
    train = source(shots=100).subset().triples["train"]
    assert len(train) == len(np.unique(train, axis=0)) == len(source().graph.triples["train"]) - 1


def test_only_train_is_cut_and_all_entities_and_relations_stay(source: Any) -> None:
    one = source(shots=1)
    left, whole = one.subset(), one.graph
    assert len(left.triples["train"]) == 2
    assert (left.entities, left.relations) == (whole.entities, whole.relations)
    assert all(left.triples[split] is whole.triples[split] for split in ("dev", "test"))


def test_a_file_that_is_there_is_used_in_its_order_and_not_written_over(source: Any, tmp_path: Path) -> None:
    published = tmp_path / "1shot-42-train.tsv"
    published.write_bytes(b"a7\tborders\tb7\r\na2\tspeaks\tc")
    one = source(shots=1)
    assert [path.name for path in write_subsets(one, one.settings, [42, 43])] == ["1shot-43-train.tsv"]
    found, whole = one.subset().triples["train"], one.graph
    assert [[whole.entities[h], whole.relations[r], whole.entities[t]] for h, r, t in found.tolist()] == [
        ["a7", "borders", "b7"],
        ["a2", "speaks", "c"],
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a7\tborders\tb7\na7\tborders\tb8\n", ":2: train has no such example: 'a7\\tborders\\tb8'"),
        ("a5\tspeaks\tc\n", ":1: train has no such example: 'a5\\tspeaks\\tc'"),
        ("a7\tborders\tb7\na7\tborders\tb7\n", ":2: the example comes twice: 'a7\\tborders\\tb7'"),
        ("\n", ": is empty"),
    ],
)
def test_a_file_of_triples_that_train_cannot_give_is_refused(
    source: Any, tmp_path: Path, content: str, message: str
) -> None:
    path = tmp_path / "1shot-42-train.tsv"
    path.write_text(content)
    with pytest.raises(DataError) as error:
        source(shots=1).subset()
    assert str(error.value) == f"{path}{message}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("0\n93\n", ":2: train has no such example: '93'"),
        ("-1\n", ":1: train has no such example: '-1'"),
        ("one\n", ":1: train has no such example: 'one'"),
        ("4\n5\n4\n", ":3: the example comes twice: '4'"),
        ("", ": is empty"),
    ],
)
def test_a_file_of_rows_that_train_does_not_have_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "10percent-42-train.rows"
    path.write_text(content)
    with pytest.raises(DataError) as error:
        cut(sentences(root=tmp_path, fraction=0.1))
    assert str(error.value) == f"{path}{message}"


def test_a_folder_that_is_not_there_cannot_be_written_to(tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        write_subsets(sentences(), settings(tmp_path / "no", shots=1), [42])
    assert (
        str(error.value) == f"{tmp_path / 'no' / '1shot-42-train.rows'}: cannot be written: No such file or directory"
    )


def test_a_task_trains_on_the_draw_and_keeps_every_label() -> None:
    few = made(RelationSource, ("None", "couple", "race"), dict.fromkeys(SPLITS, EXAMPLES), settings(shots=1))
    dataset = read_sentences(few, RelationProcessor, learned, None)
    assert {split: len(items) for split, items in dataset.features.items()} == {"train": 3, "dev": 93, "test": 93}
    assert dataset.processor.state()["labels"] == ["None", "couple", "race"]
    assert len(dataset.source.examples()["train"]) == 93


def test_link_prediction_trains_on_the_draw_and_filters_by_what_it_knows(tmp_path: Path) -> None:
    for name in ("train", "dev", "test"):
        triples = {"train": ["b", "c", "d"], "dev": ["e"], "test": ["f"]}[name]
        (tmp_path / f"{name}.tsv").write_text("".join(f"a\tborders\t{tail}\n" for tail in triples))
    dataset = read_links(LinkSource(settings(tmp_path, shots=1)))
    asked = {split: next(i for i in items if i.target == "tail") for split, items in dataset.features.items()}
    assert {split: len(item.known) for split, item in asked.items()} == {"train": 0, "dev": 2, "test": 3}
    assert dataset.processor.new_tokens()["entities"] == 6
    assert len(dataset.source.examples()["train"]) == 3


@pytest.mark.slow
def test_mkgformers_eight_shots_are_read_as_published(real: Callable[[str], Path]) -> None:
    sources = [GraphSource(settings(real("fb15k237"), shots=8, subset_seed=seed)) for seed in (42, 43)]
    published, own = (source.subset().triples["train"] for source in sources)
    assert published.shape == own.shape == (1896, 3)
    assert set(np.bincount(published[:, 1])) == set(np.bincount(own[:, 1])) == {8}
    assert sources[0].graph.entities[published[0, 0]] == "/m/02s6sh"


def test_mnre_gives_eight_of_each_relation_and_its_six_of_race_and_religion(real: Callable[[str], Path]) -> None:
    train = mnre.read(real("mnre"), "train", ())
    found = Counter(e.relation for e in cut(sentences(train, root=real("mnre"), shots=8)))
    assert len(found) == 23
    assert {relation: n for relation, n in found.items() if n != 8} == {"/per/misc/race": 6, "/per/misc/religion": 6}


def test_a_tenth_of_twitter_2017_keeps_the_shares_of_its_types(real: Callable[[str], Path]) -> None:
    root = real("twitter2017")
    train = twitter.read(root, "train", ())
    source = sentences(train, TaggedSource, root=root, fraction=0.1)
    tenth = cut(source)
    assert len(tenth) == 337
    whole, left = (Counter(kind for e in part for kind in source.classes(e)) for part in (train, tenth))
    assert all(abs(left[kind] / whole[kind] - 0.1) < 0.01 for kind in whole)
