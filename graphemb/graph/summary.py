"""A graph in one printable table."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO
from typing import TYPE_CHECKING

from graphemb.graph.adjacency import Adjacency

if TYPE_CHECKING:
    from graphemb.graph.hetero import HeteroGraph


def summary(graph: HeteroGraph) -> str:
    """Counts of every node and edge type, then the notes."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    nodes = Table("node type", "nodes", "columns", box=SIMPLE, title_justify="left")
    for node_type in graph.node_types:
        columns = ", ".join(graph.columns(node_type).column_names)
        nodes.add_row(node_type, f"{graph.num_nodes(node_type):,}", columns)
    edges = Table("edge type", "edges", "degree mean / max", "weight", "time", box=SIMPLE)
    for edge_type in graph.edge_types:
        adjacency = graph[edge_type]
        edges.add_row(
            str(edge_type),
            f"{adjacency.num_edges:,}",
            _degrees(adjacency),
            _weights(adjacency),
            _times(adjacency),
        )
    for table in (nodes, edges):
        for column in table.columns[1:2]:
            column.justify = "right"
    out = Console(file=StringIO(), width=110, color_system=None)
    out.print(nodes, edges, sep="\n")
    for note in graph.notes:
        out.print(f"note: {note}", markup=False)
    file = out.file
    assert isinstance(file, StringIO)
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"


def _degrees(adjacency: Adjacency) -> str:
    degrees = adjacency.degrees
    return f"{degrees.mean():.1f} / {degrees.max():,}" if degrees.size else "-"


def _weights(adjacency: Adjacency) -> str:
    weights = adjacency.weights
    if weights is None or not weights.size:
        return "-"
    return f"{weights.min():.4g} to {weights.max():.4g}"


def _times(adjacency: Adjacency) -> str:
    times = adjacency.times
    if times is None or not times.size:
        return "-"
    first, last = (
        datetime.fromtimestamp(int(moment) / 1e6, UTC) for moment in (times.min(), times.max())
    )
    return f"{first:%Y-%m-%d} to {last:%Y-%m-%d}"
