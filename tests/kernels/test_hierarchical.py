"""Hierarchical softmax: the tree against a heap, one sequence against torch, what comes around."""

from __future__ import annotations

import heapq
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from graphemb.kernels import hierarchical
from graphemb.kernels.hierarchical import Tree
from graphemb.kernels.skipgram import Model, Plan

RATE = 0.1


def grow(visits: list[int]) -> tuple[Tree, npt.NDArray[np.int64]]:
    counts = np.array(visits, np.int64)
    there = np.flatnonzero(counts)
    up, depths = np.empty(2 * counts.size, np.int64), np.empty(counts.size, np.int64)
    hierarchical.grow(counts, there[np.argsort(counts[there], kind="stable")], up)
    hierarchical.measure_depths(up, depths)
    return Tree(up, int(depths.max(initial=0))), depths


def way(tree: Tree, row: int) -> list[tuple[int, int]]:
    """Inner node and turn (1: right), from the leaf to the root."""
    found, step = [], int(tree.up[row])
    while step >= 0:
        found.append((step >> 1, step & 1))
        step = int(tree.up[tree.up.size // 2 + (step >> 1)])
    return found


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


def make_model(rows: int, dim: int) -> Model:
    flat = np.random.default_rng(0).normal(scale=0.4, size=(2, rows * dim + 16))
    inputs, outputs = flat.astype(np.float32)
    return Model(inputs.copy(), outputs.copy(), dim, np.zeros(rows, np.uint8))


@given(st.lists(st.integers(0, 40), min_size=1, max_size=40))
def test_the_tree_costs_as_little_as_any(visits: list[int]) -> None:
    """The sum of visits x depth is that of Huffman's algorithm with a heap."""
    heap = [count for count in visits if count]
    heapq.heapify(heap)
    cost = 0
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        cost += both
        heapq.heappush(heap, both)
    tree, depths = grow(visits)
    assert int(depths @ np.array(visits)) == cost
    ways = [tuple(way(tree, row)[::-1]) for row in range(len(visits)) if visits[row]]
    assert len(set(ways)) == len(ways), "two rows with the same way"
    assert not depths[np.array(visits) == 0].any()


@pytest.mark.parametrize("dim", [16, 48])
@pytest.mark.parametrize("sequence", [[1, 4, 0], [3, 5], [2, 7, 2]])
def test_a_sequence_moves_context_after_context(dim: int, sequence: list[int]) -> None:
    """By slopes at the values before each center, along targets as the contexts before left them.

    [2, 7, 2]: two contexts that are one row; it moves twice. No way is longer than six.
    """
    tree, _ = grow([30, 1, 9, 4, 9, 2, 0, 5])
    model = make_model(8, dim)
    inputs, outputs = (part[: 8 * dim].reshape(8, dim).astype(np.float64) for part in model[:2])
    total, expected_pairs = 0.0, 0
    for place, middle in enumerate(sequence):
        contexts = [sequence[n] for n in (place - 1, place + 1) if 0 <= n < len(sequence)]
        before, nodes = inputs.copy(), [node for node, _ in way(tree, middle)]
        labels = np.array([1.0 - right for _, right in way(tree, middle)])
        chances = 1 / (1 + np.exp(-inputs[contexts] @ outputs[nodes].T))
        for context, slopes in zip(contexts, RATE * (labels - chances), strict=True):
            inputs[context] += slopes @ outputs[nodes]
            outputs[nodes] += np.outer(slopes, before[context])
        total -= np.log(np.where(labels, chances, 1 - chances)).sum()
        expected_pairs += len(contexts)
    tokens, lengths = np.array(sequence, np.int32), np.array([len(sequence)])
    loss, pairs = hierarchical.train(model, tree, plan(), tokens, lengths, 0)
    np.testing.assert_allclose(model.inputs[: 8 * dim].reshape(8, dim), inputs, atol=2e-6)
    np.testing.assert_allclose(model.outputs[: 8 * dim].reshape(8, dim), outputs, atol=2e-6)
    assert loss == pytest.approx(total, rel=1e-4)
    assert pairs == expected_pairs
    assert np.flatnonzero(model.seen).tolist() == sorted(set(sequence))


def test_small_steps_follow_torchs_gradient() -> None:
    """Of all windows of a longer sequence, whose reach is one, at a rate of nearly nothing."""
    tree, _ = grow([30, 1, 9, 4, 9, 2, 0, 5])
    model, rate, sequence = make_model(8, 32), 1e-3, [0, 3, 7, 1, 2, 5, 4]
    before = [part[: 8 * 32].reshape(8, 32).copy() for part in model[:2]]
    inputs, outputs = (torch.tensor(part, requires_grad=True) for part in before)
    loss = torch.tensor(0.0)
    for place, middle in enumerate(sequence):
        contexts = [sequence[n] for n in (place - 1, place + 1) if 0 <= n < len(sequence)]
        scores = inputs[contexts] @ outputs[[node for node, _ in way(tree, middle)]].T
        labels = torch.tensor([1.0 - right for _, right in way(tree, middle)]).expand_as(scores)
        loss = loss + torch.nn.functional.binary_cross_entropy_with_logits(
            scores, labels, reduction="sum"
        )
    loss.backward()  # type: ignore[no-untyped-call]
    tokens, lengths = np.array(sequence, np.int32), np.array([len(sequence)])
    hierarchical.train(model, tree, plan(rate=rate, min_rate=rate), tokens, lengths, 0)
    for part, old, learned in zip(model[:2], before, (inputs, outputs), strict=True):
        assert learned.grad is not None
        moved = (part[: 8 * 32].reshape(8, 32) - old) / -rate
        np.testing.assert_allclose(moved, learned.grad.numpy(), atol=0.01)


def test_windows_reach_from_one_to_the_radius_alike() -> None:
    """The loss of a model of zeros is log 2 a turn, and each of 64 equal rows has six."""
    tree, depths = grow([7] * 64)
    assert depths.tolist() == [6] * 64
    model = Model(*np.zeros((2, 64 * 16 + 16), np.float32), 16, np.zeros(64, np.uint8))
    tokens = np.tile(np.arange(64, dtype=np.int32), 200)
    still = plan(radius=3, rate=1e-12, min_rate=1e-12)
    loss, pairs = hierarchical.train(model, tree, still, tokens, np.full(200, 64), 0)
    expected = 200 * np.mean([2 * 64 * reach - reach * (reach + 1) for reach in (1, 2, 3)])
    assert pairs == pytest.approx(expected, rel=0.01)
    assert loss == pytest.approx(6 * math.log(2) * pairs, rel=1e-3)


def test_a_tree_of_one_row_has_nothing_to_learn() -> None:
    tree, _ = grow([0, 5, 0])
    model = make_model(3, 16)
    before = model.inputs.copy()
    tokens = np.array([1, 1, 1], np.int32)
    loss, pairs = hierarchical.train(model, tree, plan(), tokens, np.array([3]), 0)
    assert (loss, pairs) == (0.0, 4)
    assert (model.inputs == before).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_fault_077_a_component_that_is_no_number_shows_in_the_loss(bad: float) -> None:
    tree, _ = grow([1, 2, 3])
    model = make_model(3, 16)
    model.inputs[2 * 16 + 5] = bad
    tokens = np.array([1, 2], np.int32)
    loss, _ = hierarchical.train(model, tree, plan(), tokens, np.array([2]), 0)
    assert math.isnan(loss)
