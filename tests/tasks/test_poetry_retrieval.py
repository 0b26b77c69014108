"""Retrieval of poems: judgements of people and weak ones, learning, the teacher alone, and what is found and shown."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from mkgc.analysis.figures import measures, pool
from mkgc.analysis.predictions import Predictions
from mkgc.errors import ConfigError, MkgcError
from mkgc.images.decode import decode_all
from mkgc.inference import load
from mkgc.metrics.graded_retrieval import graded_figures
from mkgc.searching.encoder import TaskEncoder
from mkgc.train import train
from mkgc.word_graphs.building import build_word_graph
from mkgc.word_graphs.recipe import WordGraphRecipe
from tasks.poetry_pretraining.example import PoemExample
from tasks.poetry_retrieval.judgements import read_judgements, weak_judgements
from tests.conftest import POEM_WORDS, TINY, composed, paint, write_jsonl
from tests.steps import built, collated

TASK = "poetry_retrieval"
JUDGED = "task.source.judgements=${data.root}/judgements.jsonl"

PICTURES = {"red": ["明月", "夜", "光"], "green": ["青山", "松", "山"], "blue": ["流水", "泉", "孤舟"]}


def judged(text: str, words: Sequence[str]) -> float:
    return min(1.0, 0.6 * sum(word in text for word in words))


@pytest.fixture
def root(tmp_path: Path, teacher: Path) -> Path:
    """Poems that are judged by their words, pictures with keywords, and a graph made without some of these."""
    root, draw = tmp_path / "poems", Random(0)
    for name in PICTURES:
        paint(root / f"{name}.png", name)
    write_jsonl(root / "pictures.jsonl", [{"image": f"{n}.png", "keywords": words} for n, words in PICTURES.items()])
    judgements, texts = [], []
    for split, count in (("train", 24), ("dev", 8), ("test", 8)):
        poems = [
            {"id": f"{split} {i}", "text": "".join(draw.choices(POEM_WORDS, k=4)) + f"{i:02}"} for i in range(count)
        ]
        write_jsonl(root / f"{split}.jsonl", poems)
        texts += [str(poem["text"]) for poem in poems]
        judgements += [
            {"poem": poem["id"], "image": f"{name}.png", "judgement": judged(str(poem["text"]), words)}
            for poem in poems
            for name, words in PICTURES.items()
        ]
    write_jsonl(root / "judgements.jsonl", judgements)
    recipe = WordGraphRecipe(
        str(root / "graph"), str(root / "pictures.jsonl"), ["keywords"], None, None, "dictionary", 1, held_out=0.34
    )
    build_word_graph(recipe, texts, "zh-Hans")
    (root / "teacher.ckpt").hardlink_to(teacher)
    return root


def tiny(root: Path, *keys: str) -> Any:
    given = ("data=poems_jsonl", "task.data.teacher=${data.root}/teacher.ckpt", *keys)
    return composed(f"task={TASK}", f"data.root={root}", *TINY, *given)


def test_figures_are_those_of_all_poems_against_all_pictures(root: Path, tmp_path: Path) -> None:
    figures = train(tiny(root, JUDGED), tmp_path / "run")
    task = load(tmp_path / "run").task
    records = [*map(json.loads, judged_lines(root))]
    poems = [json.loads(line) for line in (root / "test.jsonl").read_text().splitlines()]
    texts = task.embed_texts([poem["text"] for poem in poems], 3)
    pixels = torch.stack([torch.from_numpy(pixels_of(task, root / f"{name}.png")) for name in PICTURES])
    images = task.embed_images(pixels, 2)
    place = {poem["id"]: i for i, poem in enumerate(poems)}
    pairs = [(place[one["poem"]], [*PICTURES].index(one["image"][:-4]), one["judgement"]) for one in records
             if one["poem"] in place]  # fmt: skip
    grades = torch.tensor([grade for *_, grade in pairs])
    expected = graded_figures(texts, images, torch.tensor([pair[:2] for pair in pairs]), grades)
    for name, value in expected.items():
        assert figures["test"][name] == pytest.approx(value, abs=1e-6)


def pixels_of(task: Any, path: Path) -> Any:
    """The pixels of an image as the task reads them."""
    encoder = TaskEncoder(task, 8)
    [made] = decode_all([path], encoder.image_size, encoder.fit)
    return made


def test_learning_from_judgements_ranks_the_pictures_of_train(root: Path) -> None:
    task, dataset = built(tiny(root, JUDGED, "task.model.learn=true"))
    batch = collated(task, dataset, range(24))
    optimizer = torch.optim.AdamW(task.parameters(), 3e-3)
    before = float(task.loss(batch).detach())
    for _ in range(30):
        optimizer.zero_grad()
        task.loss(batch).backward()
        optimizer.step()
    assert float(task.loss(batch).detach()) < 0.8 * before


@pytest.mark.slow
def test_a_run_by_weak_judgements_is_evaluated_again(root: Path, tmp_path: Path, run: Any) -> None:
    figures = train(tiny(root), tmp_path / "run")
    code, _, err = run("evaluate", f"checkpoint={tmp_path}/run", f"output={tmp_path}/again.json")
    assert code == 0, err
    assert json.loads((tmp_path / "again.json").read_text())["test"] == pytest.approx(figures["test"])


def test_without_learning_no_weight_changes_and_the_run_is_scored(root: Path, tmp_path: Path) -> None:
    figures = train(tiny(root, JUDGED), tmp_path / "run")
    again = train(tiny(root, JUDGED, "task.epochs=3"), tmp_path / "again")
    assert figures["test"] == again["test"]
    assert figures["epochs"] == 0


@pytest.mark.slow
def test_a_pretrained_encoder_is_scored_with_its_word_pieces(root: Path, tmp_path: Path) -> None:
    given = ("data=poems_jsonl", "task.data.teacher=${data.root}/teacher.ckpt", "task.epochs=1")
    train(composed("task=poetry_pretraining", f"data.root={root}", *TINY, *given), tmp_path / "pretrained")
    train(tiny(root, JUDGED, f"weights={tmp_path / 'pretrained'}"), tmp_path / "run")
    texts = ["明月松间照", "孤舟"]
    one, other = (load(tmp_path / name).task.embed_texts(texts, 2) for name in ("pretrained", "run"))
    torch.testing.assert_close(one, other)


def test_the_teacher_alone_ranks_by_its_own_vectors_of_texts(root: Path) -> None:
    task, dataset = built(tiny(root, JUDGED, "task.model.vectors=teacher"))
    batch = collated(task, dataset, range(4))
    texts = [poem.text for poem in dataset.examples["train"][:4]]
    expected = F.normalize(task.processor.poems.teacher.embed_texts(texts), dim=-1)
    torch.testing.assert_close(task.scores(batch), expected)
    torch.testing.assert_close(task.embed_texts(texts, 4), expected)
    with pytest.raises(ConfigError, match="are frozen"):
        built(tiny(root, JUDGED, "task.model.vectors=teacher", "task.model.learn=true"))


def test_batch_mates_change_neither_vectors_nor_judgements(root: Path) -> None:
    task, dataset = built(tiny(root, JUDGED))
    together = collated(task, dataset, range(5))
    alone = [collated(task, dataset, [row]) for row in range(5)]
    torch.testing.assert_close(task.scores(together), torch.cat([task.scores(one) for one in alone]), rtol=0, atol=1e-5)
    assert together.grades.tolist() == [grade for one in alone for grade in one.grades.tolist()]


def poem(text: str) -> PoemExample:
    return PoemExample(text, "", "", (text,), text)


def test_weak_judgements_are_of_the_keywords_that_the_graph_was_made_without(root: Path) -> None:
    held = json.loads((root / "graph" / "graph.json").read_text())["held_out"]
    words = (root / "graph" / "words.tsv").read_text()
    assert held
    found = weak_judgements(root / "graph", [poem(word) for word in POEM_WORDS])
    assert [path.name for path in found.pictures] == [f"{name}.png" for name in PICTURES]
    for word in held:
        assert f"\t{word}\t" not in words
        rows = [row for row, keywords in enumerate(PICTURES.values()) if any(w in held and w in word for w in keywords)]
        assert [*found.of[word]] == rows
        assert set(found.of[word].values()) <= {0.75, 1.0}
    others = [word for word in POEM_WORDS if not any(w in word for w in held)]
    assert [found.of[word] for word in others] == [{}] * len(others)


def test_several_keywords_of_a_picture_are_worth_more_than_one(root: Path) -> None:
    about = root / "graph" / "graph.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"held_out": ["明月", "夜", "泉"]}))
    found = weak_judgements(root / "graph", [poem("明月夜泉"), poem("夜")])
    assert found.of == {"明月夜泉": {0: 1.0, 2: 0.75}, "夜": {0: 0.75}}


def test_the_words_that_match_are_those_whose_images_are_like_the_picture(root: Path) -> None:
    task, _ = built(tiny(root, JUDGED))
    poems = task.processor.poems
    shown = [word for word in poems.graph.words if poems.graph.image_rows(word)]
    text = "".join(shown)
    image = F.normalize(poems.visual[[poems.graph.numbers[shown[0]]]], dim=-1)
    [found] = task.matched_words(text, image)
    assert found[0][1] == pytest.approx(1, abs=1e-5)
    assert len(found) <= 3
    assert {word for word, _ in found} <= {*shown}
    assert task.matched_words("甲乙丙", image) == [[]]


def test_a_record_is_answered_by_its_pictures_from_the_best_on(root: Path, run: Any, tmp_path: Path) -> None:
    train(tiny(root, JUDGED), tmp_path / "run")
    names = [f"{name}.png" for name in PICTURES]
    write_jsonl(root / "asked.jsonl", [{"text": "明月松", "image": [*names, "none.png"]}, {"lines": ["青山", "泉"]}])
    code, _, err = run("predict", f"checkpoint={tmp_path}/run", f"input={root}/asked.jsonl", f"output={root}/out.jsonl")
    assert code == 0, err
    first, second = (json.loads(line) for line in (root / "out.jsonl").read_text().splitlines())
    scores = [one["score"] for one in first["images"]]
    assert scores == sorted(scores, reverse=True)
    assert {one["image"] for one in first["images"]} == {*names}
    assert len(second["vector"]) == 16


Change = Callable[[Path], Sequence[str]]


def without_graph(root: Path) -> Sequence[str]:
    (root / "graph" / "graph.json").unlink()
    return ("data.word_graph=null",)


def nothing_held_out(root: Path) -> Sequence[str]:
    about = root / "graph" / "graph.json"
    about.write_text(json.dumps(json.loads(about.read_text()) | {"held_out": []}))
    return ()


def without_teacher(root: Path) -> Sequence[str]:
    return (JUDGED, "task.data.teacher=null")


def without_pictures(root: Path) -> Sequence[str]:
    for name in PICTURES:
        (root / f"{name}.png").unlink()
    return (JUDGED, "task.data.visual=false")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (without_graph, "give task.source.judgements=FILE.jsonl"),
        (nothing_held_out, "has held out no keyword of pictures"),
        (without_teacher, "give task.data.teacher=RUN"),
        (without_pictures, "none of 3 pictures can be used"),
    ],
)
def test_what_cannot_be_retrieved_is_a_line(root: Path, change: Change, line: str) -> None:
    with pytest.raises(MkgcError, match=line.replace(".", r"\.")):
        built(tiny(root, *change(root)))


@pytest.mark.parametrize(
    ("record", "line"),
    [
        ({"poem": "b", "image": "a.png", "judgement": 1}, "there is no poem of the id 'b'"),
        ({"poem": "a", "image": "a.png", "judgement": 2}, "'judgement' must be a number from 0 to 1"),
        ({"poem": "a", "image": "a.png", "judgement": True}, "'judgement' must be a number from 0 to 1"),
        ({"poem": "a", "image": 3, "judgement": 1}, "'image' must be the name of a file"),
        ({"poem": "a", "judgement": 1}, "image"),
        ({"poem": "a", "image": "a.png", "judgement": 1, "x": 1}, "no such key: 'x'"),
    ],
)
def test_a_judgement_that_is_none_is_named_with_its_line(tmp_path: Path, record: dict[str, Any], line: str) -> None:
    write_jsonl(tmp_path / "judged.jsonl", [{"poem": "a", "image": "a.png", "judgement": 0.5}, record])
    with pytest.raises(MkgcError) as found:
        read_judgements(tmp_path / "judged.jsonl", [poem("a")])
    assert str(found.value).startswith(f"{tmp_path}/judged.jsonl:2: ")
    assert line in str(found.value)


def test_each_poem_and_each_picture_leaves_a_line_whose_means_are_the_figures(
    root: Path, tmp_path: Path, run: Any
) -> None:
    figures = train(tiny(root, JUDGED), tmp_path / "run" / "0")["test"]
    lines = [json.loads(line) for line in (tmp_path / "run" / "0" / "predictions.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [f"test {i}" for i in range(8)] + [f"{name}.png" for name in PICTURES]
    judgements = {(one["poem"], one["image"]): one["judgement"] for one in map(json.loads, judged_lines(root))}
    for line in lines[:8]:
        own = {name: judgements[line["id"], f"{name}.png"] for name in PICTURES}
        assert line["counts"] == [int(own[line["predicted"][:-4]] > 0.5), *[int(max(own.values()) > 0)] * 2]
        assert line["retrieved"][0]["name"] == line["predicted"]
        assert line["gold"] == "nothing judged" or own[line["gold"][:-4]] == max(own.values())
    evidence = Predictions.load(tmp_path / "run" / "0" / "predictions.jsonl")
    found = dict(zip(measures(evidence).names, measures(evidence).of(pool([evidence]).sum(0)), strict=True))
    assert found == pytest.approx({name: value for name, value in figures.items() if "count" not in name})
    code, out, err = run("report", f"table={tmp_path}/run", "resamples=20")
    assert code == 0, err
    assert "text_to_image/NDCG@5" in out


def test_two_systems_are_compared_query_by_query_whatever_they_found(root: Path, tmp_path: Path, run: Any) -> None:
    for name, keys in {"encoder": (), "teacher": ("task.model.vectors=teacher", "system=poetry_teacher")}.items():
        train(tiny(root, JUDGED, *keys), tmp_path / name)
    first, second = (Predictions.load(tmp_path / name / "predictions.jsonl") for name in ("encoder", "teacher"))
    assert [row.predicted for row in first.rows] != [row.predicted for row in second.rows]
    for keys in (f"table=[{tmp_path}/encoder,{tmp_path}/teacher]", f"compare=[{tmp_path}/encoder,{tmp_path}/teacher]"):
        code, out, err = run("report", keys, "resamples=20")
        assert code == 0, err
        assert "image_to_text/MRR" in out


def judged_lines(root: Path) -> list[str]:
    return (root / "judgements.jsonl").read_text().splitlines()
