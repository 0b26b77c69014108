"""What is read of a sentence that is too long, and who is told."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mkgc.data.cutting import cut_words, describe_cut, note_cuts
from mkgc.data.dataset import read_dataset
from mkgc.data.examples import Span
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import Tokenizer, learned
from mkgc.errors import ConfigError
from mkgc.inference import Predictor
from mkgc.relations.example import RelationExample
from mkgc.training.checkpoint import build_task
from tasks.mner.data import TaggingProcessor
from tasks.mner.example import TaggedExample
from tasks.mre.data import RelationProcessor

URL = "https://example.org/" + "q7x" * 100
WORDS = ("Ada", "was", "born", "in", "old", "Rome", "hates", "new", "today")


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """Each of the words is a piece, each character of a link one."""
    return learned([" ".join(WORDS)] * 9 + ["https://example.org/ q 7 x"], 120)


def relations(tokenizer: Tokenizer, length: int = 64) -> RelationProcessor:
    return RelationProcessor(tokenizer, ("None", "knows"), DataSettings(".", max_length=length))


def tags(tokenizer: Tokenizer, length: int = 64) -> TaggingProcessor:
    return TaggingProcessor(tokenizer, ("PER", "LOC"), DataSettings(".", max_length=length))


def related(text: str, head: tuple[int, int], tail: tuple[int, int]) -> RelationExample:
    return RelationExample("0", tuple(text.split()), Span(*head), Span(*tail), "knows")


def tagged(text: str, *marks: str) -> TaggedExample:
    words = tuple(text.split())
    return TaggedExample("0", words, (*marks, *["O"] * (len(words) - len(marks))))


@pytest.mark.parametrize("place", range(7))
@pytest.mark.parametrize("links", [1, 2, 5])
def test_sentences_that_differ_beside_a_long_word_differ_when_read(place: int, links: int, tokenizer: Any) -> None:
    processor, ids = relations(tokenizer), []
    for word in ("born", "hates"):
        words = ["Ada", "was", word, "in", "old", "Rome"]
        words[place:place] = [URL] * links
        head, tail = words.index("Ada"), words.index("Rome")
        item = processor.encode(related(" ".join(words), (head, head + 1), (tail, tail + 1)))
        assert len(item.ids) <= 64
        assert {*tokenizer.ids(f"Ada was {word} in old Rome")} <= {*item.ids}
        assert item.cut is not None
        assert (item.cut.words, item.cut.unread) == (tuple(range(place, place + links)), ())
        assert item.cut.mentions == ()
        ids.append(item.ids)
        read = tags(tokenizer).encode(tagged(" ".join(words)))
        assert {*tokenizer.ids(f"Ada was {word} in old Rome")} <= {*read.ids}
        assert len(read.tags) == len(words)
        assert len(read.ids) <= 64
    assert ids[0] != ids[1]


def between(item: Any, processor: RelationProcessor, first: int) -> tuple[int, ...]:
    """The pieces between a pair of markers."""
    return item.ids[item.ids.index(processor.marker_ids[first]) + 1 : item.ids.index(processor.marker_ids[first + 1])]


@pytest.mark.parametrize("length", [8, 9, 12, 20, 64])
@pytest.mark.parametrize(
    ("text", "head", "tail", "suffers"),
    [
        (f"{URL} was born in Rome", (0, 1), (4, 5), ("head",)),
        (f"Ada was born in {URL}", (0, 1), (4, 5), ("tail",)),
        (f"{URL} hates {URL}", (0, 1), (2, 3), ("head", "tail")),
        (f"{'Ada old ' * 200} hates Rome", (0, 400), (401, 402), ("head",)),
        (f"Ada {URL} hates {URL} Rome", (0, 2), (3, 5), ("head", "tail")),
    ],
)
def test_a_mention_that_is_too_long_keeps_its_first_pieces(
    length: Any, text: Any, head: Any, tail: Any, suffers: Any, tokenizer: Any
) -> None:
    processor, example = relations(tokenizer, length), related(text, head, tail)
    item = processor.encode(example)
    assert len(item.ids) <= length
    assert item.cut is not None
    assert set(suffers) <= set(item.cut.mentions)
    for first, span in ((0, head), (2, tail)):
        kept = between(item, processor, first)
        assert kept
        assert kept[0] == tokenizer.pieces(example.tokens)[span[0]][0]
    assert [item.ids[item.head], item.ids[item.tail]] == [processor.marker_ids[0], processor.marker_ids[2]]


def test_of_many_ordinary_words_the_farthest_from_the_mentions_are_left_out(tokenizer: Any) -> None:
    processor = relations(tokenizer, 16)
    item = processor.encode(related("in in in in Ada hates Rome today new new new new", (4, 5), (6, 7)))
    middle = [processor.marker_ids[0], *tokenizer.ids("Ada"), processor.marker_ids[1], *tokenizer.ids("hates")]
    middle += [processor.marker_ids[2], *tokenizer.ids("Rome"), processor.marker_ids[3]]
    around = [*tokenizer.ids("in in in in"), *middle, *tokenizer.ids("today new new")]
    assert list(item.ids) == [tokenizer.start, *around, tokenizer.stop]
    assert item.cut is not None
    assert item.cut.as_dict() == {"pieces": 2, "unread": [10, 11]}


def test_of_many_ordinary_words_a_tagger_leaves_out_the_last(tokenizer: Any) -> None:
    item = tags(tokenizer, 6).encode(tagged("Ada hates old old Rome Rome", "B-PER", "O", "O", "O", "B-LOC", "I-LOC"))
    assert list(item.ids) == [tokenizer.start, *tokenizer.ids("Ada hates old old"), tokenizer.stop]
    assert item.tags == (1, 0, 0, 0)
    assert item.cut is not None
    assert item.cut.as_dict() == {"pieces": 2, "unread": [4, 5], "mentions": ["LOC"]}


def test_what_fits_is_not_cut(tokenizer: Any) -> None:
    assert relations(tokenizer).encode(related("Ada hates Rome", (0, 1), (2, 3))).cut is None
    assert tags(tokenizer).encode(tagged("Ada hates Rome")).cut is None


def test_room_is_never_exceeded_and_hardly_wasted() -> None:
    draw = random.Random(0)
    for _ in range(500):
        lengths = [draw.choice([1, 1, 2, 3, 5, draw.randint(1, 400)]) for _ in range(draw.randint(1, 60))]
        room = draw.randint(2, 150)
        order = draw.sample(range(len(lengths)), len(lengths))
        kept = cut_words(lengths, room, order, needed=order[:2])
        assert all(0 <= left <= length for left, length in zip(kept, lengths, strict=True))
        assert sum(kept) <= min(room, sum(lengths))
        assert min(kept[word] for word in order[:2]) > 0
        assert sum(kept) == sum(lengths) or sum(kept) > room - len(lengths)
        unread = [word for word in order if not kept[word]]
        assert unread == order[len(order) - len(unread) :]


@pytest.mark.parametrize(("processor", "least"), [(relations, 8), (tags, 3)])
def test_a_length_in_which_nothing_can_be_read_is_one_line(processor: Any, least: int, tokenizer: Any) -> None:
    processor(tokenizer, least)
    with pytest.raises(ConfigError, match=f"data.max_length={least - 1} must be at least {least}: a piece"):
        processor(tokenizer, least - 1)


def test_how_many_examples_are_cut_is_said_for_each_split() -> None:
    cut = [describe_cut([3, 9], [3, 2], [("head", range(hit, hit + 1))]) for hit in (0, 1, 1)]
    assert note_cuts("dev", [None, None], 64) == []
    (note,) = note_cuts("train", [*cut, *[None] * 997], 64)
    text = "3 of 1,000 examples of train are longer than data.max_length=64 and are cut"
    assert (note.severity, note.text) == ("warning", f"{text}; 2 of them lose a part of a mention")
    (note,) = note_cuts("train", [cut[0], *[None] * 999], 64)
    assert note.severity == "info"


def asked(task: str, root: Path, tiny: Callable[..., Any], *overrides: str) -> Predictor:
    """An untrained model of a task, ready to be asked."""
    config = tiny(task, root, "backbone=text_only", "data.max_length=32", *overrides)
    return Predictor(build_task(config, read_dataset(config).processor).eval(), config)


def test_a_prediction_says_what_of_its_sentence_was_not_read(mre_root: Path, tiny: Callable[..., Any]) -> None:
    short: dict[str, Any] = {"tokens": ["Ada", "and", "Bob"], "head": [0, 1], "tail": [2, 3]}
    link, mention = [{**short, "tokens": words} for words in (["Ada", URL, "Bob"], [URL, "and", "Bob"])]
    answers = asked("mre", mre_root, tiny).predict([short, link, mention])
    assert "cut" not in answers[0]
    assert [answer["cut"]["words"] for answer in answers[1:]] == [[1], [0]]
    assert [answer["cut"].get("mentions") for answer in answers[1:]] == [None, ["head"]]
    assert answers[1]["cut"]["pieces"] > 200


def test_what_was_not_read_of_a_text_is_said_in_characters(mre_root: Path, tiny: Callable[..., Any]) -> None:
    far = "today, " * 40
    (answer,) = asked("mre", mre_root, tiny).predict([{"text": f"{URL} Ada, Bob {far}", "head": "Ada", "tail": "Bob"}])
    link, rest = answer["cut"]["char"]
    assert link == [0, len(URL)]
    assert rest[1] == len(f"{URL} Ada, Bob {far}".rstrip())
    assert rest[0] > len(f"{URL} Ada, Bob ")
    assert answer["head"] == {"start": 1, "end": 2, "text": "Ada", "char": [len(URL) + 1, len(URL) + 4]}


@pytest.mark.parametrize("pooling", ["words", "pieces"])
def test_a_tagger_reads_behind_a_long_word_and_says_what_it_did_not_read(
    pooling: str, mner_root: Path, tiny: Callable[..., Any]
) -> None:
    model = asked("mner", mner_root, tiny, f"task.model.pooling={pooling}")
    first, second = model.predict([{"tokens": [URL, "We", "saw", word]} for word in ("Paris", "Hilton")])
    assert first["cut"]["words"] == [0]
    assert first["tokens"] == [URL, "We", "saw", "Paris"]
    queries = [model.task.processor.parse({"tokens": [URL, "We", "saw", w]}, Path(), "") for w in ("Paris", "Hilton")]
    items = [features for query in queries for _, features in query.windows]
    assert [len(item.positions) for item in items] == [4, 4]
    assert items[0].ids != items[1].ids
    assert second["cut"]["words"] == [0]
    assert "cut" not in model.predict([{"tokens": ["We", "saw", "Paris"]}])[0]


def test_a_described_entity_whose_text_is_cut_is_named(kg_root: Path, tiny: Callable[..., Any]) -> None:
    long, short = ({"name": "Mu", "description": text} for text in ("thing number " * 40, "thing"))
    model = asked("link_prediction", kg_root, tiny)
    records = [{"head": long, "relation": "near"}, {"relation": "near", "tail": long}, {"head": "e/1", "tail": long}]
    answers = model.predict([*records, {"head": short, "relation": "near"}, {"head": "e/1", "relation": "near"}])
    assert [answer.get("cut", {}).get("mentions") for answer in answers] == [["head"], ["tail"], ["tail"], None, None]


def test_what_was_cut_is_said_before_training(mre_root: Path, tiny: Callable[..., Any]) -> None:
    dataset = read_dataset(tiny("mre", mre_root, "data.max_length=9"))
    text = "are longer than data.max_length=9 and are cut"
    assert [note.severity for note in dataset.notes if text in note.text] == ["warning"] * 3
