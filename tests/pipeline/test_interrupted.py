"""Runs killed in their middle: nothing half-written, and the same command goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from graphemb.embeddings import Embeddings
from graphemb.errors import UnknownName
from graphemb.evaluate import Report
from graphemb.pipeline import RunConfig, run
from graphemb.pipeline.fits import Fits, Kept
from graphemb.progress import EpochEvent, Step, Steps
from graphemb.store import EmbeddingStore

RunFile = Callable[..., Path]

CHILD = """
import os, signal, sys
from contextlib import contextmanager
from graphemb.pipeline import RunConfig, run
from graphemb.progress import Step, Steps

path, kind, where = sys.argv[1:]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

class Watched(Steps):
    @contextmanager
    def step(self, name):
        if kind == "before" and name == where:
            die()
        yield Step()
        if kind == "after" and name == where:
            die()

if kind == "rename":
    def watched(real):
        def call(source, target, *args, **kwargs):
            if str(target).endswith(where):
                die()
            return real(source, target, *args, **kwargs)
        return call
    os.rename, os.replace = watched(os.rename), watched(os.replace)

run(RunConfig.read(path), steps=Watched())
"""


def killed(path: Path, kind: str, where: str) -> bool:
    """Run in a child that dies there; False when it came to its end instead."""
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), kind, where],
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode in (0, -signal.SIGKILL), child.stderr
    return child.returncode != 0


def check_nothing_half_written(folder: Path) -> None:
    """Whatever is there is whole."""
    store = EmbeddingStore(folder / "embeddings")
    for name in store.names():
        for record in store.versions(name):
            assert store.verify(name, record.version) == []
    if (folder / "shop-report").exists():
        assert Report.load(folder / "shop-report").metrics
        assert list((folder / "shop-report").glob("*.png"))
    for kept in (folder / ".graphemb" / "shop").glob("[!.]*/"):
        Embeddings.load(kept)


def check_goes_on(path: Path) -> None:
    """The same command ends as if nothing had happened, and leaves no rubbish."""
    result = run(RunConfig.read(path))
    assert result.chosen == "svd"
    store = EmbeddingStore(path.parent / "embeddings")
    published = store.load("shop")
    for node_type, part in result.candidates["svd"].items():
        assert np.array_equal(published[node_type].matrix, part.matrix)
    assert store.health("shop").ok
    left = [found.name for found in (path.parent / ".graphemb" / "shop").iterdir()]
    assert sorted(left) == [".lock", "floor", "svd"]
    assert not list(path.parent.glob(".shop-report*"))
    check_nothing_half_written(path.parent)


def test_a_run_killed_between_two_fits_keeps_the_first(run_file: RunFile) -> None:
    path = run_file()
    assert killed(path, "before", "fit svd")
    check_nothing_half_written(path.parent)
    with pytest.raises(UnknownName):
        EmbeddingStore(path.parent / "embeddings").versions("shop")
    manifest = path.parent / ".graphemb" / "shop" / "floor" / "manifest.json"
    stamp = manifest.stat().st_mtime_ns
    check_goes_on(path)
    assert manifest.stat().st_mtime_ns == stamp


@pytest.mark.parametrize("target", ["shop/svd", "shop-report", "versions/00000001"])
def test_fault_110_a_run_killed_while_it_writes_leaves_nothing_half_written(
    run_file: RunFile, target: str
) -> None:
    path = run_file()
    assert killed(path, "rename", target)
    check_nothing_half_written(path.parent)
    check_goes_on(path)


def test_a_run_killed_after_publishing_does_not_publish_again(run_file: RunFile) -> None:
    path = run_file()
    assert killed(path, "after", "publish")
    check_goes_on(path)
    records = EmbeddingStore(path.parent / "embeddings").versions("shop")
    assert [record.version for record in records] == [1]


WALKS = """[fit.walks]
trainer = "DeepWalk"
dim = 8
walk_length = 10
walks_per_node = 2
epochs = 4
deterministic = true

[fit.svd]
"""


class Pressed(Steps):
    """Presses Ctrl-C in a fit, at its first event from some epoch on."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.results: dict[str, str] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[Step]:
        step = Step()
        step.on_epoch = self._press  # type: ignore[method-assign]
        yield step
        self.results[name] = step.result

    def _press(self, event: EpochEvent) -> None:
        if event.epoch >= self.at:
            raise KeyboardInterrupt


def test_fault_086_a_run_stopped_within_a_fit_goes_on_from_its_checkpoint(
    run_file: RunFile,
) -> None:
    config = RunConfig.read(run_file("[fit.svd]\n", WALKS))
    whole = run(config, steps=Steps())
    with pytest.raises(KeyboardInterrupt):
        run(config, steps=Pressed(2.0), fresh=True)
    fits = Fits(config.folder / ".graphemb" / "shop")
    assert fits.kept() == Kept(("floor",), ("walks",))
    again = Pressed(9.0)
    result = run(config, steps=again)
    assert again.results["fit walks"].endswith("gone on from a checkpoint")
    for node_type, part in whole.candidates["walks"].items():
        assert np.array_equal(result.candidates["walks"][node_type].matrix, part.matrix)
    assert fits.kept() == Kept(("floor", "svd", "walks"), ())
    assert not (fits.folder / ".checkpoints").exists()


def test_a_checkpoint_of_other_fields_is_not_gone_on_from(run_file: RunFile) -> None:
    config = RunConfig.read(run_file("[fit.svd]\n", WALKS))
    with pytest.raises(KeyboardInterrupt):
        run(config, steps=Pressed(1.0))
    other = RunConfig.read(run_file("[fit.svd]\n", WALKS.replace("epochs = 4", "epochs = 2")))
    told = Pressed(9.0)
    result = run(other, steps=told)
    assert "checkpoint" not in told.results["fit walks"]
    assert len(result.candidates["walks"].provenance["training"]["losses"]) == 2
