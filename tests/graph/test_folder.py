"""The fingerprint, and a graph saved and loaded."""

import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphemb.errors import ChecksumMismatch, StoreError, UnsupportedFormat
from graphemb.graph import HeteroGraph, Policies
from graphemb.types import EdgeType

BUYS = EdgeType("user", "buys", "product")


INT64, INT16 = pa.int64(), pa.int16()


def toy(seed=0, *, width=INT64, drop=None, **change):
    rng = np.random.default_rng(seed)
    order = rng.permutation(4)
    users = [("a", 1), ("b\x00/", 2), ("007", None), ("é", 4)]
    users = [users[at] for at in rng.permutation(4)]
    edges = [
        ("a", 10, 1.5, 1, "x"),
        ("a", 20, 2.5, 2, "y"),
        ("é", 10, 1.0, 3, None),
        ("a", 10, 0.5, 4, "z"),
    ]
    edges = [edges[at] for at in order if at != drop]
    src, dst, weight, at, tag = (list(part) for part in zip(*edges, strict=True))
    table = {
        "src": src,
        "dst": dst,
        "weight": weight,
        "time": [datetime(2020, 1, number, tzinfo=UTC) for number in at],
        "tag": tag,
    } | change
    ids, ages = zip(*users, strict=True)
    return HeteroGraph.from_tables(
        {"user": {"id": list(ids), "age": pa.array(ages, width)}, "product": {"id": [20, 10]}},
        {BUYS: table},
    )


@given(st.integers(0, 10_000))
def test_the_fingerprint_does_not_depend_on_row_order_or_width(seed):
    assert toy(seed).fingerprint == toy().fingerprint == toy(seed, width=INT16).fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"weight": [1.5, 2.5, 1.0, 0.25]},
        {"dst": [20, 20, 10, 10]},
        {"tag": ["x", "y", "w", "z"]},
        {"tag": ["y", "x", None, "z"]},
    ],
)
def test_the_fingerprint_changes_with_any_content(change):
    assert toy(**change).fingerprint != toy().fingerprint
    assert toy(drop=3).fingerprint != toy().fingerprint


def test_the_fingerprint_is_the_same_in_blocks_of_any_size(monkeypatch):
    whole = toy().fingerprint
    for size in (1, 3, 7):
        monkeypatch.setattr("graphemb.graph.fingerprint._BLOCK", size)
        assert toy().fingerprint == whole


def test_values_that_change_places_between_edges_change_the_fingerprint():
    def of(tags):
        return HeteroGraph.from_tables(
            {"user": {"id": [1, 2]}, "product": {"id": [1, 2]}},
            {BUYS: {"src": [1, 2], "dst": [1, 2], "tag": tags}},
        ).fingerprint

    assert of(["x", "y"]) != of(["y", "x"])


def test_a_string_id_and_the_same_number_differ_in_the_fingerprint():
    prints = {
        HeteroGraph.from_tables({"user": {"id": keys}}, {}).fingerprint
        for keys in ([1, 2], ["1", "2"], [1], [2])
    }
    assert len(prints) == 4


@pytest.mark.parametrize("mmap", [True, False])
def test_a_loaded_graph_equals_the_saved_one(tmp_path, mmap):
    graph = toy()
    graph.save(tmp_path / "g")
    loaded = HeteroGraph.load(tmp_path / "g", mmap=mmap)
    assert loaded.fingerprint == graph.fingerprint
    for node_type in graph.node_types:
        assert loaded.node_table(node_type).equals(graph.node_table(node_type))
    assert loaded.edge_table(BUYS).equals(graph.edge_table(BUYS))
    assert loaded.policies == graph.policies == Policies()
    fresh = HeteroGraph(loaded._nodes, loaded._edges, loaded.policies)
    assert fresh.fingerprint == graph.fingerprint


def test_a_mapped_graph_reads_its_files_in_place(tmp_path):
    toy().save(tmp_path / "g")
    loaded = HeteroGraph.load(tmp_path / "g")
    assert isinstance(loaded[BUYS].neighbors.base, np.memmap) or isinstance(
        loaded[BUYS].neighbors, np.memmap
    )


def test_a_graph_without_edges_or_columns_is_saved_too(tmp_path):
    graph = HeteroGraph.from_tables({"user": {"id": pa.array([], pa.string())}}, {})
    graph.save(tmp_path / "g")
    assert HeteroGraph.load(tmp_path / "g").num_nodes() == 0


def test_fault_010_every_single_bit_flip_in_a_saved_graph_is_found(tmp_path):
    toy().save(tmp_path / "g")
    files = [path for path in (tmp_path / "g").rglob("*") if path.suffix in (".npy", ".arrow")]
    assert len(files) == 7
    for path in files:
        good = path.read_bytes()
        bad = bytearray(good)
        bad[len(bad) // 2] ^= 1
        path.write_bytes(bytes(bad))
        with pytest.raises(ChecksumMismatch) as caught:
            HeteroGraph.load(tmp_path / "g")
        assert path.name in str(caught.value)
        path.write_bytes(good)
    HeteroGraph.load(tmp_path / "g")


def test_fault_023_a_newer_format_is_refused(tmp_path):
    toy().save(tmp_path / "g")
    manifest = json.loads((tmp_path / "g/manifest.json").read_text())
    (tmp_path / "g/manifest.json").write_text(json.dumps(manifest | {"format": 99}))
    with pytest.raises(UnsupportedFormat) as caught:
        HeteroGraph.load(tmp_path / "g")
    assert (caught.value.have, caught.value.need) == (1, 99)


def test_an_existing_folder_is_not_overwritten(tmp_path):
    (tmp_path / "g").mkdir()
    (tmp_path / "g/mine.txt").write_text("keep")
    with pytest.raises(StoreError):
        toy().save(tmp_path / "g")
    assert [path.name for path in tmp_path.iterdir()] == ["g"]
    assert (tmp_path / "g/mine.txt").read_text() == "keep"
    with pytest.raises(StoreError, match="no graphemb graph"):
        HeteroGraph.load(tmp_path / "nowhere")


def test_the_summary_names_types_counts_and_spans():
    text = toy().summary()
    for part in ("user-buys-product", "4", "0.5 to 2.5", "2020-01-01 to 2020-01-04", "age"):
        assert part in text
