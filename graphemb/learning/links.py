"""Learning from links: the task that most models give to the loop."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from graphemb.learning import losses
from graphemb.learning.batches import Batches, Links
from graphemb.learning.decoders import Decoder
from graphemb.learning.fields import LinkFields
from graphemb.learning.noise import draw_key
from graphemb.learning.positives import Positives
from graphemb.types import EdgeType, NodeType

Rows = Mapping[NodeType, Tensor]

_VALID_LIMIT = 5_000
_VALID_NEGATIVES = 100
_VALID_STREAM = 3
_BLOCK = 1_000
_DENSE = 4
"""Rows up to so many times their number are numbered by a table of all; more are sorted."""


class Encoder(Protocol):
    """A `torch.nn.Module` that maps rows to vectors."""

    def __call__(self, rows: Rows, links: Sequence[Links] | None = None) -> dict[NodeType, Tensor]:
        """float [n, dim] per node type, for the int64 rows [n] that are wanted of it.

        Args:
            rows: may be empty for a node type; no row stands twice.
            links: this step's positives, which must carry no message; None outside training.
        """
        ...


class LinkModel(nn.Module):
    """An encoder and the decoder that scores its vectors."""

    def __init__(self, encoder: nn.Module, decoder: Decoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def vectors(self, rows: Rows, links: Sequence[Links] | None = None) -> dict[NodeType, Tensor]:
        """float32 [n, dim] per node type."""
        found: dict[NodeType, Tensor] = self.encoder(rows, links)
        return {name: vectors.float() for name, vectors in found.items()}


class LinkTask:
    """Positives before negatives, by the fields' loss."""

    def __init__(
        self, model: LinkModel, positives: Positives, fields: LinkFields, device: torch.device
    ) -> None:
        self.module = model.to(device)
        self.positives, self.fields, self.device = positives, fields, device
        self.batches = Batches(positives, fields, device)
        self._questions = list(self._held_back())

    @property
    def num_steps(self) -> int:
        """Steps of an epoch."""
        return self.batches.num_steps

    def steps(self, epoch: int) -> Iterator[Tensor]:
        """The loss of every step."""
        order = self.batches.order(epoch)
        for step in range(self.num_steps):
            yield self._loss(self.batches.draw(order, epoch, step), epoch)

    def _loss(self, groups: list[Links], epoch: int) -> Tensor:
        """The mean loss of a step's positives."""
        wanted = _Wanted()
        for links in groups:
            wanted.add(links.edge_type.src, links.src)
            for part in (links.dst, links.own, links.shared, links.pool, links.lighter):
                wanted.add(links.edge_type.dst, part)
        rows = wanted.rows()
        vectors = self.module.vectors(rows, groups)
        with torch.autocast(self.device.type, enabled=False):  # scores in full precision
            total = torch.stack(
                [self._group_loss(links, wanted, vectors, epoch) for links in groups]
            )
            size = sum(links.src.numel() for links in groups)
            loss = total.sum() / size
            if self.fields.l2:
                squares = torch.stack([part.square().sum() for part in vectors.values()]).sum()
                loss = loss + self.fields.l2 * squares / size
        return loss

    def _group_loss(
        self, links: Links, wanted: _Wanted, vectors: Mapping[NodeType, Tensor], epoch: int
    ) -> Tensor:
        """The sum over the positives of one edge type."""
        edge_type, decoder = links.edge_type, self.module.decoder
        sources, targets = vectors[edge_type.src], vectors[edge_type.dst]
        src = _taken(sources, wanted.place(edge_type.src, links.src))

        def of(rows: Tensor) -> Tensor:
            return _taken(targets, wanted.place(edge_type.dst, rows))

        positive = decoder(edge_type, src, of(links.dst))
        scores, keep = [], []
        if links.own.shape[1]:
            scores.append(decoder(edge_type, src, of(links.own)))
            keep.append(links.own >= 0)
        if links.shared.numel():
            table = decoder.table(edge_type, src, of(links.shared))
            if links.log_q is not None and links.log_q_dst is not None:
                scale = self.fields.temperature  # the loss divides by it
                table = table - scale * links.log_q
                positive = positive - scale * links.log_q_dst
            scores.append(table)
            keep.append(links.keep)
        if links.pool.numel():
            ranked = decoder.table(edge_type, src, of(links.pool))
            num = min(epoch, self.fields.num_hard)
            found, there = self._hardest(ranked, links.pool_keep, num)
            scores.append(found)
            keep.append(there)
        loss = self._compare(positive, torch.cat(scores, dim=1), torch.cat(keep, dim=1))
        if links.lighter is not None:
            other = decoder(edge_type, src, of(links.lighter))[:, None]
            there = (links.lighter >= 0)[:, None]
            loss = loss + losses.margin(positive, other, there, self.fields.margin)
        weighted: Tensor = loss * links.weights
        return weighted.sum()

    def _hardest(self, ranked: Tensor, keep: Tensor, num: int) -> tuple[Tensor, Tensor]:
        """Scores [b, num] drawn from the window of ranks, and which of them are negatives."""
        low, high = self.fields.hard_window
        high = min(high, ranked.shape[1])
        order = ranked.detach().masked_fill(~keep, -torch.inf).topk(high, dim=1).indices
        drawn = torch.randint(low, high, (ranked.shape[0], num), device=ranked.device)
        places = order.gather(1, drawn)
        return ranked.gather(1, places), keep.gather(1, places)

    def _compare(self, positive: Tensor, negative: Tensor, keep: Tensor) -> Tensor:
        """float [b]: the loss the fields ask for."""
        fields = self.fields
        if fields.loss == "bce":
            return losses.bce(positive, negative, keep)
        if fields.loss == "bpr":
            return losses.bpr(positive, negative, keep)
        if fields.loss == "margin":
            return losses.margin(positive, negative, keep, fields.margin)
        compare = losses.softmax if fields.loss == "softmax" else losses.decoupled
        return compare(positive, negative, keep, fields.temperature)

    def validate(self) -> float | None:
        """The mean reciprocal rank of held-back edges among 100 random candidates."""
        if not self._questions:
            return None
        wanted = _Wanted()
        for links in self._questions:
            wanted.add(links.edge_type.src, links.src)
            wanted.add(links.edge_type.dst, links.dst)
            wanted.add(links.edge_type.dst, links.candidates)
        vectors = self.module.vectors(wanted.rows())
        ranks = [part for links in self._questions for part in self._ranks(links, wanted, vectors)]
        return float((1.0 / torch.cat(ranks)).mean())

    def _ranks(
        self, links: _Question, wanted: _Wanted, vectors: Mapping[NodeType, Tensor]
    ) -> Iterator[Tensor]:
        """float [b]: 1 + those ahead + half of those alike, block by block."""
        edge_type, decoder = links.edge_type, self.module.decoder
        sources, targets = vectors[edge_type.src], vectors[edge_type.dst]
        for low in range(0, links.src.numel(), _BLOCK):
            part = slice(low, low + _BLOCK)
            src = sources[wanted.place(edge_type.src, links.src[part])]
            dst = targets[wanted.place(edge_type.dst, links.dst[part])]
            others = targets[wanted.place(edge_type.dst, links.candidates[part])]
            positive = decoder(edge_type, src, dst)[:, None]
            negative = decoder(edge_type, src, others)
            same = links.candidates[part] == links.dst[part][:, None]
            negative = negative.masked_fill(same, -torch.inf)
            yield 1.0 + (negative > positive).sum(1) + 0.5 * (negative == positive).sum(1)

    def _held_back(self) -> Iterator[_Question]:
        """What validation asks; at most `_VALID_LIMIT` pairs of each edge type."""
        for place, (edge_type, held) in enumerate(self.positives.held.items()):
            if not len(held):
                continue
            generator = np.random.default_rng([self.fields.seed, place, _VALID_STREAM])
            size = min(len(held), _VALID_LIMIT)
            some = held.take(np.sort(generator.choice(len(held), size, replace=False)))
            key = draw_key(self.fields.seed, place, _VALID_STREAM)
            candidates = self.batches.noise[edge_type].own(some.src, _VALID_NEGATIVES, key)
            arrays = (np.array(some.src), np.array(some.dst), candidates)
            yield _Question(edge_type, *(torch.from_numpy(a).to(self.device) for a in arrays))


def _taken(vectors: Tensor, places: Tensor) -> Tensor:
    """`vectors[places]`, whose way back is several times as fast."""
    flat = vectors.index_select(0, places.reshape(-1))
    return flat.view(*places.shape, vectors.shape[1])


class _Question(NamedTuple):
    """Held-back edges of one type: int64 [b], [b], and candidates [b, n] beside them."""

    edge_type: EdgeType
    src: Tensor
    dst: Tensor
    candidates: Tensor


class _Wanted:
    """The rows of a step, each once, and where each of them stands."""

    def __init__(self) -> None:
        self._parts: dict[NodeType, list[Tensor]] = {}
        self._rows: dict[NodeType, Tensor] = {}
        self._places: dict[NodeType, Tensor] = {}

    def add(self, node_type: NodeType, rows: Tensor | None) -> None:
        """Want these rows too; -1 stands for none."""
        if rows is not None:
            self._parts.setdefault(node_type, []).append(rows.reshape(-1).clamp(min=0))

    def rows(self) -> dict[NodeType, Tensor]:
        """int64 [n] per node type, ascending."""
        for name, parts in self._parts.items():
            rows = torch.cat(parts)
            width = int(rows.max()) + 1 if rows.numel() else 0
            if width > _DENSE * rows.numel():
                self._rows[name] = torch.unique(rows)
                continue
            there = torch.zeros(width, dtype=torch.bool, device=rows.device)
            there[rows] = True
            self._rows[name] = there.nonzero().squeeze(1)
            self._places[name] = there.cumsum(0) - 1
        return self._rows

    def place(self, node_type: NodeType, rows: Tensor) -> Tensor:
        """Where these rows are among those of `rows()`."""
        rows = rows.clamp(min=0)
        if node_type not in self._places:
            return torch.searchsorted(self._rows[node_type], rows)
        places = self._places[node_type].index_select(0, rows.reshape(-1))
        return places.view(rows.shape)
