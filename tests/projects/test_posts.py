"""Raw posts, with punctuation, emoji and unspaced Chinese: entities and relations out of files of text."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

PEOPLE = ["Ada", "Bob", "Li Lei", "小明", "王芳"]
PLACES = ["Rome", "New York", "Kenya", "北京", "四川"]
FORMS = [
    ("visits", "{person}, are you in {place}? 😀😀"),
    ("visits", "“{person}” is off to {place}!!! ✈️"),
    ("visits", "{person}今天去{place}，太好了！😍"),
    ("None", "{person} never saw {place}... #sad 😭"),
    ("None", "{person}不喜欢{place}。😡"),
]


def post(draw: random.Random) -> dict[str, Any]:
    """A post with where person and place stand in it, and how they are related."""
    relation, form = draw.choice(FORMS)
    person, place = draw.choice(PEOPLE), draw.choice(PLACES)
    text = form.format(person=person, place=place)
    ends = {"PER": [text.index(person), text.index(person) + len(person)]}
    ends["LOC"] = [text.rindex(place), text.rindex(place) + len(place)]
    return {"text": text, "relation": relation} | ends


@pytest.fixture
def posts(tmp_path: Path) -> Path:
    draw = random.Random(0)
    for split, count in (("train", 120), ("dev", 20), ("test", 20)):
        rows = [post(draw) for _ in range(count)]
        tagged = [{"text": row["text"], "spans": [{"char": row[k], "type": k} for k in ("PER", "LOC")]} for row in rows]
        related = [
            {"text": r["text"], "head": {"char": r["PER"]}, "tail": {"char": r["LOC"]}, "relation": r["relation"]}
            for r in rows
        ]
        lines(tmp_path / "tagged" / f"{split}.jsonl", tagged)
        lines(tmp_path / "related" / f"{split}.jsonl", related)
    return tmp_path


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def answers(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_entities_from_files_to_predictions(posts: Path, shell: Callable[..., str]) -> None:
    data = "task=mner data=jsonl data.root=tagged backbone=text_only"
    assert "training may go on" in shell(f"python -m mkgc.check {data}")
    shell(f"python -m mkgc.train {data} task.epochs=12 optim.lr=3e-3 hydra.run.dir=runs/tagged")
    asked = ["王芳今天去New York，太好了！😍", "Ada, are you in Rome? 😀😀", "😀" * 3]
    lines(posts / "ask.jsonl", [{"text": text} for text in asked])
    shell("python -m mkgc.predict checkpoint=runs/tagged/best.ckpt input=ask.jsonl output=answers.jsonl")
    found = answers(posts / "answers.jsonl")
    for text, answer in zip(asked, found, strict=True):
        assert all(text[slice(*span["char"])] == span["text"] for span in answer["spans"])
    assert {(span["type"], span["text"]) for span in found[0]["spans"]} == {("PER", "王芳"), ("LOC", "New York")}
    assert {(span["type"], span["text"]) for span in found[1]["spans"]} == {("PER", "Ada"), ("LOC", "Rome")}
    assert found[2]["spans"] == []


def test_relations_from_files_to_predictions(posts: Path, shell: Callable[..., str]) -> None:
    data = "task=mre data=jsonl data.root=related backbone=text_only"
    assert "training may go on" in shell(f"python -m mkgc.check {data}")
    shell(f"python -m mkgc.train {data} task.epochs=30 data.batch_size=16 optim.lr=2e-3 hydra.run.dir=runs/related")
    asked = [
        {"text": "“王芳” is off to Kenya!!! ✈️", "head": "王芳", "tail": "Kenya"},
        {"text": "小明不喜欢四川。😡", "head": {"char": [0, 2]}, "tail": "四川"},
        {"text": "小明不喜欢四川。😡", "head": "小红", "tail": "四川"},
    ]
    lines(posts / "ask.jsonl", asked)
    files = "checkpoint=runs/related/best.ckpt input=ask.jsonl output=answers.jsonl"
    assert "ask.jsonl:3" in shell(f"python -m mkgc.predict {files}", code=2)
    shell(f"python -m mkgc.predict {files} bad_records=skip")
    visits, no, bad = answers(posts / "answers.jsonl")
    assert (visits["relation"], no["relation"]) == ("visits", "None")
    assert "小红" in bad["error"]
