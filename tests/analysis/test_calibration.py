"""Temperatures are found again, help on data they were not fitted to, and stay bounded where nothing bounds them."""

import math

import pytest
import torch
from scipy import optimize
from torch import Tensor
from torch.nn import functional as F
from torchmetrics.functional.classification import binary_calibration_error

from mkgc.analysis.calibration import (
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    Answered,
    Calibration,
    Kind,
    calibrate,
    expected_calibration_error,
    reliability,
    sample,
)
from mkgc.metrics import EmptyMetricError, MetricError

NONE = torch.zeros(0, 2, dtype=torch.long)


def pairs(*rows: tuple[int, int]) -> Tensor:
    return torch.tensor(rows, dtype=torch.long).reshape(-1, 2)


def drawn(temperature: float, queries: int = 4000, candidates: int = 20, seed: int = 0) -> Answered:
    """Queries whose answer is drawn from the softmax of their scores at a temperature."""
    draw = torch.Generator().manual_seed(seed)
    scores = 3 * torch.randn(queries, candidates, generator=draw)
    answer = (scores / temperature).softmax(1).multinomial(1, generator=draw)
    return Answered(scores, torch.cat([torch.arange(queries)[:, None], answer], 1), NONE)


def flipped(temperature: float, bias: float, queries: int = 3000, candidates: int = 30) -> Answered:
    """Candidates that are each an answer by the sigmoid of their score / temperature + bias."""
    draw = torch.Generator().manual_seed(1)
    scores = 4 * torch.randn(queries, candidates, generator=draw)
    answer = torch.rand(scores.shape, generator=draw) < (scores / temperature + bias).sigmoid()
    return Answered(scores, answer.nonzero(), NONE)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 8.0])
def test_the_temperature_at_which_answers_were_drawn_is_found_again(temperature: float) -> None:
    data = drawn(temperature)
    found = calibrate([data], "softmax")
    assert found.temperature == pytest.approx(temperature, rel=0.1)
    assert found.bias == 0
    before, after = (reliability([data], one) for one in (Calibration("softmax"), found))
    assert after["nll"] <= before["nll"]
    assert after["ece"] < 0.025
    if temperature != 1:
        assert after["ece"] < before["ece"] / 3


def test_a_temperature_also_calibrates_queries_that_it_was_not_fitted_to() -> None:
    found, other = calibrate([drawn(4.0)], "softmax"), drawn(4.0, seed=9)
    assert reliability([other], found)["ece"] < 0.03 < 0.3 < reliability([other], Calibration("softmax"))["ece"]


@pytest.mark.parametrize(("temperature", "bias"), [(1.0, 0.0), (2.0, -4.0), (0.5, -9.0), (5.0, 1.0)])
def test_a_sigmoid_gets_its_temperature_and_its_bias(temperature: float, bias: float) -> None:
    found = calibrate([flipped(temperature, bias)], "sigmoid")
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.bias == pytest.approx(bias, rel=0.05, abs=0.05)


def test_a_sigmoid_taught_with_few_negatives_needs_the_bias() -> None:
    data = flipped(1.0, -6.0)
    probabilities, answers = calibrate([data], "sigmoid")(data.scores), len(data.targets)
    assert float(probabilities.sum()) == pytest.approx(answers, rel=1e-3)
    # No temperature makes it true of candidates on either side of 0, whose mean is no less than that of the best one.
    assert min(float((data.scores / 2**t).sigmoid().sum()) for t in range(-7, 7)) > 5 * answers


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_the_loss_is_lowest_where_scipy_finds_it(kind: Kind) -> None:
    data = drawn(3.0, 200)
    known = torch.cat([data.targets, pairs(*((i, 3) for i in range(0, 200, 2)))])
    data = Answered(data.scores, data.targets, known)
    free = torch.ones_like(data.scores, dtype=torch.bool)
    free[tuple(known.T)] = False

    def loss(at: list[float]) -> float:
        logits = data.scores.double() * math.exp(at[0]) + (at[1] if kind == "sigmoid" else 0)
        right = logits[tuple(data.targets.T)]
        if kind == "sigmoid":
            return float(F.softplus(-right).sum() + F.softplus(logits[free]).sum()) / 200
        rows = logits.masked_fill(~free, -torch.inf)
        rows[tuple(data.targets.T)] = right
        return float((rows.logsumexp(1) - right).mean())

    best = optimize.minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-12})
    found = calibrate([data], kind)
    assert reliability([data], found)["nll"] == pytest.approx(best.fun, rel=1e-6)
    assert found.temperature == pytest.approx(math.exp(-best.x[0]), rel=1e-3)


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_chunks_change_nothing(kind: Kind) -> None:
    whole = drawn(2.0, 300)
    chunks = [Answered(whole.scores[i : i + 70], _shifted(whole.targets, i, 70), NONE) for i in range(0, 300, 70)]
    assert calibrate(chunks, kind).temperature == pytest.approx(calibrate([whole], kind).temperature, rel=1e-6)
    found = calibrate([whole], kind)
    assert reliability(chunks, found) == pytest.approx(reliability([whole], found), rel=1e-9)


def _shifted(targets: Tensor, start: int, size: int) -> Tensor:
    part = targets[(targets[:, 0] >= start) & (targets[:, 0] < start + size)]
    return part - torch.tensor([start, 0])


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
def test_other_known_answers_and_what_scores_minus_infinity_have_no_say(kind: Kind) -> None:
    data = drawn(2.0, 300)
    extra = torch.full((300, 2), 50.0)
    extra[:, 1] = -torch.inf
    known = torch.stack([torch.arange(300), torch.full((300,), 20)], 1)
    more = Answered(torch.cat([data.scores, extra], 1), data.targets, torch.cat([known, data.targets, known]))
    assert calibrate([more], kind) == calibrate([data], kind)
    assert reliability([more], Calibration(kind)) == reliability([data], Calibration(kind))


@pytest.mark.parametrize("kind", ["softmax", "sigmoid"])
@pytest.mark.parametrize("queries", [1, 50])
@pytest.mark.parametrize(("right", "scale"), [(True, 1.0), (False, 1.0), (True, 1e4), (False, 1e4), (False, 1e-4)])
def test_answers_all_right_or_all_wrong_leave_the_calibration_bounded(
    kind: Kind, queries: int, right: bool, scale: float
) -> None:
    scores = scale * torch.randn(queries, 10, generator=torch.Generator().manual_seed(2))
    answer = scores.argmax(1) if right else scores.argmin(1)
    data = Answered(scores, torch.stack([torch.arange(queries), answer], 1), NONE)
    found = calibrate([data], kind)
    assert MIN_TEMPERATURE <= found.temperature <= MAX_TEMPERATURE
    assert (found.temperature <= 1) == right or kind == "sigmoid"
    before, after = (reliability([data], one) for one in (Calibration(kind), found))
    assert all(map(math.isfinite, after.values()))
    assert after["nll"] <= before["nll"]
    probabilities = found(scores)
    assert torch.isfinite(probabilities).all()
    assert ((probabilities >= 0) & (probabilities <= 1)).all()


def test_scores_that_say_nothing_stay_as_they_are() -> None:
    data = Answered(torch.zeros(40, 10), torch.stack([torch.arange(40), torch.arange(40) % 10], 1), NONE)
    assert calibrate([data], "softmax") == Calibration("softmax")
    assert reliability([data], Calibration("softmax")) == pytest.approx({"nll": math.log(10), "ece": 0}, abs=1e-7)
    found = calibrate([data], "sigmoid")
    assert found(data.scores).numpy() == pytest.approx(0.1, rel=1e-3)


def test_answers_without_a_competitor_teach_nothing() -> None:
    alone = Answered(torch.ones(2, 1), pairs((0, 0), (1, 0)), NONE)
    for chunks in ([], [alone]):
        assert calibrate(chunks, "softmax") == Calibration("softmax")
        with pytest.raises(EmptyMetricError, match="^no answer has a competitor: there is nothing to calibrate$"):
            reliability(chunks, Calibration("softmax"))
    data = drawn(2.0, 50)
    assert calibrate([alone, data, alone], "softmax") == calibrate([data], "softmax")


@pytest.mark.parametrize("wrong", [torch.nan, torch.inf, -torch.inf])
def test_scores_that_are_not_finite_are_an_error(wrong: float) -> None:
    data = drawn(1.0, 5)
    data.scores[tuple(data.targets[2])] = wrong
    with pytest.raises(MetricError, match="^scores that are not finite cannot be calibrated: the model has diverged$"):
        calibrate([data], "softmax")


def test_the_error_is_how_far_confidence_is_from_the_share_of_right_answers_in_its_bin() -> None:
    confidence = torch.tensor([0.95, 0.95, 1.0, 0.55, 0.0])
    right = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0])
    assert expected_calibration_error(confidence, right, bins=10) == pytest.approx((0.9 + 0.45) / 5, rel=1e-6)
    assert expected_calibration_error(confidence, right, bins=1) == pytest.approx(abs(3.45 - 3) / 5, rel=1e-6)
    with pytest.raises(EmptyMetricError, match="^there are no answers to say how sure the model was of them$"):
        expected_calibration_error(confidence[:0], right[:0])


def test_the_error_is_that_of_torchmetrics_where_no_two_candidates_are_equal() -> None:
    draw = torch.Generator().manual_seed(3)
    confidence = torch.rand(500, generator=draw, dtype=torch.double)
    right = torch.rand(500, generator=draw) < confidence**2
    theirs = float(binary_calibration_error(confidence, right.long(), n_bins=15))
    assert expected_calibration_error(confidence, right.double()) == pytest.approx(theirs, rel=1e-9)


def test_scores_of_any_size_are_fitted() -> None:
    data = flipped(2.0, -4.0)
    large = Answered(1e4 * data.scores + 3e4, data.targets, data.known)
    small, found = calibrate([data], "sigmoid"), calibrate([large], "sigmoid")
    assert found.temperature == MAX_TEMPERATURE  # 20,000 would be right
    assert reliability([large], found)["nll"] < reliability([large], Calibration("sigmoid"))["nll"] / 50
    moved = Answered(data.scores - 300, data.targets, data.known)
    assert calibrate([moved], "sigmoid").temperature == pytest.approx(small.temperature, rel=1e-3)


def test_candidates_keep_their_order_and_a_softmax_adds_up_to_one() -> None:
    scores = torch.randn(3, 8)
    for calibration in (Calibration("softmax", 3.0), Calibration("sigmoid", 0.5, -7.0)):
        assert calibration(scores).argsort(1).tolist() == scores.argsort(1).tolist()
    assert Calibration("softmax", 3.0)(scores).sum(1).tolist() == pytest.approx([1.0] * 3)
    assert Calibration("sigmoid", 2.0, 1.0)(scores).equal((scores / 2 + 1).sigmoid())


def test_a_sample_is_fixed_by_its_seed_and_no_larger_than_asked_for() -> None:
    drawn = sample(35070)
    assert (len(drawn), len({*drawn.tolist()})) == (2000, 2000)
    assert drawn.tolist() == sample(35070).tolist() == sorted(drawn.tolist()) != sample(35070, seed=1).tolist()
    assert drawn[0] >= 0
    assert drawn[-1] < 35070
    assert sample(3).tolist() == [0, 1, 2]
