"""Where a training stands, kept in checkpoints so that it can be taken up there.

A sequence is learned from by its number alone, so both matrices and that number are all there is
to keep: taken up again, deterministic training gives the vectors it would have given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from graphemb.checkpoint import Checkpoint, Checkpoints
from graphemb.embeddings import Embeddings
from graphemb.kernels.skipgram import Model


class Done(NamedTuple):
    """What some sequences came to: nodes trained as centers, and the summed loss of some pairs."""

    tokens: int
    loss: float
    pairs: int


_NOTHING = Done(0, 0.0, 0)


@dataclass
class Standing:
    """What is done.

    Attributes:
        losses: of each whole epoch.
        tokens: in whole epochs.
        begun: sequences done of the epoch under way, from its first on.
        part: what these came to.
    """

    losses: list[float | None] = field(default_factory=list)
    tokens: int = 0
    begun: int = 0
    part: Done = _NOTHING


def checkpoints_of(
    folder: Path | None, provenance: Mapping[str, Any], init: Embeddings | None
) -> Checkpoints | None:
    """The checkpoints of one training: of these fields, this graph and these older vectors."""
    if folder is None:
        return None
    return Checkpoints(Path(folder), {**provenance, "init": None if init is None else _hash(init)})


def take_up(checkpoints: Checkpoints | None, model: Model) -> Standing:
    """Fill the matrices from the last checkpoint; where it stands.

    Raises:
        ConfigError: the checkpoint is of another training; names the difference.
        StoreError: it is damaged.
    """
    last = checkpoints.newest() if checkpoints else None
    if last is None:
        return Standing()
    for name in ("inputs", "outputs", "seen"):
        getattr(model, name)[:] = last.arrays[name]
    facts = last.facts
    return Standing(facts["losses"], facts["tokens"], facts["begun"], Done(*facts["part"]))


def keep(checkpoints: Checkpoints, model: Model, standing: Standing, sequences: int) -> None:
    """Write a checkpoint.

    Args:
        sequences: of an epoch.

    Raises:
        StoreError, StorageFull: what the disk answers.
    """
    arrays = {name: getattr(model, name) for name in ("inputs", "outputs", "seen")}
    step = len(standing.losses) * sequences + standing.begun
    facts = {**vars(standing), "part": list(standing.part)}
    checkpoints.write(Checkpoint(step, arrays, facts))


def _hash(emb: Embeddings) -> str:
    """SHA-256 of all ids and vectors."""
    digest = hashlib.sha256()
    for node_type, part in sorted(emb.items()):
        digest.update(repr((node_type, part.ids.to_list())).encode())
        digest.update(part.matrix.tobytes())
    return digest.hexdigest()
