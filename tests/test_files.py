"""Durable files: whole or not there, whatever goes wrong on the way."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphemb import files
from graphemb.errors import ChecksumMismatch, CorruptManifest, StorageFull, StoreError
from graphemb.files import atomic_folder, sha256_file, write_json
from graphemb.manifest import inside, json_bytes, parse_json, read_json


@pytest.fixture
def small_files() -> Iterator[int]:
    """A file-size limit: a full disk without a full disk."""
    limit = 4096
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ours(folder: Path, text: str = "old") -> Path:
    with atomic_folder(folder) as temporary:
        write_json(temporary / "manifest.json", {"text": text})
    return folder


def test_a_folder_appears_whole_with_its_parents(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "a" / "b") as temporary:
        (temporary / "sub").mkdir()
        write_json(temporary / "sub" / "x.json", {"n": 1})
        assert not (tmp_path / "a" / "b").exists()
    assert read_json(tmp_path / "a" / "b" / "sub" / "x.json") == {"n": 1}
    assert names(tmp_path / "a") == ["b"]


def test_a_failed_block_leaves_nothing(tmp_path: Path) -> None:
    def stop(folder: Path) -> None:
        write_json(folder / "x.json", 1)
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"), atomic_folder(tmp_path / "a") as temporary:
        stop(temporary)
    assert names(tmp_path) == []


def test_an_existing_folder_is_replaced_only_when_asked_and_ours(tmp_path: Path) -> None:
    folder = ours(tmp_path / "a")
    with pytest.raises(StoreError) as refused, atomic_folder(folder):
        pass
    assert refused.value.code == "exists"
    with atomic_folder(folder, replace=True) as temporary:
        write_json(temporary / "manifest.json", {"text": "new"})
    assert read_json(folder / "manifest.json") == {"text": "new"}
    assert names(tmp_path) == ["a"]

    home = tmp_path / "home"
    home.mkdir()
    (home / "letter.txt").write_text("dear")
    with pytest.raises(StoreError), atomic_folder(home, replace=True):
        pass
    assert (home / "letter.txt").read_text() == "dear"


def test_an_empty_folder_may_be_filled(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert read_json(ours(tmp_path / "a") / "manifest.json") == {"text": "old"}


def test_fault_019_a_mapped_array_outlives_its_replacement(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    for value in (1, 2):
        with atomic_folder(folder, replace=True) as temporary:
            files.write_array(temporary / "x.npy", np.full(100_000, value, np.int64))
            write_json(temporary / "manifest.json", {})
        if value == 1:
            mapped = files.read_array(folder / "x.npy")
    assert (np.asarray(mapped) == 1).all()
    assert not mapped.flags.writeable
    assert (files.read_array(folder / "x.npy") == 2).all()


@pytest.mark.parametrize("what", ["array", "parquet", "json", "faiss"])
def test_fault_006_a_file_size_limit_is_storage_full(
    tmp_path: Path, small_files: int, what: str
) -> None:
    def write(folder: Path) -> None:
        if what == "array":
            files.write_array(folder / "x.npy", np.zeros(small_files))
        elif what == "parquet":
            column = np.random.default_rng(0).random(small_files)
            files.write_parquet(folder / "x.parquet", pa.table({"x": column}))
        elif what == "json":
            write_json(folder / "x.json", ["x" * small_files])
        else:
            import faiss

            index = faiss.IndexFlatL2(8)
            index.add(np.zeros((small_files, 8), np.float32))
            with files.create(folder / "x.faiss") as file:
                faiss.write_index(index, faiss.PyCallbackIOWriter(file.write))

    with pytest.raises(StorageFull) as full, atomic_folder(tmp_path / "a") as temporary:
        write(temporary)
    assert full.value.needed >= small_files
    assert full.value.free > 0
    assert names(tmp_path) == []


def test_fault_004_too_little_room_is_refused_before_the_first_byte(tmp_path: Path) -> None:
    with pytest.raises(StorageFull) as full, atomic_folder(tmp_path / "a", needed=2**60):
        pytest.fail("the block ran")
    assert full.value.needed == 2**60
    assert 0 < full.value.free < 2**60
    assert names(tmp_path) == []


def test_fault_005_a_failed_fsync_fails_the_write_and_is_not_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def broken(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(StoreError) as failed, atomic_folder(tmp_path / "a") as temporary:
        write_json(temporary / "x.json", 1)
    assert failed.value.code == "io_error"
    assert len(calls) == 1
    assert names(tmp_path) == []


def test_replacing_a_file_keeps_the_old_one_on_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pointer"
    files.replace_file(path, b"one")
    files.replace_file(path, b"two")
    assert path.read_bytes() == b"two"

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", broken)
    with pytest.raises(OSError):
        files.replace_file(path, b"three")
    assert path.read_bytes() == b"two"
    assert names(tmp_path) == ["pointer"]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.zeros((0, 7), np.float32),
        np.array([True, False]),
        np.arange(10)[::2],
        np.array(5, np.int64),
    ],
    ids=["matrix", "empty", "bool", "strided", "scalar"],
)
@pytest.mark.parametrize("mmap", [True, False])
def test_arrays_come_back_as_numpy_reads_them(
    tmp_path: Path, array: np.ndarray, mmap: bool
) -> None:
    files.write_array(tmp_path / "x.npy", array)
    found = files.read_array(tmp_path / "x.npy", mmap=mmap)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy", allow_pickle=False), array)


def test_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    objects = np.array([{"a": 1}], dtype=object)
    with pytest.raises(StoreError, match="objects"):
        files.write_array(tmp_path / "x.npy", objects)
    np.save(tmp_path / "y.npy", objects, allow_pickle=True)
    with pytest.raises(StoreError) as refused:
        files.read_array(tmp_path / "y.npy")
    assert refused.value.code == "bad_array"


def test_fault_010_no_flipped_bit_of_a_parquet_file_gives_other_data(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    table = pa.table({"x": np.random.default_rng(1).random(500, np.float32)})
    files.write_parquet(path, table)
    whole = path.read_bytes()
    checksum = sha256_file(path)
    rng = np.random.default_rng(0)
    for position in rng.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(ChecksumMismatch) as mismatch:
            files.check_sha256(path, checksum, name="x.parquet")
        assert (mismatch.value.file, mismatch.value.expected) == ("x.parquet", checksum)
        if position < 500 * 4:  # the pages; the footer has no checksum but the manifest's
            with contextlib.suppress(StoreError):
                assert files.read_parquet(path).equals(table)
    path.write_bytes(whole)
    files.check_sha256(path, checksum)
    assert files.read_parquet(path).equals(table)


def test_digests_agree_with_hashlib(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x").write_bytes(b"abc")
    (tmp_path / "y").write_bytes(b"")
    assert files.digest_tree(tmp_path) == {
        "sub/x": {"bytes": 3, "sha256": hashlib.sha256(b"abc").hexdigest()},
        "y": {"bytes": 0, "sha256": hashlib.sha256(b"").hexdigest()},
    }


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/passwd", "a\\b", "a\0b", "a//b", "", ".", "a/.", "c:/x", "a\nb"],
)
def test_fault_012_a_manifest_path_that_leaves_the_folder_is_refused(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(CorruptManifest) as refused:
        inside(tmp_path, name)
    assert refused.value.code == "unsafe_path"


@pytest.mark.parametrize("name", ["link", "folder/x"])
def test_fault_012_a_symbolic_link_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "x").write_text("secret")
    (tmp_path / "link").symlink_to(tmp_path / "real" / "x")
    (tmp_path / "folder").symlink_to(tmp_path / "real")
    with pytest.raises(CorruptManifest):
        inside(tmp_path, name)
    assert inside(tmp_path, "real/x").read_text() == "secret"


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '{"x": {"a": 1, "b": 2, "a": 1}}',
        '{"a": NaN}',
        "[Infinity]",
        "[-Infinity]",
        "[1e400]",
        "",
        '{"a": 1',
        "[" * 100_000,
        "\ufeff{}",
    ],
)
def test_fault_013_json_that_parsers_disagree_on_is_refused(text: str) -> None:
    with pytest.raises(CorruptManifest):
        parse_json(text.encode())


def test_json_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(CorruptManifest):
        parse_json(b'"\xff"')


def test_json_with_nan_is_not_written() -> None:
    with pytest.raises(StoreError) as refused:
        json_bytes({"a": float("nan")})
    assert refused.value.code == "not_json"


TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=10,
)


@given(JSON_VALUES)
def test_json_round_trips(value: object) -> None:
    assert parse_json(json_bytes(value)) == value  # type: ignore[arg-type]


def test_an_unwritable_folder_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_only(path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    monkeypatch.setattr(files, "create", read_only)
    with pytest.raises(StoreError) as refused, atomic_folder(tmp_path / "a") as temporary:
        write_json(temporary / "x.json", 1)
    assert refused.value.code == "read_only"


def test_fault_021_a_folder_that_cannot_be_flushed_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert files.sync_folder(tmp_path) is True

    def unsupported(descriptor: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "fsync", unsupported)
    assert files.sync_folder(tmp_path) is False
