"""`AttributeTower`: two towers over one table, for items that nobody has chosen yet."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from graphemb.checks import check_int, check_number, check_positive
from graphemb.derive.derivation import AlongLike, read_paths
from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError
from graphemb.graph import HeteroGraph
from graphemb.learning import LoopFields
from graphemb.split import split_edges
from graphemb.trainers.attributes.encoder import TowerEncoder
from graphemb.trainers.attributes.parts import Histories, Table, reached
from graphemb.trainers.base import OnEpoch, provenance
from graphemb.types import BoolArray, EdgeType, Metapath, NodeType


@dataclass(frozen=True, kw_only=True)
class AttributeTower(LoopFields):
    """An item is the sum of its attributes' vectors, a user the decayed mean of its items.

    A job is its city, its company and the words of its title, so one that was posted a minute
    ago has as good a vector as any; an applicant is the jobs they looked at, the newest first,
    and what they say they want. Both sides share one table of vectors, which begins as random
    directions and is trained so that a history points to the item that belongs to it:

        AttributeTower(along=VIEWS, items={"job-located_in-city": 1.3, "job-titled-word": 0.9,
                                           "job-located_in-city city-part_of-state": 1.1})

    A two-tower model (Covington, Adams, Sargin 2016; Yi et al. 2019) whose towers are the graph's
    own paths. Differs in that the towers share their table and have no layers, that the score is
    a cosine, and that items are told apart from items which training has seen alone: never-chosen
    ones taken as negatives teach to shun what is new.

    Attributes:
        along: from users to items: the edges to predict.
        items: what an item is made of: edge types or metapaths that start at it, with a weight
            each, as `along` of `derive`. Each brings a vector of that length.
        users: likewise what a user is made of beside its history (which has length up to 1).
        own_weight: of a vector of its own for each item seen in training; 0: none.
        history_decay: the newest item of a history weighs 1, the one before this, then its
            square; where edges have no times all weigh the same.
        history: items of a history at most, the newest.
        temperature: cosines are divided by it in the softmax.
        popularity: weight of log(1 + users of an item) in the softmax; above 0 an item's vector
            carries it as its last component, and a user's has a 1 there.
        num_negatives: items that each is told from, drawn for every step; None: all seen.

    The other fields are those of `LoopFields`; `valid` holds back pairs (the last where edges
    have times). Items and users have vectors of length 1 (but for `popularity`), to be compared
    by dot product; attributes have vectors in the same space. Items without attributes are
    missing.

    Raises:
        ConfigError: a field out of its range, paths that do not start where they must.
    """

    dim: int = 128
    epochs: int = 2
    batch_size: int = 256
    learning_rate: float = 0.003
    valid: float = 0.0
    along: EdgeType
    items: AlongLike = field(default_factory=dict)
    users: AlongLike = field(default_factory=dict)
    own_weight: float = 0.0
    history_decay: float = 0.7
    history: int = 50
    temperature: float = 0.1
    popularity: float = 0.0
    num_negatives: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("own_weight", self.own_weight, low=0.0)
        check_number("history_decay", self.history_decay, above=0.0, high=1.0)
        check_int("history", self.history, low=1)
        check_positive("temperature", self.temperature)
        check_number("popularity", self.popularity, low=0.0)
        check_int("dim", self.dim, low=1 + (self.popularity > 0))
        if self.num_negatives is not None:
            check_int("num_negatives", self.num_negatives, low=1)
        if self.along.src == self.along.dst:
            raise ConfigError(
                "users and items are of two node types", field="along", value=str(self.along)
            )
        self._paths("users", self.users, self.along.src)
        if not self._paths("items", self.items, self.along.dst) and not self.own_weight:
            raise ConfigError(
                "an item is made of nothing",
                field="items",
                hint="name the edge types to its attributes, or give own_weight",
            )

    def _paths(self, name: str, given: AlongLike, start: NodeType) -> dict[Metapath, float]:
        paths = read_paths(given) if given else {}
        for path in paths:
            if path[0].src != start:
                raise ConfigError(
                    f"{name} are {start!r} here, and a path starts at {path[0].src!r}",
                    field=name,
                    value=" ".join(map(str, path)),
                )
        return paths

    def fit(
        self,
        graph: HeteroGraph,
        *,
        on_epoch: OnEpoch | None = None,
        checkpoint: Path | None = None,
    ) -> Embeddings:
        """float32 vectors [dim] of items, users and attributes, all in one space.

        Args:
            checkpoint: a folder to write checkpoints to and to go on from.

        Raises:
            UnknownName: an edge type that is not in the graph.
            TrainingError: the loss is not finite, or diverges.
        """
        return self.fit_encoder(graph, on_epoch=on_epoch, checkpoint=checkpoint).embed(graph)

    def fit_encoder(
        self,
        graph: HeteroGraph,
        *,
        on_epoch: OnEpoch | None = None,
        checkpoint: Path | None = None,
    ) -> TowerEncoder:
        """What `fit` learns, to be applied to graphs with new items and users.

        Raises:
            As `fit`.
        """
        from graphemb.checkpoint import Checkpoints
        from graphemb.learning.loop import device_of, seeded, train
        from graphemb.trainers.attributes.model import SharedTable, Told, TowerTask

        items, users = self._made_of()
        table = self._table(graph, items, users)
        split = None
        if self.valid and graph.num_edges(self.along):
            split = split_edges(graph, self.along, test=self.valid, seed=self.seed)
        shown = graph if split is None else split.train
        item_parts = table.parts_of(shown, self.along.dst, items)
        user_parts = table.parts_of(shown, self.along.src, users)
        told = Told(
            item_parts,
            user_parts,
            Histories.of(shown[self.along]),
            None if split is None else split.test,
        )
        identity = provenance(self, graph)
        with seeded(self.seed):
            module = SharedTable(table.size, self.dim - (self.popularity > 0))
        task = TowerTask(module, told, self, device_of(self))
        checkpoints = None if checkpoint is None else Checkpoints(Path(checkpoint), identity)
        history = train(task, self, on_epoch=on_epoch, checkpoints=checkpoints)
        return TowerEncoder(
            self.along,
            items,
            users,
            table,
            np.array(module.table.detach().cpu().numpy(), np.float32),
            self.history_decay,
            self.history,
            self.temperature * self.popularity,
            identity | {"training": asdict(history)},
        )

    def _made_of(self) -> tuple[dict[Metapath, float], dict[Metapath, float]]:
        """The paths of items and of users; the empty path is the item itself."""
        items = self._paths("items", self.items, self.along.dst)
        own: dict[Metapath, float] = {(): self.own_weight} if self.own_weight else {}
        return {**items, **own}, self._paths("users", self.users, self.along.src)

    def _table(
        self, graph: HeteroGraph, items: dict[Metapath, float], users: dict[Metapath, float]
    ) -> Table:
        """All nodes that paths lead to; of the items, if they stand for themselves, those seen:
        what nobody chose would only add noise."""
        found: dict[NodeType, BoolArray] = {}
        for path in [*items, *users]:
            if path:
                end = path[-1].dst
                found[end] = reached(graph, path) | found.get(end, False)
        if () in items:
            found[self.along.dst] = reached(graph, (self.along,))
        return Table(
            {name: graph.ids(name).take(np.flatnonzero(there)) for name, there in found.items()}
        )
