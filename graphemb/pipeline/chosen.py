"""Which edge types a trainer names, whatever the field is called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphemb.trainers.base import Trainer
from graphemb.types import EdgeType


def chosen_edges(trainer: Trainer) -> dict[str, tuple[EdgeType, ...]]:
    """Field -> the edge types it names, those of weight 0 left out; empty: all are used."""
    edge_types: Any = getattr(trainer, "edge_types", None) or ()
    if isinstance(edge_types, Mapping):
        edge_types = [edge_type for edge_type, weight in edge_types.items() if weight]
    metapaths: Any = getattr(trainer, "metapaths", None) or ()
    along: Any = getattr(trainer, "along", None)
    named = {
        "edge_types": tuple(edge_types),
        "metapaths": tuple(hop for path in metapaths for hop in path),
        "along": () if along is None else (along,),
    }
    return {field: hops for field, hops in named.items() if hops}
