"""From sentences as people write them, in English and Chinese, to entities and relations with their characters."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mkgc.inference import Predictor, load
from mkgc.train import train

ANIMALS = ("Panda", "Tiger", "考拉", "大熊猫")
PLACES = ("Rome", "New York", "四川", "Mali")
TEXTS = (
    "Look: a {animal}, in {place}! 😀",
    "{place}'s {animal} isn't tame...",
    "我们看见{animal}在{place}。",
    '"{animal}", she said (in {place}).',
    "In {place} — a {animal}?",
)
OFTEN = ("task.epochs=12", "optim.lr=0.003", "data.batch_size=16")
FILLER = ("and", "so", "on,", "(well)", "then", "we", "walk.", "走路", "home!")


def written(draw: Random, fillers: int) -> dict[str, Any]:
    """A record of a text that names an animal and a place, with both as spans of characters."""
    names = {"animal": draw.choice(ANIMALS), "place": draw.choice(PLACES)}
    before = "".join(draw.choice(FILLER) + " " for _ in range(draw.randint(0, fillers)))
    after = "".join(" " + draw.choice(FILLER) for _ in range(draw.randint(0, fillers)))
    text = before + draw.choice(TEXTS).format(**names) + after
    starts = {kind: text.index(name) for kind, name in names.items()}
    spans = [{"char": [at, at + len(names[kind])], "type": kind} for kind, at in starts.items()]
    return {"text": text, "spans": spans}


def learned(root: Path, tiny: Callable[..., Any], task: str, *overrides: str) -> Predictor:
    train(tiny(task, root, "data=jsonl", "backbone=text_only", *overrides), root / "run")
    return load(root / "run" / "best.ckpt")


def split_up(root: Path, records: list[dict[str, Any]]) -> None:
    for split, part in (("train", records[80:]), ("dev", records[:40]), ("test", records[40:80])):
        (root / f"{split}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in part))


@pytest.fixture
def tagger(tmp_path: Path, tiny: Callable[..., Any]) -> Predictor:
    draw = Random(0)
    split_up(tmp_path, [written(draw, 8) for _ in range(480)])
    return learned(tmp_path, tiny, "mner", "data.max_length=32", *OFTEN)


def entities(text: str, answer: dict[str, Any]) -> list[tuple[str, str]]:
    spans = answer["spans"]
    assert [text[slice(*span["char"])] for span in spans] == [span["text"] for span in spans]
    return [(span["type"], span["text"]) for span in spans]


@pytest.mark.slow
def test_a_tagger_of_raw_text_answers_with_characters_and_misses_no_word_of_a_long_one(tagger: Predictor) -> None:
    texts = ("Look: a Panda, in New York! 😀", "我们看见考拉在四川。", "Rome's Tiger isn't tame...")
    expected = [
        [("animal", "Panda"), ("place", "New York")],
        [("animal", "考拉"), ("place", "四川")],
        [("place", "Rome"), ("animal", "Tiger")],
    ]
    answers = tagger.predict([{"text": text} for text in texts])
    assert [entities(*pair) for pair in zip(texts, answers, strict=True)] == expected
    draw = Random(5)
    words = [draw.choice(FILLER) for _ in range(700)]
    for place in (3, 600):
        long = " ".join([*words[:place], *texts, *words[place:]])
        (answer,) = tagger.predict([{"text": long}])
        assert entities(long, answer) == [entity for found in expected for entity in found]
        assert "cut" not in answer


@pytest.mark.slow
def test_a_relation_of_raw_text_is_learned_from_mentions_as_words_and_as_characters(
    tmp_path: Path, tiny: Callable[..., Any]
) -> None:
    draw = Random(0)
    records = []
    for number in range(280):
        animal, place = draw.choice(ANIMALS), draw.choice(PLACES)
        name, text = draw.choice(
            [
                ("in", f"The {animal} lives in {place}!"),
                ("in", f"{animal}在{place}。"),
                ("None", f"{animal}; not {place}."),
            ]
        )
        at = text.index(animal)
        head = animal if number % 2 else {"char": [at, at + len(animal)]}
        records.append({"text": text, "head": head, "tail": place, "relation": name})
    split_up(tmp_path, records)
    model = learned(tmp_path, tiny, "mre", *OFTEN)
    found = model.predict(
        [
            {"text": "大熊猫在 四川。", "head": "大熊猫", "tail": {"char": [5, 7]}},
            {"text": "Panda; not Mali.", "head": "Panda", "tail": "Mali"},
        ]
    )
    assert [answer["relation"] for answer in found] == ["in", "None"]
    assert found[0]["head"] == {"start": 0, "end": 3, "text": "大熊猫", "char": [0, 3]}
    assert found[0]["tail"] == {"start": 4, "end": 6, "text": "四川", "char": [5, 7]}
