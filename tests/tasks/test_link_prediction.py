"""Queries show what is known and never what is asked for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mkgc.checkpoint import build_task, describe
from mkgc.data.corpus import read_corpus
from mkgc.data.formats import kg
from mkgc.errors import DataError
from tasks.link_prediction.modelling import mask_vectors


@pytest.fixture
def corpus(kg_root: Path, tiny):
    config = tiny("link_prediction", kg_root)
    return read_corpus(config)


def test_every_query_shows_the_known_entity_and_hides_the_answer(corpus) -> None:
    codec = corpus.codec
    for split in codec.splits:
        for item in corpus.items[split]:
            shown = codec.tokenizer.size + item.shown
            entities = [i for i in item.ids if codec.tokenizer.size <= i < codec.tokenizer.size + len(codec.entities)]
            assert entities == [shown]
            assert item.pictures == codec.pictures[item.shown]
            assert item.ids[item.mask] == codec.tokenizer.mask
            assert item.ids.count(codec.tokenizer.mask) == 1


def test_all_answers_of_a_query_are_its_targets_and_dev_does_not_know_test(kg_root: Path, corpus) -> None:
    graph = kg.read(kg_root)
    for split, known_from in (("train", ["train"]), ("dev", ["train", "dev"]), ("test", ["train", "dev", "test"])):
        told = {tuple(t) for name in known_from for t in graph.triples[name].tolist()}
        asked = 0
        for item in corpus.items[split]:
            relation = next(i for i in item.ids if i >= corpus.codec.tokenizer.size + 12)
            relation -= corpus.codec.tokenizer.size + 12
            for e in range(12):
                triple = (item.shown, relation, e) if item.side == "tail" else (e, relation, item.shown)
                assert (e in item.known) == (triple in told)
            asked += len(item.targets)
        assert asked == 2 * len(graph.triples[split])


def test_stage_1_asks_for_each_entity_without_naming_it(corpus) -> None:
    codec = corpus.codec
    for entity in range(12):
        item = codec.definition(entity)
        assert max(item.ids) < codec.tokenizer.size
        assert item.targets == (entity,)
        assert item.pictures == codec.pictures[entity]


def test_mask_vectors_computed_once_are_those_of_every_epoch(corpus, kg_root, tiny) -> None:
    config = tiny("link_prediction", kg_root)
    model = build_task(config, corpus.codec)
    model.saved = describe(config, corpus.codec)
    once = mask_vectors(model, corpus, size=5)
    model.before_fit(corpus)
    assert torch.equal(once, mask_vectors(model, corpus, size=5))
    torch.testing.assert_close(once, mask_vectors(model, corpus, size=12), rtol=0, atol=1e-5)


def test_scores_are_products_of_queries_and_entities(corpus, kg_root, tiny) -> None:
    model = build_task(tiny("link_prediction", kg_root), corpus.codec).eval()
    batch = corpus.codec.collate(corpus.items["dev"], corpus.store)
    torch.nn.init.normal_(model.bias)
    by_hand = model.hidden(batch) @ model.table.weight.T + model.bias
    torch.testing.assert_close(model.scores(batch), by_hand)


def test_a_name_finds_its_entity_and_an_unknown_one_is_named(corpus) -> None:
    codec = corpus.codec
    by_id, by_name = codec.parse(
        [{"head": "e/3", "relation": "near"}, {"head": "name 3", "relation": "is near"}], Path(), ["a", "b"]
    )
    assert by_id == by_name
    with pytest.raises(DataError, match="line 7: the entity 'nobody' is unknown"):
        codec.parse([{"relation": "near", "tail": "nobody"}], Path(), ["line 7"])


def _identity_graph(root: Path, entities: int = 10, relations: int = 4) -> Path:
    """A random graph in which nothing can be learned, and whose pictures say which entity they show."""
    draw = np.random.default_rng(0)
    names = [f"e{i}" for i in range(entities)]
    root.mkdir()
    (root / "entities.txt").write_text("\n".join(names) + "\n")
    (root / "entity2text.txt").write_text("".join(f"{n}\tthing\n" for n in names))
    for i, name in enumerate(names):
        (root / "images" / name).mkdir(parents=True)
        pixels = np.zeros((4, 4, 3), np.uint8)
        pixels[i // 4, i % 4] = 255
        Image.fromarray(pixels).resize((32, 32), Image.Resampling.NEAREST).save(root / "images" / name / "0.png")
    # One tail for each head and relation, so that a picture of the answer gives it away.
    rows = [
        (h, f"r{r}", names[t]) for r in range(relations) for h, t in zip(names, draw.permutation(entities), strict=True)
    ]
    draw.shuffle(rows)
    for split, part in (("train", rows[:24]), ("dev", rows[24:28]), ("test", rows[28:])):
        (root / f"{split}.tsv").write_text("".join("\t".join(row) + "\n" for row in part))
    return root


def _tested(root: Path, tiny, leaky: bool) -> float:
    """The test MRR of a few hundred steps, with the pipeline as it is or with the answer's pictures."""
    config = tiny("link_prediction", root, "data.pictures.image=32", "task.model.objective=softmax")
    corpus = read_corpus(config)
    codec, items = corpus.codec, dict(corpus.items)
    if leaky:  # the mistake of the first published figures
        items = {s: [replace(i, pictures=codec.pictures[i.targets[0]]) for i in part] for s, part in items.items()}
    model = build_task(config, codec).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    batch = codec.collate(items["train"], corpus.store)
    for _ in range(250):
        optimiser.zero_grad()
        model.loss(batch).backward()
        optimiser.step()
    metric = model.make_metric()
    with torch.no_grad():
        model.eval().score(codec.collate(items["test"], corpus.store), metric)
    return metric.compute()["mrr"]


def test_pictures_that_tell_identity_do_not_tell_the_answer(tmp_path, tiny) -> None:
    """On a graph that cannot be learned a correct pipeline scores at chance, and one that leaks far above it."""
    root = _identity_graph(tmp_path / "identity")
    chance = sum(1 / k for k in range(1, 11)) / 10
    assert _tested(root, tiny, leaky=False) < chance + 0.12
    assert _tested(root, tiny, leaky=True) > chance + 0.3
