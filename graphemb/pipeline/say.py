"""A few words on what a step did."""

from __future__ import annotations

from pathlib import Path

from graphemb.embeddings import Embeddings
from graphemb.graph import HeteroGraph
from graphemb.progress import Step
from graphemb.source import LoadEvent, OnLoad
from graphemb.split import Split


def rows_read(step: Step) -> OnLoad:
    """Shows how many rows all queries have given so far."""
    rows: dict[str, tuple[int, int | None]] = {}

    def show(event: LoadEvent) -> None:
        rows[event.query] = event.rows, event.total
        read = sum(part for part, _ in rows.values())
        known = [total for _, total in rows.values() if total is not None]
        total = sum(known) if len(known) == len(rows) else None
        step.update(read, total, f"{read:,} rows, {event.query} {event.rows_per_second:,.0f}/s")

    return show


def sizes(graph: HeteroGraph) -> str:
    """How large a graph is."""
    return (
        f"{graph.num_nodes():,} nodes of {len(graph.node_types)} types, "
        f"{graph.num_edges():,} edges of {len(graph.edge_types)} types"
    )


def held_out(split: Split) -> str:
    """What a split holds out."""
    valid = f", {len(split.valid):,} to choose by" if split.valid is not None else ""
    left = split.train.num_edges(split.edge_type.stored)
    return f"{left:,} {split.edge_type} to train on, {len(split.test):,} pairs to ask for{valid}"


def vectors(emb: Embeddings) -> str:
    """How many vectors there are of each node type that has any."""
    counts = [f"{len(part):,} {node_type}" for node_type, part in emb.items() if len(part)]
    return f"{', '.join(counts) or 'no vectors'} (dim {emb.dim})"


def short(path: Path) -> str:
    """A path from here, where that is shorter."""
    here = Path.cwd()
    absolute = path.absolute()
    return str(absolute.relative_to(here)) if absolute.is_relative_to(here) else str(path)
