"""`check_trainer`: the contract that every trainer keeps, ours and a third party's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError, GraphError, UnknownName
from graphemb.graph import HeteroGraph
from graphemb.testing.toys import KNOWS, awkward, communities, edgeless
from graphemb.trainers.base import EpochEvent, Trainer, describe
from graphemb.types import EdgeType

_Error = TypeVar("_Error", bound=Exception)


def check_trainer(trainer: Trainer, *, learns: bool = True, repeats: bool = True) -> None:
    """Check one trainer against the contract, on toy graphs; some seconds.

    The graphs have the node types `user`, `product` and `seller`, and the edge types `BUYS`,
    `SELLS` and `KNOWS` of `graphemb.testing`; give the trainer metapaths over these where it
    needs some, and enough epochs to find four planted communities among 160 nodes.

    Args:
        trainer: an instance; `deterministic=True` is set where it has that field.
        learns: False for a trainer that does not look at edges.
        repeats: False for a trainer that documents that it cannot repeat a result.

    Raises:
        AssertionError: says which promise is not kept.
    """
    trainer = _deterministic(trainer)
    _check_configuration(trainer)
    graph = communities()
    embeddings = _fit_untouched(trainer, graph)
    _check_values(embeddings, graph)
    _check_provenance(embeddings, trainer, graph)
    if repeats:
        _check_repeats(trainer, graph, embeddings)
    if learns:
        _check_learns(embeddings, graph)
        _check_edge_types(trainer, graph)
    _check_epochs(trainer, graph)
    odd = awkward()
    _check_values(vectors := _fit_untouched(trainer, odd), odd)
    if learns:
        _check_missing(vectors, {"user": 99, "seller": 2})
    _check_without_edges(trainer, learns)


def community_share(
    embeddings: Embeddings, graph: HeteroGraph, node_type: str, *, k: int = 3
) -> float:
    """The share of each node's k nearest (cosine, same type) that are of its `community`."""
    part = embeddings[node_type]
    wanted = graph.columns(node_type)["community"].to_numpy()[graph.rows(node_type, part.ids)]
    units = part.matrix / np.linalg.norm(part.matrix, axis=1, keepdims=True).clip(1e-12)
    scores = units @ units.T
    np.fill_diagonal(scores, -np.inf)
    near = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float((wanted[near] == wanted[:, None]).mean())


def _deterministic(trainer: Any) -> Any:
    return replace(trainer, deterministic=True) if hasattr(trainer, "deterministic") else trainer


def _check_configuration(trainer: Any) -> None:
    """A frozen dataclass: its fields are its configuration, and can be written as TOML."""
    assert hasattr(trainer, "__dataclass_fields__"), "a trainer is a dataclass"
    first = fields(trainer)[0].name
    value = getattr(trainer, first)
    _refusal(lambda: setattr(trainer, first, value), FrozenInstanceError, f"setting {first}")
    assert describe(replace(trainer)) == describe(trainer), "its fields do not say everything"
    json.dumps(describe(trainer))
    for name in ("dim", "epochs"):
        if hasattr(trainer, name):
            error = _refusal(partial(replace, trainer, **{name: 0}), ConfigError, f"{name}=0")
            assert error.field == name, f"the error about {name} names the field {error.field}"


def _refusal(attempt: Callable[[], object], kind: type[_Error], what: str) -> _Error:
    """The error that `attempt` must raise."""
    try:
        attempt()
    except kind as error:
        return error
    raise AssertionError(f"{what} was not refused")


def _fit_untouched(trainer: Trainer, graph: HeteroGraph) -> Embeddings:
    """Fit, and see that neither graph nor trainer came out changed."""
    before, config = _content(graph), describe(trainer)
    embeddings = trainer.fit(graph)
    assert _content(graph) == before, "fit changed the graph"
    assert describe(trainer) == config, "fit changed the trainer"
    return embeddings


def _content(graph: HeteroGraph) -> list[bytes]:
    """All numbers of a graph; its fingerprint is kept once made and would not tell."""
    parts = []
    for edge_type in graph.edge_types:
        for reverse in (False, True):
            edges = graph[edge_type.reverse if reverse else edge_type]
            arrays = (edges.offsets, edges.neighbors, edges.weights, edges.times)
            parts += [array.tobytes() for array in arrays if array is not None]
    return parts


def _check_values(embeddings: Embeddings, graph: HeteroGraph) -> None:
    """float32, C-contiguous, finite; ids in graph order; who has no vector is listed."""
    assert embeddings, "no node type was embedded"
    for node_type, part in embeddings.items():
        matrix = part.matrix
        assert matrix.dtype == np.float32, f"{node_type}: {matrix.dtype} vectors"
        assert matrix.flags.c_contiguous, f"{node_type}: vectors are not C-contiguous"
        assert np.isfinite(matrix).all(), f"{node_type}: vectors are not finite"
        assert matrix.any(axis=1).all(), f"{node_type}: a vector of zeros; list it as missing"
        for what, ids in (("vectors", part.ids), ("missing", part.missing)):
            rows = graph.rows(node_type, ids)
            assert (np.diff(rows) > 0).all(), f"{node_type}: {what} are not in graph order"
        both = len(part.ids) + len(part.missing)
        assert both == graph.num_nodes(node_type), (
            f"{node_type}: {graph.num_nodes(node_type) - both} nodes neither embedded nor missing"
        )


def _check_provenance(embeddings: Embeddings, trainer: Trainer, graph: HeteroGraph) -> None:
    told = json.loads(json.dumps(embeddings.provenance))
    assert told.get("fit") == json.loads(json.dumps(describe(trainer))), "provenance: fields"
    assert told.get("graph") == graph.fingerprint, "provenance: the graph's fingerprint"


def _check_repeats(trainer: Trainer, graph: HeteroGraph, before: Embeddings) -> None:
    after = trainer.fit(graph)
    for node_type, part in before.items():
        same = np.array_equal(part.matrix, after[node_type].matrix)
        assert same, f"{node_type}: the same seed gave other vectors"


def _check_learns(embeddings: Embeddings, graph: HeteroGraph) -> None:
    """Neighbours must be of one's own community (by chance: one in four)."""
    for node_type in embeddings:
        if len(embeddings[node_type]) == graph.num_nodes(node_type):
            share = community_share(embeddings, graph, node_type)
            assert share > 0.6, f"{node_type}: only {share:.0%} of neighbours share a community"


def _check_edge_types(trainer: Any, graph: HeteroGraph) -> None:
    """An edge type that is not there is refused by name; node types at no end are left out."""
    if "edge_types" not in {field.name for field in fields(trainer)}:
        return
    found = replace(trainer, edge_types=(KNOWS,)).fit(graph)
    assert set(found) == {"user"}, f"vectors from {KNOWS} are of {', '.join(found)}"
    unknown = EdgeType("user", "eats", "product")
    other = replace(trainer, edge_types=(unknown,))
    error = _refusal(lambda: other.fit(graph), UnknownName, "an edge type that is not there")
    assert "user-buys-product" in str(error), "the error does not list the known edge types"


def _check_epochs(trainer: Trainer, graph: HeteroGraph) -> None:
    """Progress rises to the end, and asking for it changes nothing."""
    events: list[EpochEvent] = []
    trainer.fit(graph, on_epoch=events.append)
    assert events, "on_epoch was never called"
    done = [event.epoch for event in events]
    assert done == sorted(done), "progress went backwards"
    assert events[-1].epoch == events[-1].epochs, "the last event is not the end"


def _check_without_edges(trainer: Trainer, learns: bool) -> None:
    """Everybody is missing; a trainer that was told which edges to follow may refuse instead."""
    graph = edgeless()
    try:
        embeddings = _fit_untouched(trainer, graph)
    except GraphError:
        return
    _check_values(embeddings, graph)
    if learns:
        assert not any(len(part) for part in embeddings.values()), "vectors learned without an edge"


def _check_missing(embeddings: Embeddings, isolated: dict[str, int]) -> None:
    for node_type, node_id in isolated.items():
        if node_type in embeddings:
            missing = embeddings[node_type].missing
            assert node_id in missing, f"{node_type} {node_id} has no edge, but a vector"
