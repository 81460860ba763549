"""Columns as matrices: against a slow oracle, on other graphs, through JSON, and refusals."""

from __future__ import annotations

import datetime as dt
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphemb import HeteroGraph
from graphemb.errors import (
    ConfigError,
    CorruptManifest,
    DimensionMismatch,
    GraphError,
    UnknownName,
)
from graphemb.features import TabularEncoder, encode_columns
from graphemb.features.codings import Number


def graph_of(**columns: Any) -> HeteroGraph:
    size = len(next(iter(columns.values())))
    return HeteroGraph.from_tables({"item": {"id": np.arange(size), **columns}}, {})


def column_of(features: Any, name: str) -> list[float]:
    return list(features.matrix[:, features.names.index(name)])


# -- what every kind of column becomes -------------------------------------------------------------


def test_every_kind_of_column_has_its_components() -> None:
    graph = graph_of(
        price=pa.array([1.0, 3.0, None, math.nan]),
        new=pa.array([True, False, None, True]),
        color=pa.array(["red", "blue", "red", None]),
        tags=pa.array([["a", "b", "a"], [], None, ["b", None]]),
        shape=pa.array([[1.0, 2.0], None, [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32(), 2)),
        since=pa.array([dt.date(2020, 1, 1), dt.date(2020, 1, 3)] * 2),
    )
    found = encode_columns(graph, "item")
    assert found.matrix.dtype == np.float32
    assert found.matrix.flags.c_contiguous
    expected = {
        "price": [-1, 1, 0, 0],
        "price missing": [0, 0, 1, 1],
        "new": [1, 0, 0, 1],
        "new missing": [0, 0, 1, 0],
        "color=blue": [0, 1, 0, 0],
        "color=red": [1, 0, 1, 0],
        "tags=a": [1, 0, 0, 0],
        "tags=b": [1, 0, 0, 1],
        "shape 0": [1, 0, 3, 5],
        "shape 1": [2, 0, 4, 6],
        "shape missing": [0, 1, 0, 0],
        "since": [-1, 1, -1, 1],
    }
    assert found.names == tuple(expected)
    np.testing.assert_allclose(found.matrix, np.transpose(list(expected.values())), atol=1e-6)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([0, 86_400], pa.timestamp("s")),
        pa.array([0, 86_400_000], pa.timestamp("ms", "UTC")),
        pa.array([3, 9], pa.time32("s")),
        pa.array([3, 9], pa.duration("ms")),
        pa.array([3, 9], pa.decimal128(5, 2)),
        pa.array([3, 9], pa.uint8()),
        pa.array([3.0, 9.0], pa.float16()),
    ],
    ids=lambda column: str(column.type),
)
def test_whatever_counts_is_standardised(column: pa.Array) -> None:
    np.testing.assert_allclose(column_of(encode_columns(graph_of(x=column), "item"), "x"), [-1, 1])


def test_a_dictionary_column_is_its_texts() -> None:
    plain = pa.array(["a", "b", "a"])
    as_dictionary = encode_columns(graph_of(x=plain.dictionary_encode()), "item", ["x"])
    assert column_of(as_dictionary, "x=a") == [1, 0, 1]


def test_numbers_are_categories_when_said_so() -> None:
    found = encode_columns(graph_of(brand=[7, 7, 12]), "item", categories=["brand"])
    assert found.names == ("brand=12", "brand=7")
    assert column_of(found, "brand=7") == [1, 1, 0]


def test_a_constant_number_is_zero_and_not_noise() -> None:
    found = encode_columns(graph_of(x=[0.1 + 0.2] * 7), "item")
    assert not found.matrix.any()


def test_float_lists_of_one_length_are_vectors_and_others_are_left_out() -> None:
    same = encode_columns(graph_of(x=pa.array([[1.5, 2.5], [0.5, 1.0]])), "item")
    assert same.matrix.tolist() == [[1.5, 2.5], [0.5, 1.0]]
    ragged = TabularEncoder.fit(graph_of(x=pa.array([[1.5], [0.5, 1.0]])), "item")
    assert ragged.codings == ()
    assert "no coding" in ragged.left_out["x"]


def test_names_and_empty_columns_are_left_out_unless_named() -> None:
    graph = graph_of(name=[f"n{i}" for i in range(9)], none=pa.nulls(9), kind=["a", "b", "c"] * 3)
    encoder = TabularEncoder.fit(graph, "item")
    assert encoder.names == ("kind=a", "kind=b", "kind=c")
    assert sorted(encoder.left_out) == ["name", "none"]
    assert TabularEncoder.fit(graph, "item", ["name"]).dim == 9


def test_a_node_type_without_columns_has_no_components() -> None:
    found = encode_columns(HeteroGraph.from_tables({"item": {"id": [1, 2]}}, {}), "item")
    assert found.matrix.shape == (2, 0)


# -- categories beyond the limit -------------------------------------------------------------------


def test_rare_categories_share_buckets_and_frequent_ones_do_not() -> None:
    values = ["often"] * 5 + [f"rare{i}" for i in range(20)]
    found = encode_columns(graph_of(x=values), "item", ["x"], max_categories=1, buckets=4)
    assert found.names == ("x=often", *(f"x other {bucket}" for bucket in range(4)))
    assert column_of(found, "x=often") == [1] * 5 + [0] * 20
    shared = found.matrix[5:, 1:]
    assert (np.abs(shared).sum(axis=1) == 1).all()
    assert {-1.0, 0.0, 1.0} == set(shared.ravel().tolist())


def test_equal_counts_are_settled_by_name_not_by_row() -> None:
    one = TabularEncoder.fit(graph_of(x=["b", "a", "c", "a", "c", "b"]), "item", max_categories=2)
    two = TabularEncoder.fit(graph_of(x=["c", "c", "b", "b", "a", "a"]), "item", max_categories=2)
    assert one == two
    assert one.names[:2] == ("x=a", "x=b")


# -- against an oracle -----------------------------------------------------------------------------

LETTERS = st.one_of(st.none(), st.sampled_from("abcdef"))


@given(
    st.lists(
        st.tuples(
            st.one_of(st.none(), st.floats(-1e6, 1e6)),
            LETTERS,
            st.one_of(st.none(), st.lists(LETTERS, max_size=4)),
        ),
        min_size=1,
        max_size=30,
    ),
    st.integers(0, 7),
)
def test_the_matrix_equals_row_by_row_encoding(rows: list[tuple[Any, Any, Any]], most: int) -> None:
    numbers, letters, sets = (list(column) for column in zip(*rows, strict=True))
    graph = graph_of(
        number=pa.array(numbers, pa.float64()),
        letter=pa.array(letters, pa.string()),
        set=pa.array(sets, pa.list_(pa.string())),
    )
    names = ["number", "letter", "set"]
    encoder = TabularEncoder.fit(graph, "item", names, max_categories=most, buckets=8)
    found = encoder.encode(graph)
    there = [number for number in numbers if number is not None]
    mean = float(np.mean(there)) if there else 0.0
    scale = float(np.std(there)) if there else 1.0
    scale = scale if scale > 1e-12 * max(1.0, *map(abs, there), 0.0) else 1.0
    for row, (number, letter, own) in enumerate(rows):
        got = dict(zip(found.names, found.matrix[row].tolist(), strict=True))
        wanted = 0.0 if number is None else (number - mean) / scale
        assert got["number"] == pytest.approx(wanted, abs=1e-4)
        assert got.get("number missing", 0.0) == (number is None)
        for name, value in got.items():
            column, _, category = name.partition("=")
            if column == "letter":
                assert value == (category == letter)
            elif column == "set":
                assert value == (category in (own or []))
        shared = [value for name, value in got.items() if name.startswith("letter other")]
        hashed = letter is not None and f"letter={letter}" not in found.names
        assert sum(map(abs, shared)) == hashed


# -- other graphs ----------------------------------------------------------------------------------


def fitted() -> TabularEncoder:
    graph = graph_of(
        price=[1.0, 3.0], color=["red", "blue"], tags=pa.array([["a"], ["b"]]), note=["x", "x"]
    )
    return TabularEncoder.fit(graph, "item", max_categories=8)


def test_new_nodes_are_encoded_by_what_was_fitted() -> None:
    encoder = fitted()
    later = graph_of(
        price=pa.array([5, None, 1]),  # integers now, and one is missing
        color=["green", "red", "red"],
        tags=pa.array([["c"], None, ["b", "a"]]),
        note=pa.array([None, None, None], pa.string()),
    )
    found = encoder.encode(later)
    assert found.names == encoder.names
    assert column_of(found, "price") == [3, 0, -1]
    assert column_of(found, "color=red") == [0, 1, 1]
    assert column_of(found, "tags=a") == [0, 0, 1]
    assert not any(column_of(found, "note=x"))
    assert not found.matrix[0, 1:].any()  # nothing known but its price


def test_old_nodes_keep_their_features_when_new_ones_come() -> None:
    old = graph_of(x=[1.0, 2.0, 4.0], c=["a", "b", "b"])
    encoder = TabularEncoder.fit(old, "item", ["x", "c"])
    new = old.extend({"item": {"id": [10, 11], "x": [100.0, -3.0], "c": ["z", "a"]}})
    before, after = encoder.encode(old).matrix, encoder.encode(new).matrix
    assert before.tobytes() == after[:3].tobytes()


def test_hashed_categories_meet_in_the_same_bucket_on_every_graph() -> None:
    encoder = TabularEncoder.fit(graph_of(x=list("abcdef")), "item", ["x"], max_categories=2)
    one, two = encoder.encode(graph_of(x=["f", "q"])), encoder.encode(graph_of(x=["q", "a"]))
    assert one.matrix[1].tobytes() == two.matrix[0].tobytes()
    assert np.abs(one.matrix).sum(axis=1).tolist() == [1, 1]


def test_a_column_that_is_gone_is_named() -> None:
    with pytest.raises(UnknownName, match="price"):
        fitted().encode(graph_of(prize=[1.0], color=["red"], tags=[["a"]], note=["x"]))


@pytest.mark.parametrize("other", [pa.array(["1"]), pa.array([[1.0]]), pa.array([True])])
def test_a_column_of_another_kind_is_refused(other: pa.Array) -> None:
    with pytest.raises(GraphError, match="fitted as number") as error:
        fitted().encode(graph_of(price=other, color=["red"], tags=[["a"]], note=["x"]))
    assert error.value.field == "price"


def test_vectors_of_another_length_are_refused() -> None:
    encoder = TabularEncoder.fit(graph_of(x=pa.array([[1.0, 2.0]])), "item")
    with pytest.raises(DimensionMismatch):
        encoder.encode(graph_of(x=pa.array([[1.0, 2.0, 3.0]])))


# -- refusals --------------------------------------------------------------------------------------


def test_fault_024_numbers_that_are_not_finite_are_refused_with_their_row() -> None:
    with pytest.raises(GraphError, match="infinite") as error:
        encode_columns(graph_of(x=[1.0, math.inf]), "item")
    assert (error.value.row, error.value.field) == (1, "x")
    vectors = pa.array([None, [1.0, 2.0], [1.0, math.nan]], pa.list_(pa.float64(), 2))
    with pytest.raises(GraphError, match="not a finite") as error:
        encode_columns(graph_of(x=vectors), "item")
    assert error.value.row == 2


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"columns": ["weight"]}, UnknownName),
        ({"categories": ["weight"]}, UnknownName),
        ({"columns": ["x", "x"]}, ConfigError),
        ({"columns": [], "categories": ["x"]}, ConfigError),
        ({"buckets": 0}, ConfigError),
        ({"max_categories": -1}, ConfigError),
        ({"columns": ["odd"]}, GraphError),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    graph = graph_of(x=[1.0, 2.0], odd=pa.array([{"a": 1}, {"a": 2}]))
    with pytest.raises(error):
        TabularEncoder.fit(graph, "item", **options)


# -- JSON ------------------------------------------------------------------------------------------


def test_an_encoder_comes_back_from_json_as_it_was(tmp_path: Path) -> None:
    graph = graph_of(
        price=pa.array([0.1, 1 / 3, None]),
        color=["red", 'bl"ue\n', "é"],
        tags=pa.array([["a"], ["b"], None]),
        shape=pa.array([[1.0], [2.0], [3.0]]),
        name=["p", "q", "r"],
    )
    encoder = TabularEncoder.fit(graph, "item", ["price", "color", "tags", "shape"])
    encoder.save(tmp_path / "encoder.json")
    encoder.save(tmp_path / "encoder.json")
    again = TabularEncoder.load(tmp_path / "encoder.json")
    assert again == encoder
    assert again.encode(graph).matrix.tobytes() == encoder.encode(graph).matrix.tobytes()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda it: it.update(format=2),
        lambda it: it.pop("codings"),
        lambda it: it["codings"][0].update(kind="pickle"),
        lambda it: it["codings"][0].update(mean="1"),
        lambda it: it["codings"][0].update(more=1),
        lambda it: it["codings"][0].pop("scale"),
        lambda it: it.update(node_type="a b"),
    ],
)
def test_a_file_that_is_no_encoder_is_refused(spoil: Any, tmp_path: Path) -> None:
    value: Any = TabularEncoder("item", (Number("x", "number", 0.5, 2.0, False),)).to_json()
    assert TabularEncoder.from_json(value).dim == 1
    spoil(value)
    (tmp_path / "encoder.json").write_text(json.dumps(value))
    with pytest.raises(CorruptManifest):
        TabularEncoder.load(tmp_path / "encoder.json")
