"""Gradient descent through the propagation: first vectors, steps, last vectors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import accumulate

import numpy as np

from graphemb.graph import HeteroGraph, HomogeneousCSR
from graphemb.kernels import descent
from graphemb.linalg import CSR, multiply, over_rows, square_part, truncated_svd
from graphemb.trainers.propagation.fields import PropagationFields
from graphemb.trainers.propagation.objectives import Logistic, Objective, SharedSoftmax, shaped
from graphemb.trainers.propagation.pairs import Propagation, Task, joined
from graphemb.types import BoolArray, EdgeType, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Training:
    """What is learned, and from what.

    Attributes:
        fields: of the trainer.
        merged: gives the row space.
        tasks: the pairs of each edge type that has any.
    """

    fields: PropagationFields
    merged: HomogeneousCSR
    tasks: Mapping[EdgeType, Task]
    rng: np.random.Generator = field(repr=False)

    @classmethod
    def of(cls, fields: PropagationFields, graph: HeteroGraph) -> Training:
        """Of a graph's chosen edge types."""
        merged = graph.homogeneous(fields.edge_types)
        tasks = {
            edge_type: Task.of(graph, merged, edge_type, weight)
            for edge_type, weight in fields.chosen(graph).items()
            if graph[edge_type].num_edges
        }
        return cls(fields, merged, tasks, np.random.default_rng(fields.seed))

    @cached_property
    def adjacency(self) -> CSR:
        """float32 [N, N]: all pairs, both ways."""
        return joined(self.tasks, self.merged.num_nodes)

    @cached_property
    def targets(self) -> BoolArray:
        """bool [N]: what anything is asked for."""
        found = np.zeros(self.merged.num_nodes, np.bool_)
        for task in self.tasks.values():
            found[task.candidates] = True
        return found

    @cached_property
    def whole(self) -> Propagation:
        """Along all pairs."""
        return self.fields.propagation(self.adjacency, self.targets)

    @cached_property
    def num_pairs(self) -> int:
        """Over all tasks."""
        return sum(task.src.size for task in self.tasks.values())

    def start(self) -> FloatArray:
        """float32 [N, dim]: first vectors; rows without pairs are zero."""
        shape = (self.merged.num_nodes, self.fields.dim)
        learned = self.adjacency.getnnz(axis=1) > 0
        vectors = np.zeros(shape, np.float32)
        if self.fields.start == "svd":
            vectors[learned] = self._spectral(learned)
        else:
            vectors[learned] = self.rng.standard_normal(
                (int(learned.sum()), self.fields.dim), dtype=np.float32
            )
        for node_type in self.merged.node_types:
            rows = self.merged.slice(node_type)
            squares = np.einsum("ij,ij->", vectors[rows], vectors[rows], dtype=np.float64)
            there = max(int(learned[rows].sum()), 1)
            vectors[rows] *= self.fields.start_length / np.sqrt(max(squares / there, 1e-20))
        return vectors

    def _spectral(self, learned: BoolArray) -> FloatArray:
        """The eigenvectors of S with the largest values above 0, times the roots of these.

        Between two node types every value has a negative twin that says nothing new, and which
        a singular value decomposition cannot tell from it: of twice as many the better half.
        """
        adjacency = square_part(self.adjacency, learned)
        step = self.fields.propagation(adjacency, self.targets[learned]).step
        basis, _, _ = truncated_svd(
            step, 2 * self.fields.dim, seed=self.fields.seed, symmetric=True
        )
        values, turn = np.linalg.eigh(basis.T @ multiply(step, basis))
        values, turn = values[::-1][: self.fields.dim], turn[:, ::-1][:, : self.fields.dim]
        turned = basis @ (turn * np.sqrt(np.maximum(values, 0.0)))
        vectors: FloatArray = turned * np.where(turned.sum(axis=0) < 0, -1.0, 1.0)
        return vectors.astype(np.float32)

    def epochs(self, vectors: FloatArray) -> Iterator[float]:
        """Improve `vectors` in place, epoch by epoch; the mean loss of each."""
        fields = self.fields
        moments = np.zeros_like(vectors), np.zeros_like(vectors)
        line = _Line(fields.scale, fields.bias)
        plan = self._plan()
        steps, step = len(plan) * fields.epochs, 0
        with ThreadPoolExecutor(fields.threads) as pool:
            for _ in range(fields.epochs):
                losses = []
                for objective, flow in self._steps(plan, line, pool):
                    slopes = np.zeros_like(vectors)
                    losses.append(objective(flow(vectors), slopes))
                    fallen = (1.0 - fields.final_rate) * step / steps
                    rate = fields.learning_rate * (1.0 - fallen)
                    step += 1
                    slopes = flow(slopes)
                    if fields.regularization:
                        slopes += np.float32(fields.regularization) * vectors
                    _descend(vectors, moments, slopes, rate, fields.beta2, step)
                    line.descend(rate, fields.beta2, step)
                yield float(np.mean(losses))

    def _plan(self) -> list[tuple[EdgeType, int]]:
        """Each step of an epoch: whose sources, and from which on; `bce` takes all in one step."""
        if self.fields.loss == "bce":
            return [(next(iter(self.tasks)), 0)]
        return [
            (edge_type, low)
            for edge_type, task in self.tasks.items()
            for low in range(0, task.sources.size, self.fields.batch_size)
        ]

    def _steps(
        self, plan: list[tuple[EdgeType, int]], line: _Line, pool: ThreadPoolExecutor
    ) -> Iterator[tuple[Objective, Propagation]]:
        """An epoch's losses, and what vectors flow along."""
        orders = {name: self.rng.permutation(task.sources) for name, task in self.tasks.items()}
        for number in self.rng.permutation(len(plan)):
            edge_type, low = plan[number]
            flow, kept = self._divided()
            if self.fields.loss == "bce":
                yield self._logistic(kept, line), flow
            else:
                sources = np.sort(orders[edge_type][low : low + self.fields.batch_size])
                own = None if kept is None else kept[self._places[edge_type]]
                yield self._softmax(edge_type, sources, own, pool), flow

    @cached_property
    def _places(self) -> dict[EdgeType, slice]:
        """Where each task's pairs stand among those of all."""
        sizes = [task.src.size for task in self.tasks.values()]
        ends = accumulate(sizes)
        parts = (slice(end - size, end) for end, size in zip(ends, sizes, strict=True))
        return dict(zip(self.tasks, parts, strict=True))

    def _divided(self) -> tuple[Propagation, BoolArray | None]:
        """Along which pairs messages flow, and which of all pairs are to be learned."""
        share = self.fields.message_share
        if share == 1.0:
            return self.whole, None
        carries = self.rng.random(self.num_pairs) < share
        adjacency = joined(self.tasks, self.merged.num_nodes, carries)
        return self.fields.propagation(adjacency, self.targets), ~carries

    @cached_property
    def _linked(self) -> dict[EdgeType, CSR]:
        """float32 [N, N] for each task: all of its pairs."""
        size = self.merged.num_nodes
        return {name: task.positives(size) for name, task in self.tasks.items()}

    def _softmax(
        self,
        edge_type: EdgeType,
        sources: IntArray,
        kept: BoolArray | None,
        pool: ThreadPoolExecutor,
    ) -> SharedSoftmax:
        task, every = self.tasks[edge_type], self._linked[edge_type][sources]
        positives = every
        if kept is not None:
            positives = task.positives(self.merged.num_nodes, kept)[sources]
        num = min(self.fields.num_negatives, task.candidates.size)
        negatives = self.rng.permutation(task.candidates.size)[:num]
        return SharedSoftmax(
            sources,
            positives,
            task.candidates,
            negatives,
            every[:, task.candidates[negatives]],
            self.fields.temperature,
            self.fields.length_power,
            pool,
        )

    def _logistic(self, kept: BoolArray | None, line: _Line) -> Logistic:
        """Of all tasks at once: the vectors are moved for all of them together."""
        columns = []
        for name, task in self.tasks.items():
            every = np.ones(task.src.size, np.bool_)
            chosen = np.flatnonzero(every if kept is None else kept[self._places[name]])
            absent = task.candidates[self.rng.integers(task.candidates.size, size=chosen.size)]
            columns.append((task.src[chosen], task.dst[chosen], task.weight[chosen], absent))
        src, dst, weight, absent = (np.concatenate(part) for part in zip(*columns, strict=True))
        return Logistic(src, dst, weight, absent, line.values, line.slopes)

    def result(self, vectors: FloatArray) -> FloatArray:
        """float32 [N, dim]: the vectors whose products are the scores."""
        out = self.whole(vectors)
        if self.fields.loss == "softmax":
            targets = {edge_type.dst for edge_type in self.tasks}
            for node_type in self.merged.node_types:
                rows = self.merged.slice(node_type)
                power = self.fields.length_power if node_type in targets else 0.0
                out[rows] = shaped(out[rows], power)[0]
        return out


class _Line:
    """The scale and bias of scores, with Adam's moments."""

    def __init__(self, scale: float, bias: float) -> None:
        self.values = np.array([scale, bias])
        self.slopes = np.zeros(2)
        self._mean, self._square = np.zeros(2), np.zeros(2)

    def descend(self, rate: float, beta2: float, step: int) -> None:
        """One step of Adam; the gradient is used up."""
        self._mean += 0.1 * (self.slopes - self._mean)
        self._square += (1.0 - beta2) * (self.slopes**2 - self._square)
        size = np.sqrt(self._square / (1.0 - beta2**step)) + 1e-8
        self.values -= rate * self._mean / (1.0 - 0.9**step) / size
        self.slopes[:] = 0.0


def _descend(
    vectors: FloatArray,
    moments: tuple[FloatArray, FloatArray],
    slopes: FloatArray,
    rate: float,
    beta2: float,
    step: int,
) -> None:
    betas = (0.9, beta2)
    run = partial(descent.adam_rows, vectors, *moments, slopes, rate, betas, step)
    work: IntArray = np.arange(len(vectors) + 1) * vectors.shape[1]
    over_rows(run, work)
