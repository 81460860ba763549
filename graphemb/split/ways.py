"""The three ways to choose what is held out: at random, by time, the last one of every source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from graphemb.errors import GraphError
from graphemb.graph import Adjacency, HeteroGraph, micros
from graphemb.split.pairs import Pairs, distinct_pairs, edges_of, id_keys, pair_order
from graphemb.split.rule import HeldOut, SplitRule
from graphemb.types import BoolArray

_EMPTY = HeldOut(np.zeros(0, np.int64), np.zeros(0, np.int64))


@dataclass(frozen=True, eq=False)
class Choice:
    """Which pairs and edges leave. `gone` bool [m] marks edges that leave besides the pairs'."""

    test: HeldOut
    valid: HeldOut
    removed: HeldOut
    gone: BoolArray
    train_until: int | None = None
    counts: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()


def at_random(rule: SplitRule, graph: HeteroGraph, adjacency: Adjacency) -> Choice:
    pairs = _pairs(rule, adjacency, unordered=rule.one_type and not rule.directed)
    src_ids, dst_ids = graph.ids(rule.edge_type.src), graph.ids(rule.edge_type.dst)
    order = pair_order(pairs.held, src_ids, dst_ids, rule.seed)
    num_test = round(rule.test * len(pairs))
    num_valid = round(rule.valid * len(pairs))
    test = pairs.held.take(np.sort(order[:num_test]))
    valid = pairs.held.take(np.sort(order[num_test : num_test + num_valid]))
    gone = np.zeros(adjacency.num_edges, np.bool_)
    return Choice(test, valid, joined(test, valid), gone)


def by_time(rule: SplitRule, graph: HeteroGraph, adjacency: Adjacency) -> Choice:
    pairs = _pairs(rule, adjacency, unordered=rule.one_type and not rule.directed)
    assert adjacency.times is not None and pairs.held.time is not None
    if adjacency.num_edges == 0:
        raise GraphError("there are no edges to split", source=rule.edge_type)
    ordered = np.sort(adjacency.times)
    if rule.cutoff is not None:
        test_from = micros(rule.cutoff)
    else:
        test_from = int(ordered[int(np.floor((1 - rule.test) * ordered.size))])
    before = ordered[ordered < test_from]
    train_until = test_from
    if rule.valid and before.size:
        train_until = int(before[int(np.floor((1 - rule.valid) * before.size))])
    last = np.full(len(pairs), np.iinfo(np.int64).min)
    np.maximum.at(last, pairs.of_edge[pairs.of_edge >= 0], adjacency.times[pairs.of_edge >= 0])
    first = pairs.held.time
    in_test = (first >= test_from) if rule.new_only else (last >= test_from)
    in_valid = (first >= train_until) & (first < test_from)
    known = (first < test_from) & (last >= test_from)
    counts = {"pairs_known_before": int(np.count_nonzero(known))}
    notes = (f"training ends {_shown(train_until)}, the test begins {_shown(test_from)}",)
    return Choice(
        pairs.held.take(in_test),
        pairs.held.take(in_valid),
        pairs.held.take(first >= train_until),
        adjacency.times >= train_until,
        train_until,
        counts,
        notes,
    )


def _shown(time: int) -> str:
    return f"{np.datetime64(time, 'us').astype('datetime64[s]')} UTC"


def leave_one_out(rule: SplitRule, graph: HeteroGraph, adjacency: Adjacency) -> Choice:
    """The last pair of each source; equal times are settled by the seed, never by row order."""
    pairs = _pairs(rule, adjacency, unordered=False)
    held = pairs.held
    assert held.time is not None and adjacency.times is not None
    chance = id_keys(graph.ids(rule.edge_type.dst), rule.seed)[held.dst]
    order = np.lexsort((chance, held.time, held.src))
    degree = np.bincount(held.src, minlength=adjacency.num_src)
    place = np.arange(len(pairs)) - np.concatenate([[0], np.cumsum(degree)[:-1]])[held.src[order]]
    from_end = degree[held.src[order]] - 1 - place
    test = held.take(np.sort(order[(from_end == 0) & (degree[held.src[order]] > 1)]))
    valid = _EMPTY
    if rule.valid:
        valid = held.take(np.sort(order[(from_end == 1) & (degree[held.src[order]] > 2)]))
    since = np.full(adjacency.num_src, np.iinfo(np.int64).max)
    for part in (test, valid):
        if part.time is not None:
            since[part.src] = np.minimum(since[part.src], part.time)
    later = adjacency.times >= since[adjacency.sources()]
    removed = joined(test, valid)
    own = later & ~edges_of(adjacency, removed, reverse=rule.one_type)
    counts = {"own_later_edges": int(np.count_nonzero(own))}
    notes = ("leave_one_out is not strict in time: training holds later edges of other sources",)
    return Choice(test, valid, removed, later, None, counts, notes)


def _pairs(rule: SplitRule, adjacency: Adjacency, *, unordered: bool) -> Pairs:
    return distinct_pairs(adjacency, unordered=unordered, loops=not rule.one_type)


def joined(first: HeldOut, second: HeldOut) -> HeldOut:
    time = None
    if first.time is not None and (second.time is not None or not len(second)):
        time = first.time if second.time is None else np.concatenate([first.time, second.time])
    return HeldOut(
        np.concatenate([first.src, second.src]), np.concatenate([first.dst, second.dst]), time
    )
