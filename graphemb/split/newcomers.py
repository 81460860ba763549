"""Holding nodes out: the graph before some nodes came, and what is asked of them then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from graphemb.checks import check_int, check_number
from graphemb.errors import GraphError
from graphemb.graph import HeteroGraph
from graphemb.ids import Ids
from graphemb.split.pairs import distinct_pairs, edges_of, id_keys, pair_order
from graphemb.split.rule import HeldOut, Split, SplitRule
from graphemb.types import BoolArray, EdgeType, IntArray


@dataclass(frozen=True, eq=False)
class Newcomers:
    """Nodes that come later. Made by `hold_out_nodes`.

    Attributes:
        past: the graph without them and their edges: what an inductive model is fitted on.
        split: `split.train` has them with some of their edges: what the model is then shown, and
            what a retrain is fitted on; `split.test` holds their other edges, which are asked for.
        ids: who they are.
    """

    past: HeteroGraph
    split: Split
    ids: Ids

    @property
    def rows(self) -> IntArray:
        """int64: the newcomers' rows in `split.train`."""
        return self.split.train.rows(self.split.edge_type.src, self.ids.array)


def hold_out_nodes(
    graph: HeteroGraph,
    edge_type: EdgeType,
    *,
    share: float = 0.1,
    asked: float = 0.5,
    seed: int = 0,
) -> Newcomers:
    """Hold out sources of an edge type, and of each a part of its edges to ask for.

    A newcomer comes with the rest of its pairs, at least one, and with all its edges of other
    types. No vector is made with a pair that is asked for, neither before the newcomers are there
    nor after. To tune, hold out nodes of `past`.

    Args:
        edge_type: newcomers are its sources, what is asked for its targets.
        share: of the sources that have edges.
        asked: of a newcomer's pairs, rounded down; a pair of two newcomers only if it falls to
            both.
        seed: who and which; hangs on ids, not on the order of rows.

    Raises:
        ConfigError: a share out of its range.
        GraphError: nothing would be asked, or nothing left to learn from.
        UnknownName: no such edge type.
    """
    check_number("share", share, above=0.0, high=0.9)
    check_number("asked", asked, above=0.0, high=0.9)
    check_int("seed", seed, low=0)
    adjacency = graph[edge_type]
    rule = SplitRule(edge_type=edge_type, seed=seed)
    pairs = distinct_pairs(adjacency, unordered=rule.one_type, loops=not rule.one_type).held
    ids = graph.ids(edge_type.src)
    new = _chosen(ids, _sources(pairs, rule), share, seed)
    order = pair_order(pairs, ids, graph.ids(edge_type.dst), seed)
    out = pairs.take(_asked(pairs.take(order), rule, new, asked)[np.argsort(order)])
    if not len(out):
        raise GraphError("no newcomer has an edge to ask for", source=edge_type)
    gone = edges_of(adjacency, out, reverse=rule.one_type)
    if adjacency.edges is not None:
        gone = gone[np.argsort(adjacency.edges)]
    train = graph.with_edges(edge_type.stored, ~gone)
    past = train.subgraph({edge_type.src: ids.take(np.flatnonzero(~new)).array})
    if not past.num_edges(edge_type.stored):
        raise GraphError("no edge is left to learn from", source=edge_type)
    counts = {"newcomers": int(new.sum()), "test": len(out), "valid": 0}
    split = Split(rule, train, out, None, out, None, graph.fingerprint, counts)
    return Newcomers(past, split, ids.take(np.flatnonzero(new)))


def _sources(pairs: HeldOut, rule: SplitRule) -> IntArray:
    """int64: who has a pair."""
    return np.unique(np.concatenate([pairs.src, pairs.dst]) if rule.one_type else pairs.src)


def _chosen(ids: Ids, able: IntArray, share: float, seed: int) -> BoolArray:
    """bool [n]: the newcomers."""
    keys = id_keys(ids, seed)[able]
    new = np.zeros(len(ids), np.bool_)
    new[able[np.argsort(keys, kind="stable")[: round(share * able.size)]]] = True
    return new


def _asked(pairs: HeldOut, rule: SplitRule, new: BoolArray, asked: float) -> BoolArray:
    """bool: the pairs that every newcomer among their ends gives; each gives its first ones."""
    found = new[pairs.src] | new[pairs.dst] if rule.one_type else new[pairs.src]
    for end in (pairs.src, pairs.dst) if rule.one_type else (pairs.src,):
        mine = np.flatnonzero(new[end])
        mine = mine[np.argsort(end[mine], kind="stable")]
        _, first, size = np.unique(end[mine], return_index=True, return_counts=True)
        place = np.arange(mine.size) - np.repeat(first, size)
        found[mine[place >= np.repeat(np.floor(asked * size), size)]] = False
    return found
