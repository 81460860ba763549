"""A graph on disk: one folder of memory-mappable arrays and Arrow files, and a manifest.

manifest.json                       format, names, policies, fingerprint, SHA-256 of each file
nodes/<node type>.arrow             ids and columns
edges/<edge type>/offsets.npy       CSR: offsets, neighbors, and weights, times where given
edges/<edge type>/columns.arrow     edge columns in CSR order
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pyarrow as pa

from graphemb.errors import StoreError
from graphemb.files import (
    atomic_folder,
    check_sha256,
    create,
    digest_tree,
    read_array,
    write_array,
    write_json,
)
from graphemb.graph.adjacency import Adjacency
from graphemb.graph.build import NO_COLUMNS, Edges, Nodes
from graphemb.graph.policies import Policies
from graphemb.ids import Ids
from graphemb.manifest import MANIFEST, inside, read_manifest
from graphemb.types import EdgeType

if TYPE_CHECKING:
    from graphemb.graph.hetero import HeteroGraph

FORMAT = 1
_KIND = "graphemb graph"


def save(graph: HeteroGraph, folder: Path) -> None:
    """See `HeteroGraph.save`."""
    with atomic_folder(folder, needed=graph.nbytes) as temporary:
        (temporary / "nodes").mkdir()
        for node_type in graph.node_types:
            _write_arrow(temporary / f"nodes/{node_type}.arrow", graph.node_table(node_type))
        for edge_type in graph.edge_types:
            _write_edges(temporary / f"edges/{edge_type}", graph, edge_type)
        manifest: dict[str, Any] = {
            "kind": _KIND,
            "format": FORMAT,
            "fingerprint": graph.fingerprint,
            "node_types": list(graph.node_types),
            "edge_types": [str(edge_type) for edge_type in graph.edge_types],
            "policies": asdict(graph.policies),
            "notes": list(graph.notes),
            "files": digest_tree(temporary),
        }
        write_json(temporary / MANIFEST, manifest)


def load(folder: Path, *, mmap: bool, verify: bool) -> HeteroGraph:
    """See `HeteroGraph.load`."""
    from graphemb.graph.hetero import HeteroGraph

    manifest = read_manifest(folder, _KIND, FORMAT)
    files = cast("dict[str, dict[str, Any]]", manifest["files"])
    for name, facts in files.items():
        path = inside(folder, name)
        if not path.is_file() or path.stat().st_size != facts["bytes"] or verify:
            check_sha256(path, facts["sha256"], name=str(path))
    nodes = {
        name: _read_nodes(folder / f"nodes/{name}.arrow", mmap) for name in manifest["node_types"]
    }
    edges = {}
    for name in manifest["edge_types"]:
        edge_type = EdgeType.parse(name)
        num_dst = len(nodes[edge_type.dst].ids)
        edges[edge_type] = _read_edges(folder / f"edges/{name}", edge_type, num_dst, files, mmap)
    return HeteroGraph(
        nodes,
        edges,
        Policies(**manifest["policies"]),
        manifest["notes"],
        known_fingerprint=manifest["fingerprint"],
    )


def _write_arrow(path: Path, table: pa.Table) -> None:
    with create(path) as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table.combine_chunks())


def _read_arrow(path: Path, mmap: bool) -> pa.Table:
    try:
        source = pa.memory_map(str(path)) if mmap else pa.BufferReader(path.read_bytes())
        return pa.ipc.open_file(source).read_all()
    except pa.ArrowException as error:
        raise StoreError("not a readable Arrow file", source=path, value=str(error)) from error


def _write_edges(folder: Path, graph: HeteroGraph, edge_type: EdgeType) -> None:
    folder.mkdir(parents=True)
    adjacency = graph[edge_type]
    for name in ("offsets", "neighbors", "weights", "times"):
        array = getattr(adjacency, name)
        if array is not None:
            write_array(folder / f"{name}.npy", array)
    columns = graph.edge_columns(edge_type)
    if columns.num_columns:
        _write_arrow(folder / "columns.arrow", columns)


def _read_nodes(path: Path, mmap: bool) -> Nodes:
    table = _read_arrow(path, mmap)
    ids = table["id"].combine_chunks()
    if isinstance(ids, pa.ChunkedArray):
        ids = ids.chunk(0) if ids.num_chunks else pa.array([], ids.type)
    columns = table.drop_columns(["id"])
    return Nodes(Ids(ids), columns if columns.num_columns else NO_COLUMNS)


def _read_edges(
    folder: Path, edge_type: EdgeType, num_dst: int, files: dict[str, Any], mmap: bool
) -> Edges:
    def array(name: str) -> Any:
        key = f"edges/{edge_type}/{name}.npy"
        return read_array(folder / f"{name}.npy", mmap=mmap) if key in files else None

    adjacency = Adjacency(
        edge_type, num_dst, array("offsets"), array("neighbors"), array("weights"), array("times")
    )
    size = adjacency.neighbors.size
    if adjacency.offsets.dtype != np.int64 or int(adjacency.offsets[-1]) != size:
        raise StoreError("offsets and neighbors do not belong together", source=folder)
    columns = folder / "columns.arrow"
    return Edges(adjacency, _read_arrow(columns, mmap) if columns.exists() else NO_COLUMNS)
