"""The smallest model: a vector for every node; fitted on the toy market."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from graphemb.graph import HeteroGraph
from graphemb.learning import LinkFields
from graphemb.learning.batches import Links
from graphemb.learning.fit import Learned, fit_links
from graphemb.progress import OnEpoch
from graphemb.testing import communities

FIELDS = LinkFields(dim=8, epochs=6, batch_size=128, learning_rate=0.05, num_hard=1, valid=0.1)


class Lookup(torch.nn.Module):
    """A table per node type."""

    def __init__(self, graph: HeteroGraph, dim: int, *, sparse: bool = False) -> None:
        super().__init__()
        self.tables = torch.nn.ModuleDict(
            {
                name: torch.nn.Embedding(graph.num_nodes(name), dim, sparse=sparse)
                for name in graph.node_types
            }
        )

    def forward(
        self, rows: Mapping[str, Tensor], links: Sequence[Links] | None = None
    ) -> dict[str, Tensor]:
        return {name: self.tables[name](row) for name, row in rows.items()}


def fit(
    fields: LinkFields = FIELDS,
    *,
    graph: HeteroGraph | None = None,
    on_epoch: OnEpoch | None = None,
    checkpoint: Path | None = None,
    sparse: bool = False,
) -> Learned:
    """Fit the lookup."""
    graph = communities() if graph is None else graph
    known = {"fit": {"dim": fields.dim, "epochs": fields.epochs}, "graph": graph.fingerprint}
    return fit_links(
        lambda part: Lookup(part, fields.dim, sparse=sparse),
        graph,
        fields,
        known,
        on_epoch,
        checkpoint,
    )


def content(learned: Learned) -> bytes:
    """All vectors."""
    return b"".join(np.ascontiguousarray(part[0]).tobytes() for part in learned.vectors().values())
