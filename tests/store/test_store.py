"""Publishing, reading, tags, lineage: what the store is for."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError, Conflict, StorageFull, StoreError, UnknownName
from graphemb.index import HNSW
from graphemb.store import EmbeddingStore, IndexPlan
from graphemb.store import publish as publishing
from graphemb.types import EdgeType
from tests.store.helpers import make_embeddings, same, tree, version_folder


def test_what_is_published_is_loaded(store: EmbeddingStore) -> None:
    embeddings = make_embeddings(1)
    assert store.publish("shop", embeddings) == 1
    for mmap in (True, False):
        loaded = store.load("shop", mmap=mmap)
        assert same(loaded, embeddings)
        assert list(loaded) == ["user", "product"]
        assert loaded.provenance == embeddings.provenance
        assert isinstance(loaded["user"].matrix.base, np.memmap) is mmap


def test_versions_count_up_and_old_ones_stay(two: EmbeddingStore) -> None:
    assert same(two.load("shop"), make_embeddings(2))
    for version in (1, "1", "prod"):
        assert same(two.load("shop", version), make_embeddings(1))
    first, second = two.versions("shop")
    assert (first.version, first.tags, first.current, first.complete) == (1, ("prod",), False, True)
    assert (second.version, second.tags, second.current, second.complete) == (2, (), True, True)
    assert first.counts == {"user": 40, "product": 40} and first.dim == 8
    on_disk = sum(len(data) for data in tree(version_folder(two, 1)).values())
    sealed = ("manifest.json", "manifest.sha256")
    extra = sum((version_folder(two, 1) / name).stat().st_size for name in sealed)
    assert first.bytes == on_disk - extra
    assert first.created is not None
    assert abs(first.created - datetime.now(UTC)) < timedelta(minutes=10)


def test_names_are_apart(two: EmbeddingStore) -> None:
    assert two.publish("jobs.v2-x_1", make_embeddings(3)) == 1
    assert two.names() == ["jobs.v2-x_1", "shop"]
    assert same(two.load("shop"), make_embeddings(2))


def test_published_parquet_and_matrix_are_read_by_others(two: EmbeddingStore) -> None:
    folder = version_folder(two, 2) / "product"
    want = make_embeddings(2)["product"]
    table = pq.read_table(folder / "vectors.parquet", page_checksum_verification=True)
    assert table["id"].to_pylist() == want.ids.to_list()
    np.testing.assert_array_equal(np.stack(table["vector"].to_numpy()), want.matrix)
    matrix = np.load(folder / "matrix.npy", mmap_mode="r", allow_pickle=False)
    np.testing.assert_array_equal(matrix, want.matrix)


def test_tags_move_and_go(two: EmbeddingStore) -> None:
    two.tag("shop", 2, "prod")
    assert same(two.load("shop", "prod"), make_embeddings(2))
    two.tag("shop", "prod", "copy")
    two.untag("shop", "prod")
    assert two.versions("shop")[1].tags == ("copy",)
    with pytest.raises(UnknownName, match="copy"):
        two.load("shop", "prod")
    with pytest.raises(UnknownName):
        two.untag("shop", "prod")


def test_rolling_back_moves_the_pointer_and_publishing_moves_on(two: EmbeddingStore) -> None:
    assert two.rollback("shop", "prod") == 1
    assert same(two.load("shop"), make_embeddings(1))
    assert [record.current for record in two.versions("shop")] == [True, False]
    assert two.health("shop").ok
    assert two.publish("shop", make_embeddings(3)) == 3
    assert same(two.load("shop"), make_embeddings(3))


def test_a_retry_does_not_undo_a_roll_back(store: EmbeddingStore) -> None:
    store.publish("shop", make_embeddings(1))
    store.publish("shop", make_embeddings(2), idempotency_key="k")
    store.rollback("shop", 1)
    assert store.publish("shop", make_embeddings(2), idempotency_key="k", tag="again") == 2
    assert same(store.load("shop"), make_embeddings(1))
    assert same(store.load("shop", "again"), make_embeddings(2))


def test_a_key_used_for_other_vectors_is_a_conflict(two: EmbeddingStore) -> None:
    two.publish("shop", make_embeddings(3), idempotency_key="k")
    before = tree(two.folder)
    with pytest.raises(Conflict) as refused:
        two.publish("shop", make_embeddings(4), idempotency_key="k")
    assert refused.value.code == "idempotency"
    assert tree(two.folder) == before
    changed = make_embeddings(3)["user"]
    fewer = Embeddings([changed, make_embeddings(3)["product"]])
    assert two.publish("shop", fewer, idempotency_key="k") == 3  # provenance is not content


@dataclass
class Spec:
    uri: str
    edges: dict[EdgeType, str]
    password: str | None = "hunter2"


class Graph:
    fingerprint = "f" * 64


class Report:
    def to_dict(self) -> dict[str, object]:
        return {"recall@10": np.float64(0.25), "none": float("nan"), "rows": np.arange(2)}


def test_lineage_and_report_are_kept_without_secrets(store: EmbeddingStore) -> None:
    spec = Spec(
        "neo4j://ann:hunter2@host:7687/db",
        {EdgeType("user", "buys", "product"): "MATCH (u)-[:BUYS]->(p) RETURN u.id, p.id"},
    )
    store.publish("shop", make_embeddings(5), graph=Graph(), report=Report(), spec=spec)
    manifest = store.manifest("shop")
    lineage = manifest["lineage"]
    assert lineage["graph"] == "f" * 64
    assert lineage["spec"]["uri"] == "neo4j://***@host:7687/db"
    assert lineage["spec"]["edges"] == {"user-buys-product": spec.edges[next(iter(spec.edges))]}
    assert lineage["provenance"] == {"trainer": "Node2Vec", "seed": 5}
    assert {"graphemb", "numpy", "pyarrow", "faiss-cpu", "python"} <= set(lineage["libraries"])
    assert store.report("shop") == {"recall@10": 0.25, "none": None, "rows": [0, 1]}
    assert not any(b"hunter2" in data for data in tree(store.folder).values())
    store.publish("shop", make_embeddings(6), graph="abc")
    assert store.manifest("shop")["lineage"]["graph"] == "abc"
    assert store.report("shop") is None


@pytest.mark.parametrize(
    "facts",
    [{"graph": 3}, {"spec": {"a": object()}}, {"report": {"a": lambda: None}}],
    ids=["graph", "spec", "report"],
)
def test_what_is_not_data_is_refused_and_nothing_written(
    two: EmbeddingStore, facts: dict[str, object]
) -> None:
    before = tree(two.folder)
    with pytest.raises(StoreError) as refused:
        two.publish("shop", make_embeddings(3), **facts)  # type: ignore[arg-type]
    assert refused.value.code == "not_json"
    assert refused.value.field == next(iter(facts))
    assert tree(two.folder) == before


def test_indexes_are_published_and_loaded(tmp_path: Path) -> None:
    embeddings = make_embeddings(1, rows=300)
    plans = {"product": IndexPlan("dot", HNSW(links=8)), "user": IndexPlan("l2")}
    store = EmbeddingStore(tmp_path, index=plans)
    store.publish("shop", embeddings)
    product = store.load_index("shop", "product")
    assert (product.kind, product.metric, len(product)) == ("hnsw", "dot", 300)
    user = store.load_index("shop", "user", metric="l2")
    assert (user.kind, user.metric) == ("flat", "l2")
    query = embeddings["user"].vector("u7")
    assert user.search(query, 1)[0] == ["u7"]
    best = np.argsort(-(embeddings["product"].matrix @ query))[:5]
    assert product.search(query, 5)[0] == (best * 7).tolist()
    with pytest.raises(StoreError) as refused:
        store.load_index("shop", "product", metric="cosine")
    assert refused.value.code == "index_metric"
    with pytest.raises(UnknownName, match="product"):
        store.load_index("shop", "seller")
    with pytest.raises(UnknownName):
        EmbeddingStore(tmp_path, index={"seller": IndexPlan()}).publish("shop", embeddings)

    everywhere = EmbeddingStore(tmp_path, index=IndexPlan("cosine", "ivf"))
    everywhere.publish("shop", embeddings)
    index = everywhere.load_index("shop", "user")
    assert index.kind == "flat" and "IVF needs" in index.notes[0]


def test_without_a_published_index_a_flat_one_is_built(two: EmbeddingStore) -> None:
    index = two.load_index("shop", "user", "prod")
    assert (index.kind, index.metric) == ("flat", "cosine")
    assert two.load_index("shop", "user", metric="dot").metric == "dot"
    assert index.search(make_embeddings(1)["user"].vector("u3"), 1)[0] == ["u3"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", ".a", "-a", "a" * 101, "é", 3, "a\n"]
)
def test_fault_044_a_name_that_is_no_file_name_is_refused(
    two: EmbeddingStore, name: object
) -> None:
    before = tree(two.folder.parent)
    with pytest.raises(ConfigError):
        two.publish(name, make_embeddings(1))  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        two.load(name)  # type: ignore[arg-type]
    with pytest.raises(ConfigError):
        two.tag("shop", 1, name)  # type: ignore[arg-type]
    assert tree(two.folder.parent) == before


@pytest.mark.parametrize("tag", ["latest", "3"])
def test_a_tag_that_reads_as_a_version_is_refused(two: EmbeddingStore, tag: str) -> None:
    with pytest.raises(ConfigError):
        two.tag("shop", 1, tag)
    with pytest.raises(ConfigError):
        two.publish("shop", make_embeddings(3), tag=tag)


@pytest.mark.parametrize("version", [0, -1, True, None, 1.5])
def test_what_is_no_version_is_refused(two: EmbeddingStore, version: object) -> None:
    with pytest.raises(ConfigError):
        two.load("shop", version)  # type: ignore[arg-type]


def test_unknown_things_are_named_with_what_there_is(two: EmbeddingStore) -> None:
    with pytest.raises(UnknownName, match="shop"):
        two.load("shp")
    with pytest.raises(UnknownName, match="prod"):
        two.load("shop", "prd")
    for call in (two.load, two.verify, two.rollback):
        with pytest.raises(StoreError) as missing:
            call("shop", 9)
        assert missing.value.code == "not_found"
    with pytest.raises(UnknownName):
        EmbeddingStore(two.folder / "none").versions("shop")
    assert EmbeddingStore(two.folder / "none").names() == []


@pytest.mark.parametrize("key", ["", "x" * 201, 3])
def test_a_key_that_cannot_be_is_refused(two: EmbeddingStore, key: object) -> None:
    with pytest.raises(ConfigError):
        two.publish("shop", make_embeddings(3), idempotency_key=key)  # type: ignore[arg-type]


def test_nothing_is_not_published(two: EmbeddingStore) -> None:
    empty = Embeddings.from_arrays({"user": ([], np.empty((0, 4)))})
    for embeddings in (Embeddings([]), empty):
        with pytest.raises(StoreError) as refused:
            two.publish("shop", embeddings)
        assert refused.value.code == "empty"


def test_a_node_type_without_a_vector_goes_along(store: EmbeddingStore) -> None:
    embeddings = make_embeddings(1).merge(Embeddings.from_arrays({"city": ([], np.empty((0, 8)))}))
    store.publish("shop", embeddings)
    assert same(store.load("shop"), embeddings)
    assert store.load_index("shop", "city").search(np.ones(8), 3)[0] == []


def test_fault_004_too_little_room_is_refused_before_writing(
    two: EmbeddingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(two.folder)
    monkeypatch.setattr(publishing, "_bytes_needed", lambda request: 2**60)
    with pytest.raises(StorageFull) as full:
        two.publish("shop", make_embeddings(3))
    assert full.value.needed == 2**60 and full.value.free > 0
    assert tree(two.folder) == before


def test_the_estimate_of_bytes_covers_what_is_written(
    two: EmbeddingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimates: list[int] = []
    estimate = publishing._bytes_needed
    monkeypatch.setattr(
        publishing, "_bytes_needed", lambda request: estimates.append(estimate(request)) or 0
    )
    for number, plan in enumerate((None, IndexPlan("dot", "hnsw"), IndexPlan("l2", "ivf")), 1):
        store = EmbeddingStore(tmp_path / "other", index=plan)
        store.publish("shop", make_embeddings(1, rows=1_000, dim=64))
        written = store.versions("shop")[-1].bytes
        assert written <= estimates[-1] <= 2 * written
        assert len(estimates) == number


def test_fault_019_published_files_are_not_writable_and_mapped_read_only(
    two: EmbeddingStore,
) -> None:
    for path in version_folder(two, 1).rglob("*"):
        assert path.is_dir() or path.stat().st_mode & 0o222 == 0
    matrix = two.load("shop")["user"].matrix
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 1
    with pytest.raises(ValueError):
        matrix.flags.writeable = True


@pytest.mark.parametrize("shift", [timedelta(hours=-1), timedelta(days=3650)])
def test_fault_020_the_order_is_by_counter_not_by_clock(
    two: EmbeddingStore, monkeypatch: pytest.MonkeyPatch, shift: timedelta
) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + shift

    monkeypatch.setattr(publishing, "datetime", Clock)
    assert two.publish("shop", make_embeddings(3)) == 3
    monkeypatch.undo()
    assert two.publish("shop", make_embeddings(4)) == 4
    assert same(two.load("shop"), make_embeddings(4))
    records = two.versions("shop")
    assert [record.version for record in records] == [1, 2, 3, 4]
    assert records[2].created is not None and records[1].created is not None
    assert (records[2].created < records[1].created) is (shift < timedelta(0))


def test_the_texts_of_records_are_plain(two: EmbeddingStore) -> None:
    (two.folder / "shop" / "versions" / "00000001" / "user" / "extra").write_text("x")
    (problem,) = two.verify("shop", 1)
    assert re.fullmatch(r"user/extra: .*ignore.*", str(problem))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        two.load("shop", 1)
