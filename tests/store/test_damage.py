"""Damaged and hostile stores: what is found, what is served, what is refused."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graphemb import files
from graphemb.errors import (
    ChecksumMismatch,
    CorruptManifest,
    DimensionMismatch,
    StorageFull,
    StoreError,
    UnsupportedFormat,
)
from graphemb.files import sha256_file
from graphemb.index import HNSW
from graphemb.store import EmbeddingStore, IndexPlan, StoreWarning
from tests.store.helpers import (
    make_embeddings,
    rewrite_manifest,
    same,
    tree,
    version_folder,
    write_sealed,
)


def overwrite(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def check_first_is_served(store: EmbeddingStore, says: str) -> None:
    """Version 1 stands in for version 2, and that is said."""
    health = store.health("shop")
    assert not health.ok and health.version == 1
    assert says in health.problems[0]
    with pytest.warns(StoreWarning, match="version 1 is served instead"):
        assert same(store.load("shop"), make_embeddings(1))


def test_fault_006_a_file_size_limit_is_storage_full_and_nothing_changes(
    two: EmbeddingStore,
) -> None:
    before = tree(two.folder)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(StorageFull) as full:
            two.publish("shop", make_embeddings(3, rows=2_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert full.value.needed > 50_000 and full.value.free > 0
    assert tree(two.folder) == before
    assert two.leftovers("shop") == []


@pytest.mark.parametrize("number", [errno.EDQUOT, errno.EFBIG, errno.ENOSPC])
def test_fault_006_a_quota_is_storage_full(
    two: EmbeddingStore, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def full(path: Path) -> None:
        raise OSError(number, os.strerror(number), str(path))

    before = tree(two.folder)
    monkeypatch.setattr(files, "create", full)
    with pytest.raises(StorageFull):
        two.publish("shop", make_embeddings(3))
    assert tree(two.folder) == before


@pytest.mark.parametrize("keep", [0, 1, 200, -1])
def test_fault_007_a_manifest_cut_short_is_named_and_the_newest_valid_served(
    two: EmbeddingStore, keep: int
) -> None:
    path = version_folder(two, 2) / "manifest.json"
    overwrite(path, path.read_bytes()[:keep])
    with pytest.raises(CorruptManifest):
        two.load("shop", 2)
    check_first_is_served(two, "manifest")
    record = two.versions("shop")[1]
    assert record.current and not record.complete and "manifest" in str(record.problem)
    assert [problem.code for problem in two.verify("shop", 2)] == ["corrupt_manifest"]
    assert two.publish("shop", make_embeddings(3)) == 3
    assert two.health("shop").ok


def test_fault_007_nothing_valid_is_an_error_not_an_empty_store(two: EmbeddingStore) -> None:
    for number in (1, 2):
        overwrite(version_folder(two, number) / "manifest.json", b"")
    with pytest.raises(CorruptManifest):
        two.load("shop")
    assert two.health("shop").version is None
    assert two.publish("shop", make_embeddings(3)) == 3


@pytest.mark.parametrize(
    "content",
    [b"", b"2", b"{}", b'{"version": 2', b'{"version": 0, "newest": 2}', b"\x00\xff", b"null",
     b'{"version": true, "newest": 2}', b'{"version": "2", "newest": 2}',
     b'{"version": 2, "version": 1, "newest": 2}'],
)  # fmt: skip
def test_fault_008_a_broken_pointer_is_recovered_by_a_scan_and_said(
    two: EmbeddingStore, content: bytes
) -> None:
    overwrite(two.folder / "shop" / "CURRENT", content)
    health = two.health("shop")
    assert not health.ok and health.version == 2
    assert "CURRENT" in health.problems[0]
    with pytest.warns(StoreWarning, match="CURRENT"):
        assert same(two.load("shop"), make_embeddings(2))
    assert two.rollback("shop", 2) == 2
    assert two.health("shop").ok


def test_fault_008_a_deleted_pointer_is_recovered_too(two: EmbeddingStore) -> None:
    (two.folder / "shop" / "CURRENT").unlink()
    with pytest.warns(StoreWarning):
        assert same(two.load("shop"), make_embeddings(2))
    assert two.publish("shop", make_embeddings(3)) == 3


def test_fault_008_numbers_are_not_reused_when_every_pointer_is_lost(two: EmbeddingStore) -> None:
    shutil.rmtree(version_folder(two, 2))
    for name in ("CURRENT", "COUNTER"):
        overwrite(two.folder / "shop" / name, b"")
    two.rollback("shop", 1)
    assert two.publish("shop", make_embeddings(3)) == 2  # nothing is left that knew of 2
    shutil.rmtree(version_folder(two, 2))
    assert two.publish("shop", make_embeddings(3)) == 3
    overwrite(two.folder / "shop" / "COUNTER", b"")
    shutil.rmtree(version_folder(two, 3))
    assert two.publish("shop", make_embeddings(4)) == 4  # CURRENT knew of 3


def test_fault_009_a_pointer_to_a_missing_version_degrades(two: EmbeddingStore) -> None:
    shutil.rmtree(version_folder(two, 2))
    check_first_is_served(two, "no such version")
    assert two.publish("shop", make_embeddings(3)) == 3


def test_fault_009_a_missing_file_degrades(two: EmbeddingStore) -> None:
    (version_folder(two, 2) / "user" / "matrix.npy").unlink()
    check_first_is_served(two, "matrix.npy")
    with pytest.raises(ChecksumMismatch):
        two.load("shop", 2)
    assert [problem.code for problem in two.verify("shop", 2)] == ["missing"]


def test_a_tag_that_cannot_be_read_is_said(two: EmbeddingStore) -> None:
    overwrite(two.folder / "shop" / "tags" / "prod", b"")
    with pytest.raises(CorruptManifest, match="prod"):
        two.load("shop", "prod")
    two.tag("shop", 1, "prod")
    assert same(two.load("shop", "prod"), make_embeddings(1))


def test_fault_010_one_flipped_bit_in_any_file_is_found(tmp_path: Path) -> None:
    """Every file, several places: some reader or `verify` must name the file."""
    plan = IndexPlan("dot", HNSW(links=4))
    store = EmbeddingStore(tmp_path, index={"product": plan})
    store.publish("shop", make_embeddings(1), report={"auc": 0.5})
    folder = version_folder(store, 1)
    rng = np.random.default_rng(0)
    readers: dict[str, Callable[[], object]] = {
        "matrix.npy": lambda: store.load("shop", 1),
        "ids.parquet": lambda: store.load("shop", 1),
        "missing.parquet": lambda: store.load("shop", 1),
        "report.json": lambda: store.report("shop", 1),
        "index.faiss": lambda: store.load_index("shop", "product", 1),
    }
    for name, whole in tree(folder).items():
        for position in {0, len(whole) - 1, *rng.integers(0, len(whole), 6).tolist()}:
            damaged = bytearray(whole)
            damaged[position] ^= 1 << int(rng.integers(8))
            overwrite(folder / name, bytes(damaged))
            problems = store.verify("shop", 1)
            assert len(problems) == 1
            if not name.startswith("manifest."):
                assert (problems[0].code, problems[0].file) == ("checksum", name)
            reader = readers.get(Path(name).name, lambda: store.load_index("shop", "product", 1))
            if "vectors.parquet" not in name:  # a copy for other tools; only `verify` reads it
                with pytest.raises((ChecksumMismatch, CorruptManifest)) as found:
                    reader()
                if isinstance(found.value, ChecksumMismatch):
                    assert Path(found.value.file).name == Path(name).name.replace("sha256", "json")
                    assert found.value.expected
        overwrite(folder / name, whole)
    assert store.verify("shop", 1) == []


def test_fault_010_a_file_replaced_by_one_of_equal_size_is_not_parsed(two: EmbeddingStore) -> None:
    path = version_folder(two, 2) / "user" / "matrix.npy"
    overwrite(path, b"\x80\x04" + b"\0" * (path.stat().st_size - 2))  # looks like a pickle
    with pytest.raises(ChecksumMismatch) as found:
        two.load("shop", 2)
    assert found.value.file == "user/matrix.npy"


def test_fault_011_extra_files_are_ignored_and_listed(two: EmbeddingStore) -> None:
    folder = version_folder(two, 2)
    (folder / "user" / "notes.txt").write_text("hello")
    (folder / "more").mkdir()
    (folder / "more" / "x.npy").write_bytes(b"")
    (folder / "link").symlink_to("/etc/passwd")
    assert same(two.load("shop"), make_embeddings(2))
    problems = two.verify("shop")
    assert [(each.code, each.file) for each in problems] == [
        ("extra", "link"), ("extra", "more"), ("extra", "more/x.npy"), ("extra", "user/notes.txt"),
    ]  # fmt: skip
    assert two.health("shop").ok
    two.rollback("shop", 2)


@pytest.mark.parametrize(
    "name", ["../../../../etc/passwd", "/etc/passwd", "user\\matrix.npy", "a\0b", "user/../x", ""]
)
def test_fault_012_a_manifest_path_that_leaves_the_folder_is_refused(
    two: EmbeddingStore, name: str
) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["files"][name] = {"bytes": 0, "sha256": "0" * 64}

    rewrite_manifest(version_folder(two, 2), change)
    for call in (two.load, two.rollback):
        with pytest.raises(CorruptManifest) as refused:
            call("shop", 2)
        assert refused.value.code == "unsafe_path"
    check_first_is_served(two, "leave the folder")


def test_fault_012_a_symbolic_link_among_the_files_is_refused(
    two: EmbeddingStore, tmp_path: Path
) -> None:
    path = version_folder(two, 2) / "user" / "matrix.npy"
    shutil.copy(path, tmp_path / "outside.npy")
    path.unlink()
    path.symlink_to(tmp_path / "outside.npy")
    with pytest.raises(CorruptManifest) as refused:
        two.load("shop", 2)
    assert refused.value.code == "unsafe_path"


def test_fault_012_a_version_that_is_a_symbolic_link_is_no_version(
    two: EmbeddingStore, tmp_path: Path
) -> None:
    version_folder(two, 2).rename(tmp_path / "elsewhere")
    version_folder(two, 2).symlink_to(tmp_path / "elsewhere")
    assert [record.version for record in two.versions("shop")] == [1]
    with pytest.raises(StoreError) as refused:
        two.load("shop", 2)
    assert refused.value.code == "not_found"


def test_fault_013_a_key_twice_in_the_manifest_is_refused(two: EmbeddingStore) -> None:
    folder = version_folder(two, 2)
    text = (folder / "manifest.json").read_text()
    write_sealed(folder, text.replace('"dim": 8', '"dim": 8, "dim": 9'))
    with pytest.raises(CorruptManifest, match="twice"):
        two.load("shop", 2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("files", []),
        ("files", {"x": 3}),
        ("files", {"x": {"bytes": "1", "sha256": "0"}}),
        ("node_types", [{"name": "a/b", "count": 1, "missing": 0}]),
        ("node_types", [{"name": "user", "count": True, "missing": 0}]),
        ("node_types", {"user": 1}),
        ("created", "yesterday"),
        ("dim", "8"),
        ("version", True),
        ("version", 1),
        ("name", "jobs"),
        ("lineage", None),
    ],
)
def test_a_manifest_of_wrong_types_is_refused(
    two: EmbeddingStore, field: str, value: object
) -> None:
    rewrite_manifest(version_folder(two, 2), lambda manifest: manifest.update({field: value}))
    with pytest.raises(CorruptManifest):
        two.load("shop", 2)
    check_first_is_served(two, "manifest")


def test_a_renamed_version_is_not_the_version_it_claims(two: EmbeddingStore) -> None:
    shutil.copytree(version_folder(two, 1), version_folder(two, 7))
    with pytest.raises(CorruptManifest, match="not of shop version 7"):
        two.load("shop", 7)
    assert two.publish("shop", make_embeddings(3)) == 8


def reseal(folder: Path, name: str, **facts: object) -> None:
    """Vouch for a changed file."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["files"][name] = {
            "bytes": (folder / name).stat().st_size,
            "sha256": sha256_file(folder / name),
        }
        manifest.update(facts)

    rewrite_manifest(folder, change)


def test_fault_027_a_matrix_of_another_dimension_is_named(two: EmbeddingStore) -> None:
    folder = version_folder(two, 2)
    (folder / "user" / "matrix.npy").unlink()
    np.save(folder / "user" / "matrix.npy", np.ones((40, 9), np.float32))
    reseal(folder, "user/matrix.npy")
    with pytest.raises(DimensionMismatch) as refused:
        two.load("shop", 2)
    assert (refused.value.want, refused.value.found) == (8, 9)


@pytest.mark.parametrize("name", ["matrix.npy", "ids.parquet"])
def test_fault_028_counts_that_differ_are_refused(two: EmbeddingStore, name: str) -> None:
    folder = version_folder(two, 2)
    other = EmbeddingStore(two.folder.parent / "other")
    other.publish("shop", make_embeddings(2, rows=39))
    overwrite(folder / "user" / name, (version_folder(other, 1) / "user" / name).read_bytes())
    reseal(folder, f"user/{name}")
    with pytest.raises(StoreError) as refused:
        two.load("shop", 2)
    assert refused.value.code == "count"


def test_fault_018_rolling_back_to_damage_is_refused(two: EmbeddingStore) -> None:
    path = version_folder(two, 1) / "product" / "vectors.parquet"
    data = bytearray(path.read_bytes())
    data[50] ^= 4
    overwrite(path, bytes(data))
    before = tree(two.folder)
    for call in (lambda: two.rollback("shop", 1), lambda: two.tag("shop", 1, "prod")):
        with pytest.raises(StoreError) as refused:
            call()
        assert refused.value.code == "damaged"
        assert "product/vectors.parquet" in str(refused.value)
    assert tree(two.folder) == before
    assert same(two.load("shop"), make_embeddings(2))


def test_fault_021_a_folder_that_cannot_be_flushed_is_said(
    two: EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def files_only(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").readlink().is_dir():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    with pytest.warns(StoreWarning, match="cannot flush"):
        assert two.publish("shop", make_embeddings(3)) == 3
    assert two.manifest("shop")["durable"] is False
    assert two.manifest("shop", 1)["durable"] is True


def test_fault_023_a_newer_format_is_refused_and_never_passed_over(two: EmbeddingStore) -> None:
    rewrite_manifest(version_folder(two, 2), lambda manifest: manifest.update(format=2))
    for version in (2, "latest"):
        with pytest.raises(UnsupportedFormat) as refused:
            two.load("shop", version)
        assert (refused.value.have, refused.value.need) == (1, 2)
    assert "format" in str(two.versions("shop")[1].problem)
    assert same(two.load("shop", 1), make_embeddings(1))


FIXTURE = Path(__file__).parent / "format_1"


def test_fault_023_a_store_of_format_1_still_opens() -> None:
    """Written once by the first release; later ones must read it."""
    store = EmbeddingStore(FIXTURE)
    assert store.verify("shop", 1) == []
    embeddings = store.load("shop", "prod")
    want = json.loads((FIXTURE / "expected.json").read_text())
    for node_type, facts in want.items():
        part = embeddings[node_type]
        assert part.ids.to_list() == facts["ids"]
        assert part.missing.to_list() == facts["missing"]
        np.testing.assert_array_equal(part.matrix, np.array(facts["matrix"], np.float32))
    index = store.load_index("shop", "product")
    assert (index.kind, index.metric) == ("hnsw", "dot")
    assert len(index.search(np.ones(4), 3)[0]) == 3
