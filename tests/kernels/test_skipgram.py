"""Steps of skip-gram and CBOW against NumPy and torch's gradients, and what comes around them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from graphemb.kernels import alias, skipgram
from graphemb.kernels import center as center_kernel
from graphemb.kernels.skipgram import Model, Noise, Plan

RATE = 0.1
Doubles = npt.NDArray[np.float64]


def make_model(rows: int, dim: int, seed: int = 0) -> Model:
    generator = np.random.default_rng(seed)
    flat = generator.normal(scale=0.4, size=(2, rows * dim + 16)).astype(np.float32)
    return Model(flat[0].copy(), flat[1].copy(), dim, np.zeros(rows, np.uint8))


def matrices(model: Model) -> tuple[Doubles, Doubles]:
    shape = (model.seen.size, model.dim)
    size = model.seen.size * model.dim
    inputs, outputs = (part[:size].reshape(shape).astype(np.float64) for part in model[:2])
    return inputs, outputs


def only(row: int, rows: int, count: int) -> Noise:
    """Negatives that are always the same row."""
    chances = np.zeros(rows)
    chances[row] = 1.0
    table = np.empty(rows, np.uint64)
    alias.fill(np.array([0, rows]), chances, table, 0, 1)
    return Noise(table, np.array([0, rows]), count)


def plan(**changes: Any) -> Plan:
    fields = {
        "radius": 1,
        "rate": RATE,
        "min_rate": RATE,
        "total": 1,
        "seed": 0,
        "cbow": False,
        "loss_every": 1,
    }
    return Plan(**(fields | changes))


def slopes_and_loss(
    rows: Doubles, outputs: Doubles, center: int, negatives: list[int]
) -> tuple[Doubles, float]:
    """Of each row with the center and the negatives, at the values given."""
    targets = [center, *negatives]
    chances = 1 / (1 + np.exp(-rows @ outputs[targets].T))
    labels = np.array([1.0] + [0.0] * len(negatives))
    counted = np.array([1.0] + [float(row != center) for row in negatives])
    loss = -(np.log(np.where(labels, chances, 1 - chances)) * counted).sum()
    return RATE * (labels - chances) * counted, float(loss)


def numpy_step(
    before: tuple[Doubles, Doubles],
    contexts: list[int],
    center: int,
    negatives: list[int],
    *,
    cbow: bool,
) -> tuple[Doubles, Doubles, float]:
    """Both matrices after one center, and the loss before.

    Six targets after the other; among six, all move by slopes and values before.
    """
    inputs, outputs = (part.astype(np.float64) for part in before)
    rows = inputs[contexts]
    if cbow:
        rows = rows.mean(axis=0, keepdims=True)
    slopes, loss = slopes_and_loss(rows, outputs, center, negatives)
    mean = rows[0].copy()
    targets = [center, *negatives]
    for low in range(0, len(targets), 6):
        here = range(low, min(low + 6, len(targets)))
        frozen = outputs.copy()
        for number, context in enumerate([0] if cbow else contexts):
            row = mean if cbow else inputs[context]
            for place in here:
                row += slopes[number, place] * frozen[targets[place]]
                outputs[targets[place]] += slopes[number, place] * rows[number]
    if cbow:  # as in word2vec each moves by all that the mean moves
        for context in contexts:
            inputs[context] += mean - rows[0]
    return inputs, outputs, loss


@pytest.mark.parametrize("dim", [16, 48, 128])
@pytest.mark.parametrize("negatives", [1, 3, 5, 6, 11])
@pytest.mark.parametrize("num_contexts", [1, 2, 4, 7, 12])
def test_one_center_moves_all_at_once(dim: int, negatives: int, num_contexts: int) -> None:
    """With a context that stands twice, and negatives that do, within six targets and beyond."""
    model = make_model(30, dim)
    before = matrices(model)
    generator = np.random.default_rng(negatives)
    contexts = generator.integers(0, 30, num_contexts).tolist()
    contexts[-1] = contexts[0]
    center, *drawn = generator.permutation(30)[: negatives + 1].tolist()
    drawn[-1] = drawn[0]
    desk = skipgram._make_desk(6, negatives, dim)
    desk.contexts[:num_contexts] = np.array(contexts) * dim
    desk.contexts[num_contexts:] = contexts[0] * dim
    width = desk.targets.size // 2
    targets = np.full(width, center * dim)
    targets[1 : negatives + 1] = np.array(drawn) * dim
    loss = _learn(model, desk, negatives, targets, num_contexts)
    inputs, outputs, expected = numpy_step(before, contexts, center, drawn, cbow=False)
    after = matrices(model)
    np.testing.assert_allclose(after[0], inputs, atol=2e-6)
    np.testing.assert_allclose(after[1], outputs, atol=2e-6)
    assert loss == pytest.approx(expected, rel=1e-4)


def _learn(
    model: Model, desk: skipgram.Desk, negatives: int, targets: npt.NDArray[np.int64], count: int
) -> float:
    """The parts of a step, as `train` has them in its loop; the loss before."""
    inputs, outputs, dim = model.inputs, model.outputs, model.dim
    rate, contexts, slopes, width = np.float32(RATE), desk.contexts, desk.slopes, targets.size
    center_kernel.measure(inputs, outputs, dim, contexts, count, targets, width, rate, slopes)
    skipgram._label(targets, width, count, negatives, rate, slopes)
    loss = center_kernel.loss_of(slopes, count, negatives, rate)
    center_kernel.merge(targets, width, count, slopes)
    center_kernel.move(
        inputs, outputs, dim, contexts, count, targets, width, slopes, desk.before, False
    )
    return float(loss)


@pytest.mark.parametrize("cbow", [False, True])
def test_a_whole_sequence_is_learned_center_after_center(cbow: bool) -> None:
    """Windows, negatives and rates of three nodes, where nothing is left to chance."""
    model = make_model(8, 32)
    expected = matrices(model)
    sequence, negative = [3, 5, 2], 7
    total = 0.0
    for place, center in enumerate(sequence):
        contexts = [sequence[other] for other in (place - 1, place + 1) if 0 <= other < 3]
        inputs, outputs, loss = numpy_step(expected, contexts, center, [negative] * 4, cbow=cbow)
        expected = inputs, outputs
        total += loss
    tokens, lengths = np.array(sequence, np.int32), np.array([3])
    loss, pairs = skipgram.train(model, only(7, 8, 4), plan(cbow=cbow), tokens, lengths, 0)
    found = matrices(model)
    np.testing.assert_allclose(found[0], expected[0], atol=2e-6)
    np.testing.assert_allclose(found[1], expected[1], atol=2e-6)
    assert loss == pytest.approx(total, rel=1e-4)
    assert pairs == (3 if cbow else 4)
    assert model.seen.tolist() == [0, 0, 1, 1, 0, 1, 0, 0]


def test_small_steps_follow_torchs_gradient() -> None:
    """Of all windows of a longer sequence, whose reach is one, at a rate of nearly nothing."""
    model, rate, sequence = make_model(9, 32), 1e-4, [0, 3, 7, 1, 2, 5, 4]
    before = matrices(model)
    inputs, outputs = (torch.tensor(part, requires_grad=True) for part in before)
    loss = torch.tensor(0.0, dtype=torch.float64)
    for place, middle in enumerate(sequence):
        contexts = [sequence[n] for n in (place - 1, place + 1) if 0 <= n < len(sequence)]
        scores = inputs[contexts] @ outputs[[middle, 8, 8, 8]].T
        labels = torch.tensor([1.0, 0, 0, 0], dtype=torch.float64).expand_as(scores)
        loss = loss + torch.nn.functional.binary_cross_entropy_with_logits(
            scores, labels, reduction="sum"
        )
    loss.backward()  # type: ignore[no-untyped-call]
    tokens, lengths = np.array(sequence, np.int32), np.array([len(sequence)])
    still = plan(rate=rate, min_rate=rate)
    skipgram.train(model, only(8, 9, 3), still, tokens, lengths, 0)
    for after, old, learned in zip(matrices(model), before, (inputs, outputs), strict=True):
        assert learned.grad is not None
        np.testing.assert_allclose((after - old) / -rate, learned.grad.numpy(), atol=0.01)


def test_a_negative_that_is_the_center_counts_for_nothing() -> None:
    model = make_model(4, 16)
    before = matrices(model)
    tokens, lengths = np.array([1, 2], np.int32), np.array([2])
    skipgram.train(model, only(1, 4, 3), plan(), tokens, lengths, 0)
    first = numpy_step(before, [2], 1, [], cbow=False)[:2]
    expected = numpy_step(first, [1], 2, [1, 1, 1], cbow=False)
    np.testing.assert_allclose(matrices(model)[0], expected[0], atol=2e-6)
    np.testing.assert_allclose(matrices(model)[1], expected[1], atol=2e-6)


def test_the_rate_falls_linearly_over_all_sequences() -> None:
    """Half-way through, a step from the same values is half as long."""
    lengths, tokens = np.array([2]), np.array([1, 2], np.int32)
    moves = []
    for number in (0, 500):
        model = make_model(4, 16)
        before = matrices(model)[0]
        falling = plan(rate=1e-4, min_rate=0.0, total=1000)
        skipgram.train(model, only(3, 4, 2), falling, tokens, lengths, number)
        moves.append(matrices(model)[0] - before)
    there = np.abs(moves[0]) > 1e-6
    np.testing.assert_allclose(moves[1][there] / moves[0][there], 0.5, atol=0.05)


def test_windows_reach_from_one_to_the_radius_alike() -> None:
    """The loss of a model of zeros is log 2 a target, so its pairs can be counted."""
    model = Model(*np.zeros((2, 50 * 16 + 16), np.float32), 16, np.zeros(50, np.uint8))
    tokens = np.tile(np.arange(50, dtype=np.int32), 200)
    loss, pairs = skipgram.train(
        model, only(0, 50, 1), plan(radius=3, rate=1e-12), tokens, np.full(200, 50), 0
    )
    expected = 200 * np.mean([2 * 50 * reach - reach * (reach + 1) for reach in (1, 2, 3)])
    assert pairs == pytest.approx(expected, rel=0.01)
    assert loss == pytest.approx(2 * math.log(2) * pairs, rel=0.05)


def test_single_nodes_are_passed_over() -> None:
    model = make_model(4, 16)
    before = matrices(model)
    tokens, lengths = np.array([1, 2], np.int32), np.array([1, 0, 1])
    assert skipgram.train(model, only(3, 4, 2), plan(), tokens, lengths, 0) == (0.0, 0)
    assert (matrices(model)[0] == before[0]).all()
    assert not model.seen.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_fault_077_a_component_that_is_no_number_shows_in_the_loss(bad: float) -> None:
    model = make_model(4, 16)
    model.inputs[2 * 16 + 5] = bad
    tokens, lengths = np.array([1, 2], np.int32), np.array([2])
    loss, _ = skipgram.train(model, only(3, 4, 2), plan(), tokens, lengths, 0)
    assert math.isnan(loss)


def test_sigmoids_saturate_without_overflow() -> None:
    model = make_model(4, 16)
    model.inputs[:] = 30.0
    model.outputs[:] = 30.0
    tokens, lengths = np.array([1, 2], np.int32), np.array([2])
    loss, _ = skipgram.train(model, only(3, 4, 2), plan(), tokens, lengths, 0)
    assert math.isfinite(loss) and loss > 10


def test_first_vectors_are_word2vecs_and_pads_are_zero() -> None:
    inputs = np.full(100 * 32 + 16, 9.0, np.float32)
    skipgram.start_inputs(inputs, 32, 20, 5, 0, 100)
    rows = inputs[:3200].reshape(100, 32)
    assert (rows[:, 20:] == 0).all()
    used = rows[:, :20]
    assert np.abs(used).max() <= 0.5 / 20
    assert used.std() == pytest.approx(1 / 20 / math.sqrt(12), rel=0.05)
    assert abs(used.mean()) < 1e-3
