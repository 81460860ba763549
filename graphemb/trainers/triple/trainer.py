"""`TripleInteraction`: vectors from interactions of three entities, and a score for any triple."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from graphemb.checks import check_choice, check_int
from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError, GraphError
from graphemb.graph import HeteroGraph
from graphemb.learning import LoopFields
from graphemb.trainers.base import OnEpoch, provenance, vectors_of
from graphemb.trainers.triple.scorer import TripleScorer
from graphemb.trainers.triple.triples import Triples, by_edge, by_path, by_table
from graphemb.types import BoolArray, EdgeType, NodeType

Score = Literal["trilinear", "mlp", "pairwise"]


@dataclass(frozen=True, kw_only=True)
class TripleInteraction(LoopFields):
    """Learns which triples come to be: this member, for this role, at this company.

    What three entities do together may follow from no two of them: who applies to start-ups as
    an engineer and to banks as an analyst has no taste in companies and none in roles. A sum of
    products of two vectors each cannot tell (Minsky and Papert's parity); a product of three can
    (CANDECOMP/PARAFAC, Hitchcock 1927; DistMult, Yang et al. 2015). The score here is both: see
    `TripleScorer`. It is learned by logistic loss.

    Triples are told in one of three ways:

        TripleInteraction(along=APPLIES, columns={"company": "company"}, label="applied")

    each edge member -> role is one, and its column `company` has the id of the third node;

        TripleInteraction(events="application", label="applied", columns={
            "who": "member", "what": "role", "where": "company"})

    each node of type `application` is one, by the ids in three of its columns;

        TripleInteraction(along=APPLIES, then=EdgeType("role", "at", "company"))

    each edge and each edge that goes on from its end make one.

    Attributes:
        along: edge type whose edges are triples.
        then: edge type that goes on from where `along` ends to the third node.
        events: node type whose nodes are triples.
        columns: column -> node type of the ids in it: one beside `along`, three for `events`.
        label: column of 0 and 1 beside them; None: all came to be.
        num_negatives: for each triple that came to be so many with one node replaced at random,
            known ones left out; None: none where there are labels, else 4.
        score: `trilinear`; `mlp` adds a network; `pairwise` leaves the product of three out.

    The other fields are those of `LoopFields`; what is held out by `valid` is judged by ROC-AUC.
    Nodes in no triple are missing. `fit_scorer` gives the score beside the vectors.

    Raises:
        ConfigError: a field out of its range, or not one of the three ways.
    """

    dim: int = 32
    epochs: int = 200
    batch_size: int = 512
    learning_rate: float = 0.01
    weight_decay: float = 0.3
    valid: float = 0.1
    patience: int = 20
    along: EdgeType | None = None
    then: EdgeType | None = None
    events: NodeType | None = None
    columns: Mapping[str, NodeType] = field(default_factory=dict)
    label: str | None = None
    num_negatives: int | None = None
    score: Score = "trilinear"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("score", self.score, ("trilinear", "mlp", "pairwise"))
        if self.num_negatives is not None:
            check_int("num_negatives", self.num_negatives, low=0)
        if self.label is None and self.num_negatives == 0:
            raise ConfigError(
                "without labels every triple came to be: there is nothing to tell them from",
                field="num_negatives",
                value=0,
                hint="name the label's column, or draw negatives",
            )
        self._check_way()

    def _check_way(self) -> None:
        if (self.along is None) == (self.events is None):
            raise ConfigError(
                "triples are told along an edge type, or by a node type of events",
                field="along",
                value=self.along,
                hint="give exactly one of `along` and `events`",
            )
        if self.then is not None and (self.along is None or self.columns or self.label):
            raise ConfigError(
                "`then` goes on from `along`, and needs neither columns nor a label",
                field="then",
                value=str(self.then),
            )
        wanted = 3 if self.events is not None else 0 if self.then is not None else 1
        if len(self.columns) != wanted:
            raise ConfigError(
                f"columns = {{column: node type}} names {wanted} here",
                field="columns",
                value=dict(self.columns),
                hint="the third node beside `along`, all three of `events`",
            )

    @property
    def altered(self) -> int:
        """Negatives of each triple that came to be."""
        if self.num_negatives is None:
            return 4 if self.label is None else 0
        return self.num_negatives

    def triples(self, graph: HeteroGraph) -> Triples:
        """The triples that a graph tells.

        Raises:
            UnknownName: an edge type, node type or column that is not in the graph.
            UnknownNode: a column has an id that is no node.
            GraphError: labels other than 0 and 1; too many nodes to number triples.
        """
        if self.events is not None:
            found = by_table(graph, self.events, self.columns, self.label)
        elif self.then is not None:
            assert self.along is not None
            found = by_path(graph, self.along, self.then)
        else:
            assert self.along is not None
            found = by_edge(graph, self.along, self.columns, self.label)
        sizes = [graph.num_nodes(name) for name in found.node_types]
        if math.prod(sizes) >= 2**63:
            raise GraphError("too many nodes to number their triples", value=sizes)
        return found

    @property
    def ranks_by_product(self) -> bool:
        """No: a triple's score is a network's, of all three vectors."""
        return False

    def fit(
        self,
        graph: HeteroGraph,
        *,
        on_epoch: OnEpoch | None = None,
        checkpoint: Path | None = None,
    ) -> Embeddings:
        """One float32 vector [dim] per node of the three types that stands in a triple.

        Args:
            checkpoint: a folder to write checkpoints to and to go on from.

        Raises:
            As `triples`; TrainingError: the loss is not finite, or diverges.
        """
        return self.fit_scorer(graph, on_epoch=on_epoch, checkpoint=checkpoint).embeddings

    def fit_scorer(
        self,
        graph: HeteroGraph,
        *,
        on_epoch: OnEpoch | None = None,
        checkpoint: Path | None = None,
    ) -> TripleScorer:
        """The vectors as `fit` gives them, with the score of any three.

        Raises:
            As `fit`.
        """
        from graphemb.checkpoint import Checkpoints
        from graphemb.learning.loop import device_of, seeded, train
        from graphemb.trainers.triple.model import TripleModel, TripleTask

        triples = self.triples(graph)
        identity = provenance(self, graph)
        with seeded(self.seed):
            model = TripleModel(graph, triples, self)
        first, second, third = (graph.num_nodes(name) for name in triples.node_types)
        task = TripleTask(model, triples, (first, second, third), self, device_of(self))
        checkpoints = None if checkpoint is None else Checkpoints(Path(checkpoint), identity)
        history = train(task, self, on_epoch=on_epoch, checkpoints=checkpoints)
        parts = []
        for name, table in model.tables.items():
            learned = _learned(task.triples, name, len(table))
            matrix = table.detach().cpu().numpy()
            parts.append(vectors_of(name, graph.ids(name), matrix, learned))
        embeddings = Embeddings(parts, identity | {"training": asdict(history)})
        return TripleScorer(triples.node_types, embeddings, model.parameters_by_name())


def _learned(triples: Triples, node_type: NodeType, size: int) -> BoolArray:
    """bool [size]: the nodes of a type that stand in a triple."""
    found = np.zeros(size, np.bool_)
    for place, name in enumerate(triples.node_types):
        if name == node_type:
            found[triples.rows[:, place]] = True
    return found
