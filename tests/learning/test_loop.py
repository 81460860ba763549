"""The loop: early stopping, progress, losses that go wrong, and runs killed in their middle."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from graphemb.checkpoint import Checkpoints
from graphemb.errors import ConfigError, TrainingError
from graphemb.learning import LoopFields, loop
from graphemb.learning.state import rate_factor
from graphemb.progress import EpochEvent
from graphemb.testing import communities, edgeless
from tests.learning.lookup import FIELDS, content, fit


class Scripted:
    """One parameter; losses and validation scores as given, epoch by epoch."""

    num_steps = 2

    def __init__(self, losses: list[float], scores: list[float | None]) -> None:
        self.module = torch.nn.Module()
        self.module.weight = torch.nn.Parameter(torch.zeros(3))
        self.losses, self.scores = losses, scores
        self.asked = 0

    def steps(self, epoch: int) -> Iterator[Tensor]:
        for _ in range(self.num_steps):
            yield self.module.weight.sum() + self.losses[epoch] - self.module.weight.detach().sum()

    def validate(self) -> float | None:
        self.asked += 1
        return self.scores[self.asked - 1]


FIVE = LoopFields(epochs=5, learning_rate=0.1, patience=2)


def test_it_stops_after_patience_and_keeps_the_best() -> None:
    task = Scripted([1.0] * 5, [0.1, 0.5, 0.4, 0.3, 0.9])
    events: list[EpochEvent] = []
    history = loop.train(task, FIVE, on_epoch=events.append)
    assert (history.best, history.stopped, history.valid) == (1, True, [0.1, 0.5, 0.4, 0.3])
    expected = torch.full((3,), -0.1 * 4)  # Adam's steps of a constant gradient are its rate
    torch.testing.assert_close(task.module.weight.detach(), expected, atol=1e-4, rtol=0)
    assert [event.epoch for event in events] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert all(event.loss == pytest.approx(1.0) for event in events)


def test_without_validation_all_epochs_are_trained() -> None:
    history = loop.train(Scripted([1.0] * 5, [None] * 5), FIVE)
    assert len(history.losses) == 5 and history.best is None and not history.stopped


def test_fault_077_a_loss_that_is_no_number_stops_and_keeps_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SECONDS_PER_CHECKPOINT", 0.0)
    checkpoints = Checkpoints(tmp_path / "run", {})
    task = Scripted([1.0, 1.0, float("nan"), 1.0, 1.0], [None] * 5)
    with pytest.raises(TrainingError, match="the loss is nan") as caught:
        loop.train(task, FIVE, checkpoints=checkpoints)
    assert caught.value.field == "learning_rate" and caught.value.value == "0.1"
    assert "tensor to look at is weight" in str(caught.value)
    assert str(tmp_path / "run") in str(caught.value)
    last = checkpoints.newest()
    assert last is not None and last.step == 2
    np.testing.assert_allclose(last.arrays["module.weight"], -0.4, atol=1e-4)


def test_fault_077_the_tensor_that_is_no_number_is_named() -> None:
    task = Scripted([1.0] * 5, [None] * 5)
    task.module.other = torch.nn.Parameter(torch.tensor([1.0, float("inf")]))
    with pytest.raises(TrainingError, match="to look at is other") as caught:
        loop.train(task, FIVE)
    assert caught.value.code == "not_finite"


def test_fault_078_a_loss_that_diverges_stops() -> None:
    with pytest.raises(TrainingError, match=r"diverges: it was 1, it is 1e\+03"):
        loop.train(Scripted([2.0, 1.0, 1000.0, 1.0, 1.0], [None] * 5), FIVE)
    with pytest.raises(TrainingError, match="diverges"):
        fit(replace(FIELDS, learning_rate=300.0, loss="margin", num_hard=0))


@pytest.mark.parametrize("sparse", [False, True])
def test_fault_086_an_interrupted_run_goes_on_as_if_it_had_not_been(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sparse: bool
) -> None:
    monkeypatch.setattr(loop, "SECONDS_PER_CHECKPOINT", 0.0)
    whole = fit(sparse=sparse)

    class Stop(Exception):
        """Somebody pulls the plug."""

    def stop(event: EpochEvent) -> None:
        if event.epoch > 3.5:
            raise Stop

    with pytest.raises(Stop):
        fit(sparse=sparse, checkpoint=tmp_path / "run", on_epoch=stop)
    seen: list[float] = []
    again = fit(
        sparse=sparse, checkpoint=tmp_path / "run", on_epoch=lambda event: seen.append(event.epoch)
    )
    assert min(seen) > 3.0, "it went on from the checkpoint"
    assert content(again) == content(whole)
    assert again.history == whole.history
    seen.clear()
    done = fit(sparse=sparse, checkpoint=tmp_path / "run", on_epoch=lambda e: seen.append(e.epoch))
    assert content(done) == content(whole) and seen == [6.0], "there is nothing left to do"


KILLED = """
import os, signal, sys
from pathlib import Path
from graphemb.learning import loop
from tests.learning.lookup import fit

loop.SECONDS_PER_CHECKPOINT = 0.0
fit(checkpoint=Path(sys.argv[1]),
    on_epoch=lambda event: event.epoch > 2.5 and os.kill(os.getpid(), signal.SIGKILL))
"""


def test_fault_084_086_killed_and_taken_up_by_another_process(tmp_path: Path) -> None:
    """Under another hash seed, too: the vectors are bit for bit those of one quiet run."""
    run = tmp_path / "run"
    environment = {**os.environ, "PYTHONHASHSEED": "77", "PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(run)], check=False, env=environment
    )
    assert done.returncode == -signal.SIGKILL
    assert [path.name for path in run.iterdir()] == ["step-00000002"]
    digests = [hashlib.sha256(content(fit(checkpoint=place))).digest() for place in (run, None)]
    assert digests[0] == digests[1]


def test_fault_087_another_graph_or_dimension_is_refused(tmp_path: Path) -> None:
    fit(checkpoint=tmp_path)
    with pytest.raises(ConfigError) as caught:
        fit(replace(FIELDS, dim=16), checkpoint=tmp_path)
    assert caught.value.field == "fit.dim"
    with pytest.raises(ConfigError) as caught:
        fit(graph=communities(seed=1), checkpoint=tmp_path)
    assert caught.value.field == "graph"


def test_training_leaves_torch_as_it_was() -> None:
    torch.manual_seed(5)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    first = fit(replace(FIELDS, epochs=1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads
    torch.manual_seed(6)
    assert content(fit(replace(FIELDS, epochs=1))) == content(first), "nor does it look at it"
    assert content(fit(replace(FIELDS, epochs=1, seed=1))) != content(first)


def test_without_an_edge_nothing_is_learned() -> None:
    events: list[EpochEvent] = []
    learned = fit(graph=edgeless(), on_epoch=events.append)
    assert not any(there.any() for _, there in learned.vectors().values())
    assert events == [EpochEvent(6, 6)]


def test_schedules_fall_to_nothing() -> None:
    for name, middle in (("constant", 1.0), ("linear", 0.5), ("cosine", 0.5)):
        assert rate_factor(name, 0.0) == 1.0
        assert rate_factor(name, 0.5) == pytest.approx(middle)
    assert rate_factor("linear", 1.0) == 0.0 == pytest.approx(rate_factor("cosine", 1.0))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_gpu_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigError, match="no GPU"):
        fit(replace(FIELDS, device="cuda"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dim", 0),
        ("epochs", 0),
        ("batch_size", 0),
        ("learning_rate", 0.0),
        ("beta2", 1.0),
        ("schedule", "steps"),
        ("weight_decay", -1.0),
        ("clip", 0.0),
        ("valid", 0.6),
        ("patience", 0),
        ("device", "gpu"),
        ("threads", 0),
        ("loss", "mse"),
        ("temperature", 0.0),
        ("negatives", "none"),
        ("num_negatives", 0),
        ("weights", "log"),
        ("decoder", "cosine"),
    ],
)
def test_fault_090_fields_out_of_range_are_refused(field: str, value: object) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(FIELDS, **{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field
