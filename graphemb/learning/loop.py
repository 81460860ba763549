"""The loop: epochs of steps, early stopping, progress, checkpoints, and losses that go wrong."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from graphemb.checkpoint import Checkpoint, Checkpoints
from graphemb.errors import ConfigError, TrainingError
from graphemb.kernels import rng
from graphemb.learning.fields import LoopFields
from graphemb.learning.state import Optimizers, pack, unpack
from graphemb.progress import EpochEvent, OnEpoch

SECONDS_PER_CHECKPOINT = 10.0
"""The least time between two checkpoints; the last epoch always gets one."""
_SECONDS_PER_EVENT = 0.5
_DIVERGED = 10.0
"""Times the first loss that a loss may rise above the lowest."""


class Task(Protocol):
    """What the loop trains."""

    @property
    def module(self) -> nn.Module:
        """All that is learned, on the device it is learned on."""
        ...

    @property
    def num_steps(self) -> int:
        """Steps of an epoch; 0 when there is nothing to learn from."""
        ...

    def steps(self, epoch: int) -> Iterator[Tensor]:
        """The loss of every step, a scalar; the parameters move between two of them."""
        ...

    def validate(self) -> float | None:
        """How good the model is now, higher is better; None when nothing is held out."""
        ...


@dataclass
class History:
    """What happened, JSON-able as a dict.

    Attributes:
        losses: of each epoch, the mean over its steps.
        valid: of each epoch, what `Task.validate` said.
        start: the loss of the first step.
        best: the epoch (from 0) whose parameters were kept; None: the last one's.
        stopped: whether the loop ended before its time.
    """

    losses: list[float] = field(default_factory=list)
    valid: list[float] = field(default_factory=list)
    start: float | None = None
    best: int | None = None
    stopped: bool = False


def device_of(fields: LoopFields) -> torch.device:
    """Where to train.

    Raises:
        ConfigError: a GPU is wanted and there is none.
    """
    there = torch.cuda.is_available()
    if fields.device == "cuda" and not there:
        raise ConfigError("there is no GPU that torch can use", field="device", value="cuda")
    return torch.device("cuda" if there and fields.device != "cpu" else "cpu")


@contextlib.contextmanager
def seeded(seed: int, stream: int = 0) -> Iterator[None]:
    """Torch's own generators seeded for a while; afterwards they are what they were."""
    with torch.random.fork_rng():
        torch.manual_seed(int(rng.make_key(seed, stream)) >> 1)
        yield


@contextlib.contextmanager
def on_threads(number: int) -> Iterator[None]:
    """Torch works with so many threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def train(
    task: Task,
    fields: LoopFields,
    *,
    on_epoch: OnEpoch | None = None,
    checkpoints: Checkpoints | None = None,
) -> History:
    """Train `task.module` in place; at the end it holds the best parameters.

    Args:
        checkpoints: where to go on from, and where to write; an interrupted run taken up again
            gives what it would have given.

    Raises:
        TrainingError: a loss that is not finite, or that diverges; the last checkpoint stays.
        ConfigError, StoreError: a checkpoint of another training, or a damaged one.
    """
    history = History()
    if task.num_steps:
        run = _Run(task, fields, on_epoch, checkpoints)
        with on_threads(fields.threads):
            run.all_epochs()
        history = run.history
    if on_epoch:
        last = history.losses[-1] if history.losses else None
        on_epoch(EpochEvent(fields.epochs, fields.epochs, None, last))
    return history


class _Run:
    """One training under way."""

    def __init__(
        self,
        task: Task,
        fields: LoopFields,
        on_epoch: OnEpoch | None,
        checkpoints: Checkpoints | None,
    ) -> None:
        self.task, self.fields = task, fields
        self.on_epoch, self.checkpoints = on_epoch, checkpoints
        self.history = History()
        self.best: dict[str, Tensor] = {}
        self.optimizers = Optimizers(task.module, fields)
        self.device = next(task.module.parameters()).device
        self.written = time.perf_counter()

    def all_epochs(self) -> None:
        first = self._take_up()
        for epoch in range(first, self.fields.epochs):
            if self.history.stopped:
                break
            with seeded(self.fields.seed, epoch + 1):  # whatever a model draws
                self.history.losses.append(self._epoch(epoch))
            self._judge(epoch)
            self._write(epoch + 1)
        if self.best:
            self.task.module.load_state_dict(self.best)
        self.task.module.eval()

    def _epoch(self, epoch: int) -> float:
        """One pass; the mean loss of its steps."""
        self.task.module.train()
        total, recent, heard, since = 0.0, 0.0, 0, time.perf_counter()
        losses = self.task.steps(epoch)
        steps = self.task.num_steps
        for step in range(steps):
            with torch.autocast("cuda", torch.bfloat16, enabled=self.device.type == "cuda"):
                loss = next(losses)
            value = self._descend(loss, epoch + step / steps)
            total, recent = total + value, recent + value
            now = time.perf_counter()
            if now - since >= _SECONDS_PER_EVENT or step + 1 == steps:
                mean = recent / (step + 1 - heard)
                self._check_divergence(mean)
                self.tell(epoch + (step + 1) / steps, mean)
                heard, since, recent = step + 1, now, 0.0
        return total / steps

    def _descend(self, loss: Tensor, epoch: float) -> float:
        """Move the parameters down the gradient of one step's loss."""
        value = float(loss.detach())
        if not math.isfinite(value):
            raise self._failure(f"the loss is {value}", "not_finite")
        if self.history.start is None:
            self.history.start = value
        self.optimizers.step(loss, epoch / self.fields.epochs)
        return value

    def _check_divergence(self, loss: float) -> None:
        start = self.history.start or 0.0
        lowest = min([start, *self.history.losses])
        if loss > lowest + _DIVERGED * max(abs(start), 1.0):
            raise self._failure(f"the loss diverges: it was {lowest:.3g}, it is {loss:.3g}")

    def _failure(self, what: str, code: str = "diverged") -> TrainingError:
        """Names the first tensor that is not finite, else the one with the largest component."""
        worst, largest = "loss", -1.0
        for name, parameter in self.task.module.named_parameters():
            size = float(parameter.detach().abs().max()) if parameter.numel() else 0.0
            if not math.isfinite(size):
                worst = name
                break
            if size > largest:
                worst, largest = name, size
        kept = self.checkpoints.folder if self.checkpoints else None
        return TrainingError(
            f"{what}; the tensor to look at is {worst}",
            code=code,
            field="learning_rate",
            value=self.fields.learning_rate,
            hint="a smaller learning rate may help"
            + (f"; the last good checkpoint is kept in {kept}" if kept else ""),
        )

    def _judge(self, epoch: int) -> None:
        """Keep the parameters when they are the best so far; say when to stop."""
        if self._not_finite():
            raise self._failure("a parameter is not a number", "not_finite")
        self.task.module.eval()
        with torch.no_grad():
            score = self.task.validate()
        if score is None:
            return
        history = self.history
        history.valid.append(score)
        if history.best is None or score > history.valid[history.best]:
            history.best = epoch
            state = self.task.module.state_dict()
            self.best = {name: tensor.detach().clone() for name, tensor in state.items()}
        elif epoch - history.best >= self.fields.patience:
            history.stopped = True

    def _not_finite(self) -> bool:
        sums = [parameter.detach().sum() for parameter in self.task.module.parameters()]
        return not bool(torch.stack(sums).isfinite().all())

    def tell(self, epoch: float, loss: float | None) -> None:
        if self.on_epoch:
            self.on_epoch(EpochEvent(epoch, self.fields.epochs, None, loss))

    def _take_up(self) -> int:
        """The epoch to begin with."""
        found = self.checkpoints.newest() if self.checkpoints else None
        if found is None:
            return 0
        facts: dict[str, Any] = dict(found.facts["history"])
        self.history = History(**facts)
        self.task.module.load_state_dict(unpack(found.arrays, "module."))
        self.best = unpack(found.arrays, "best.")
        self.optimizers.load(unpack(found.arrays, "optimizer."))
        return found.step

    def _write(self, done: int) -> None:
        last = done == self.fields.epochs or self.history.stopped
        late = time.perf_counter() - self.written >= SECONDS_PER_CHECKPOINT
        if self.checkpoints is None or not (last or late):
            return
        arrays = {
            **pack(self.task.module.state_dict(), "module."),
            **pack(self.best, "best."),
            **pack(self.optimizers.state(), "optimizer."),
        }
        self.checkpoints.write(Checkpoint(done, arrays, {"history": asdict(self.history)}))
        self.written = time.perf_counter()
