"""Retrieval: pairs become batches, questions are answered by rankings, and both towers give vectors of one space."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from mkgc.data.processor import Processor
from mkgc.errors import ConfigError, DataError
from mkgc.evaluate import _use_templates
from mkgc.images.decode import read_image
from mkgc.inference import Predictor
from mkgc.training.capabilities import EmbeddingTask
from tasks.retrieval import recorded
from tasks.retrieval.data import RetrievalProcessor
from tests.conftest import said
from tests.steps import collated

near: dict[str, Any] = {"rtol": 0, "atol": 1e-5}


@pytest.fixture
def built(made: Callable[..., Any], captions_root: Path) -> Any:
    return made("retrieval", captions_root)


def test_rows_of_one_image_or_caption_have_its_number_and_each_image_is_read_once(built: Any) -> None:
    model, dataset, _ = built
    examples = dataset.examples["train"]
    batch = collated(model, dataset, range(len(examples)))
    for i, one in enumerate(examples):
        for j, other in enumerate(examples):
            assert (batch.text_ids[i] == batch.text_ids[j]) == (one.text == other.text)
            assert (batch.image_ids[i] == batch.image_ids[j]) == (one.image == other.image)
    assert len(batch.images[0].shared.rows) <= len({example.image for example in examples})


def test_the_caption_of_two_images_is_no_wrong_answer_for_either(built: Any) -> None:
    """Pairs that share a text count as right for each other, so that the loss asks for both evenly."""
    model, dataset, _ = built
    rows = [i for i, example in enumerate(dataset.examples["train"]) if example.text == "two of train"]
    batch = collated(model, dataset, rows)
    loss, (texts, images) = model.loss(batch), model.scores(batch)
    logits = (model.backbone.scale * texts @ images.T).log_softmax(1), (model.backbone.scale * images @ texts.T)
    expected = -(logits[0].mean() + logits[1].log_softmax(1).mean()) / 2
    torch.testing.assert_close(loss, expected, **near)


def test_a_pair_whose_image_is_broken_is_left_out_and_said(made: Callable[..., Any], captions_root: Path) -> None:
    (captions_root / "images" / "train" / "0.png").write_bytes(b"no image")
    _, dataset, _ = made("retrieval", captions_root)
    assert all(example.image != "images/train/0.png" for example in dataset.examples["train"])
    assert "3 of 29 pairs of train are left out: their image cannot be used" in [note.text for note in dataset.notes]
    with pytest.raises(DataError, match="bad_images=fail"):
        made("retrieval", captions_root, "data.bad_images=fail")


def test_a_long_caption_is_read_from_its_beginning(built: Any) -> None:
    processor = built[0].processor
    ids, cut = processor.encode_text("a red square " * 1000)
    assert len(ids) == processor.settings.max_length
    assert ids[:4] == processor.encode_text("a red square ")[0][:4]
    assert cut.as_dict() == {"pieces": len(processor.tokenizer.ids("a red square " * 1000)) + 2 - len(ids)}


def test_the_processor_comes_back_from_its_state(built: Any) -> None:
    processor: Processor = built[0].processor
    again = RetrievalProcessor.from_state(processor.state())
    assert (again.encode_text("第1张图"), again.settings.images) == (processor.encode_text("第1张图"), {"image": 32})


def test_other_groups_of_images_are_refused(made: Callable[..., Any], captions_root: Path) -> None:
    for keys in (["data.images.crops=16"], ["~data.images.image"]):
        with pytest.raises(ConfigError, match=r"a pair has one image: give its size, \{image: 224\}"):
            made("retrieval", captions_root, *keys)


def test_vectors_for_an_index_are_those_of_training(built: Any, captions_root: Path) -> None:
    model, dataset, _ = built
    assert isinstance(model, EmbeddingTask)
    model.eval()
    texts, images = model.scores(collated(model, dataset, range(5)))
    examples = dataset.examples["train"][:5]
    pixels = torch.stack([torch.from_numpy(read_image(e.images["image"][0], 32)) for e in examples])
    torch.testing.assert_close(model.embed_texts([e.text for e in examples], 2), texts, **near)
    torch.testing.assert_close(model.embed_images(pixels, 2), images, **near)
    assert (model.embed_texts([], 2).shape, model.embed_images(pixels[:0], 2).shape) == ((0, 128), (0, 128))


def test_the_digest_of_an_embedding_tells_weights_and_encodings_apart(built: Any) -> None:
    model = built[0]
    before = model.embedding_digest
    assert before == model.embedding_digest
    with torch.no_grad():
        model.backbone.project_text.linear.weight[0, 0] += 1
    assert model.embedding_digest != before


@pytest.fixture
def ask(built: Any, captions_root: Path) -> Callable[..., Any]:
    model, _, config = built
    predictor = Predictor(model, config)

    def answer(*records: dict[str, Any], **options: Any) -> list[dict[str, Any]]:
        return predictor.predict(records, captions_root / "images" / "test", **options)

    return answer


def test_questions_are_answered_by_rankings_scores_or_vectors(ask: Callable[..., Any], built: Any) -> None:
    files = ["0.png", "1.png", "2.png"]
    records = [
        {"text": "a red square", "image": files},
        {"image": "0.png", "texts": ["第1张图", "a red square"]},
        {"image": "0.png", "labels": ["红", "绿"]},
        {"text": "a red square", "image": "0.png"},
        {"text": "a red square"},
        {"image": "0.png"},
    ]
    images, texts, labels, pair, text, image = ask(*records)
    assert {one["image"] for one in images["images"]} == {*files}
    assert sum(one["probability"] for one in images["images"]) == pytest.approx(1)
    for ranked in (images["images"], texts["texts"], labels["labels"]):
        assert [one["score"] for one in ranked] == sorted((one["score"] for one in ranked), reverse=True)
    score = next(one["score"] for one in images["images"] if one["image"] == "0.png")
    assert pair["score"] == pytest.approx(score, abs=1e-5)
    assert torch.tensor(text["vector"]) @ torch.tensor(image["vector"]) == pytest.approx(score, abs=1e-5)
    assert len(ask(records[0], top_k=2)[0]["images"]) == 2


def test_a_label_is_the_mean_of_its_sentences(ask: Callable[..., Any]) -> None:
    templates = ["{}", "a photo of {}."]
    (answer,) = ask({"image": "0.png", "labels": ["a cat", "a dog"], "templates": templates})
    image, *sentences = (
        torch.tensor(one["vector"])
        for one in ask({"image": "0.png"}, *({"text": t.replace("{}", "a dog")} for t in templates))
    )
    mean = torch.nn.functional.normalize(torch.stack(sentences).mean(0), dim=0)
    dog = next(one for one in answer["labels"] if one["label"] == "a dog")
    assert dog["score"] == pytest.approx(float(mean @ image), abs=1e-5)


def test_captions_may_be_names_of_classes_in_sentences(built: Any) -> None:
    """The vector of a name is that of its sentences together, whatever batch it is in."""
    model, dataset, _ = built
    examples, templates = dataset.examples["test"][:3], ["a photo of {}.", "{}"]
    model.use_templates(templates)
    features = [model.processor.encode(example) for example in examples]
    texts, _ = model.eval().scores(model.processor.collate(features, dataset.store))
    sentences = [model.embed_texts([t.replace("{}", example.text) for t in templates], 8) for example in examples]
    expected = torch.nn.functional.normalize(torch.stack(sentences).mean(1), dim=-1)
    torch.testing.assert_close(texts, expected, **near)
    with pytest.raises(DataError, match="'templates' must be zh or en"):
        model.use_templates("fr")


def test_an_image_in_memory_is_ranked_like_a_file(ask: Callable[..., Any], captions_root: Path) -> None:
    held = Image.open(captions_root / "images" / "test" / "0.png")
    by_file, held_ = ask({"image": "0.png", "text": "a red square"}, {"image": held, "text": "a red square"})
    assert by_file["score"] == held_["score"]


def test_an_image_that_cannot_be_read_is_no_candidate(ask: Callable[..., Any]) -> None:
    record = {"text": "a red square", "image": ["0.png", "none.png"]}
    (answer,) = ask(record, bad_images="mask")
    assert [one["image"] for one in answer["images"]] == ["0.png"]
    assert answer["bad_images"][0].endswith("none.png: missing")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "give a text, an image, or both"),
        ({"text": "a", "labels": ["b"], "image": "0.png"}, "give one of 'text', 'texts' and 'labels'"),
        ({"texts": ["a", "b"], "image": ["0.png", "1.png"]}, "one text and several images, or one image and several"),
        ({"texts": ["a", "b"]}, "give both texts and images"),
        ({"labels": ["a", "b"]}, "'labels' are those of one image"),
        ({"text": "a", "templates": "en", "image": "0.png"}, "'templates' make sentences of 'labels'"),
        ({"labels": ["a"], "templates": "fr", "image": "0.png"}, "'templates' must be zh or en"),
        ({"labels": ["a"], "templates": ["no place"], "image": "0.png"}, "'no place' has none"),
        ({"text": "", "image": "0.png"}, "a caption must be text"),
        ({"text": "a", "picture": "0.png"}, "no such key: 'picture'"),
    ],
)
def test_a_question_that_cannot_be_answered_says_why(
    ask: Callable[..., Any], record: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        ask(record)


def test_a_line_is_recorded_of_each_pair_with_what_stands_first() -> None:
    from mkgc.metrics.retrieval import gallery
    from tasks.retrieval.example import CaptionExample

    texts, images = torch.eye(3), torch.eye(3)[[0, 2, 1]]
    found = gallery(texts, images, torch.tensor([5, 6, 7]), torch.tensor([1, 2, 3]))
    tested = recorded.Tested.of(found, {1: "a", 2: "b", 3: "c"}, 10.0)
    examples = [CaptionExample(text, {}, image) for text, image in (("一只狗", "a"), ("y", "b"))]
    first, second = tested.describe(examples, [(5, 1), (6, 2)])
    assert (first["gold"], first["predicted"], first["counts"], first["rank"]) == ("a", "a", [1, 1, 1], 1.0)
    assert first["tokens"] == ["一", "只", "狗"]
    assert (second["gold"], second["predicted"], second["counts"]) == ("b", "c", [0, 1, 1])
    assert (second["rank"], second["image_rank"]) == (2.5, 2.5)
    assert first["figures"] == {f"{way}_R@{k}": 1.0 for way in ("t2i", "i2t") for k in (1, 5, 10)}
    assert second["figures"] == first["figures"] | {"t2i_R@1": 0.0, "i2t_R@1": 0.0}


def test_a_caption_and_an_image_count_once_in_the_figures_of_lines() -> None:
    """A caption of two images, one of which has a second caption."""
    from mkgc.metrics.retrieval import gallery
    from tasks.retrieval.example import CaptionExample

    pairs = [(5, 1), (5, 2), (6, 2)]
    numbers = torch.tensor(pairs)
    found = gallery(torch.eye(3)[[0, 0, 1]], torch.eye(3)[[0, 1, 1]], numbers[:, 0], numbers[:, 1])
    tested = recorded.Tested.of(found, {1: "a", 2: "b"}, 10.0)
    lines = tested.describe([CaptionExample("x", {}, "a")] * 3, pairs)
    ways = [{name[:3] for name in line["figures"]} for line in lines]
    assert ways == [{"t2i", "i2t"}, {"i2t"}, {"t2i"}]


def test_templates_and_stages_are_refused_where_there_are_none(run: Callable[..., Any], captions_root: Path) -> None:
    with pytest.raises(ConfigError, match="templates=zh: this task's texts are no names of classes"):
        _use_templates(torch.nn.Module(), "zh")
    code, _, err = run("train", "task=retrieval", f"data.root={captions_root}", "task.model.stages=[1]")
    assert (code, said(err).startswith("task.model.stages: no such key")) == (2, True)


@pytest.mark.slow
def test_a_run_learns_records_and_is_scored_again(run: Callable[..., Any], captions_root: Path, tmp_path: Path) -> None:
    from tests.conftest import TINY

    keys = ["task=retrieval", f"data.root={captions_root}", *TINY, "task.epochs=2", "data.batch_size=8"]
    code, _, err = run("train", *keys, "hydra.run.dir=run")
    assert code == 0, err
    figures = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (figures["metric"], figures["mode"]) == ("mean_recall", "max")
    lines = [json.loads(line) for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()]
    right = {line["text"]: line["rank"] <= 1 for line in lines}
    assert sum(right.values()) / len(right) == pytest.approx(figures["test"]["t2i_R@1"])
    code, out, _ = run("report", "table=run")
    assert f"| {figures['test']['mean_recall']:.4f} [" in out
    code, out, _ = run("evaluate", "checkpoint=run", "batch_size=3")
    assert f"test/mean_recall      {figures['test']['mean_recall']:.4f}" in out
    code, _, err = run("evaluate", "checkpoint=run", "templates=en")
    assert code == 0, err
    code, out, _ = run("report", "errors=run", f"root={captions_root}")
    assert code == 0
    assert "a caption without an image is no pair" in (tmp_path / "run" / "errors.html").read_text()
    code, _, err = run("predict", "checkpoint=run", "input=none.jsonl", "output=out.jsonl")
    assert (code, "no such file" in said(err)) == (2, True)
