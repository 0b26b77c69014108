"""Running text becomes words whose places in it are known; text that is split already stays as it is."""

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from random import Random
from time import process_time
from typing import Any

import pytest

from mkgc.data.atlas.draw import Land
from mkgc.data.atlas.facts import countries
from mkgc.data.examples import Span
from mkgc.data.words import show_words, span_as_dict, split_words
from tasks.mner import twitter
from tasks.mner.atlas import Author, shared_names
from tasks.mre import mnre
from tasks.mre.atlas import TOUCH, WHERE, sentence


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A Panda, a Tiger. (And “owls”!)", "A|Panda|,|a|Tiger|.|(|And|“|owls|”|!|)"),
        ("don't it’s we've Ada's CAN'T O'Neil", "do|n't|it|’s|we|'ve|Ada|'s|CA|N'T|O'Neil"),
        ("大熊猫生活在四川，考拉 is cute。", "大|熊|猫|生|活|在|四|川|，|考|拉|is|cute|。"),
        ("カメラと한국어", "カ|メ|ラ|と|한국어"),
        ("so 😀😀👍🏽👨\u200d👩\u200d👧 🇩🇪🇫🇷 :-)", "so|😀|😀|👍🏽|👨\u200d👩\u200d👧|🇩🇪|🇫🇷|:-)"),
        ("@ada: #Panda at http://t.co/xY.z, a@b.org", "@ada|:|#Panda|at|http://t.co/xY.z|,|a@b.org"),
        ("In the U.S., Mr. J. Doe paid 1,000.50 at 12:30.", "In|the|U.S.|,|Mr.|J.|Doe|paid|1,000.50|at|12:30|."),
        ("well-known AT&T node.js wow...Tiger.The", "well-known|AT&T|node.js|wow|...|Tiger|.|The"),
        ("naïve cafe\u0301 हिन्दी می\u200cخواهم", "naïve|cafe\u0301|हिन्दी|می\u200cخواهم"),
        ("\ufeffa\u200b b\u00a0c\x1cd\n", "a|b|c|d"),
        ("Bonjour ! Où est le panda, là ?", "Bonjour|!|Où|est|le|panda|,|là|?"),
    ],
)
def test_words_marks_emoji_and_chinese_characters_are_told_apart(text: str, words: str) -> None:
    found = split_words(text)
    assert found.words == tuple(words.split("|"))
    assert [text[start:end] for start, end in found.offsets] == words.split("|")


def test_what_cannot_be_seen_is_no_word() -> None:
    assert split_words(" \u200b\ufeff\n").words == ()


@pytest.mark.parametrize("unit", ["a+", "大", "\u200d", "a@"])
def test_a_long_text_without_spaces_takes_linear_time(unit: str) -> None:
    began = process_time()
    split_words(unit * 20_000)
    assert process_time() - began < 3  # 0.4 s at most; 9 s and more if a form looks ahead from each character


def atlas() -> Iterator[tuple[str, ...]]:
    """Sentences of both of the Atlas's tasks over sentences."""
    world = {code: country for code, country in countries().items() if country.rings}
    pairs = zip(world.values(), [*world.values()][1:], strict=False)
    yield from (tuple(sentence(template, *pair)[0]) for pair in pairs for template in (*WHERE, *TOUCH))
    author = Author([*world.values()], shared_names(world), Land(world.values()), Random(0))
    yield from (tuple(word for word, _ in author.write(i)[0]) for i in range(3000))


def test_sentences_of_the_atlas_are_split_at_spaces_alone() -> None:
    sentences = {*atlas()}
    assert len(sentences) > 4000
    assert [words for words in sentences if split_words(" ".join(words)).words != words] == []


@pytest.mark.parametrize(
    ("name", "read", "least"), [("mnre", mnre, 0.99), ("twitter2015", twitter, 0.98), ("twitter2017", twitter, 0.99)]
)
def test_sentences_of_the_corpora_keep_their_words(
    real: Callable[[str], Path], name: str, read: Any, least: float
) -> None:
    """What differs was split by its corpus in another way each time: ".@user", "in#Roswell", "vs." before a name."""
    examples = chain.from_iterable(read.read(real(name), split) for split in ("train", "dev", "test"))
    texts = [" ".join(example.tokens) for example in examples]
    same = sum(split_words(text).words == tuple(text.split()) for text in texts)
    assert same / len(texts) > least


def test_words_are_shown_as_they_stand_in_their_text() -> None:
    raw = split_words("A 考拉,  a\nko-ala")
    assert span_as_dict(raw.words, raw, Span(1, 3)) == {"start": 1, "end": 3, "text": "考拉", "char": [2, 4]}
    assert show_words(raw.words, raw, Span(4, 6)) == "a\nko-ala"
    assert span_as_dict(("New", "York"), None, Span(0, 2)) == {"start": 0, "end": 2, "text": "New York"}
    assert show_words(("大", "熊", "ab", "한국", "어"), None, Span(0, 5)) == "大熊 ab 한국 어"


def test_a_word_is_split_where_a_span_of_characters_ends() -> None:
    raw = split_words("a Rome-based firm", (2, 6))
    assert raw.words == ("a", "Rome", "-based", "firm")
    assert raw.inside(Span(2, 6)) == Span(1, 2)
    assert raw.inside(Span(1, 8)) == Span(1, 2)
    assert raw.inside(Span(1, 2)) == Span(0, 0)
