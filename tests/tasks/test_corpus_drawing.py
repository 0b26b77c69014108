"""What is hidden, replaced and asked about in a sentence: the same for one seed, epoch and place."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from mkgc.data.context import KnowledgeContext
from mkgc.data.examples import Span
from mkgc.data.formats.links import Link
from mkgc.data.hidden import Draw
from mkgc.data.knowledge_settings import KnowledgeSettings
from mkgc.data.masking import WordMasking, word_units
from mkgc.data.names import Names
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import Tokenizer, learned
from mkgc.images.loaded import LoadedImages
from tasks.knowledge_pretraining.data import CorpusProcessor
from tasks.knowledge_pretraining.drawing import Drawing
from tasks.knowledge_pretraining.example import CorpusExample
from tasks.knowledge_pretraining.replacement import Replacement, entity_types, script

NAMES = ("Paris", "France", "Bonn", "Germany", "北京", "中国", "上海")
TRIPLES = [(0, 0, 1), (0, 1, 1), (2, 1, 3), (4, 0, 5), (4, 1, 5), (6, 1, 5)]
"""(city, capital of or in, country)"""
TEXT = "Paris is nice , and France has Paris , but Bonn is in Germany , they say"


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return learned([TEXT, "北 京 是 中 国 的 首 都"] * 3, 120)


@pytest.fixture
def graph() -> KnowledgeContext:
    entities = tuple(f"e{i}" for i in range(len(NAMES)))
    names = Names(NAMES, np.arange(len(NAMES)))
    return KnowledgeContext(entities, ("capital", "in"), np.array(TRIPLES), names, KnowledgeSettings("none"))


def processor(
    tokenizer: Tokenizer, graph: KnowledgeContext | None, types: Any = None, **drawing: Any
) -> CorpusProcessor:
    settings = DataSettings(".", max_length=drawing.pop("max_length", 64))
    own = drawing.pop("own", False)
    return CorpusProcessor(tokenizer, settings, graph, Drawing(**drawing), graph is not None, own, types)


def shown(made: CorpusProcessor, row: int = 0, epoch: int = 0, text: str = TEXT) -> Any:
    item = made.encode(CorpusExample("x", tuple(text.split())))
    return item, made._shown(replace(item, draw=Draw(0, epoch, row)))


def test_one_draw_is_the_same_and_each_epoch_and_place_another(tokenizer: Tokenizer, graph: KnowledgeContext) -> None:
    made = processor(tokenizer, graph)
    assert shown(made)[1] == shown(made)[1]
    assert len({tuple(shown(made, row, epoch)[1].targets) for row in range(3) for epoch in range(3)}) > 5


def test_words_are_hidden_whole_and_as_many_as_the_share_allows(tokenizer: Tokenizer) -> None:
    made = processor(tokenizer, None, words=0.3)
    sizes = []
    for row in range(200):
        item, one = shown(made, row)
        hidden = {item.units[place] for place in one.targets}
        assert {place for place, unit in enumerate(item.units) if unit in hidden} == set(one.targets)
        assert all(item.ids[place] == piece for place, piece in one.targets.items())
        changed = {place for place, (a, b) in enumerate(zip(item.ids, one.ids, strict=True)) if a != b}
        assert changed <= set(one.targets)
        assert 0 not in one.targets
        sizes.append(len(one.targets) / (len(item.ids) - 2))
    assert 0.2 < np.mean(sizes) <= 0.31


def test_of_the_hidden_pieces_eight_in_ten_are_masked_and_one_stays(tokenizer: Tokenizer) -> None:
    made, kinds = processor(tokenizer, None, words=0.5), Counter[str]()
    for row in range(200):
        item, one = shown(made, row)
        for place in one.targets:
            kept, masked = one.ids[place] == item.ids[place], one.ids[place] == tokenizer.mask
            kinds["kept" if kept else "masked" if masked else "random"] += 1
            assert one.ids[place] not in tokenizer.controls - {tokenizer.mask}
    total = sum(kinds.values())
    assert kinds["masked"] / total == pytest.approx(0.8, abs=0.03)
    assert kinds["random"] / total == pytest.approx(0.1, abs=0.02)


def test_a_sentence_of_one_word_loses_it(tokenizer: Tokenizer) -> None:
    _, one = shown(processor(tokenizer, None), text="France")
    assert len(one.targets) == len(one.ids) - 2 > 0


def test_chinese_characters_are_hidden_with_the_word_that_they_make() -> None:
    assert word_units([*"北京是中国的首都", "in", "China"]) == [0, 0, 1, 2, 2, 3, 4, 4, 5, 6]
    assert word_units(["北京", "x", "北", "京"]) == [0, 1, 2, 2]  # words that are given as such stay


def test_a_tenth_of_the_mentions_is_masked_whole_beside_the_words(
    tokenizer: Tokenizer, graph: KnowledgeContext
) -> None:
    made, masked = processor(tokenizer, graph, words=0.0, mentions=0.1), 0
    for row in range(150):
        _, one = shown(made, row)
        spans = [span for span in one.spans if set(range(*span)) <= set(one.targets)]
        assert sum(span.end - span.start for span in spans) == len(one.targets)
        assert all(one.ids[place] == tokenizer.mask for place in one.targets)
        masked += len(spans)
    assert len(one.spans) == 5
    assert masked / 750 == pytest.approx(0.1, abs=0.02)


def test_pairs_are_what_the_graph_relates_first_and_name_all_relations(
    tokenizer: Tokenizer, graph: KnowledgeContext
) -> None:
    _, one = shown(processor(tokenizer, graph, pairs=5))
    ends = [(one.entities[p.head], p.relations, one.entities[p.tail]) for p in one.pairs]
    assert len(ends) == 5
    assert Counter(ends[:3]) == Counter({(0, (0, 1), 1): 2, (2, (1,), 3): 1})  # Paris is mentioned twice
    assert all(not relations for _, relations, _ in ends[3:])
    assert all(head != tail for head, _, tail in ends)
    assert not shown(processor(tokenizer, graph, pairs=0))[1].pairs


def test_replaced_mentions_bear_a_name_of_like_type_and_script_and_never_two_in_a_row(
    tokenizer: Tokenizer, graph: KnowledgeContext
) -> None:
    made = processor(tokenizer, graph, entity_types(graph), replaced=0.5, words=0.3, in_mentions=False, mentions=0.0)
    names, count = Counter[str](), 0
    for row in range(100):
        item, one = shown(made, row)
        count += sum(one.replaced)
        assert not any(a and b for a, b in zip(one.replaced, one.replaced[1:], strict=False))
        for span, false, written, entity in zip(one.spans, one.replaced, item.written, one.entities, strict=True):
            read = "".join(tokenizer.names[piece] for piece in one.ids[slice(*span)])
            assert not set(range(*span)) & set(one.targets)
            assert (read != written.lower()) is false
            names[(entity, read)] += false
        assert set(one.targets) <= set(range(1, len(one.ids) - 1))
    assert {key for key, times in names.items() if times} == {(0, "bonn"), (2, "paris"), (1, "germany"), (3, "france")}
    assert count > 100
    assert script("北京") == "CJK" != script("Paris") == "LATIN" != script("Київ")


def test_a_name_that_would_not_fit_is_not_used_and_one_of_a_kind_is_not_replaced(
    tokenizer: Tokenizer, graph: KnowledgeContext
) -> None:
    replacement = Replacement(graph, np.array([[0, 0], [1, 1], [3, 1]]))
    random = np.random.default_rng(0)
    assert replacement.draw(0, "Paris", random) is None
    assert {replacement.draw(1, "France", random) for _ in range(20)} == {"Germany"}
    longest = len(processor(tokenizer, graph).encode(CorpusExample("x", tuple(TEXT.split()))).ids)
    made = processor(tokenizer, graph, entity_types(graph), replaced=1.0, mentions=0.0, max_length=longest)
    assert all(len(shown(made, row)[1].ids) <= longest for row in range(50))


def test_nodes_are_left_untied_or_swapped_and_targets_stay(tokenizer: Tokenizer, graph: KnowledgeContext) -> None:
    made = processor(tokenizer, graph, unaligned=0.3, swapped=0.2, own=True)
    items = [replace(made.encode(CorpusExample("x", tuple(TEXT.split()))), draw=Draw(0, 0, row)) for row in range(60)]
    batch = made.collate(items, LoadedImages({}, {}))
    assert batch.knowledge is not None
    untied = batch.knowledge.spans.eq(0).all(-1).float().mean()
    assert float(untied) == pytest.approx(0.3, abs=0.06)
    original = torch.tensor([0, 1, 0, 2, 3])
    assert float((batch.knowledge.nodes[:, :5] != original).float().mean()) == pytest.approx(0.17, abs=0.06)
    assert torch.equal(batch.linked.candidates[batch.linked.targets].view(60, 5), original.expand(60, 5))
    assert torch.equal(batch.spans[0], torch.tensor(items[0].graph.spans))


def test_candidates_are_the_batch_s_entities_or_the_sentence_s_own(
    tokenizer: Tokenizer, graph: KnowledgeContext
) -> None:
    texts = ("Paris is in France", "Bonn is nice", "nothing")
    for own in (False, True):
        made = processor(tokenizer, graph, own=own)
        batch = made.collate([made.encode(CorpusExample("x", tuple(t.split()))) for t in texts], LoadedImages({}, {}))
        assert batch.linked.candidates.tolist() == [0, 1, 2]
        expected = [[1, 1, 0], [1, 1, 0], [0, 0, 1]] if own else [[1, 1, 1]] * 3
        assert batch.linked.admitted.int().tolist() == expected
        assert batch.linked.targets.tolist() == [0, 1, 2]


def test_a_text_that_is_too_long_is_cut_at_its_end_with_its_mentions(
    tokenizer: Tokenizer, graph: KnowledgeContext
) -> None:
    made = processor(tokenizer, graph, max_length=12)
    item = made.encode(CorpusExample("x", tuple(TEXT.split())))
    assert len(item.ids) <= 12
    assert item.cut is not None
    assert item.graph is not None
    assert item.graph.unread == 5 - len(item.graph.spans) > 0
    assert len(item.written) == len(item.graph.spans) == len(item.mentions)


def test_links_are_taken_as_given_and_what_nobody_linked_is_linked(
    tokenizer: Tokenizer, graph: KnowledgeContext
) -> None:
    made, tokens = processor(tokenizer, graph), tuple(TEXT.split())
    assert made.encode(CorpusExample("x", tokens)).entities == (0, 1, 0, 2, 3)
    links = (Link(Span(0, 1), "e4"), Link(Span(0, 3), "e5"), Link(Span(5, 6), "nobody"))
    assert made.encode(CorpusExample("x", tokens, links)).entities == (4, 5)  # overlapping, and unknown to the graph
    assert made.encode(CorpusExample("x", tokens, ())).entities == ()


def test_masking_draws_no_control_token(tokenizer: Tokenizer) -> None:
    assert not set(WordMasking(tokenizer, 0.15)._any) & tokenizer.controls
