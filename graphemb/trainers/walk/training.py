"""Learning from a source of sequences: matrices, threads, epochs, progress, checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import numpy as np

from graphemb.checkpoint import Checkpoints
from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError, DimensionMismatch, TrainingError
from graphemb.kernels import hierarchical, skipgram
from graphemb.kernels.native import LANES
from graphemb.linalg import over_rows
from graphemb.trainers.base import EpochEvent, OnEpoch
from graphemb.trainers.walk.fields import SkipGramFields
from graphemb.trainers.walk.noise import make_noise
from graphemb.trainers.walk.resume import Done, Standing, keep, take_up
from graphemb.trainers.walk.threads import in_threads
from graphemb.trainers.walk.tree import make_tree
from graphemb.types import BoolArray, FloatArray, IntArray, RowArray
from graphemb.walks import Source, Space

_TOKENS_PER_BLOCK = 20_000
_BLOCKS_PER_THREAD = 8
_SECONDS_PER_EVENT = 0.5
_SECONDS_PER_CHECKPOINT = 60.0
_LEGS = 50  # of an epoch, after which a checkpoint may be written
_DIVERGED = 4.0  # times the loss of a model that knows nothing
_PAIRS_TO_JUDGE = 100
_CENTERS_FOR_LOSS = 1000
_LOSS_EVERY = 64

Teach: TypeAlias = Callable[[skipgram.Plan, RowArray, IntArray, int], tuple[float, int]]
"""Learns from sequences (`tokens`, `lengths`, number of the first); the loss of some pairs."""


@dataclass(frozen=True, eq=False)
class Trained:
    """What came out of training.

    Attributes:
        vectors: float32 [N, dim].
        learned: bool [N], False for nodes that no pair was of and that had no older vector.
        losses: of each epoch, the mean over (center, context) pairs with their negatives,
            estimated; None where there was none.
        tokens: nodes trained as centers, over all epochs.
    """

    vectors: FloatArray
    learned: BoolArray
    losses: list[float | None]
    tokens: int


def train(
    config: SkipGramFields,
    source: Source,
    *,
    init: Embeddings | None = None,
    on_epoch: OnEpoch | None = None,
    checkpoints: Checkpoints | None = None,
) -> Trained:
    """Learn a vector for every node of `source.space`.

    Args:
        init: older vectors to go on from, where there are any of these nodes.
        checkpoints: written after each epoch, every minute and on Ctrl-C; the last is taken up.

    Raises:
        DimensionMismatch: `init` is of another dimension.
        ConfigError: `init` holds none of the nodes; the checkpoints are of another training.
        StoreError: a damaged checkpoint, or the disk failed.
        TrainingError: the loss is not a number, or diverges.
    """
    size = source.space.num_rows
    width = -(-config.dim // LANES) * LANES
    inputs = _aligned(size * width + LANES)
    begin = partial(skipgram.start_inputs, inputs, width, config.dim, config.seed)
    over_rows(begin, np.arange(size + 1))
    vectors = inputs[: size * width].reshape(size, width)[:, : config.dim]
    known = _go_on_from(init, source.space, vectors)
    seen = np.zeros(size, np.uint8)
    model = skipgram.Model(inputs, _aligned(inputs.size), width, seen)
    run = _Run(config, source, model, on_epoch, checkpoints)
    run.all_epochs()
    learned = seen.astype(np.bool_) | known
    done = run.standing
    return Trained(np.ascontiguousarray(vectors), learned, done.losses, done.tokens)


def _aligned(size: int) -> FloatArray:
    """float32 zeros that start at a cache line, so that no sixteen of a row lie across two."""
    room = np.zeros(size + LANES, np.float32)
    start = -(room.ctypes.data // room.itemsize) % LANES
    return room[start : start + size]


def _go_on_from(init: Embeddings | None, space: Space, vectors: FloatArray) -> BoolArray:
    """Copy older vectors into `vectors` [N, dim]; bool [N]: who had one."""
    known = np.zeros(space.num_rows, np.bool_)
    if init is None:
        return known
    if init.dim != vectors.shape[1]:
        raise DimensionMismatch(vectors.shape[1], init.dim, source="init")
    for node_type, ids in zip(space.node_types, space.ids, strict=True):
        if node_type in init:
            places = init[node_type].ids.find(ids)
            there = np.flatnonzero(places >= 0)
            rows = there + space.first(node_type)
            vectors[rows] = init[node_type].matrix[places[there]]
            known[rows] = True
    if not known.any():
        raise ConfigError(
            "the older vectors are of none of these nodes",
            field="init",
            value=sorted(init),
            hint=f"node types wanted: {', '.join(space.node_types)}",
        )
    return known


def _shifted(learn: Callable[[int], None], first: int, block: int) -> None:
    learn(first + block)


@dataclass(eq=False)
class _Run:
    """One training under way."""

    config: SkipGramFields
    source: Source
    model: skipgram.Model
    on_epoch: OnEpoch | None
    checkpoints: Checkpoints | None
    ignorance: float = 0.0  # the loss of a pair of a model that knows nothing
    done: list[Done] = field(default_factory=list)  # blocks of this epoch; threads append
    standing: Standing = field(default_factory=Standing)  # before those

    def all_epochs(self) -> None:
        """Train what is still to be done."""
        epochs = self.config.epochs
        if not self.source.num_sequences:
            self._tell(epochs, None, None)
            return
        self.standing = take_up(self.checkpoints, self.model)
        teach = self._teacher()
        centers = int(self.source.num_sequences * self.source.mean_length)
        plan = skipgram.Plan(
            self.config.context_size,
            float(self.config.learning_rate),
            float(self.config.min_learning_rate),
            self.source.num_sequences * epochs,
            self.config.seed,
            self.config.objective == "cbow",
            max(1, min(centers // _CENTERS_FOR_LOSS, _LOSS_EVERY)),
        )
        for epoch in range(len(self.standing.losses), epochs):
            self._epoch(epoch, teach, plan)

    def _teacher(self) -> Teach:
        """The kernel of the chosen loss, with what it learns by."""
        if self.config.loss == "hierarchical":
            tree, self.ignorance = make_tree(self.config, self.source)
            return partial(hierarchical.train, self.model, tree)
        noise = make_noise(self.config, self.source)
        self.ignorance = (1 + self.config.num_negatives) * math.log(2)
        return partial(skipgram.train, self.model, noise)

    def _epoch(self, epoch: int, teach: Teach, plan: skipgram.Plan) -> None:
        number, begun = self.source.num_sequences, self.standing.begun
        size = int(_TOKENS_PER_BLOCK / max(self.source.mean_length, 1.0))
        size = max(1, min(size, number // (self.config.threads_used * _BLOCKS_PER_THREAD)))
        self.done = []
        heard, since = 0, time.perf_counter()

        def learn(block: int) -> None:
            low = begun + block * size
            first = epoch * number + low
            part = self.source.block(first, min(size, number - low))
            loss, pairs = teach(plan, *part, first)
            if not math.isfinite(loss):
                raise self._failure("the loss is not a number")
            self.done.append(Done(part[0].size, loss, pairs))

        def look() -> None:
            nonlocal heard, since
            now, count = time.perf_counter(), len(self.done)
            reached = min(begun + count * size, number)
            if count > heard and (reached == number or now - since >= _SECONDS_PER_EVENT):
                news = self.done[heard:count]
                rate = sum(block.tokens for block in news) / max(now - since, 1e-9)
                self._tell(epoch + reached / number, rate, self._loss(news))
                heard, since = count, now

        self._in_legs(learn, -(-(number - begun) // size), size, look)
        self._check_matrices()
        whole = self._standing(size)
        losses = [*whole.losses, self._loss([whole.part])]
        self.standing, self.done = Standing(losses, whole.tokens + whole.part.tokens), []
        self._keep(self.standing)

    def _in_legs(
        self, learn: Callable[[int], None], blocks: int, size: int, look: Callable[[], None]
    ) -> None:
        """Learn from all blocks; with checkpoints, in legs, so that one can be written between."""
        threads, written = self.config.threads_used, time.perf_counter()
        leg = max(1, blocks)
        if self.checkpoints is not None:
            leg = max(blocks // _LEGS, threads * _BLOCKS_PER_THREAD)
        try:
            for low in range(0, blocks, leg):
                work = partial(_shifted, learn, low)
                in_threads(work, min(leg, blocks - low), threads, look=look)
                if time.perf_counter() - written >= _SECONDS_PER_CHECKPOINT:
                    self._keep(self._standing(size))
                    written = time.perf_counter()
        except KeyboardInterrupt:
            self._keep(self._standing(size))
            raise

    def _standing(self, size: int) -> Standing:
        """With the blocks of this epoch: they are begun in turn, and those begun are done."""
        old, parts = self.standing, [self.standing.part, *self.done]
        done = min(old.begun + len(self.done) * size, self.source.num_sequences)
        return Standing(old.losses, old.tokens, done, Done(*map(sum, zip(*parts, strict=True))))

    def _keep(self, standing: Standing) -> None:
        if self.checkpoints is not None:
            keep(self.checkpoints, self.model, standing, self.source.num_sequences)

    def _tell(self, epoch: float, rate: float | None, loss: float | None) -> None:
        if self.on_epoch:
            self.on_epoch(EpochEvent(epoch, self.config.epochs, rate, loss))

    def _loss(self, blocks: list[Done]) -> float | None:
        """The mean loss of a pair."""
        pairs = sum(block.pairs for block in blocks)
        if not pairs:
            return None
        mean = sum(block.loss for block in blocks) / pairs
        if pairs >= _PAIRS_TO_JUDGE and mean > _DIVERGED * self.ignorance:
            raise self._failure(f"the loss diverges, it is {mean:.3g} a pair")
        return mean

    def _check_matrices(self) -> None:
        for matrix in (self.model.inputs, self.model.outputs):
            if not math.isfinite(matrix.sum(dtype=np.float64)):
                raise self._failure("a component is not a number")

    def _failure(self, what: str) -> TrainingError:
        fine = math.isfinite(self.model.inputs.sum(dtype=np.float64))
        return TrainingError(
            f"{what} (seen in the matrix of {'outputs' if fine else 'inputs'})",
            code="diverged",
            field="learning_rate",
            value=self.config.learning_rate,
            hint="a smaller learning rate may help",
        )
