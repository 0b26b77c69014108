"""A mention's types are read off its state, with or without the graph around its sentence."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from mkgc.app.config import check
from mkgc.data.context import read_context
from mkgc.data.examples import Span
from mkgc.data.knowledge_settings import KnowledgeSettings
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import learned
from mkgc.errors import ConfigError, DataError
from mkgc.inference import Predictor
from tasks.entity_typing.data import TypingProcessor
from tasks.entity_typing.example import TypingExample, parse_labelled
from tasks.entity_typing.threshold import best_threshold
from tests.conftest import composed, write_graph, write_jsonl

TEXT = ("backbone=text_only", "data=linked")
TOKENIZER = learned(["We saw Paris and Bonn today ."], 60)


def processor(**settings: Any) -> TypingProcessor:
    own = {name: settings.pop(name) for name in ("markers", "multi", "knowledge") if name in settings}
    return TypingProcessor(TOKENIZER, ("city", "country"), DataSettings("", **settings), **own)


def example(text: str, *mention: int) -> TypingExample:
    return TypingExample("0", tuple(text.split()), Span(*mention), ("city",))


def words_of(made: TypingProcessor, one: TypingExample) -> list[str]:
    """The words that the tokens of the mention's span are pieces of; a mark is one of its own."""
    features = made.encode(one)
    return [
        "mark" if features.words[i] < 0 else one.tokens[features.words[i]]
        for i in range(features.span[0], features.span[1])
    ]


def test_the_span_is_that_of_the_mentions_pieces() -> None:
    assert set(words_of(processor(), example("We saw Paris and Bonn", 2, 3))) == {"Paris"}


def test_with_markers_the_span_begins_with_the_opening_one() -> None:
    made = processor(markers="new")
    features = made.encode(example("We saw Paris and Bonn", 2, 3))
    assert words_of(made, example("We saw Paris and Bonn", 2, 3))[:2] == ["mark", "Paris"]
    assert features.ids[features.span.start] == TOKENIZER.size
    assert features.ids[features.span.end] == TOKENIZER.size + 1  # the closing one


def test_a_long_sentence_loses_words_that_are_far_from_the_mention() -> None:
    made = processor(max_length=12)
    long = example("We saw " * 10 + "Paris " + "and Bonn " * 10, 20, 21)
    features = made.encode(long)
    assert len(features.ids) <= 12
    assert features.cut is not None
    assert not features.cut.mentions
    assert set(words_of(made, long)) == {"Paris"}


def test_a_record_has_types_that_are_sorted_and_named_once() -> None:
    record = {"text": "We saw Paris.", "mention": {"char": [7, 12]}, "types": ["city", "capital", "city"]}
    found = parse_labelled(record, Path(), "here")
    assert (found.types, found.mention, found.links) == (("capital", "city"), Span(2, 3), None)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"text": "a b", "types": ["x"]}, "here: the key 'mention' is missing"),
        (
            {"text": "a b", "mention": [0, 3], "types": ["x"]},
            "here: 'mention' [0, 3) lies outside the sentence of 2",
        ),
        (
            {"text": "a b", "mention": "c", "types": ["x"]},
            "here: 'mention' \"c\" does not stand in the sentence",
        ),
        ({"text": "a b", "mention": "a"}, "here: the key 'types' is missing"),
        ({"text": "a b", "mention": "a", "types": []}, "here: 'types' must be a list of names, one at least, not []"),
        ({"text": "a b", "mention": "a", "types": "x"}, "here: 'types' must be a list of names, one at least, not 'x'"),
        (
            {"text": "a b", "mention": "a", "types": ["x"], "entities": [{"start": 0, "end": 1}]},
            "here: the key 'id' is",
        ),
        ({"text": "a b", "mention": "a", "types": ["x"], "type": "x"}, "here: no such key: 'type'; there are "),
    ],
)
def test_a_record_that_cannot_be_used_is_one_line(record: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError) as error:
        parse_labelled(record, Path(), "here")
    assert str(error.value).startswith(said)


def test_a_type_that_train_does_not_have_is_one_line(tmp_path: Path, made: Callable[..., Any]) -> None:
    for split, kind in (("train", "city"), ("dev", "citi"), ("test", "city")):
        write_jsonl(tmp_path / f"{split}.jsonl", [{"text": "We saw Paris", "mention": "Paris", "types": [kind]}])
    with pytest.raises(DataError, match=r"dev.jsonl:1: the type 'citi' does not occur in train \(city\)"):
        made("entity_typing", tmp_path, *TEXT)


def test_one_type_only_is_one_line(tmp_path: Path, made: Callable[..., Any]) -> None:
    for split in ("train", "dev", "test"):
        write_jsonl(tmp_path / f"{split}.jsonl", [{"text": "We saw Paris", "mention": "Paris", "types": ["city"]}])
    with pytest.raises(DataError, match="train has one type only, 'city': there is nothing to tell apart"):
        made("entity_typing", tmp_path, *TEXT)


def test_several_types_where_each_mention_may_have_one_are_one_line(
    typing_root: Path, made: Callable[..., Any]
) -> None:
    with pytest.raises(
        DataError, match=r"mentions of train have several types, the first .* set task\.data\.labels=multi"
    ):
        made("entity_typing", typing_root, *TEXT, "task.data.labels=single")


def test_the_loss_of_several_types_is_that_of_each_for_itself(typing_root: Path, made: Callable[..., Any]) -> None:
    model, dataset, _ = made("entity_typing", typing_root, *TEXT)
    features = dataset.features["train"][:4]
    batch = model.processor.collate(features, dataset.store)
    rows = []
    for item, scores in zip(features, model.scores(batch), strict=True):
        gold = torch.tensor([float(kind in item.types) for kind in range(len(model.processor.labels))])
        p = scores.sigmoid()
        rows.append(-(gold * p.log() + (1 - gold) * (1 - p).log()).mean())
    torch.testing.assert_close(model.loss(batch), torch.stack(rows).mean())


def single(root: Path) -> Path:
    """The same data with the last type of each mention alone."""
    for path in root.glob("*.jsonl"):
        records = [json.loads(line) for line in path.read_text().splitlines()]
        write_jsonl(path, [record | {"types": record["types"][-1:]} for record in records])
    return root


def test_one_of_all_types_is_learned_and_predicted(typing_root: Path, made: Callable[..., Any]) -> None:
    model, dataset, _ = made("entity_typing", single(typing_root), *TEXT, "task.data.labels=single")
    batch = model.processor.collate(features := dataset.features["train"][:5], dataset.store)
    scores = model.scores(batch)
    gold = torch.tensor([item.types[0] for item in features])
    torch.testing.assert_close(model.loss(batch), F.cross_entropy(scores, gold))
    assert all(len(answer["types"]) == 1 for answer in model.predict(batch))
    assert sum(model.predict(batch)[0]["scores"].values()) == pytest.approx(1)


@pytest.mark.parametrize(("threshold", "found"), [(0.5, "yn ny"), (0.7, "yn ny"), (0.2, "yy ny"), (0.0, "yy yy")])
def test_all_types_above_the_threshold_are_predicted_and_the_likeliest_in_any_case(
    typing_root: Path, made: Callable[..., Any], threshold: float, found: str
) -> None:
    model, _, _ = made("entity_typing", typing_root, *TEXT, f"task.model.threshold={threshold}")
    probabilities = torch.tensor([[0.6, 0.3], [0.1, 0.2]])
    assert ["".join("yn"[not one] for one in row) for row in model.decide(probabilities).tolist()] == found.split()


@pytest.mark.parametrize("threshold", ["-0.1", "1.5", "test"])
def test_a_threshold_that_is_no_probability_is_one_line(threshold: str) -> None:
    said = rf"^task.model.threshold={threshold}: must be a number between 0 and 1 or dev$"
    with pytest.raises(ConfigError, match=said):
        check(composed("task=entity_typing", f"task.model.threshold={threshold}"))


def test_the_threshold_that_is_best_on_dev_is_found_after_training(typing_root: Path, made: Callable[..., Any]) -> None:
    model, dataset, _ = made("entity_typing", typing_root, *TEXT, "task.model.threshold=dev")
    assert model.threshold == 0.5
    model.head.classifier.bias.data[:] = -1.5
    fitted = model.after_fit(dataset)
    assert 0 < fitted["threshold"] < 0.5  # all probabilities are low
    model.metadata["fitted"] = fitted
    assert model.threshold == fitted["threshold"]


def test_the_best_threshold_is_the_best_of_all() -> None:
    probabilities, types = torch.rand(60, 5), torch.rand(60, 5) < 0.4
    best = best_threshold(probabilities, types)

    def f1(threshold: float) -> float:
        right = predicted = 0
        for row, gold in zip(probabilities.tolist(), types.tolist(), strict=True):
            found = {i for i, p in enumerate(row) if p >= threshold or p == max(row)}
            right, predicted = right + sum(gold[i] for i in found), predicted + len(found)
        return 2 * right / (predicted + int(types.sum()))

    assert f1(best) == max(f1(step / 20) for step in range(1, 20))


def test_plain_sentences_are_linked_where_a_graph_is_read(tmp_path: Path) -> None:
    write_graph(tmp_path)
    made = processor(knowledge=read_context(KnowledgeSettings(str(tmp_path))))
    item = made.parse({"text": "We saw Paris, and France.", "mention": "Paris"}, Path(), "here")
    assert [(one["text"], one["id"]) for one in item.linked] == [("Paris", "paris"), ("France", "fr")]
    assert item.graph is not None
    assert len(item.graph.nodes) == 3  # both, and how they are related
    own = made.parse({"text": "We saw Paris.", "mention": "Paris", "entities": []}, Path(), "here")
    assert own.graph is not None
    assert not own.graph.nodes


def test_a_checkpoint_carries_all_that_a_prediction_needs(tmp_path: Path) -> None:
    write_graph(tmp_path)
    made = processor(markers="new", multi=False, knowledge=read_context(KnowledgeSettings(str(tmp_path))))
    again = TypingProcessor.from_state(made.state())
    record = {"text": "We saw Paris, and France.", "mention": "Paris"}
    assert again.parse(record, Path(), "here") == made.parse(record, Path(), "here")
    assert (again.multi, again.markers, again.labels) == (False, "new", made.labels)


def test_an_answer_has_types_probabilities_and_the_mention(typing_root: Path, made: Callable[..., Any]) -> None:
    model, _, config = made("entity_typing", typing_root, *TEXT)
    (answer,) = Predictor(model, config).predict([{"text": "We saw Paris.", "mention": "Paris"}])
    assert answer["mention"] == {"start": 2, "end": 3, "text": "Paris", "char": [7, 12]}
    assert answer["types"]
    assert answer["scores"].keys() == set(model.processor.labels)
    (best,) = Predictor(model, config).predict([{"text": "We saw Paris.", "mention": "Paris"}], top_k=1)
    assert [*best["scores"]] == best["types"][:1]


def test_a_tests_predictions_count_what_the_metric_does(typing_root: Path, made: Callable[..., Any]) -> None:
    model, dataset, _ = made("entity_typing", typing_root, *TEXT, "task.model.threshold=0.4")
    metric, rows = model.make_metric(), range(8)
    batch = model.processor.collate(dataset.features["test"], dataset.store)
    lines = model.describe(
        model.record(batch, model.update_metric(batch, metric)), [dataset.examples["test"][i] for i in rows]
    )
    right, predicted, gold = (sum(line["counts"][i] for line in lines) for i in range(3))
    assert metric.compute()["f1"] == pytest.approx(2 * right / (predicted + gold))
    assert {tuple(one.values())[1:] for line in lines for one in line["gold"]} == {(2, 3)}
