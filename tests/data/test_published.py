"""Each published data set has a configuration that fits its task, and its files say what its authors counted.

What a reader makes of the rest of its files is in its own tests.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hydra.utils import instantiate

from mkgc.app.config import check
from mkgc.data.formats import crops, kg
from mkgc.data.formats.text_files import read_lines
from tasks.entity_typing.source import TypingSource
from tasks.link_prediction.source import LinkSource
from tasks.mner import twitter
from tasks.mner.source import TaggedSource
from tasks.mre import mnre
from tasks.mre.source import RelationSource
from tasks.relation_classification.source import LinkedSource
from tasks.retrieval.source import CaptionSource
from tests.conftest import composed

PAPER = {"image": 224, "crops": 128, "objects": 64}
"""The sizes of MKGformer's images."""

CONFIGURED = [
    ("mre", "mnre", RelationSource.formats, "mnre", PAPER, 80),
    ("mner", "twitter2015", TaggedSource.formats, "twitter2015", PAPER, 128),
    ("mner", "twitter2017", TaggedSource.formats, "twitter2017", PAPER, 128),
    ("link_prediction", "fb15k237_img", LinkSource.formats, "fb15k237_img", {"image": 224}, 64),
    ("link_prediction", "wn18_img", LinkSource.formats, "wn18_img", {"image": 224}, 32),
    ("link_prediction", "wn18rr", LinkSource.formats, "wn18rr", {"image": 224}, 32),
    ("link_prediction", "mmkg", LinkSource.formats, None, {"image": 224}, 64),
    ("link_prediction", "tsv", LinkSource.formats, None, {"image": 224}, 64),
    ("entity_typing", "cfet", TypingSource.formats, "cfet", {}, 128),
    ("entity_typing", "figer", TypingSource.formats, "figer_gold", {}, 128),
    ("entity_typing", "klmo_typing", TypingSource.formats, None, {}, 256),
    ("relation_classification", "ipre", LinkedSource.formats, None, {}, 128),
    ("relation_classification", "ipre_subset", LinkedSource.formats, "ipre_subset", {}, 128),
    ("retrieval", "flickr8k_cn", CaptionSource.formats, "flickr8k_cn", {"image": 224}, 52),
    ("retrieval", "flickr30k_cn", CaptionSource.formats, "flickr30k_cn", {"image": 224}, 52),
    ("retrieval", "coco_cn", CaptionSource.formats, "coco_cn", {"image": 224}, 52),
    ("retrieval", "coco_cn_ext", CaptionSource.formats, "coco_cn_ext", {"image": 224}, 52),
    ("retrieval", "chinese_clip", CaptionSource.formats, None, {"image": 224}, 52),
    ("retrieval", "captions", CaptionSource.formats, None, {"image": 224}, 128),
    ("retrieval", "jsonl", CaptionSource.formats, None, {"image": 224}, 128),
    ("retrieval", "emoji_zh", CaptionSource.formats, "emoji_zh", {"image": 64}, 52),
    ("retrieval", "tuxpaint", CaptionSource.formats, "tuxpaint", {"image": 224}, 52),
    ("retrieval", "flags", CaptionSource.formats, "flags", {"image": 96}, 52),
    ("mre", "jsonl", RelationSource.formats, None, {"image": 224}, 128),
    ("mner", "jsonl", TaggedSource.formats, None, {"image": 224}, 128),
]


@pytest.mark.parametrize(("task", "data", "formats", "name", "images", "length"), CONFIGURED)
def test_a_configuration_fits_its_task_and_names_a_reader_of_it(
    task: str, data: str, formats: dict[str, object], name: str | None, images: dict[str, int], length: int
) -> None:
    config = composed(f"task={task}", f"data={data}", "data.root=x")
    check(config)
    settings = instantiate(config.data)
    assert settings.format in formats
    assert (settings.name, settings.atlas_seed) == (name, None)
    assert (settings.images, settings.max_length) == (images, length)


def test_mnres_relations_are_rare_or_absent_and_its_mentions_overlap(real: Callable[[str], Path]) -> None:
    root = real("mnre")
    read = {split: mnre.read(root, split, ()) for split in ("train", "dev", "test")}
    count = {split: Counter(e.relation for e in part) for split, part in read.items()}
    assert [(c.total(), c["None"]) for c in count.values()] == [(12_247, 7_744), (1_624, 1_000), (1_614, 974)]
    assert count["train"]["/per/misc/race"] == count["train"]["/per/misc/religion"] == min(count["train"].values()) == 6
    labels = mnre.read_labels(root)
    assert (len(labels), labels[0]) == (23, "None")
    assert set(labels) - count["test"].keys() == {"/per/misc/race", "/per/per/alumi"}
    overlap = [sum(max(e.head.start, e.tail.start) < min(e.head.end, e.tail.end) for e in p) for p in read.values()]
    assert overlap == [59, 3, 5]


@pytest.mark.parametrize(
    ("name", "keys", "total"), [("train", 12_247, 32_550), ("val", 1_624, 4_344), ("test", 1_614, 4_373)]
)
def test_mnres_crops_are_listed_for_every_row(real: Callable[[str], Path], name: str, keys: int, total: int) -> None:
    listed = crops.read(real("mnre") / "txt" / f"mre_{name}_dict.pth", Path("crops"))
    assert listed.names.keys() == set(range(keys))
    assert sum(map(len, listed.names.values())) == total


@pytest.mark.slow
@pytest.mark.parametrize(
    ("year", "types", "shared"),
    [("2015", ("LOC", "ORG", "OTHER", "PER"), [2, 4, 3]), ("2017", ("LOC", "MISC", "ORG", "PER"), [1, 0, 0])],
)
def test_twitters_fourth_type_differs_and_few_tweets_stand_in_two_splits(
    real: Callable[[str], Path], year: str, types: tuple[str, ...], shared: list[int]
) -> None:
    root = real(f"twitter{year}")
    assert twitter.read_labels(root) == types
    train, dev, test = ({e.tokens for e in twitter.read(root, s, ())} for s in ("train", "dev", "test"))
    assert [len(train & dev), len(train & test), len(dev & test)] == shared


@pytest.mark.parametrize(
    ("year", "name", "keys"),
    [
        ("2015", "train", 4_000),
        ("2015", "val", 999),
        ("2015", "test", 3_257),
        ("2017", "train", 3_373),
        ("2017", "val", 723),
        ("2017", "test", 723),
    ],
)
def test_twitters_crops_are_listed_by_image(real: Callable[[str], Path], year: str, name: str, keys: int) -> None:
    listed = crops.read(real(f"twitter{year}") / f"twitter{year}_{name}_dict.pth", Path("crops"))
    assert len(listed.names) == keys
    assert all(str(key).endswith(".jpg") for key in listed.names)


@pytest.mark.slow
def test_fb15k237s_few_shots_are_triples_of_its_train(real: Callable[[str], Path]) -> None:
    root = real("fb15k237")
    few, train = ({line for _, line in read_lines(root / name)} - {""} for name in ("8shot-42-train.tsv", "train.tsv"))
    assert few < train
    shots = Counter(line.split("\t")[1] for line in few)
    assert (len(shots), max(shots.values())) == (237, 8)


@pytest.mark.slow
def test_fb15k237_has_loops_no_duplicates_and_entities_that_train_does_not_show(real: Callable[[str], Path]) -> None:
    splits = kg.read(real("fb15k237"), ()).triples
    assert [int((part[:, 0] == part[:, 2]).sum()) for part in splits.values()] == [1_625, 90, 91]
    assert [len(set(map(tuple, part.tolist()))) - len(part) for part in splits.values()] == [0, 0, 0]
    shown = set(splits["train"][:, ::2].ravel().tolist())
    assert len(shown) == 14_505
    assert [len(set(splits[s][:, ::2].ravel().tolist()) - shown) for s in ("dev", "test")] == [8, 29]


@pytest.mark.slow
def test_wn18rr_has_the_texts_of_wn18(real: Callable[[str], Path]) -> None:
    first, second = (kg.read(real(name), ()) for name in ("wn18", "wn18rr"))
    texts = [dict(zip(graph.entities, graph.names, strict=True)) for graph in (first, second)]
    assert texts[0] == texts[1]
    assert len(set(texts[0].values())) == 40_943


@pytest.mark.slow
def test_umls_is_the_same_in_kg_berts_files_and_in_pykeens(real: Callable[[str], Path]) -> None:
    graphs = (
        LinkSource.formats["kg"](real("small") / "umls_kgbert", ()),
        LinkSource.formats["tsv"](real("small") / "umls", ()),
    )
    first, second = (
        {(g.entities[h], g.relations[r], g.entities[t]) for part in g.triples.values() for h, r, t in part.tolist()}
        for g in graphs
    )
    assert first == second
    assert len(first) == 6_529
