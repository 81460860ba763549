"""What torch learns: one table of attribute vectors, so that users come near their next item."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from graphemb.learning import losses
from graphemb.split import HeldOut
from graphemb.trainers.attributes.parts import CSR, Histories
from graphemb.types import BoolArray, IntArray

if TYPE_CHECKING:
    from graphemb.trainers.attributes.trainer import AttributeTower

_SHUFFLE, _DRAWS = 1, 2
_VALID_LIMIT = 2_000


@dataclass(frozen=True, eq=False)
class Told:
    """What there is to learn from.

    Attributes:
        items, users: float64 [items, t] and [users, t], the parts of each.
        histories: of the users.
        held: pairs held back for validation, or None.
    """

    items: CSR
    users: CSR
    histories: Histories
    held: HeldOut | None


class SharedTable(nn.Module):
    """One table of vectors, random directions of length 1 to begin with."""

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.table = nn.Parameter(functional.normalize(torch.randn(size, dim), dim=1))

    def sums(self, parts: CSR) -> Tensor:
        """float [n, dim]: for each row of `parts` the weighted sum of vectors."""
        device = self.table.device
        columns, offsets = (
            torch.from_numpy(array.astype(np.int64)).to(device)
            for array in (parts.indices, parts.indptr)
        )
        weights = torch.from_numpy(parts.data.astype(np.float32)).to(device)
        return functional.embedding_bag(
            columns,
            self.table,
            offsets,
            mode="sum",
            per_sample_weights=weights,
            include_last_offset=True,
        )

    def units(self, parts: CSR) -> Tensor:
        """float [n, dim]: the same, brought to length 1."""
        return functional.normalize(self.sums(parts), dim=1)


class TowerTask:
    """Each item of a history among those seen in training, by the rest of the history."""

    def __init__(
        self, module: SharedTable, told: Told, config: AttributeTower, device: torch.device
    ) -> None:
        self.module, self.told, self.config = module.to(device), told, config
        self.device = device
        degrees = told.histories.degrees()
        scale = config.temperature * config.popularity
        self.bias = (scale * np.log1p(degrees)).astype(np.float32)
        self.bias_without = (scale * np.log1p(np.maximum(degrees - 1, 0))).astype(np.float32)
        histories = told.histories
        self.owners = histories.owners()
        known = np.diff(told.items.indptr) > 0
        self.seen = np.flatnonzero(_marked(histories.items, histories.num_items) & known)
        size = np.diff(histories.offsets)[self.owners]
        has_more = np.diff(told.users.indptr)[self.owners] > 0
        self.examples = np.flatnonzero(((size > 1) | has_more) & known[histories.items])

    @property
    def num_steps(self) -> int:
        """Steps of an epoch; none when there is no other item to tell one from."""
        if self.seen.size < 2:
            return 0
        return -(-self.examples.size // self.config.batch_size)

    def steps(self, epoch: int) -> Iterator[Tensor]:
        """The loss of every step."""
        generator = np.random.default_rng([self.config.seed, epoch, _SHUFFLE])
        order = self.examples[generator.permutation(self.examples.size)]
        for step in range(self.num_steps):
            size = self.config.batch_size
            draws = np.random.default_rng([self.config.seed, epoch, step, _DRAWS])
            yield self._loss(order[step * size : (step + 1) * size], draws)

    def _loss(self, places: IntArray, draws: np.random.Generator) -> Tensor:
        told, config = self.told, self.config
        owners, wanted = self.owners[places], told.histories.items[places]
        past = told.histories.around(places, owners, config.history_decay, config.history)
        others = self._others(draws)
        needed = np.unique(np.concatenate([others, wanted, past.indices]))
        items = self.module.units(told.items[needed])
        users = self._users(owners, past[:, needed], items)
        positive = (users * items[self._put(np.searchsorted(needed, wanted))]).sum(dim=1)
        table = users @ items[self._put(np.searchsorted(needed, others))].T
        positive = positive + self._put(self.bias_without[wanted])  # its own view is no help
        table = table + self._put(self.bias[others])
        keep = ~self._joined(owners, others)
        return losses.softmax(positive, table, self._put(keep), config.temperature).mean()

    def _others(self, draws: np.random.Generator) -> IntArray:
        """int64 [m], ascending: the items that a step's items are told from."""
        number = self.config.num_negatives
        if number is None or number >= self.seen.size:
            return self.seen
        return np.sort(draws.choice(self.seen, number, replace=False))

    def _users(self, owners: IntArray, past: CSR, items: Tensor) -> Tensor:
        """float [n, dim]: the mean of the histories' items and the users' own attributes."""
        entries = past.tocoo()
        place = np.stack([entries.row, entries.col]).astype(np.int64)
        weights = torch.sparse_coo_tensor(
            torch.from_numpy(place),
            torch.from_numpy(entries.data.astype(np.float32)),
            past.shape,
            check_invariants=False,
        ).to(self.device)
        users = torch.sparse.mm(weights, items)
        if self.told.users.nnz:
            users = users + self.module.sums(self.told.users[owners])
        return functional.normalize(users, dim=1)

    def _joined(self, owners: IntArray, columns: IntArray) -> BoolArray:
        """bool [n, m]: which of ascending `columns` stand in each one's history."""
        offsets, items = self.told.histories.offsets, self.told.histories.items
        size = offsets[owners + 1] - offsets[owners]
        row = np.repeat(np.arange(owners.size), size)
        inside = np.arange(row.size) - np.repeat(np.cumsum(size) - size, size)
        item = items[offsets[owners][row] + inside]
        place = np.minimum(np.searchsorted(columns, item), columns.size - 1)
        found = np.zeros((owners.size, columns.size), np.bool_)
        found[row, place] = columns[place] == item
        return found

    def validate(self) -> float | None:
        """The mean reciprocal rank of what was held back, among the items seen in training."""
        held = self.told.held
        if held is None or self.seen.size < 2:
            return None
        asked = np.flatnonzero(np.isin(held.dst, self.seen))[:_VALID_LIMIT]
        if not asked.size:
            return None
        owners, wanted = held.src[asked], np.searchsorted(self.seen, held.dst[asked])
        config, told = self.config, self.told
        past = told.histories.latest(owners, config.history_decay, config.history)
        items = self.module.units(told.items)
        scores = self._users(owners, past, items) @ items[self._put(self.seen)].T
        scores = scores + self._put(self.bias[self.seen])
        right = scores.gather(1, self._put(wanted)[:, None])
        scores = scores.masked_fill(self._put(self._joined(owners, self.seen)), -torch.inf)
        ranks = 1.0 + (scores > right).sum(dim=1)
        return float((1.0 / ranks).mean())

    def _put(self, array: Any) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)


def _marked(rows: IntArray, size: int) -> BoolArray:
    found = np.zeros(size, np.bool_)
    found[rows] = True
    return found
