"""Every step of a publish is the last one, once: killed, out of space, or failed by the disk."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from graphemb.store import EmbeddingStore
from tests.store.helpers import make_embeddings, same, tree

ROOT = Path(__file__).parents[2]
OLD, NEW = make_embeddings(1), make_embeddings(2)

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def run() -> Iterator[Run]:
    """Publish `NEW` in a child that is stopped at a step."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.store.crash_server"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        stdin, stdout = server.stdin, server.stdout
        assert stdin is not None and stdout is not None

        def ask(folder: Path, at: int = 0, action: str = "none") -> Any:
            request = {"store": str(folder), "at": at, "action": action, "key": "k"}
            print(json.dumps({**request, "seed": 2, "tag": "new"}), file=stdin, flush=True)
            return json.loads(stdout.readline())

        yield ask
        stdin.close()
        assert server.wait(20) == 0


@pytest.fixture
def work(fast_folder: Path) -> Iterator[Path]:
    """An empty folder for one test."""
    with TemporaryDirectory(dir=fast_folder) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def base(fast_folder: Path) -> Path:
    """A store in which version 1 of `shop` is current and tagged."""
    folder = fast_folder / "base"
    EmbeddingStore(folder).publish("shop", OLD, tag="prod")
    return folder


@pytest.fixture(scope="module")
def steps(run: Run, base: Path, fast_folder: Path) -> list[list[str]]:
    """The steps of a publish that nothing stops, paths relative to the store."""
    folder = fast_folder / "whole"
    shutil.copytree(base, folder)
    answer = run(folder)
    assert answer["result"] == {"version": 2}, answer
    found = [
        [kind, *(path.removeprefix(f"{folder}/") for path in paths)]
        for kind, *paths in answer["steps"]
    ]
    assert len(found) > 60
    return found


def place(steps: list[list[str]], kind: str, target: str) -> int:
    """Number of the step that renames something to `target`."""
    return 1 + next(
        at for at, step in enumerate(steps) if step[0] == kind and step[-1].endswith(target)
    )


def numbers_from(steps: list[list[str]], *kinds: str) -> list[int]:
    return [at for at, step in enumerate(steps, 1) if step[0] in kinds]


def check_after_stop(folder: Path, *, version_there: bool, current: int) -> None:
    """What a reader and the next publisher find."""
    store = EmbeddingStore(folder)
    records = store.versions("shop")
    assert [record.version for record in records] == ([1, 2] if version_there else [1])
    assert all(record.complete for record in records)
    assert [record.version for record in records if record.current] == [current]
    assert store.names() == ["shop"]
    assert store.health("shop").ok
    assert same(store.load("shop"), OLD if current == 1 else NEW)
    assert same(store.load("shop", "prod"), OLD)
    assert all(store.verify("shop", record.version) == [] for record in records)


def test_fault_001_002_003_a_kill_at_every_step_leaves_the_old_version_or_the_new(
    run: Run, base: Path, steps: list[list[str]], work: Path
) -> None:
    renamed = place(steps, "rename", "versions/00000002")
    pointed = place(steps, "replace", "CURRENT")
    counted = place(steps, "replace", "COUNTER")
    assert counted < renamed < pointed
    for at in range(1, len(steps) + 1):
        folder = work / str(at)
        shutil.copytree(base, folder)
        answer = run(folder, at, "kill")
        assert answer["status"] == -signal.SIGKILL and len(answer["steps"]) == at
        check_after_stop(folder, version_there=at > renamed, current=2 if at > pointed else 1)

        store = EmbeddingStore(folder)
        again = store.publish("shop", NEW, tag="new", idempotency_key="k")
        assert again == (2 if at > renamed or at <= counted else 3)
        assert same(store.load("shop"), NEW) and same(store.load("shop", "new"), NEW)
        third = store.publish("shop", OLD)
        assert third == again + 1
        before = tree(folder / "shop" / "versions" / "00000001")
        store.clean("shop")
        assert store.leftovers("shop") == []
        assert [record.version for record in store.versions("shop")] == [1, again, third]
        assert tree(folder / "shop" / "versions" / "00000001") == before
        shutil.rmtree(folder)


def test_fault_001_the_very_first_publish_is_killed_at_every_step(run: Run, work: Path) -> None:
    answer = run(work / "whole")
    assert answer["result"] == {"version": 1}
    pointed = 1 + max(
        at
        for at, step in enumerate(answer["steps"])
        if step[0] == "replace" and step[-1].endswith("CURRENT")
    )
    for at in range(1, len(answer["steps"]) + 1, 3):
        folder = work / str(at)
        assert run(folder, at, "kill")["status"] == -signal.SIGKILL
        store = EmbeddingStore(folder)
        if at > pointed:
            assert same(store.load("shop"), NEW)
        elif "shop" in store.names():
            assert store.health("shop").version is None
            assert not any(record.current for record in store.versions("shop"))
        assert store.publish("shop", NEW, idempotency_key="k") >= 1
        assert same(store.load("shop"), NEW)
        shutil.rmtree(folder)


def test_fault_004_no_space_at_every_write_leaves_nothing(
    run: Run, base: Path, steps: list[list[str]], work: Path
) -> None:
    renamed = place(steps, "rename", "versions/00000002")
    pointed = place(steps, "replace", "CURRENT")
    counted = place(steps, "replace", "COUNTER")
    writes = numbers_from(steps, "write")
    assert len(writes) >= 12
    for at in writes:
        folder = work / str(at)
        shutil.copytree(base, folder)
        before = tree(folder)
        result = run(folder, at, "ENOSPC")["result"]
        assert result["error"] == "StorageFull", (at, steps[at - 1], result)
        assert result["needed"] > 0 and result["free"] > 0
        after = tree(folder)
        if at <= counted:
            assert after == before
        assert EmbeddingStore(folder).leftovers("shop") == []
        check_after_stop(folder, version_there=at > renamed, current=2 if at > pointed else 1)
        shutil.rmtree(folder)


def test_fault_005_a_failed_flush_fails_the_publish_and_is_not_tried_again(
    run: Run, base: Path, steps: list[list[str]], work: Path
) -> None:
    pointed = place(steps, "replace", "CURRENT")
    renamed = place(steps, "rename", "versions/00000002")
    for at in numbers_from(steps, "fsync"):
        folder = work / str(at)
        shutil.copytree(base, folder)
        answer = run(folder, at, "EIO")
        assert answer["result"]["error"] == "StoreError"
        assert answer["result"]["code"] == "io_error"
        assert "fsync" not in [kind for kind, *_ in answer["steps"][at:]]
        check_after_stop(folder, version_there=at > renamed, current=2 if at > pointed else 1)
        assert EmbeddingStore(folder).leftovers("shop") == []
        shutil.rmtree(folder)


def test_a_publish_flushes_every_file_and_folder_before_the_rename_that_shows_it(
    steps: list[list[str]],
) -> None:
    """What survives a power cut is what was flushed: the order of steps decides."""
    renamed = place(steps, "rename", "versions/00000002") - 1
    source = steps[renamed][1]
    made = {path for kind, path, *_ in steps[:renamed] if kind in ("create", "mkdir")}
    inside = {path for path in made if path.startswith(source)}
    assert len(inside) > 10
    for path in inside:
        changed = max(
            at
            for at, (kind, first, *_) in enumerate(steps[:renamed])
            if kind != "fsync" and path in (first, str(Path(first).parent))
        )
        flushed = [at for at in range(changed + 1, renamed) if steps[at] == ["fsync", path]]
        assert flushed, f"{path} is not flushed before the rename"
    assert steps[renamed + 1] == ["fsync", "shop/versions"]
    for pointer, folder in (("CURRENT", "shop"), ("COUNTER", "shop"), ("tags/new", "shop/tags")):
        replaced = place(steps, "replace", pointer) - 1
        assert steps[replaced - 1] == ["fsync", steps[replaced][1]]
        assert steps[replaced + 1] == ["fsync", folder]


def test_fault_003_a_retry_after_the_pointer_gives_the_same_version(
    run: Run, base: Path, steps: list[list[str]], work: Path
) -> None:
    folder = work / "store"
    shutil.copytree(base, folder)
    run(folder, place(steps, "replace", "CURRENT") + 1, "kill")
    store = EmbeddingStore(folder)
    assert same(store.load("shop"), NEW)
    before = tree(folder / "shop" / "versions")
    assert run(folder)["result"] == {"version": 2}
    assert store.publish("shop", NEW, idempotency_key="k") == 2
    assert tree(folder / "shop" / "versions") == before


def test_fault_015_the_lock_of_a_killed_publisher_is_free(
    run: Run, base: Path, steps: list[list[str]], work: Path
) -> None:
    folder = work / "store"
    shutil.copytree(base, folder)
    run(folder, place(steps, "rename", "versions/00000002"), "kill")
    assert EmbeddingStore(folder, wait=0).publish("shop", OLD) == 3
