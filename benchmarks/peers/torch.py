"""PyTorch by hand, on its own threads: neighbour sampling and exact top-k.

PyTorch Geometric's own sampler needs an extension that is not on PyPI. Here a hop of the whole
batch is a handful of tensor operations; neighbours are drawn with replacement, which is what such
operations can do.
"""

# mypy: disable-error-code="import-untyped,import-not-found,attr-defined,no-any-return"
from __future__ import annotations

from typing import Any

import numpy as np
import torch
from inputs import undirected
from measure import Meter, main


class _Sampler:
    """Hops over a CSR; weights are drawn by a search in their running sum."""

    def __init__(self, matrix: Any, weighted: bool) -> None:
        self.offsets = torch.from_numpy(matrix.indptr.astype(np.int64))
        self.neighbours = torch.from_numpy(matrix.indices.astype(np.int64))
        self.sums = None
        if weighted:
            sums = np.concatenate([[0.0], np.cumsum(matrix.data, dtype=np.float64)])
            self.sums = torch.from_numpy(sums)

    def hop(self, nodes: Any, fanout: int) -> tuple[Any, Any]:
        """Who gathers, by place in `nodes`, and the neighbours drawn."""
        low, high = self.offsets[nodes], self.offsets[nodes + 1]
        some = (high > low).nonzero().squeeze(1)
        low, high = low[some, None], high[some, None]
        chance = torch.rand((some.numel(), fanout), dtype=torch.float64)
        if self.sums is None:
            places = low + (chance * (high - low)).long()
        else:
            from_, to = self.sums[low], self.sums[high]
            places = torch.searchsorted(self.sums, from_ + chance * (to - from_), right=True) - 1
            places = torch.minimum(torch.maximum(places, low), high - 1)
        return some.repeat_interleave(fanout), self.neighbours[places.reshape(-1)]

    def sample(self, seeds: Any, fanouts: list[int]) -> int:
        """Edges drawn; nodes found before draw only once, and all are numbered anew."""
        known = frontier = seeds
        count = 0
        for fanout in fanouts:
            gathers, found = self.hop(frontier, fanout)
            everybody, numbers = torch.unique(torch.cat([known, found]), return_inverse=True)
            edges = torch.stack([numbers[known.numel() :], gathers])
            fresh = torch.ones(everybody.numel(), dtype=torch.bool)
            fresh[numbers[: known.numel()]] = False
            frontier = everybody[fresh]
            known = torch.cat([known, frontier])
            count += edges.shape[1]
        return count


def _neighbours(weighted: bool) -> Any:
    def task(meter: Meter) -> None:
        plan = meter.plan
        torch.set_num_threads(plan["threads"])
        sampler = _Sampler(undirected(meter, weighted), weighted)
        seeds = np.random.default_rng(0).permutation(plan["num_nodes"])
        seeds = seeds[: plan["num_batches"] * plan["batch_size"]]
        batches = torch.split(torch.from_numpy(seeds), plan["batch_size"])
        meter.warm(lambda: sampler.sample(batches[0], plan["fanouts"]))
        meter.counted(meter.timed(lambda: sum(sampler.sample(b, plan["fanouts"]) for b in batches)))

    return task


def _top(meter: Meter) -> None:
    torch.set_num_threads(meter.plan["threads"])
    dense = torch.from_numpy(np.load(meter.folder / "dense.npy"))
    dense = torch.nn.functional.normalize(dense)
    queries, k = dense[: meter.plan["num_queries"]], meter.plan["k"]
    meter.warm(lambda: (queries[:4] @ dense.T).topk(k))
    rows = meter.timed(
        lambda: torch.cat([(part @ dense.T).topk(k).indices for part in torch.split(queries, 256)]),
        len(queries),
    )
    np.save(meter.out, rows.numpy())


if __name__ == "__main__":
    main(
        {
            "neighbors.uniform": _neighbours(weighted=False),
            "neighbors.uniform.again": _neighbours(weighted=False),
            "neighbors.weighted": _neighbours(weighted=True),
            "neighbors.weighted.again": _neighbours(weighted=True),
            "topk": _top,
        }
    )
