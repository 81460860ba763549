"""From trained matrices to embeddings with their provenance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphemb.embeddings import Embeddings
from graphemb.trainers.base import vectors_of
from graphemb.trainers.walk.training import Trained
from graphemb.types import NodeType
from graphemb.walks import Space


def embeddings(
    trained: Trained, space: Space, node_types: Iterable[NodeType], provenance: dict[str, Any]
) -> Embeddings:
    """The vectors of some node types of `space`.

    Args:
        provenance: to which `training` is added: tokens, losses, nodes without a vector.
    """
    wanted = set(node_types)
    parts = []
    for number, (node_type, ids) in enumerate(zip(space.node_types, space.ids, strict=True)):
        if node_type in wanted:
            rows = slice(int(space.offsets[number]), int(space.offsets[number + 1]))
            learned = trained.learned[rows]
            parts.append(vectors_of(node_type, ids, trained.vectors[rows], learned))
    training = {
        "tokens": trained.tokens,
        "losses": trained.losses,
        "missing": {part.node_type: len(part.missing) for part in parts},
    }
    return Embeddings(parts, {**provenance, "training": training})
