"""Drawing the edges of a frontier: against counting, closed forms and enumeration."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from graphemb.kernels import neighbor, numbering, subset
from graphemb.kernels.neighbor import Frontier, Ways

Ints = npt.NDArray[np.int64]
NONE = np.empty(0, np.int64)
TRIALS = 20_000


def ways_of(
    rows: list[list[int]], *, weights: list[float] | None = None, times: list[int] | None = None
) -> Ways:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    neighbors = np.array([other for row in rows for other in row], np.int32)
    cumulated = np.empty(0, np.float64)
    if weights is not None:
        cumulated = np.empty(neighbors.size, np.float64)
        subset.cumulate(offsets, np.array(weights, np.float32), cumulated)
    parts = (offsets, neighbors, np.array(times or [], np.int64), cumulated, NONE.copy())
    for part in parts:
        part.flags.writeable = False
    return Ways(*parts)


def drawn(
    ways: Ways,
    rows: list[int] | Ints,
    fanout: int,
    *,
    replace: bool = False,
    latest: bool = False,
    until: list[int] | None = None,
    banned: list[int] | None = None,
    key: int = 7,
    streams: Ints | None = None,
) -> list[list[int]]:
    """The edges that each node of a frontier drew; `banned` holds for all of them."""
    nodes = np.asarray(rows, np.int64)
    bans = (NONE, NONE, NONE)
    if banned is not None:
        low, high = np.zeros((2, nodes.size), np.int64)
        high[:] = len(banned)
        bans = (low, high, np.array(sorted(banned), np.int64))
    frontier = Frontier(
        nodes,
        np.arange(nodes.size) if streams is None else streams,
        np.array(until or [], np.int64),
        *bans,
    )
    room = neighbor.make_room(ways.offsets, nodes, fanout, replace)
    edges, others = np.full((2, int(room[-1])), -1, np.int64)
    counts = np.zeros(nodes.size, np.int64)
    neighbor.draw(
        ways,
        frontier,
        fanout,
        replace,
        latest,
        np.uint64(key),
        room,
        edges,
        others,
        counts,
        0,
        nodes.size,
    )
    out = []
    for place, count in enumerate(counts):
        mine = edges[room[place] : room[place] + count]
        assert (others[room[place] : room[place] + count] == ways.neighbors[mine]).all()
        out.append(mine.tolist())
    return out


def test_all_neighbours_are_taken_when_asked_or_when_they_are_few() -> None:
    ways = ways_of([[1, 1, 2], [], [0]])
    for fanout in (neighbor.ALL, 3, 9):
        assert drawn(ways, [2, 0, 1], fanout) == [[3], [0, 1, 2], []]
    assert drawn(ways, [0, 1], 0) == [[], []]
    assert drawn(ways, [0, 1], neighbor.ALL, replace=True) == [[0, 1, 2], []]
    assert [len(edges) for edges in drawn(ways, [0, 1, 2], 4, replace=True)] == [4, 0, 4]


@pytest.mark.parametrize("size", [1, 3, 5])
def test_every_subset_is_equally_likely(size: int) -> None:
    subsets = list(combinations(range(7), size))
    drew = drawn(ways_of([list(range(7))]), [0] * TRIALS, size)
    got = [subsets.index(tuple(sorted(edges))) for edges in drew]
    assert chisquare(np.bincount(got, minlength=len(subsets))).pvalue > 0.001


def test_many_of_not_many_more_are_equally_likely_too() -> None:
    """Drawn in one sweep: every edge, and every pair of edges, as often as it should be."""
    drew = drawn(ways_of([list(range(60))]), [0] * 3000, 40)
    there = np.zeros((3000, 60))
    for place, edges in enumerate(drew):
        there[place, edges] = 1
    together = there.T @ there / 3000
    alone, both = 40 / 60, 40 * 39 / (60 * 59)
    assert abs(np.diag(together) - alone).max() < 5 * np.sqrt(alone * (1 - alone) / 3000)
    apart = together[~np.eye(60, dtype=bool)]
    assert abs(apart - both).max() < 5 * np.sqrt(both * (1 - both) / 3000)


@pytest.mark.parametrize("weighted", [False, True])
def test_no_edge_comes_twice_where_many_are_wanted_of_many_more(weighted: bool) -> None:
    ways = ways_of([list(range(500))], weights=[1.0] * 500 if weighted else None)
    drew = drawn(ways, [0] * 1000, 40)
    assert all(len(set(edges)) == 40 for edges in drew)
    often = np.bincount(np.concatenate(drew), minlength=500)
    assert abs(often / 1000 - 0.08).max() < 5.5 * np.sqrt(0.08 * 0.92 / 1000)


def test_draws_with_replacement_are_independent() -> None:
    got = drawn(ways_of([[0, 1, 2]]), [0] * TRIALS, 2, replace=True)
    pairs = np.bincount([3 * first + second for first, second in got], minlength=9)
    assert chisquare(pairs).pvalue > 0.001


def test_draws_by_weight_with_replacement_follow_the_weights() -> None:
    weights = [1.0, 6.0, 0.5, 2.5]
    got = np.ravel(drawn(ways_of([[0, 1, 2, 3]], weights=weights), [0] * TRIALS, 2, replace=True))
    wanted = np.array(weights) / 10 * got.size
    assert chisquare(np.bincount(got), wanted).pvalue > 0.001


def successive(weights: list[float], count: int) -> dict[tuple[int, ...], float]:
    """The chance of every subset when edges are drawn by weight one after the other."""
    chances: dict[tuple[int, ...], float] = {}
    for order in permutations(range(len(weights)), count):
        left, chance = sum(weights), 1.0
        for edge in order:
            chance *= weights[edge] / left
            left -= weights[edge]
        subset = tuple(sorted(order))
        chances[subset] = chances.get(subset, 0.0) + chance
    return chances


@pytest.mark.parametrize("weights", [[1.0, 6.0, 0.5, 2.5, 1.0], [1e6, 1.0, 2.0, 3.0, 4.0]])
def test_draws_by_weight_without_replacement_are_successive(weights: list[float]) -> None:
    chances = successive(weights, 3)
    drew = drawn(ways_of([list(range(5))], weights=weights), [0] * TRIALS, 3)
    got = [sorted(edges) for edges in drew]
    counts = np.array([got.count(list(subset)) for subset in chances])
    wanted = np.array(list(chances.values())) * TRIALS
    likely = wanted > 5
    assert counts[~likely].sum() <= wanted[~likely].sum() + 20
    counts, wanted = counts[likely], wanted[likely]
    assert chisquare(counts, wanted * counts.sum() / wanted.sum()).pvalue > 0.001


def test_only_edges_before_the_time_are_drawn_and_the_last_ones_first() -> None:
    ways = ways_of([[5, 1, 5, 2, 9]], times=[10, 20, 20, 30, 40])
    assert drawn(ways, [0] * 4, neighbor.ALL, until=[10, 20, 21, 99]) == [
        [],
        [0],
        [0, 1, 2],
        [0, 1, 2, 3, 4],
    ]
    assert drawn(ways, [0] * 3, 2, latest=True, until=[11, 30, 40]) == [[0], [1, 2], [2, 3]]
    some = drawn(ways, [0] * TRIALS, 1, until=[30] * TRIALS)
    assert chisquare(np.bincount(np.ravel(some), minlength=3)).pvalue > 0.001
    assert drawn(ways, [0] * 2, 2, latest=True, until=[40] * 2, banned=[2, 1]) == [[0, 2]] * 2


@given(
    row=st.lists(st.integers(0, 9), max_size=40),
    banned=st.sets(st.integers(0, 9), max_size=6),
    fanout=st.integers(-1, 45),
    replace=st.booleans(),
    weighted=st.booleans(),
    timed=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_samples_hold_what_they_may_and_as_much_as_they_should(
    row: list[int], banned: set[int], fanout: int, replace: bool, weighted: bool, timed: bool
) -> None:
    row = row if timed else sorted(row)
    ways = ways_of(
        [[0], row],
        weights=[1.0] + [1.0 + place for place in range(len(row))] if weighted else None,
        times=list(range(len(row) + 1)) if timed else None,
    )
    allowed = [place for place, other in enumerate(row, 1) if other not in banned]
    if timed:
        allowed = [place for place in allowed if place < 20]
    (edges,) = drawn(
        ways, [1], fanout, replace=replace, until=[20] if timed else None, banned=sorted(banned)
    )
    assert set(edges) <= set(allowed)
    if fanout < 0 or (not replace and fanout >= len(allowed)):
        assert edges == allowed
    elif allowed:
        assert len(edges) == fanout
        assert replace or len(set(edges)) == fanout


def test_chances_are_those_of_the_edges_that_are_left_when_some_are_banned() -> None:
    ways = ways_of([[0, 1, 1, 2, 3]])
    got = np.ravel(drawn(ways, [0] * TRIALS, 1, banned=[1, 7]))
    assert set(got) == {0, 3, 4}
    assert chisquare(np.bincount(got)[[0, 3, 4]]).pvalue > 0.001
    heavy = ways_of([[0, 1, 1, 2, 3]], weights=[1.0, 1e9, 1e9, 2.0, 3.0])  # draws run out
    for replace in (True, False):
        got = np.ravel(drawn(heavy, [0] * TRIALS, 1, banned=[1], replace=replace))
        counts = np.bincount(got, minlength=5)
        assert chisquare(counts[[0, 3, 4]], np.array([1, 2, 3]) / 6 * TRIALS).pvalue > 0.001


def test_a_draw_hangs_on_key_and_stream_alone() -> None:
    ways = ways_of([list(range(50)), list(range(30))])
    streams = np.array([4, 9, 4, 11])
    first = drawn(ways, [0, 1, 0, 0], 5, streams=streams)
    assert first[0] == first[2] != first[3]
    assert drawn(ways, [1, 0], 5, streams=streams[[1, 0]]) == [first[1], first[0]]
    assert drawn(ways, [0, 1, 0, 0], 5, streams=streams, key=8) != first


@given(st.lists(st.lists(st.integers(0, 2**40), max_size=30), max_size=5))
def test_keys_are_numbered_as_they_come(parts: list[list[int]]) -> None:
    table = np.full(2 * 512, -1, np.int64)
    known: dict[int, int] = {}
    for part in parts:
        keys = np.array(part, np.int64)
        numbers, fresh = np.empty((2, keys.size), np.int64)
        before = len(known)
        count = numbering.enter(table, keys, before, numbers, fresh)
        for key in part:
            known.setdefault(key, len(known))
        assert count == len(known) - before
        assert fresh[:count].tolist() == list(known)[before:]
        assert numbers.tolist() == [known[key] for key in part]
    asked = np.array([*known, 2**41], np.int64)
    assert numbering.find(table, asked).tolist() == [*known.values(), -1]
