"""Nodes that come later: found as well as by fitting all anew?

A tenth of the nodes is held out. Each comes with half of its links, at least one, and the others
are asked for. `retrained` learns from the links that newcomers come with; what is inductive is
shown them when it is fitted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import graphemb as ge
from benchmarks.gnn.methods import gat, sage, smoothed_words
from benchmarks.gnn.sets import LINK
from graphemb_loaders import datasets

HIT, RETRAINED, SHARE = "hit@10", "hit@10 retrained", "share"


@dataclass(frozen=True)
class Words:
    """Words averaged with neighbours': nothing is learned, so that fitting anew changes nothing."""

    def fit(self, graph: ge.HeteroGraph) -> ge.Embeddings:
        """Vectors of all nodes, of length 1."""
        vectors = smoothed_words(graph, rounds=1)
        return ge.Embeddings.from_arrays({"node": (graph.ids("node"), vectors)})

    def fit_encoder(self, graph: ge.HeteroGraph) -> Words:
        """Itself."""
        return self

    def embed(self, graph: ge.HeteroGraph) -> ge.Embeddings:
        """As `fit`."""
        return self.fit(graph)


NEWCOMER_SETS: Mapping[str, Callable[[], ge.HeteroGraph]] = {
    "cora newcomers": lambda: datasets.cora().graph,
}
NEWCOMER_METHODS: Mapping[str, tuple[Callable[[int], Any], bool]] = {
    "words averaged with neighbours', cosine": (lambda seed: Words(), False),
    "GraphSAGE": (sage, True),
    "GAT": (gat, True),
}
"""What makes a trainer of a seed, and whether it is a network."""


def figures_of(name: str, method: str, seed: int, *, valid: bool = False) -> dict[str, float]:
    """Figures of the newcomers that a seed holds out.

    Args:
        valid: hold out others, of the graph before these came: to choose fields on.
    """
    held = ge.hold_out_nodes(NEWCOMER_SETS[name](), LINK, seed=seed)
    if valid:
        held = ge.hold_out_nodes(held.past, LINK, seed=100 + seed)
    report = ge.evaluate_newcomers(NEWCOMER_METHODS[method][0](seed), held, baselines=())
    (section,) = report.sections
    hits = [section.row(fitted).values[HIT].value for fitted in ("inductive", "retrained")]
    return {HIT: hits[0], RETRAINED: hits[1], SHARE: section.facts["share_of_retrain"]}
