"""KG-BERT: triples as sequences, told from corrupted ones, and every entity tried in the missing place."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch

from mkgc.data.dataset import read_dataset
from mkgc.data.settings import DataSettings
from mkgc.data.tokens import learned
from mkgc.encoders.text import random_text
from mkgc.errors import ConfigError
from mkgc.images.loaded import LoadedImages
from mkgc.models.cross_encoder import CrossEncoder
from mkgc.training.checkpoint import build_task, restore
from mkgc.training.optim import Optim
from tasks.link_prediction.batch import QueryArrays
from tasks.link_prediction.prompt_processor import LinkProcessor
from tasks.link_prediction.sequence_processor import SequenceProcessor, drawn
from tasks.link_prediction.sequences import SequencePrediction, Sequences, paired

NAMES = ["red apple", "green apple", "red cup", "green cup", "blue cup", "blue apple"]
DESCRIPTIONS = ["a red apple", "", "a red cup from which people drink", "", "a blue cup", "a blue apple"]
RELATIONS = ["same colour as", "same thing as"]


def codec_of(
    max_length: int, descriptions: list[str] = DESCRIPTIONS, kind: type[LinkProcessor] = SequenceProcessor
) -> LinkProcessor:
    return kind(
        learned([*NAMES, *DESCRIPTIONS, *RELATIONS], vocab_size=120),
        descriptions,
        entities=NAMES,
        names=NAMES,
        relations=RELATIONS,
        relation_names=RELATIONS,
        images=[{}] * 6,
        settings=DataSettings(root="", images={}, max_length=max_length),
    )


@pytest.fixture
def processor() -> LinkProcessor:
    return codec_of(40)


def encoder(segments: int = 2, **options: Any) -> CrossEncoder:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = {"model_type": "bert", "vocab_size": 120, "max_position_embeddings": 64, "type_vocab_size": segments}
    return CrossEncoder(random_text(config | sizes), **options)


def model(processor: LinkProcessor, **options: Any) -> SequencePrediction:
    return SequencePrediction(encoder(**options), processor, Optim(lr=1e-3), metadata={})


def batch(processor: LinkProcessor, queries: list[tuple[int, int, str, list[int]]]) -> Any:
    """Queries (known entity, relation, side, answers), all answers known."""
    targets = np.array([(i, e) for i, query in enumerate(queries) for e in query[3]])
    rows = np.array([(anchor, relation, side == "tail") for anchor, relation, side, _ in queries], np.int64)
    return processor.collate(QueryArrays(rows, targets, targets), LoadedImages({}, {}))


def facts() -> list[tuple[int, int, str, list[int]]]:
    """All queries of a graph in which names say everything: equal first words, equal last words."""
    words = [name.split() for name in NAMES]
    answers = {
        (e, r): [o for o in range(6) if o != e and words[o][r] == words[e][r]] for e, r in product(range(6), range(2))
    }
    return [(e, r, target, found) for (e, r), found in answers.items() for target in ("head", "tail")]


def test_a_triple_is_three_texts_between_marks_in_segments_0_1_0(processor: LinkProcessor) -> None:
    t = processor.tokenizer
    one, two = Sequences(processor)(torch.tensor([[0, 1, 3], [2, 0, 1]])), [1, 0]
    head, relation, tail = t.ids("a red apple"), t.ids("same thing as"), t.ids("green cup")
    expected = [t.start, *head, t.stop, *relation, t.stop, *tail, t.stop]
    n = len(expected)
    assert one.ids[0].tolist() == expected + [t.pad] * (one.ids.shape[1] - n)
    assert one.mask[0].tolist() == [True] * n + [False] * (one.ids.shape[1] - n)
    segments = [0] * (len(head) + 2) + [1] * (len(relation) + 1) + [0] * (len(tail) + 1)
    assert one.segments[0].tolist() == segments + [0] * (one.ids.shape[1] - n)
    turned = Sequences(processor)(torch.tensor([[2, 0, 1], [0, 1, 3]]))
    assert torch.equal(turned.ids, one.ids[two])


def test_text_adds_no_marks_to_a_sequence(processor: LinkProcessor) -> None:
    written = [f"{name} [SEP] [CLS] [MASK] [PAD]" for name in NAMES]
    texts = Sequences(codec_of(60, written))(torch.tensor([[0, 1, 3], [5, 0, 1]]))
    t = processor.tokenizer
    for ids, mask in zip(texts.ids, texts.mask, strict=True):
        assert [ids[mask].tolist().count(mark) for mark in (t.start, t.stop, t.mask, t.pad)] == [1, 3, 0, 0]


def test_scores_are_not_rounded_under_autocast(processor: LinkProcessor) -> None:
    judge = model(processor).eval()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = judge.judge(torch.tensor([[0, 1, 3], [2, 0, 1], [4, 1, 5]]))
    assert scores.dtype == torch.float32
    assert not torch.equal(scores, scores.bfloat16().float())


def cut_as_released(head: list[int], relation: list[int], tail: list[int], room: int) -> None:
    """The released code's rule, token by token."""
    while len(head) + len(relation) + len(tail) > room:
        if len(head) > max(len(relation), len(tail)):
            head.pop()
        elif len(relation) > max(len(head), len(tail)):
            relation.pop()
        else:
            tail.pop()


@pytest.mark.parametrize("length", [13, 16, 19, 25])
def test_what_does_not_fit_is_cut_as_in_the_released_code(length: int) -> None:
    processor = codec_of(length)
    t, made = processor.tokenizer, Sequences(processor)
    triples = torch.tensor(list(product(range(6), range(2), range(6))))
    out = made(triples)
    assert out.ids.shape[1] <= length
    for ids, mask, (h, r, o) in zip(out.ids, out.mask, triples.tolist(), strict=True):
        texts = [t.ids(text) for text in (DESCRIPTIONS[h] or NAMES[h], RELATIONS[r], DESCRIPTIONS[o] or NAMES[o])]
        cut_as_released(*texts, length - 4)
        assert ids[mask].tolist() == [t.start, *(i for text in texts for i in (*text, t.stop))]


@pytest.mark.parametrize("length", [9, 10, 11, 12])
def test_something_of_each_text_is_left_and_no_room_is_wasted(length: int) -> None:
    processor = codec_of(length)
    stop = processor.tokenizer.stop
    out = Sequences(processor)(torch.tensor(list(product([0, 2, 4], range(2), [0, 2, 4]))))
    assert out.mask.all()
    assert out.ids.shape[1] == length
    assert not ((out.ids[:, 1:] == stop) & (out.ids[:, :-1] == stop)).any()


def test_a_length_without_room_for_texts_is_one_line() -> None:
    with pytest.raises(ConfigError) as caught:
        codec_of(8)
    why = "a piece of each of two texts, and the marks of a prompt"
    assert str(caught.value) == f"data.max_length=8 must be at least 9: {why}"


@pytest.mark.parametrize("name", ["negatives", "chunk", "trainable_layers"])
def test_a_number_below_one_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"backbone.{name}=0 must be at least 1"):
        encoder(**{name: 0})


@pytest.mark.parametrize("chunk", [1, 5, 256])
def test_every_entity_is_scored_as_its_own_triple_whatever_the_chunk(chunk: int, processor: LinkProcessor) -> None:
    task = model(processor, chunk=chunk).eval()
    given = batch(processor, [(2, 0, "tail", [0]), (1, 1, "head", [5]), (4, 1, "tail", [3])])
    scores = task.scores(given)
    for row, (anchor, relation, target, _) in enumerate([(2, 0, "tail", 0), (1, 1, "head", 0), (4, 1, "tail", 0)]):
        for entity in range(6):
            triple = (anchor, relation, entity) if target == "tail" else (entity, relation, anchor)
            with torch.no_grad():
                alone = task.judge(torch.tensor([triple]))
            torch.testing.assert_close(scores[row, entity], alone[0], rtol=0, atol=1e-5)


def test_some_entities_are_scored_as_among_all(processor: LinkProcessor) -> None:
    task, given = model(processor, chunk=4).eval(), batch(processor, facts())
    torch.testing.assert_close(
        task.score_candidates(task.queries(given), slice(2, 5)), task.scores(given)[:, 2:5], rtol=0, atol=1e-5
    )


def test_heads_and_tails_are_not_interchangeable(processor: LinkProcessor) -> None:
    task = model(processor).eval()
    for parameter in task.parameters():
        parameter.data += torch.randn_like(parameter) * 0.2
    one, other = task.judge(torch.tensor([[0, 1, 3], [3, 1, 0]])).tolist()
    assert abs(one - other) > 1e-2


def test_a_drawn_answer_is_one_of_the_query_s_and_all_are_drawn(processor: LinkProcessor) -> None:
    given, told = batch(processor, facts()), [set(found) for *_, found in facts()]
    draws = [drawn(given, torch.Generator().manual_seed(seed)).tolist() for seed in range(60)]
    assert [set(answers) for answers in zip(*draws, strict=True)] == told


def test_no_known_triple_is_taken_for_a_corrupted_one(processor: LinkProcessor) -> None:
    model(processor, negatives=40)
    for (*_, answers), (right, *wrong) in zip(facts(), batch(processor, facts()).candidates.tolist(), strict=True):
        assert right in answers
        assert set(wrong) == set(range(6)) - set(answers)


def test_a_batch_draws_the_same_in_any_process_and_another_order_draws_others(processor: LinkProcessor) -> None:
    torch.manual_seed(1)
    first = batch(processor, facts()).candidates
    torch.manual_seed(2)
    assert torch.equal(batch(processor, facts()).candidates, first)
    assert not torch.equal(batch(processor, facts()[::-1]).candidates.flip(0), first)


def test_a_batch_is_as_wide_as_its_longest_sequence(processor: LinkProcessor) -> None:
    task, given = model(processor), batch(processor, [(0, 0, "tail", [2]), (4, 1, "head", [2, 3])])
    sequences = task.sequences(given.triples(paired(given.candidates)))
    assert given.width == int(sequences.mask.sum(1).max())


def test_the_loss_is_the_cross_entropy_of_one_true_triple_and_its_corrupted_ones(processor: LinkProcessor) -> None:
    task, seen = model(processor, negatives=3), []
    judge = task.judge
    task.judge = lambda triples, width: seen.append((triples, judge(triples, width))) or seen[-1][1]
    loss = task.eval().loss(batch(processor, [(0, 0, "tail", [2]), (4, 1, "head", [2, 3])]))
    ((triples, scores),) = seen
    rows = scores.sigmoid().view(2, 4)
    assert triples.view(2, 4, 3)[0, :, :2].tolist() == [[0, 0]] * 4
    assert triples.view(2, 4, 3)[1, :, 1:].tolist() == [[1, 4]] * 4
    assert triples[0].tolist() == [0, 0, 2]
    assert triples[4, 0] in (2, 3)
    expected = -(rows[:, 0].log().sum() + (1 - rows[:, 1:]).log().sum()) / 8
    torch.testing.assert_close(loss, expected)


def test_what_learns_gets_a_gradient_and_frozen_layers_rest(processor: LinkProcessor) -> None:
    task = model(processor, trainable_layers=1).train()
    task.loss(batch(processor, facts())).backward()
    frozen = {name for name, p in task.named_parameters() if p.grad is None}
    assert frozen == {name for name, p in task.named_parameters() if not p.requires_grad}
    assert any(name.startswith("backbone.text.layers.0") for name in frozen)
    assert not any(name.startswith(("backbone.text.layers.1", "classifier")) for name in frozen)
    assert not task.backbone.text.embeddings.training


def test_an_encoder_of_one_segment_reads_all_in_it(processor: LinkProcessor) -> None:
    assert model(processor, segments=1).scores(batch(processor, [(0, 0, "tail", [2])])).isfinite().all()


@pytest.mark.slow
def test_a_small_graph_is_learned_from_both_sides(processor: LinkProcessor) -> None:
    asked = [(0, 1, "tail", [1, 5]), (1, 0, "tail", [3]), (3, 0, "head", [1]), (2, 1, "head", [4])]
    task, shuffled = model(processor), Random(0)
    optimiser = torch.optim.AdamW(task.parameters(), 3e-3)
    for _ in range(300):
        optimiser.zero_grad()
        task.loss(batch(processor, shuffled.sample(asked, 4))).backward()
        optimiser.step()
    metric = task.eval().make_metric()
    task.update_metric(batch(processor, asked), metric)
    assert metric.compute()["mrr"] > 0.9


def test_a_checkpoint_ranks_as_before_without_weights_at_hand(kg_root: Path, tiny: Callable[..., Any]) -> None:
    config = tiny("link_prediction", kg_root, "backbone=kg_bert")
    dataset = read_dataset(config)
    task = build_task(config, dataset.processor)
    contents = {"state_dict": task.state_dict()}
    task.on_save_checkpoint(contents)
    given = dataset.processor.collate(dataset.features["test"][:3], dataset.store)
    again, _ = restore(contents)
    assert torch.equal(again.scores(given), task.eval().scores(given))
    assert all(0 <= entity["score"] <= 1 for answer in again.predict(given) for entity in answer["entities"])
    assert dataset.coverage.rows == ()


@pytest.mark.parametrize(("length", "cut"), [(40, False), (20, True)])
def test_how_many_triples_are_cut_is_counted_by_their_three_texts(
    kg_root: Path, tiny: Callable[..., Any], length: int, cut: bool
) -> None:
    rows = "".join(f"e/{i}\t{'word ' * 9}\n" for i in range(12))  # of which a prompt of 20 pieces shows one whole
    (kg_root / "entity2textlong.txt").write_text(rows)
    dataset = read_dataset(tiny("link_prediction", kg_root, f"data.max_length={length}", "backbone=kg_bert"))
    counts = {split: len(features.triples) for split, features in dataset.features.items()}
    assert [note.text for note in dataset.notes if "beginning" in note.text] == [
        f"{count} of {count} triples of {split} show the beginning of a text alone (data.max_length={length})"
        for split, count in counts.items()
        if cut
    ]


@pytest.mark.parametrize("end", ["head", "tail"])
def test_a_described_entity_is_cut_as_its_sequence_is(end: str) -> None:
    processor = codec_of(
        25, ["a red cup from which people drink red red red red", *DESCRIPTIONS[1:]], SequenceProcessor
    )
    record = {end: {"name": "it", "description": "blue " * 14}, "relation": RELATIONS[0]}
    item = processor.parse(record, Path(), "1")
    lengths = [14, len(processor.tokenizer.ids(RELATIONS[0])), max(map(len, processor.texts()["entities"]))]
    texts = [[0] * n for n in (lengths if end == "head" else lengths[::-1])]
    cut_as_released(*texts, 25 - 4)
    assert item.cut.pieces == 14 - len(texts[0 if end == "head" else 2])
    assert item.cut.mentions == (end,)
