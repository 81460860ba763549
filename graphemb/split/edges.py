"""Holding edges out: at random, by time, or the last one of every source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from graphemb.errors import ConfigError, GraphError
from graphemb.graph import Adjacency, HeteroGraph
from graphemb.graph.columns import TableLike, as_table, read_times, require
from graphemb.graph.policies import Policies
from graphemb.split.pairs import edges_of, id_keys
from graphemb.split.rule import By, HeldOut, Moment, Split, SplitRule, degrees_of_ends
from graphemb.split.ways import Choice, at_random, by_time, joined, leave_one_out
from graphemb.types import BoolArray, EdgeType, IntArray


def split_edges(
    graph: HeteroGraph,
    edge_type: EdgeType,
    *,
    by: By | None = None,
    test: float = 0.1,
    valid: float = 0.0,
    cutoff: Moment | None = None,
    seed: int = 0,
) -> Split:
    """Hold edges of one type out of a graph. `split_by` takes every field of a `SplitRule`.

    Raises:
        ConfigError: a field out of its range; times wanted where edges have none.
        GraphError: nothing would be held out, or nothing left to train on.
        UnknownName: no such edge type.
    """
    rule = SplitRule(edge_type=edge_type, by=by, test=test, valid=valid, cutoff=cutoff, seed=seed)
    return split_by(rule, graph)


def split_by(rule: SplitRule, graph: HeteroGraph) -> Split:
    """Split a graph by a rule.

    Raises:
        As `split_edges`.
    """
    adjacency = graph[rule.edge_type]
    for other in rule.leaky_with:
        graph[other.stored]
    by = rule.by or ("time" if adjacency.times is not None or rule.cutoff is not None else "random")
    rule = replace(rule, by=by)
    if by != "random" and adjacency.times is None:
        raise ConfigError(
            f"by={by!r} needs edges with times",
            field="by",
            source=rule.edge_type,
            hint="give the edges a 'time' column, or use by='random'",
        )
    choose = {"random": at_random, "time": by_time, "leave_one_out": leave_one_out}[by]
    choice = choose(rule, graph, adjacency)
    if not len(choice.test):
        raise GraphError("no pair is held out for the test", source=rule.edge_type)
    train, lost = _training_graph(rule, graph, choice)
    if not train.num_edges(rule.edge_type.stored):
        raise GraphError("no edge is left to train on", source=rule.edge_type)
    return _asked(rule, graph, train, choice, lost)


def given_split(
    train: HeteroGraph,
    edge_type: EdgeType,
    test: TableLike,
    *,
    valid: TableLike | None = None,
    directed: bool = False,
) -> Split:
    """A split that somebody else made: a training graph, and tables `src`, `dst` [, `time`].

    Pairs that stand in the training graph are kept: `audit_leaks` finds them.

    Raises:
        UnknownNode: an id that is no node of the training graph.
        GraphError: no test pair.
    """
    rule = SplitRule(edge_type=edge_type, directed=directed)
    train[rule.edge_type]
    asked = _read_pairs(train, rule, test)
    tuned = None if valid is None else _read_pairs(train, rule, valid)
    if not len(asked):
        raise GraphError("no test pair is given", source=rule.edge_type)
    removed = asked if tuned is None else joined(asked, tuned)
    counts = {"test": len(asked), "valid": 0 if tuned is None else len(tuned)}
    notes = ("the split was given, not made here",)
    fingerprint = train.fingerprint
    return Split(rule, train, asked, tuned, removed, None, fingerprint, counts, notes)


def _read_pairs(graph: HeteroGraph, rule: SplitRule, given: TableLike) -> HeldOut:
    edge_type = rule.edge_type
    table = as_table(given, f"pairs of {edge_type}")
    require(table, ("src", "dst"), f"pairs of {edge_type}")
    src = graph.rows(edge_type.src, table["src"])
    dst = graph.rows(edge_type.dst, table["dst"])
    time = None
    if "time" in table.column_names:
        time = read_times(table["time"], Policies(future_times="keep"), str(edge_type))
    low, high = src, dst
    if rule.one_type and not rule.directed:
        low, high = np.minimum(src, dst), np.maximum(src, dst)
    order = np.lexsort((high, low)) if time is None else np.lexsort((time, high, low))
    low, high = low[order], high[order]
    new = np.ones(low.size, np.bool_)
    new[1:] = (low[1:] != low[:-1]) | (high[1:] != high[:-1])
    return HeldOut(low, high, None if time is None else time[order]).take(new)


def _training_graph(
    rule: SplitRule, graph: HeteroGraph, choice: Choice
) -> tuple[HeteroGraph, dict[str, int]]:
    """The graph without what leaves, and how many edges of each type left."""
    adjacency = graph[rule.edge_type]
    gone = choice.gone | edges_of(adjacency, choice.removed, reverse=rule.one_type)
    train = graph.with_edges(rule.edge_type.stored, _stored(adjacency, ~gone))
    for other in rule.leaky_with:
        way = other if other.src == rule.edge_type.src else other.reverse
        leaks = edges_of(train[way], choice.removed, reverse=rule.one_type)
        train = train.with_edges(way.stored, _stored(train[way], ~leaks))
    if rule.cut_others and choice.train_until is not None:
        for other in graph.edge_types:
            times = train[other].times
            if times is not None:
                train = train.with_edges(other, times < choice.train_until)
    lost = {
        str(other): graph.num_edges(other) - train.num_edges(other) for other in graph.edge_types
    }
    return train, {name: number for name, number in lost.items() if number}


def _stored(adjacency: Adjacency, mask: BoolArray) -> BoolArray:
    """A mask in the stored direction's order."""
    if adjacency.edges is None:
        return mask
    out = np.empty_like(mask)
    out[adjacency.edges] = mask
    return out


def _asked(
    rule: SplitRule,
    graph: HeteroGraph,
    train: HeteroGraph,
    choice: Choice,
    lost: dict[str, int],
) -> Split:
    """The split, with the pairs that are asked for: cold ones and the number of queries settled."""
    src_degrees, dst_degrees = degrees_of_ends(train, rule)
    counts = {f"edges_left_out.{name}": number for name, number in lost.items()}
    counts |= dict(choice.counts or {})
    test, valid = choice.test, choice.valid
    for name, part in (("test", test), ("valid", valid)):
        counts[f"{name}_cold_sources"] = int(np.count_nonzero(src_degrees[part.src] == 0))
        counts[f"{name}_cold_targets"] = int(np.count_nonzero(dst_degrees[part.dst] == 0))
    if rule.cold == "drop":
        test, valid = (
            part.take((src_degrees[part.src] > 0) & (dst_degrees[part.dst] > 0))
            for part in (test, valid)
        )
    if rule.max_queries is not None:
        chosen = _chosen_sources(rule, graph, test)
        counts["test_not_asked"] = len(test) - int(np.count_nonzero(chosen))
        test = test.take(chosen)
    if not len(test):
        raise GraphError("every held-out pair is cold, and cold='drop'", source=rule.edge_type)
    counts["test"], counts["valid"] = len(test), len(valid)
    notes = [*choice.notes, *_notes(rule, graph, counts)]
    asked_valid = valid if rule.valid else None
    return Split(
        rule,
        train,
        test,
        asked_valid,
        choice.removed,
        choice.train_until,
        graph.fingerprint,
        counts,
        tuple(notes),
    )


def _chosen_sources(rule: SplitRule, graph: HeteroGraph, test: HeldOut) -> BoolArray:
    assert rule.max_queries is not None
    sources = np.unique(test.src)
    keys = id_keys(graph.ids(rule.edge_type.src), rule.seed)[sources]
    chosen: IntArray = sources[np.argsort(keys, kind="stable")[: rule.max_queries]]
    return np.isin(test.src, chosen)


def _notes(rule: SplitRule, graph: HeteroGraph, counts: Mapping[str, int]) -> list[str]:
    notes = []
    if counts["test_cold_targets"] or counts["test_cold_sources"]:
        done = "left out" if rule.cold == "drop" else "kept"
        notes.append(
            f"held-out pairs without a training edge at the source "
            f"({counts['test_cold_sources']:,}) or at the target "
            f"({counts['test_cold_targets']:,}) are {done}"
        )
    if rule.by == "time":
        uncut = [
            str(other)
            for other in graph.edge_types
            if other != rule.edge_type.stored
            and (graph[other].times is None or not rule.cut_others)
        ]
        if uncut:
            notes.append(f"not cut in time: {', '.join(uncut)}")
    return notes
