"""Queries show what is known and never what is asked for."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from mkgc.data.dataset import read_dataset
from mkgc.data.formats import kg
from mkgc.errors import ConfigError, DataError
from mkgc.training.checkpoint import build_backbone, build_task
from tasks.link_prediction.link_query import InductiveEntity
from tasks.link_prediction.stage1 import mask_vectors
from tasks.link_prediction.task import LinkPrediction
from tests.conftest import COLOURS, paint, said


@pytest.fixture
def dataset(kg_root: Path, tiny: Callable[..., Any]) -> Any:
    config = tiny("link_prediction", kg_root)
    return read_dataset(config)


def test_every_query_shows_the_known_entity_and_hides_the_answer(dataset: Any) -> None:
    processor = dataset.processor
    for split in dataset.features:
        for item in dataset.features[split]:
            anchor = processor.tokenizer.size + item.anchor
            entities = [
                i
                for i in item.ids
                if processor.tokenizer.size <= i < processor.tokenizer.size + len(processor.entities)
            ]
            assert entities == [anchor]
            assert item.images == processor.images[item.anchor]
            assert item.ids[item.mask] == processor.tokenizer.mask
            assert item.ids.count(processor.tokenizer.mask) == 1


def test_all_answers_of_a_query_are_its_targets_and_dev_does_not_know_test(kg_root: Path, dataset: Any) -> None:
    graph = kg.read(kg_root)
    for split, known_from in (("train", ["train"]), ("dev", ["train", "dev"]), ("test", ["train", "dev", "test"])):
        told = {tuple(t) for name in known_from for t in graph.triples[name].tolist()}
        asked = 0
        for item in dataset.features[split]:
            relation = next(i for i in item.ids if i >= dataset.processor.tokenizer.size + 12)
            relation -= dataset.processor.tokenizer.size + 12
            for e in range(12):
                triple = (item.anchor, relation, e) if item.target == "tail" else (e, relation, item.anchor)
                assert split == "train" or (e in item.known) == (triple in told)
            asked += len(item.targets)
        assert asked == 2 * len(graph.triples[split])


def test_stage_1_asks_for_each_entity_without_naming_it(dataset: Any) -> None:
    processor = dataset.processor
    for entity in range(12):
        item = processor.definition(entity)
        assert max(item.ids) < processor.tokenizer.size
        assert item.targets == (entity,)
        assert item.images == processor.images[entity]


def test_mask_vectors_computed_once_are_those_of_every_epoch(
    dataset: Any, kg_root: Path, tiny: Callable[..., Any]
) -> None:
    config = tiny("link_prediction", kg_root)
    model = build_task(config, dataset.processor)
    once = mask_vectors(model, dataset, size=5)
    model.before_fit(dataset)
    assert torch.equal(once, mask_vectors(model, dataset, size=5))
    torch.testing.assert_close(once, mask_vectors(model, dataset, size=12), rtol=0, atol=1e-5)


def test_scores_are_products_of_queries_and_entities(dataset: Any, kg_root: Path, tiny: Callable[..., Any]) -> None:
    model = build_task(tiny("link_prediction", kg_root), dataset.processor).eval()
    batch = dataset.processor.collate(dataset.features["dev"], dataset.store)
    torch.nn.init.normal_(model.head.bias)
    by_hand = model.hidden(batch) @ model.head.table.weight.T + model.head.bias
    torch.testing.assert_close(model.scores(batch), by_hand)


def test_scores_are_not_rounded_under_autocast(dataset: Any, kg_root: Path, tiny: Callable[..., Any]) -> None:
    model = build_task(tiny("link_prediction", kg_root), dataset.processor).eval()
    queries = model.queries(dataset.processor.collate(dataset.features["dev"], dataset.store))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = model.score_candidates(queries, slice(None))
    torch.testing.assert_close(scores, queries @ model.entities().T)


def test_a_name_finds_its_entity_and_an_unknown_one_is_named(dataset: Any) -> None:
    processor = dataset.processor
    by_id, by_name = (
        processor.parse(record, Path(), "here")
        for record in ({"head": "e/3", "relation": "near"}, {"head": "name 3", "relation": "is near"})
    )
    assert by_id == by_name
    with pytest.raises(DataError, match="line 7: the entity 'nobody' is unknown"):
        processor.parse({"relation": "near", "tail": "nobody"}, Path(), "line 7")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("objective", ["bce", "softmax"])
def test_the_loss_is_that_of_dense_labels_with_its_gradients(
    objective: Any, smoothing: Any, dataset: Any, kg_root: Path, tiny: Callable[..., Any]
) -> None:
    model = build_task(tiny("link_prediction", kg_root, f"task.model.objective={objective}"), dataset.processor).eval()
    model.smoothing = smoothing
    batch = dataset.processor.collate(dataset.features["train"][:7], dataset.store)
    labels = torch.zeros(7, 12)
    for row, item in enumerate(dataset.features["train"][:7]):
        labels[row, list(item.targets)] = 1
    if objective == "bce":
        smooth = (1 - smoothing) * labels + smoothing / 12
        dense = F.binary_cross_entropy_with_logits(model.scores(batch), smooth)
    else:
        shares = labels / labels.sum(1, keepdim=True)
        dense = F.cross_entropy(model.scores(batch), shares, label_smoothing=smoothing)
    sparse, weights = model.loss(batch), [p for p in model.parameters() if p.requires_grad]
    torch.testing.assert_close(sparse, dense, rtol=0, atol=1e-6)
    gradients = [torch.autograd.grad(loss, weights, allow_unused=True) for loss in (sparse, dense)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_smoothing_that_leaves_nothing_of_the_labels_is_refused(
    smoothing: float, dataset: Any, kg_root: Path, tiny: Callable[..., Any]
) -> None:
    model = build_task(tiny("link_prediction", kg_root), dataset.processor)
    backbone = build_backbone(tiny("link_prediction", kg_root))
    with pytest.raises(ConfigError, match=rf"task\.model\.smoothing={smoothing} must lie in \[0, 1\)"):
        LinkPrediction(backbone, dataset.processor, model.optim, {}, model.stage1, smoothing=smoothing)


def _long_texts(root: Path) -> Path:
    """Descriptions of sixty words, and three images for one entity."""
    rows = (f"e/{i}\tthing number {i} {'and so on ' * 20}\n" for i in range(12))
    (root / "entity2textlong.txt").write_text("".join(rows))
    for number, colour in enumerate(COLOURS):
        paint(root / "images" / "e.1" / f"{number}.png", colour)
    return root


def test_a_long_description_is_cut_and_leaves_the_mask_and_the_entity(kg_root: Path, tiny: Callable[..., Any]) -> None:
    dataset = read_dataset(tiny("link_prediction", _long_texts(kg_root), "data.max_length=24"))
    t = dataset.processor.tokenizer
    queries = dataset.features["train"]
    for item in [*queries, *map(dataset.processor.definition, range(12))]:
        assert len(item.ids) == 24
        assert item.ids[item.mask] == t.mask
        assert item.ids[-1] == t.stop
    assert all(t.size + item.anchor in item.ids for item in queries)
    words = dataset.processor.tokenizer.ids("thing number and so on")
    assert all({*words} <= {*item.ids} for item in queries)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_as_many_images_of_an_entity_as_asked_for_reach_the_encoder(
    most: int, kg_root: Path, tiny: Callable[..., Any]
) -> None:
    config = tiny("link_prediction", _long_texts(kg_root), f"data.max_images={most}")
    dataset = read_dataset(config)
    model = build_task(config, dataset.processor).eval()
    batch = dataset.processor.collate([dataset.processor.definition(1), dataset.processor.definition(3)], dataset.store)
    assert batch.images[0].slots.tolist() == [list(range(most)), [-1] * most]
    tokens = model.backbone(batch.text, batch.images).side.shape[1]
    assert tokens == 1 + most * (32 // 16) ** 2


def _identity_graph(root: Path, entities: int = 10, relations: int = 4) -> Path:
    """A random graph in which nothing can be learned, and whose images say which entity they show."""
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
    # One tail for each head and relation, so that an image of the answer gives it away.
    rows = [
        (h, f"r{r}", names[t]) for r in range(relations) for h, t in zip(names, draw.permutation(entities), strict=True)
    ]
    draw.shuffle(rows)
    for split, part in (("train", rows[:24]), ("dev", rows[24:28]), ("test", rows[28:])):
        (root / f"{split}.tsv").write_text("".join("\t".join(row) + "\n" for row in part))
    return root


def _tested(root: Path, tiny: Callable[..., Any], leaky: bool) -> float:
    """The test MRR of a few hundred steps, with the pipeline as it is or with the answer's images."""
    config = tiny("link_prediction", root, "data.images.image=32", "task.model.objective=softmax")
    dataset = read_dataset(config)
    processor, features = dataset.processor, dict(dataset.features)
    if leaky:  # the mistake of the first published figures
        features = {
            s: [replace(i, images=processor.images[i.targets[0]]) for i in part] for s, part in features.items()
        }
    model = build_task(config, processor).train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    batch = processor.collate(features["train"], dataset.store)
    for _ in range(250):
        optimiser.zero_grad()
        model.loss(batch).backward()
        optimiser.step()
    metric = model.make_metric()
    with torch.no_grad():
        model.eval().update_metric(processor.collate(features["test"], dataset.store), metric)
    return metric.compute()["mrr"]


@pytest.mark.slow
def test_images_that_tell_identity_do_not_tell_the_answer(tmp_path: Path, tiny: Callable[..., Any]) -> None:
    """On a graph that cannot be learned a correct pipeline scores at chance, and one that leaks far above it."""
    root = _identity_graph(tmp_path / "identity")
    chance = sum(1 / k for k in range(1, 11)) / 10
    assert _tested(root, tiny, leaky=False) < chance + 0.12
    assert _tested(root, tiny, leaky=True) > chance + 0.2


CONTROL = "plays [MASK] for [SEP] <s> [CLS] [PAD]"


def test_positions_in_a_prompt_are_counted_whatever_its_texts_say(kg_root: Path, tiny: Callable[..., Any]) -> None:
    (kg_root / "relation2text.txt").write_text(f"near\t{CONTROL}\nlikes\tlikes\n")
    for name in ("entity2text.txt", "entity2textlong.txt"):
        (kg_root / name).write_text("".join(f"e/{i}\tthing {i} {CONTROL}\n" for i in range(12)))
    processor = read_dataset(tiny("link_prediction", kg_root, "data.max_length=64")).processor
    t = processor.tokenizer
    described = processor.inductive(InductiveEntity(CONTROL, CONTROL, ()), kg_root, "here")
    for anchor, relation, target in product([0, described], range(2), ("tail", "head")):
        item = processor.query(anchor, relation, target)
        token = t.pad if anchor is described else t.size + anchor
        places = {"tail": (1, len(processor.texts()["relations"][relation]) + 5)}
        places["head"] = places["tail"][::-1]
        assert (item.ids.index(token), item.mask) == places[target]
        assert item.ids[item.mask] == t.mask
        assert [item.ids.count(mark) for mark in (t.start, t.mask, t.stop)] == [1, 1, 3]
        assert item.blank == ((places[target][0],) if anchor is described else ())
    for entity in range(12):
        item = processor.definition(entity)
        assert item.ids[item.mask] == t.mask
        assert [item.ids.count(mark) for mark in (t.start, t.mask, t.stop, t.pad)] == [1, 1, 1, 0]


def test_a_relation_of_a_long_text_leaves_room_for_its_entity(kg_root: Path, tiny: Callable[..., Any]) -> None:
    (kg_root / "relation2text.txt").write_text(f"near\t{'is near to ' * 50}\nlikes\tlikes\n")
    processor = read_dataset(tiny("link_prediction", kg_root, "data.max_length=32")).processor
    item, other = processor.query(0, 0, "tail"), processor.query(1, 0, "tail")
    assert len(item.ids) <= 32
    assert len(item.anchor_positions) == 1 + min(8, len(processor.texts()["entities"][0]))
    assert [item.ids[i] for i in item.anchor_positions] != [other.ids[i] for i in other.anchor_positions]


def test_how_many_prompts_are_cut_is_said(kg_root: Path, tiny: Callable[..., Any]) -> None:
    dataset = read_dataset(tiny("link_prediction", _long_texts(kg_root), "data.max_length=24"))
    asked = {split: len(features) for split, features in dataset.features.items()}
    assert [note.text for note in dataset.notes if "prompts" in note.text] == [
        f"{count} of {count} prompts of {split} show the beginning of a text alone (data.max_length=24)"
        for split, count in asked.items()
    ]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_training_hides_token_and_text_of_a_share_of_the_entities_that_have_an_image(
    share: Any, kg_root: Path, tiny: Callable[..., Any]
) -> None:
    config = tiny("link_prediction", kg_root, f"task.model.hide={share}")
    dataset = read_dataset(config)
    model, read = build_task(config, dataset.processor), []
    model.backbone.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    batch = dataset.processor.collate(dataset.features["train"], dataset.store)
    model.loss(batch)
    (text,) = read
    imaged = torch.tensor([bool(dataset.processor.images[entity].get("image")) for entity in batch.anchor.tolist()])
    hidden = ~(text.mask & batch.anchor_positions).any(1)
    assert torch.equal(text.mask | batch.anchor_positions, batch.text.mask)  # nothing else is hidden, and all of it
    assert not hidden[~imaged].any()
    assert hidden[imaged].double().mean().item() == pytest.approx(share, abs=0.25)
    assert torch.equal(text.mask[~hidden], batch.text.mask[~hidden])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "key", "users"),
    [
        ("backbone=kge/transe task.model.hide=0.5", "task.model.hide", "mkgformer, mkgformer_released, text_only, "),
        ("backbone=kge/transe task.model.stages=[2]", "task.model.stages", "mkgformer, "),
        ("backbone=kge/transe +task.model.hide=0.5", "task.model.hide", "mkgformer, "),
        ("backbone=kg_bert task.model.objective=bce", "task.model.objective", "mkgformer, "),
        ("backbone=kg_bert task.model.stage1.epochs=2", "task.model.stage1.epochs", "mkgformer, "),
        ("backbone=text_only task.model.structure.objective=margin", "task.model.structure.objective", "kge/complex, "),
        ("backbone=text_only system=transe", "task.model.structure", "kge/complex, "),
    ],
)
def test_a_setting_that_the_model_does_not_read_is_an_error_before_data_are_read(
    given: Any, key: Any, users: Any, run: Callable[..., Any]
) -> None:
    code, _, err = run("train", "task=link_prediction", "data=mmkg", "data.root=/nowhere", *given.split())
    assert code == 2
    line, _, named = said(err).partition("=")
    assert line == f"{key}: nothing reads it with this backbone; it is for backbone"
    assert users in named
