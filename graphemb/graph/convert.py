"""A graph to and from other libraries, as methods; `graphemb.interop` does the work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from graphemb.ids import Ids
from graphemb.types import EdgeType, NodeType

if TYPE_CHECKING:
    import networkx as nx
    from torch_geometric.data import HeteroData

    from graphemb.graph.hetero import HeteroGraph


class Convertible:
    """The part of `HeteroGraph` that hands over to `graphemb.interop`, when it is called."""

    @staticmethod
    def from_networkx(
        graph: nx.Graph, *, node_type: NodeType = "node", relation: str = "to"
    ) -> HeteroGraph:
        """From NetworkX; attributes become columns. See `graphemb.interop.from_networkx`."""
        from graphemb.interop import from_networkx

        return from_networkx(graph, node_type=node_type, relation=relation)

    def to_networkx(self) -> nx.MultiDiGraph:
        """To NetworkX. See `graphemb.interop.to_networkx`."""
        from graphemb.interop import to_networkx

        return to_networkx(cast("HeteroGraph", self))

    @staticmethod
    def from_pyg(data: HeteroData, ids: Mapping[NodeType, Any] | None = None) -> HeteroGraph:
        """From PyTorch Geometric. See `graphemb.interop.from_pyg`."""
        from graphemb.interop import from_pyg

        return from_pyg(data, ids)

    def to_pyg(self) -> tuple[HeteroData, dict[NodeType, Ids]]:
        """To PyTorch Geometric, with the ids of its rows. See `graphemb.interop.to_pyg`."""
        from graphemb.interop import to_pyg

        return to_pyg(cast("HeteroGraph", self))

    @staticmethod
    def from_scipy(
        matrix: Any, *, edge_type: EdgeType | None = None, ids: Any = None
    ) -> HeteroGraph:
        """From a SciPy sparse matrix. See `graphemb.interop.from_scipy`."""
        from graphemb.interop import from_scipy

        return from_scipy(matrix, edge_type=edge_type, ids=ids)
