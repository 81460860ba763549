"""What every trainer is: the protocol, and the registry behind TOML and CLI.

A trainer is a frozen dataclass of hyper-parameters; `fit` turns a graph into embeddings and
leaves nothing behind in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from importlib.metadata import entry_points
from typing import Any, Protocol, cast, runtime_checkable

from graphemb.embeddings import Embeddings, Vectors
from graphemb.errors import ConfigError, UnknownName
from graphemb.graph import HeteroGraph
from graphemb.graph.homogeneous import chosen_weights
from graphemb.ids import Ids
from graphemb.progress import EpochEvent as EpochEvent
from graphemb.progress import OnEpoch as OnEpoch
from graphemb.types import BoolArray, EdgeType, FloatArray, NodeType
from graphemb.types import EdgeTypeWeights as EdgeTypeWeights

GROUP = "graphemb.trainers"
"""Entry-point group of trainers, ours and a third party's."""


@runtime_checkable
class Trainer(Protocol):
    """Hyper-parameters that can turn a graph into embeddings."""

    def fit(self, graph: HeteroGraph, *, on_epoch: OnEpoch | None = None) -> Embeddings:
        """Learn one vector per node; float32, ids in graph order."""
        ...


def trainers() -> dict[str, type[Trainer]]:
    """Every registered trainer class by name."""
    found = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        found[point.name] = cast("type[Trainer]", point.load())
    return found


def trainer_class(name: str, *, source: object = None) -> type[Trainer]:
    """The registered trainer called `name`; only that one is imported.

    Raises:
        UnknownName: nothing of that name is registered; lists the known, nearest first.
    """
    points = {point.name: point for point in entry_points(group=GROUP)}
    if name not in points:
        raise UnknownName("trainer", name, sorted(points), source=source)
    return cast("type[Trainer]", points[name].load())


def make_trainer(name: str, config: Mapping[str, object], *, source: object = None) -> Trainer:
    """A trainer from its name and its fields as TOML gives them (edge types as text).

    Raises:
        UnknownName: an unknown trainer or field.
        ConfigError: a field of the wrong type or out of its range.
    """
    from pydantic import TypeAdapter, ValidationError

    kind = trainer_class(name, source=source)
    known = _field_names(kind)
    for key in config:
        if key not in known:
            raise UnknownName(f"field of {name}", key, known, source=source)
    try:
        return TypeAdapter(kind).validate_python(dict(config))
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            f"{name}: {first['msg']}",
            source=source,
            field=".".join(str(part) for part in first["loc"]) or None,
            value=first["input"],
        ) from error


def describe(trainer: Trainer) -> dict[str, Any]:
    """The trainer's name and fields, JSON-able: what a manifest records."""
    config = {name: _jsonable(getattr(trainer, name)) for name in _field_names(type(trainer))}
    return {"trainer": type(trainer).__name__, **config}


def _field_names(kind: type[Any]) -> list[str]:
    return [field.name for field in fields(kind)] if hasattr(kind, "__dataclass_fields__") else []


def _jsonable(value: object) -> Any:
    if isinstance(value, EdgeType):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_jsonable(item) for item in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def provenance(trainer: Trainer, graph: HeteroGraph) -> dict[str, Any]:
    """What a trainer writes beside its vectors: its fields and the graph's fingerprint."""
    return {"fit": describe(trainer), "graph": graph.fingerprint}


def split_matrix(
    matrix: FloatArray, learned: BoolArray, graph: HeteroGraph, edge_types: EdgeTypeWeights
) -> list[Vectors]:
    """Cut one matrix over all nodes into `Vectors`, one for each of `embedded_types`.

    Args:
        matrix: float32 [N, dim], node types one after the other in the graph's order.
        learned: bool [N]; the nodes where it is False are listed as missing.
        graph: gives the ids.
        edge_types: those that were learned from.
    """
    wanted = embedded_types(graph, edge_types)
    parts, start = [], 0
    for node_type in graph.node_types:
        ids = graph.ids(node_type)
        rows = slice(start, start + len(ids))
        if node_type in wanted:
            parts.append(vectors_of(node_type, ids, matrix[rows], learned[rows]))
        start = rows.stop
    return parts


def embedded_types(graph: HeteroGraph, edge_types: EdgeTypeWeights) -> set[NodeType]:
    """The node types at an end of the chosen edge types.

    Nothing could be learned about the others: embeddings leave them out, rather than list all
    their nodes as missing.
    """
    chosen = chosen_weights(edge_types, graph.edge_types)
    return {end for edge_type in chosen for end in (edge_type.src, edge_type.dst)}


def vectors_of(node_type: NodeType, ids: Ids, matrix: FloatArray, learned: BoolArray) -> Vectors:
    """The rows of `matrix` float32 [n, dim] where `learned` bool [n]; the other ids are missing."""
    if learned.all():
        return Vectors(node_type, ids, matrix, Ids(ids.array[:0]))
    there, gone = learned.nonzero()[0], (~learned).nonzero()[0]
    return Vectors(node_type, ids.take(there), matrix[there], ids.take(gone))
