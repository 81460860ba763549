"""Publishers, readers and cleaners at once."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError, Conflict, CorruptManifest, StoreError
from graphemb.store import EmbeddingStore, find
from tests.store.helpers import make_embeddings, same, tree, version_folder

ROOT = Path(__file__).parents[2]
PUBLISH = """
import sys
from graphemb.store import EmbeddingStore
from tests.store.helpers import make_embeddings
sys.stdin.readline()
for seed in map(int, sys.argv[2:]):
    print(EmbeddingStore(sys.argv[1]).publish("shop", make_embeddings(seed)), seed, flush=True)
"""


def test_fault_014_two_processes_publish_at_once_and_nothing_is_lost(
    store: EmbeddingStore,
) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PUBLISH, str(store.folder), *seeds],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for seeds in (("11", "12", "13"), ("21", "22", "23"))
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [process.communicate(timeout=60)[0] for process in started]
    assert all(process.returncode == 0 for process in started)
    pairs = {
        int(version): int(seed)
        for text in told
        for version, seed in (line.split() for line in text.splitlines())
    }
    assert sorted(pairs) == [1, 2, 3, 4, 5, 6]
    for version, seed in pairs.items():
        assert same(store.load("shop", version), make_embeddings(seed))
        assert store.verify("shop", version) == []
    assert [record.version for record in store.versions("shop") if record.current] == [6]
    assert store.leftovers("shop") == []


def test_fault_014_four_threads_publish_at_once(store: EmbeddingStore) -> None:
    with ThreadPoolExecutor(4) as pool:
        versions = list(
            pool.map(lambda seed: store.publish("shop", make_embeddings(seed)), range(1, 9))
        )
    assert sorted(versions) == list(range(1, 9))
    for seed, version in enumerate(versions, 1):
        assert same(store.load("shop", version), make_embeddings(seed))


def test_fault_014_one_key_published_by_four_threads_is_one_version(store: EmbeddingStore) -> None:
    def publish(_: int) -> int:
        return store.publish("shop", make_embeddings(1), idempotency_key="k")

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(publish, range(8))) == {1}
    assert len(store.versions("shop")) == 1
    assert store.leftovers("shop") == []


def test_fault_014_a_held_lock_is_one_conflict_and_changes_nothing(two: EmbeddingStore) -> None:
    impatient = EmbeddingStore(two.folder, wait=0.05)
    before = tree(two.folder)
    descriptor = os.open(two.folder / "shop", os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        for call in (
            lambda: impatient.publish("shop", make_embeddings(3)),
            lambda: impatient.tag("shop", 1, "other"),
            lambda: impatient.rollback("shop", 1),
            lambda: impatient.clean("shop"),
        ):
            with pytest.raises(Conflict):
                call()
        assert tree(two.folder) == before
        assert two.leftovers("shop") == []
        assert same(two.load("shop"), make_embeddings(2))  # readers do not wait
    finally:
        os.close(descriptor)
    assert impatient.publish("shop", make_embeddings(3)) == 3


@pytest.fixture
def many(store: EmbeddingStore) -> EmbeddingStore:
    """Versions 1 to 6; 2 is tagged, 4 is current."""
    for seed in range(1, 7):
        store.publish("shop", make_embeddings(seed))
    store.tag("shop", 2, "prod")
    store.rollback("shop", 4)
    return store


def numbers(store: EmbeddingStore) -> list[int]:
    return [record.version for record in store.versions("shop")]


def test_nothing_is_removed_unasked(many: EmbeddingStore) -> None:
    assert many.clean("shop") == []
    assert numbers(many) == [1, 2, 3, 4, 5, 6]
    with pytest.raises(ConfigError):
        many.clean("shop", keep=0)


def test_fault_017_clean_up_spares_the_current_the_tagged_and_the_newer(
    many: EmbeddingStore,
) -> None:
    assert many.clean("shop", keep=1) == ["00000001", "00000003"]
    assert numbers(many) == [2, 4, 5, 6]
    assert many.clean("shop", keep=1) == []
    assert all(many.verify("shop", number) == [] for number in numbers(many))
    assert many.publish("shop", make_embeddings(7)) == 7
    assert many.clean("shop", keep=3) == ["00000004"]


def test_a_removed_number_is_never_used_again(store: EmbeddingStore) -> None:
    for seed in (1, 2, 3):
        store.publish("shop", make_embeddings(seed))
    store.rollback("shop", 1)
    for number in (2, 3):
        shutil.rmtree(version_folder(store, number))
    assert store.publish("shop", make_embeddings(4)) == 4


@pytest.mark.parametrize("pointer", ["CURRENT", "tags/prod"])
def test_fault_017_clean_up_refuses_when_it_cannot_know_what_is_protected(
    many: EmbeddingStore, pointer: str
) -> None:
    path = many.folder / "shop" / pointer
    path.unlink()
    path.write_bytes(b"")
    with pytest.raises(CorruptManifest):
        many.clean("shop", keep=1)
    assert numbers(many) == [1, 2, 3, 4, 5, 6]


def test_fault_017_clean_up_spares_a_publish_in_progress(
    two: EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphemb.store import publish

    cleaned: list[list[str]] = []
    write = publish.write_vectors

    def write_and_be_cleaned(folder: Path, embeddings: Embeddings) -> None:
        write(folder, embeddings)
        assert two.leftovers("shop") == [folder.name]
        cleaned.append(EmbeddingStore(two.folder).clean("shop", keep=1))

    monkeypatch.setattr(publish, "write_vectors", write_and_be_cleaned)
    assert two.publish("shop", make_embeddings(3)) == 3
    assert cleaned == [[]]  # 1 is tagged, 2 is current
    assert same(two.load("shop"), make_embeddings(3))


def test_leftovers_of_crashes_are_listed_ignored_and_removed(two: EmbeddingStore) -> None:
    shop = two.folder / "shop"
    shutil.copytree(version_folder(two, 1), shop / "versions" / ".new-0123456789ab")
    (shop / ".CURRENT.tmp-0123456789ab").write_text("{")
    (shop / "tags" / ".prod.tmp-0123456789ab").write_text("")
    assert numbers(two) == [1, 2]
    assert two.versions("shop")[0].tags == ("prod",)
    assert len(two.leftovers("shop")) == 3
    assert len(two.clean("shop")) == 3
    assert two.leftovers("shop") == []


def test_fault_016_a_reader_finishes_although_its_version_is_removed(many: EmbeddingStore) -> None:
    embeddings = many.load("shop", 1, mmap=True)
    index = many.load_index("shop", "user", 1)
    assert "00000001" in many.clean("shop", keep=1)
    assert not version_folder(many, 1).exists()
    assert same(embeddings, make_embeddings(1))
    assert index.search(make_embeddings(1)["user"].vector("u9"), 1)[0] == ["u9"]


def test_fault_016_a_version_that_is_being_opened_is_not_removed(
    many: EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = find.open_version

    def open_and_be_cleaned(folder: Path, name: str, number: int) -> find.Version:
        version = opened(folder, name, number)
        if number == 1:
            monkeypatch.undo()
            assert EmbeddingStore(many.folder).clean("shop", keep=1) == ["00000003"]
        return version

    monkeypatch.setattr(find, "open_version", open_and_be_cleaned)
    assert same(many.load("shop", 1), make_embeddings(1))
    assert many.clean("shop", keep=1) == ["00000001"]


def test_fault_016_a_version_removed_between_pointer_and_opening_is_looked_up_anew(
    two: EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    located = find.locate

    def locate_and_lose(shelf: find.Shelf, version: int | str) -> int:
        number = located(shelf, version)
        if number == 2:
            writer = EmbeddingStore(two.folder)
            monkeypatch.undo()
            writer.publish("shop", make_embeddings(3))
            assert "00000002" in writer.clean("shop", keep=1)
        return number

    monkeypatch.setattr(find, "locate", locate_and_lose)
    assert same(two.load("shop"), make_embeddings(3))


def test_readers_see_whole_versions_while_publishers_work(store: EmbeddingStore) -> None:
    known = {seed: make_embeddings(seed) for seed in range(1, 9)}
    store.publish("shop", known[1])
    done = threading.Event()

    def read() -> list[int]:
        seen = []
        while not done.is_set():
            loaded = EmbeddingStore(store.folder).load("shop")
            seen.append(loaded.provenance["seed"])
            assert same(loaded, known[seen[-1]])
        return seen

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        try:
            for seed in range(2, 9):
                store.publish("shop", known[seed])
                store.clean("shop", keep=1)
        finally:
            done.set()
        for reader in readers:
            seen = reader.result()
            assert seen == sorted(seen)


@pytest.fixture
def read_only() -> Iterator[EmbeddingStore]:
    """A store that this user may only read."""
    folder = Path(tempfile.mkdtemp())
    store = EmbeddingStore(folder / "store")
    store.publish("shop", make_embeddings(1), tag="prod")
    folder.chmod(0o755)
    for path in (store.folder, *store.folder.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield store
    if user == 0:
        os.seteuid(0)
    for path in (store.folder, *store.folder.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    shutil.rmtree(folder)


def test_fault_022_a_read_only_store_serves_and_refuses_to_publish(
    read_only: EmbeddingStore,
) -> None:
    assert same(read_only.load("shop"), make_embeddings(1))
    assert read_only.load_index("shop", "user").search(np.ones(8), 3)[1].shape == (3,)
    assert read_only.health("shop").ok and read_only.verify("shop") == []
    before = tree(read_only.folder)
    for call in (
        lambda: read_only.publish("shop", make_embeddings(2)),
        lambda: read_only.publish("other", make_embeddings(2)),
        lambda: read_only.tag("shop", 1, "other"),
        lambda: read_only.untag("shop", "prod"),
        lambda: read_only.rollback("shop", 1),
    ):
        with pytest.raises(StoreError) as refused:
            call()
        assert refused.value.code == "read_only"
    assert tree(read_only.folder) == before


def test_a_store_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError):
        EmbeddingStore(tmp_path / "file").publish("shop", make_embeddings(1))
    assert EmbeddingStore(tmp_path / "file").names() == []
