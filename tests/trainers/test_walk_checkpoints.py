"""Walk models that are stopped and go on: the vectors are those of a training never stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphemb import DeepWalk, EdgeType, Embeddings, HeteroGraph, Metapath2Vec, SequenceSkipGram
from graphemb.errors import ChecksumMismatch, ConfigError, StoreError
from graphemb.progress import EpochEvent
from graphemb.testing import communities
from graphemb.trainers.walk import training

WALKS = DeepWalk(
    dim=16, walk_length=20, walks_per_node=4, epochs=3, deterministic=True, seed=5, context_size=3
)


def graph() -> HeteroGraph:
    return communities(seed=1)


def same(left: Embeddings, right: Embeddings) -> bool:
    return all(np.array_equal(left[name].matrix, right[name].matrix) for name in left)


class Stop:
    """Presses Ctrl-C at the first event from some epoch on."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self, event: EpochEvent) -> None:
        if event.epoch >= self.at:
            raise KeyboardInterrupt


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several legs in an epoch, a checkpoint after each, every block told."""
    monkeypatch.setattr(training, "_TOKENS_PER_BLOCK", 400)
    monkeypatch.setattr(training, "_SECONDS_PER_CHECKPOINT", 0.0)
    monkeypatch.setattr(training, "_SECONDS_PER_EVENT", 0.0)


@pytest.mark.usefixtures("small_steps")
@pytest.mark.parametrize("loss", ["negative", "hierarchical"])
@pytest.mark.parametrize("at", [0.05, 0.6, 1.0, 2.3])
def test_fault_086_training_stopped_anywhere_goes_on_to_the_same_vectors(
    tmp_path: Path, at: float, loss: str
) -> None:
    trainer = replace(WALKS, loss=loss)
    whole = trainer.fit(graph())
    with pytest.raises(KeyboardInterrupt):
        trainer.fit(graph(), checkpoint=tmp_path / "c", on_epoch=Stop(at))
    assert len(list((tmp_path / "c").iterdir())) == 1
    heard: list[float] = []
    resumed = trainer.fit(
        graph(), checkpoint=tmp_path / "c", on_epoch=lambda event: heard.append(event.epoch)
    )
    assert heard[0] > at
    assert same(resumed, whole)
    assert resumed.provenance["training"]["tokens"] == whole.provenance["training"]["tokens"]
    assert len(resumed.provenance["training"]["losses"]) == 3
    assert same(trainer.fit(graph(), checkpoint=tmp_path / "c", on_epoch=Stop(0)), whole)


@pytest.mark.usefixtures("small_steps")
def test_fault_086_the_other_walk_models_go_on_too(tmp_path: Path) -> None:
    buys = EdgeType("user", "buys", "product")
    rng = np.random.default_rng(0)
    src, dst = rng.integers(0, 60, 600), rng.integers(0, 40, 600)
    times = np.arange(600).astype("datetime64[s]")
    market = HeteroGraph.from_tables(
        {"user": {"id": np.arange(60)}, "product": {"id": np.arange(40)}},
        {buys: {"src": src, "dst": dst, "time": times}},
    )
    fields = {"dim": 16, "epochs": 3, "deterministic": True}
    path = (buys, buys.reverse)
    older = SequenceSkipGram(**fields, along=buys, seed=3).fit(market)  # type: ignore[arg-type]
    for number, trainer in enumerate(
        (
            Metapath2Vec(**fields, metapaths=(path,), walk_length=10),  # type: ignore[arg-type]
            SequenceSkipGram(**fields, along=buys),  # type: ignore[arg-type]
        )
    ):
        whole = trainer.fit(market, init=older)
        folder = tmp_path / str(number)
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(market, init=older, checkpoint=folder, on_epoch=Stop(1.2))
        assert same(trainer.fit(market, init=older, checkpoint=folder), whole)
        with pytest.raises(ConfigError, match="init was"):
            trainer.fit(market, checkpoint=folder)


def test_fault_087_another_training_is_refused_naming_the_difference(tmp_path: Path) -> None:
    WALKS.fit(graph(), checkpoint=tmp_path / "c")
    with pytest.raises(ConfigError, match=r"fit\.dim was 16"):
        replace(WALKS, dim=32).fit(graph(), checkpoint=tmp_path / "c")
    with pytest.raises(ConfigError, match="graph was"):
        WALKS.fit(communities(seed=2), checkpoint=tmp_path / "c")


def test_fault_088_a_checkpoint_of_other_bytes_is_refused_before_it_is_read(tmp_path: Path) -> None:
    WALKS.fit(graph(), checkpoint=tmp_path / "c")
    (arrays,) = (tmp_path / "c").glob("step-*/arrays.safetensors")
    arrays.write_bytes(b"\x80\x04cos\nsystem\n(S'false'\ntR.")
    with pytest.raises(ChecksumMismatch):
        WALKS.fit(graph(), checkpoint=tmp_path / "c")
    (tmp_path / "model.pkl").write_bytes(b"\x80\x04.")
    with pytest.raises(StoreError, match="a folder"):
        WALKS.fit(graph(), checkpoint=tmp_path / "model.pkl")


CHILD = """
import json, os, signal, sys
from pathlib import Path
from tests.trainers.test_walk_checkpoints import WALKS, graph
from graphemb.trainers.walk import training

training._TOKENS_PER_BLOCK, training._SECONDS_PER_CHECKPOINT = 400, 0.0
writes, at = 0, int(sys.argv[2])

def counted(real):
    def call(*args, **kwargs):
        global writes
        writes += 1
        if writes == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    return call

os.rename, os.replace, os.fsync = counted(os.rename), counted(os.replace), counted(os.fsync)
emb = WALKS.fit(graph(), checkpoint=Path(sys.argv[1]))
print(json.dumps([writes, *(part.matrix.tolist() for part in emb.values())]))
"""


def child(folder: Path, at: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHILD, str(folder), str(at)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_fault_086_a_process_killed_while_it_writes_goes_on_from_the_last_whole_one(
    tmp_path: Path,
) -> None:
    whole = WALKS.fit(graph())
    for at in (3, 24):
        assert child(tmp_path / "c", at).returncode == -signal.SIGKILL
    told = child(tmp_path / "c", -1)
    assert told.returncode == 0, told.stderr
    writes, *matrices = json.loads(told.stdout)
    assert writes > 0
    for matrix, part in zip(matrices, whole.values(), strict=True):
        assert np.array_equal(np.array(matrix, np.float32), part.matrix)
    assert [path.name[:5] for path in (tmp_path / "c").iterdir()] == ["step-"]
