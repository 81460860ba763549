"""Checkpoints: whole or not there, of this training or refused, never unpickled."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from graphemb.checkpoint import Checkpoint, Checkpoints
from graphemb.errors import ChecksumMismatch, ConfigError, StoreError
from graphemb.files import sha256_file
from graphemb.manifest import MANIFEST

IDENTITY = {"fit": {"trainer": "T", "dim": 4, "types": ("a", "b")}, "graph": "f00"}


def checkpoint(step: int) -> Checkpoint:
    arrays = {
        "w": np.arange(6, dtype=np.float32).reshape(2, 3) + step,
        "count": np.array(step),
        "state": np.arange(5, dtype=np.uint8),
    }
    return Checkpoint(step, arrays, {"loss": 0.5, "best": None})


def test_the_newest_is_read_back_and_older_ones_go(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "run", IDENTITY)
    assert checkpoints.newest() is None
    for step in (1, 2, 10):
        checkpoints.write(checkpoint(step))
    last = checkpoints.newest()
    assert last is not None and last.step == 10
    assert last.facts == {"loss": 0.5, "best": None}
    for name, array in checkpoint(10).arrays.items():
        assert last.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(last.arrays[name], array)
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["step-00000010"]


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from graphemb import files
from graphemb.checkpoint import Checkpoint, Checkpoints

calls = 0
def dying(name):
    real = getattr(files, name)
    def wrapped(*args, **kwargs):
        global calls
        calls += 1
        if calls == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    setattr(files, name, wrapped)

checkpoints = Checkpoints(Path(sys.argv[1]), {"graph": "f00"})
checkpoints.write(Checkpoint(1, {"w": np.ones(3, np.float32)}))
for name in ("sync_file", "sync_folder", "move_folder", "sync_tree"):
    dying(name)
checkpoints.write(Checkpoint(2, {"w": np.full(3, 2, np.float32)}))
"""


@pytest.mark.parametrize("call", [1, 2, 4, 5])
def test_fault_086_killed_inside_a_checkpoint_the_last_complete_one_stays(
    tmp_path: Path, call: int
) -> None:
    folder = tmp_path / "run"
    done = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(call)], check=False)
    assert done.returncode == -signal.SIGKILL
    checkpoints = Checkpoints(folder, {"graph": "f00"})
    last = checkpoints.newest()
    assert last is not None and last.step == 1
    np.testing.assert_array_equal(last.arrays["w"], np.ones(3))
    checkpoints.write(Checkpoint(3, {}))
    assert [path.name for path in folder.iterdir()] == ["step-00000003"], "leftovers stay"


@pytest.mark.parametrize(
    ("other", "field", "value"),
    [
        ({**IDENTITY, "graph": "beef"}, "graph", "beef"),
        ({**IDENTITY, "fit": {"trainer": "T", "dim": 8, "types": ["a", "b"]}}, "fit.dim", "8"),
        ({**IDENTITY, "fit": {"trainer": "T", "dim": 4, "types": ["a"]}}, "fit.types", "a"),
    ],
)
def test_fault_087_another_training_is_refused_by_its_difference(
    tmp_path: Path, other: dict[str, object], field: str, value: str
) -> None:
    Checkpoints(tmp_path, IDENTITY).write(checkpoint(1))
    with pytest.raises(ConfigError, match="of another training") as caught:
        Checkpoints(tmp_path, other).newest()
    assert caught.value.field == field and value in str(caught.value)


class Bomb:
    """Its pickle would leave a trace when read."""

    def __init__(self, trace: str) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.trace,)


def test_fault_088_a_pickle_in_its_place_is_refused_unread(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    bomb = pickle.dumps(Bomb(str(trace)))
    checkpoints = Checkpoints(tmp_path / "run", IDENTITY)
    path = checkpoints.write(checkpoint(1)) / "arrays.safetensors"
    before = sha256_file(path)
    path.write_bytes(bomb)
    with pytest.raises(ChecksumMismatch):
        checkpoints.newest()
    manifest = path.with_name(MANIFEST)
    manifest.write_text(manifest.read_text().replace(before, sha256_file(path)))
    with pytest.raises(StoreError, match="not a safetensors file"):
        checkpoints.newest()
    (tmp_path / "torch.pt").write_bytes(bomb)
    with pytest.raises(StoreError, match="this is a file"):
        Checkpoints(tmp_path / "torch.pt", IDENTITY).newest()
    with pytest.raises(StoreError, match="no checkpoint"):
        Checkpoints(tmp_path, IDENTITY).newest()
    assert not trace.exists()
