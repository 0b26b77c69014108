"""A run starts from weights that mean what its own network means, found by name, or it is told in one line why not."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from mkgc.data.dataset import read_dataset
from mkgc.errors import CheckpointError, ConfigError
from mkgc.train import train
from mkgc.training.checkpoint import AtomicCheckpointIO, build_task, read, save
from mkgc.training.start import Start, by_name
from tasks.mner.data import TaggingProcessor


@pytest.fixture
def started(made: Callable[..., Any], tmp_path: Path) -> Any:
    """A network of other data that has taken over the weights of one, and what is said of that."""

    def start(model: Any, task: str, root: Path, *overrides: str, key: str = "weights") -> Any:
        save(model, tmp_path / "from.ckpt")
        other, dataset, config = made(task, root, *overrides)
        config[key] = str(tmp_path / "from.ckpt")
        found = Start.of(config)
        assert found is not None
        notes = found.enter(other)
        return other, dataset, notes

    return start


def _relations(root: Path, labels: list[str], new_word: str = "") -> Path:
    """The fixture's sentences with the labels in an order, and with another word in each."""
    number = {label: i for i, label in enumerate(labels)}
    (root / "ours_rel2id.json").write_text(json.dumps(number))
    for path in (root / "txt").glob("ours_*.txt"):
        path.write_text(path.read_text().replace("'and'", f"'and{new_word}'"))
    return root


def _scores(model: Any, dataset: Any) -> list[dict[str, float]]:
    batch = model.processor.collate(dataset.features["test"], dataset.store)
    with torch.no_grad():
        return [answer["scores"] for answer in model.predict(batch)]


def test_relations_in_another_order_are_found_by_name(
    made: Callable[..., Any], started: Callable[..., Any], mre_root: Path
) -> None:
    model, dataset, _ = made("mre", mre_root)
    before = _scores(model, dataset)
    other, dataset, notes = started(model, "mre", _relations(mre_root, ["/a/a/knows", "None", "/a/a/likes"]))
    assert other.processor.labels != model.processor.labels
    for one, two in zip(before, _scores(other, dataset), strict=True):
        assert one == pytest.approx(two, abs=1e-6)
    assert notes == []


def test_relations_of_other_names_are_refused(
    made: Callable[..., Any], started: Callable[..., Any], mre_root: Path
) -> None:
    model, _, _ = made("mre", mre_root)
    for path in (mre_root / "txt").glob("ours_*.txt"):
        path.write_text(path.read_text().replace("/a/a/likes", "/a/a/hates"))
    said = "has other names: the relation '/a/a/hates' is here only and the relation '/a/a/likes' is there only"
    with pytest.raises(CheckpointError, match=said):
        started(model, "mre", _relations(mre_root, ["None", "/a/a/hates", "/a/a/knows"]))


def test_entity_types_in_another_order_are_found_by_name_in_the_crf_too(
    made: Callable[..., Any], mner_root: Path, tmp_path: Path
) -> None:
    model, _, config = made("mner", mner_root)
    processor, state = model.processor, model.state_dict()
    save(model, tmp_path / "from.ckpt")
    other = build_task(config, TaggingProcessor(processor.tokenizer, processor.labels[::-1], processor.settings))
    config.weights = str(tmp_path / "from.ckpt")
    start = Start.of(config)
    assert start is not None
    assert start.enter(other) == []
    place = [model.states.index(tag) for tag in other.states]
    ours = other.state_dict()
    assert torch.equal(ours["head.emit.weight"], state["head.emit.weight"][place])
    assert torch.equal(ours["head.crf.chain.transitions"], state["head.crf.chain.transitions"][place][:, place])


def test_entity_types_of_other_names_are_refused(
    made: Callable[..., Any], started: Callable[..., Any], mner_root: Path
) -> None:
    model, _, _ = made("mner", mner_root)
    for path in mner_root.glob("*.txt"):
        path.write_text(path.read_text().replace("-PER", "-PERSON"))
    with pytest.raises(CheckpointError, match="the entity type 'PERSON' is here only and the entity type 'PER' is th"):
        started(model, "mner", mner_root)


def test_word_pieces_are_found_by_their_text_and_new_ones_begin_anew(
    made: Callable[..., Any], started: Callable[..., Any], mre_root: Path
) -> None:
    model, _, _ = made("mre", mre_root)
    other, _, notes = started(model, "mre", _relations(mre_root, ["None", "/a/a/likes", "/a/a/knows"], "xyz"))
    theirs, ours = model.processor.tokenizer.names, other.processor.tokenizer.names
    assert theirs != ours
    old, new = (m.backbone.text.words.words.weight for m in (model, other))
    known = [(ours.index(piece), theirs.index(piece)) for piece in ours if piece in theirs]
    assert 5 < len(known) < len(ours)
    assert all(torch.equal(new[i], old[j]) for i, j in known)
    (note,) = notes
    assert note.endswith(
        f": {len(ours) - len(known)} of {len(ours)} rows of names (word piece) are not there and begin anew"
    )


@pytest.mark.parametrize("backbone", ["mkgformer", "kge/distmult", "kge/rotate", "kge/rescal"])
def test_entities_are_found_by_their_id(
    backbone: str, made: Callable[..., Any], started: Callable[..., Any], kg_root: Path
) -> None:
    model, dataset, _ = made("link_prediction", kg_root, f"backbone={backbone}", "protocol=paper")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    for name in ("entities.txt", "relations.txt"):
        lines = (kg_root / name).read_text().splitlines()
        random.Random(1).shuffle(lines)
        (kg_root / name).write_text("\n".join(lines) + "\n")
    other, others, notes = started(model, "link_prediction", kg_root, f"backbone={backbone}", "protocol=paper")
    assert tuple(other.processor.entities) != tuple(model.processor.entities)
    found = []
    for each, read_ in ((model, dataset), (other, others)):
        item = each.processor.parse({"head": "e/3", "relation": "near"}, Path(), "record 1")
        with torch.no_grad():
            scores = each.scores(each.processor.collate([item], read_.store))[0].tolist()
        found.append(dict(zip(each.processor.entities, scores, strict=True)))
    assert found[0] == pytest.approx(found[1], rel=1e-4, abs=1e-4)
    assert notes == []


def test_new_entities_begin_anew_and_relations_have_to_be_the_same(
    made: Callable[..., Any], started: Callable[..., Any], kg_root: Path
) -> None:
    model, _, _ = made("link_prediction", kg_root, "backbone=kge/distmult")
    (kg_root / "entities.txt").write_text("e/new\n" + (kg_root / "entities.txt").read_text())
    other, _, notes = started(model, "link_prediction", kg_root, "backbone=kge/distmult")
    assert torch.equal(other.kge.entities.weight[1:], model.kge.entities.weight)
    assert notes[0].endswith("1 of 13 rows of names (entity) are not there and begin anew")
    with (kg_root / "relations.txt").open("a") as file:
        file.write("hates\n")
    with pytest.raises(CheckpointError, match="the relation 'hates' is here only"):
        started(model, "link_prediction", kg_root, "backbone=kge/distmult")


def test_nothing_in_common_is_refused(made: Callable[..., Any], started: Callable[..., Any], kg_root: Path) -> None:
    model, _, _ = made("link_prediction", kg_root, "backbone=kge/distmult")
    for path in kg_root.glob("*.t*"):
        path.write_text(path.read_text().replace("e/", "other/"))
    with pytest.raises(
        CheckpointError, match=r"the entity 'other/0' is here only .* \(12 of 12 there, 12 of 12 here\)"
    ):
        started(model, "link_prediction", kg_root, "backbone=kge/distmult")


@pytest.mark.parametrize("labels", [["/a/a/knows", "None", "/a/a/likes"], ["None", "/a/a/likes", "/a/a/knows"]])
def test_a_run_goes_on_with_its_own_names_alone(
    labels: list[str], made: Callable[..., Any], started: Callable[..., Any], mre_root: Path
) -> None:
    model, _, _ = made("mre", mre_root)
    root = _relations(mre_root, labels, "xyz" if labels[0] == "None" else "")
    said = "each relation is there, but in another order" if labels[0] != "None" else "the word piece '.*' is here only"
    with pytest.raises(CheckpointError, match=said):
        started(model, "mre", root, key="resume")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("size.text.config.hidden_size=64", "backbone.text.config.hidden_size=32 there, 64 here"),
        ("size.text.config.num_attention_heads=4", "backbone.text.config.num_attention_heads=2 there, 4 here"),
        ("size.vision.depth=3", "backbone.side.depth=2 there, 3 here"),
        ("backbone=text_only", "backbone.fusion is there only; backbone.side is there only"),
        (
            "backbone=visualbert",
            "backbone is mkgc.models.fusion_encoder.FusionEncoder there, mkgc.models.single_stream.SingleStream here",
        ),
        ("backbone=vilbert", "backbone.fusion is mkgc.fusion.prefix.PrefixFusion there"),
        ("backbone.fusion.pgi=false", "backbone.fusion.pgi=True there, False here"),
    ],
)
@pytest.mark.parametrize("key", ["weights", "resume"])
def test_another_network_is_named_before_data_are_read(
    key: Any, other: Any, said: Any, made: Callable[..., Any], tiny: Callable[..., Any], mre_root: Path, tmp_path: Path
) -> None:
    save(made("mre", mre_root)[0], tmp_path / "from.ckpt")
    config = tiny("mre", tmp_path / "nowhere", f"{key}={tmp_path / 'from.ckpt'}", other)
    with pytest.raises(CheckpointError, match="is of another network than the settings make: ") as error:
        Start.of(config)
    assert said in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("other", "said"),
    [
        ("backbone.trainable_layers=1", "backbone.trainable_layers=None there, 1 here"),
        ("optim.head_lr=0.1", "optim.head_lr=None there, 0.1 here"),
        ("optim.lr=0.1", "optim.lr=0.001 there, 0.1 here"),
        (
            "optim.optimizer._target_=torch.optim.Adagrad",
            "optimizer is torch.optim.AdamW there, torch.optim.Adagrad here",
        ),
        ("seed=1", "seed=0 there, 1 here"),
    ],
)
def test_a_run_goes_on_with_its_own_settings_alone(
    other: Any, said: Any, made: Callable[..., Any], tiny: Callable[..., Any], mre_root: Path, tmp_path: Path
) -> None:
    """The state of its optimiser would not fit, or go before them in silence: told before data are read."""
    save(made("mre", mre_root)[0], tmp_path / "from.ckpt")
    assert Start.of(tiny("mre", tmp_path / "nowhere", f"resume={tmp_path / 'from.ckpt'}")) is not None
    assert Start.of(tiny("mre", tmp_path / "nowhere", f"weights={tmp_path / 'from.ckpt'}", other)) is not None
    with pytest.raises(CheckpointError, match="from.ckpt was trained with ") as error:
        Start.of(tiny("mre", tmp_path / "nowhere", f"resume={tmp_path / 'from.ckpt'}", other))
    assert said in str(error.value)


def test_another_task_is_named_before_data_are_read(
    made: Callable[..., Any], tiny: Callable[..., Any], mre_root: Path, tmp_path: Path
) -> None:
    save(made("mre", mre_root)[0], tmp_path / "from.ckpt")
    for task in ("mner", "link_prediction"):
        config = tiny(task, tmp_path / "nowhere", f"resume={tmp_path / 'from.ckpt'}")
        with pytest.raises(CheckpointError, match=f"from.ckpt is a run of task=mre, not of task={task}$"):
            train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_backbone_of_another_task_is_begun_with(
    made: Callable[..., Any], tiny: Callable[..., Any], mre_root: Path, typing_root: Path, tmp_path: Path
) -> None:
    """With its word pieces; heads and new tokens are the task's own."""
    model, _, _ = made("mre", mre_root, "backbone=text_only", "task.data.markers=new")
    save(model, tmp_path / "from.ckpt")
    keys = ("backbone=text_only", "data=linked", "task.data.markers=new", f"weights={tmp_path / 'from.ckpt'}")
    config = tiny("entity_typing", typing_root, *keys)
    start = Start.of(config)
    assert start is not None
    dataset = read_dataset(config, tokenizer=start.tokenizer)
    assert dataset.processor.tokenizer.names == model.processor.tokenizer.names
    task = build_task(config, dataset.processor)
    own = {name: value.clone() for name, value in task.state_dict().items()}
    (said,) = start.enter(task)
    assert said.endswith("from.ckpt is a run of task=mre: the backbone begins with its weights")
    theirs = model.state_dict()
    for name, value in task.state_dict().items():
        fresh = not name.startswith("backbone.") or ".new_tokens." in name
        assert torch.equal(value, own[name] if fresh else theirs[name]), name


@pytest.mark.parametrize("graph", [(), ("data.knowledge=null",)], ids=["with", "without"])
def test_a_backbone_that_has_read_a_graph_goes_on_with_it_or_without(
    graph: tuple[str, ...],
    made: Callable[..., Any],
    tiny: Callable[..., Any],
    typing_root: Path,
    linked_root: Path,
    tmp_path: Path,
) -> None:
    """Entities are found by their ids, in another graph's order."""
    model, _, _ = made("entity_typing", typing_root, "data=linked")
    save(model, tmp_path / "from.ckpt")
    triples = linked_root / "graph" / "triples.tsv"
    triples.write_text("bonn\tcity_of\tde\nparis\tcapital_of\tfr\n")
    config = tiny("relation_classification", linked_root, "data=linked", *graph, f"weights={tmp_path / 'from.ckpt'}")
    start = Start.of(config)
    assert start is not None
    dataset = read_dataset(config, tokenizer=start.tokenizer)
    task = build_task(config, dataset.processor)
    start.enter(task)
    theirs, ours = model.backbone.side, task.backbone.side
    assert all(map(torch.equal, theirs.layers.parameters(), ours.layers.parameters()))
    knowledge = dataset.processor.knowledge
    assert ours.entities.num_embeddings == (0 if knowledge is None else 4)
    for entity, row in {} if knowledge is None else knowledge.numbers.items():
        there = model.processor.knowledge.numbers[entity]
        assert torch.equal(ours.entities.weight[row], theirs.entities.weight[there])


def test_a_backbone_of_another_kind_is_one_line(
    made: Callable[..., Any], tiny: Callable[..., Any], mre_root: Path, typing_root: Path, tmp_path: Path
) -> None:
    save(made("mre", mre_root, "backbone=text_only")[0], tmp_path / "from.ckpt")
    with pytest.raises(CheckpointError, match="of another network than the settings make: backbone"):
        Start.of(tiny("entity_typing", typing_root, "data=linked", f"weights={tmp_path / 'from.ckpt'}"))


def test_settings_that_leave_weights_what_they_are_may_change(
    made: Callable[..., Any], started: Callable[..., Any], mre_root: Path
) -> None:
    model, dataset, _ = made("mre", mre_root)
    keys = ("backbone.cache_gib=1.0", "size.text.config.hidden_dropout_prob=0.3", "backbone.side_trainable_layers=1")
    other, dataset, _ = started(model, "mre", mre_root, *keys)
    assert _scores(other, dataset) == _scores(model, dataset)


def test_a_head_of_another_shape_is_one_line(
    made: Callable[..., Any], started: Callable[..., Any], mre_root: Path
) -> None:
    model, _, _ = made("mre", mre_root)
    with pytest.raises(
        CheckpointError, match="another network than the settings make: size mismatch for head.classifier"
    ):
        started(model, "mre", mre_root, "task.model.pooling=cls")


def test_weights_and_resume_are_two_things(tiny: Callable[..., Any], mre_root: Path) -> None:
    with pytest.raises(ConfigError, match="^weights and resume are two different things: give one$"):
        Start.of(tiny("mre", mre_root, "weights=a.ckpt", "resume=b.ckpt"))


@pytest.mark.slow
def test_a_stranger_checkpoint_starts_no_run(
    made: Callable[..., Any], tiny: Callable[..., Any], mre_root: Path, tmp_path: Path
) -> None:
    save(made("mre", mre_root)[0], tmp_path / "from.ckpt")
    for key, value in (
        ("processor_kind", "os.system"),
        ("processor", {"labels": 1}),
        ("config", None),
        ("architecture_configs", 3),
    ):
        contents = read(tmp_path / "from.ckpt")
        contents["mkgc"][key] = value
        AtomicCheckpointIO().save_checkpoint(contents, tmp_path / "evil.ckpt")
        with pytest.raises(CheckpointError):
            train(tiny("mre", mre_root, f"weights={tmp_path / 'evil.ckpt'}"), tmp_path / "run")


def test_rows_that_have_no_name_in_the_other_stay_as_they_were() -> None:
    import re

    rows = {re.compile("table"): ("x", 1), re.compile("steps"): ("x", 2)}
    state = {
        "table": torch.tensor([[1.0], [2.0]]),
        "steps": torch.tensor([[1.0, 2.0], [3.0, 4.0]]),
        "bias": torch.ones(1),
    }
    own = {"table": torch.zeros(3, 1), "steps": torch.zeros(3, 3), "bias": torch.zeros(1)}
    out = by_name(state, own, rows, {"x": ["a", "b"]}, {"x": ["b", "new", "a"]})
    assert out["table"].tolist() == [[2.0], [0.0], [1.0]]
    assert out["steps"].tolist() == [[4.0, 0.0, 3.0], [0.0, 0.0, 0.0], [2.0, 0.0, 1.0]]
    assert out["bias"].tolist() == [1.0]
