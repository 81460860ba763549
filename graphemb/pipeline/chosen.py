"""Which edge types a trainer names, whatever the field is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from graphemb.trainers.base import Trainer
from graphemb.types import EdgeType, NodeType


def chosen_edges(trainer: Trainer) -> dict[str, tuple[EdgeType, ...]]:
    """Field -> the edge types it names, those of weight 0 left out; empty: all are used."""
    edge_types: Any = getattr(trainer, "edge_types", None) or ()
    if isinstance(edge_types, Mapping):
        edge_types = [edge_type for edge_type, weight in edge_types.items() if weight]
    metapaths: Any = getattr(trainer, "metapaths", None) or ()
    single: dict[str, Any] = {name: getattr(trainer, name, None) for name in ("along", "then")}
    named = {
        "edge_types": tuple(edge_types),
        "metapaths": tuple(hop for path in metapaths for hop in path),
        **{name: (hop,) for name, hop in single.items() if hop is not None},
    }
    return {field: hops for field, hops in named.items() if hops}


def learned_types(trainer: Trainer, edge_types: Iterable[EdgeType]) -> set[NodeType]:
    """The node types about which a trainer can learn something: all of a graph, unless it names."""
    named = [hop for hops in chosen_edges(trainer).values() for hop in hops]
    if named:
        named.extend(getattr(trainer, "message_types", ()))
    return {end for hop in named or edge_types for end in (hop.src, hop.dst)}
