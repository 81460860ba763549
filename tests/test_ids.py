"""Ids are kept exactly as they were given, or refused with the row."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphemb.errors import GraphError, UnknownNode
from graphemb.ids import MAX_ID_BYTES, Ids

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.lists(texts, unique=True))
def test_strings_of_any_characters_come_back_as_they_are(keys):
    ids = Ids.of(keys)
    assert ids.to_list() == keys
    assert ids.rows(keys).tolist() == list(range(len(keys)))


@given(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True), st.integers(-(2**63), 2**63 - 1))
def test_integers_are_found_where_they_stand_and_nowhere_else(keys, other):
    ids = Ids.of(keys)
    assert ids.find(keys).tolist() == list(range(len(keys)))
    if keys:
        assert ids.find([other]).tolist() == [keys.index(other) if other in keys else -1]


@given(st.lists(st.integers(-5, 40), unique=True, min_size=1), st.lists(st.integers(-60, 60)))
def test_close_integers_looked_up_by_table_equal_a_python_dict(keys, wanted):
    place = {key: row for row, key in enumerate(keys)}
    assert Ids.of(keys).find(np.array(wanted, np.int64)).tolist() == [
        place.get(key, -1) for key in wanted
    ]


@pytest.mark.parametrize(
    "column",
    [
        ["a", "b"],
        np.array(["a", "b"]),
        np.array(["a", "b"], object),
        pa.array(["a", "b"]),
        pa.chunked_array([["a"], ["b"]]),
        pa.array(["a", "b"]).dictionary_encode(),
        pd.Series(["a", "b"]),
        pl.Series(["a", "b"]),
        iter(["a", "b"]),
    ],
    ids=lambda column: type(column).__name__,
)
def test_a_column_of_any_library_is_read(column):
    assert Ids.of(column).to_list() == ["a", "b"]


def test_fault_038_strings_that_look_like_numbers_or_nulls_stay_strings():
    keys = ["007", "1e5", "12345678901234567890", "NA", "NULL", "true", "7"]
    ids = Ids.of(keys)
    assert ids.to_list() == keys
    assert ids.row("7") == 6 and ids.row("007") == 0


@pytest.mark.parametrize(("keys", "code"), [(["a", None], "null_id"), (["a", ""], "empty_id")])
def test_fault_039_an_empty_or_null_id_is_refused_with_its_row(keys, code):
    with pytest.raises(GraphError) as caught:
        Ids.of(keys)
    assert (caught.value.code, caught.value.row) == (code, 1)


@pytest.mark.parametrize(
    "keys", [[1, "1"], ["1", 1.0], [1.0, 2.0], [1, 1.0], [True, False], [b"a"], [(1, 2)]]
)
def test_fault_040_mixed_or_odd_types_are_refused_never_merged(keys):
    with pytest.raises(GraphError):
        Ids.of(keys)


def test_fault_040_a_key_of_the_other_kind_is_refused_not_converted():
    with pytest.raises(GraphError, match="never converted"):
        Ids.of([1, 2]).rows(["1"])
    with pytest.raises(GraphError):
        Ids.of(["1", "2"]).rows([1])
    assert 1 not in Ids.of(["1"])
    assert "1" not in Ids.of([1])
    assert True not in Ids.of([1])


def test_fault_043_nfc_and_nfd_are_two_ids_and_counted():
    ids = Ids.of(["caf\u00e9", "cafe\u0301", "tea"])
    assert ids.rows(["cafe\u0301"]).tolist() == [1]
    assert ids.look_alikes() == 1
    assert Ids.of(["caf\u00e9", "tea"]).look_alikes() == 0


def test_fault_043_invalid_utf8_is_refused_with_the_byte():
    broken = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(np.array([0, 3], np.int32)), pa.py_buffer(b"ab\xff")]
    )
    with pytest.raises(GraphError, match="byte 2"):
        Ids.of(broken)


def test_fault_044_ids_of_any_form_round_trip_and_overlong_ones_are_refused():
    keys = ["/", "?", "#", "%", "..", "\n", "\x00", "\u202e", "x" * MAX_ID_BYTES]
    assert Ids.of(keys).to_list() == keys
    with pytest.raises(GraphError) as caught:
        Ids.of(["a", "x" * (MAX_ID_BYTES + 1)])
    assert caught.value.row == 1
    assert len(caught.value.value) <= 80


def test_fault_030_a_doubled_id_is_refused_naming_both_rows():
    with pytest.raises(GraphError, match="rows 1 and 3"):
        Ids.of(["a", "b", "c", "b"])


def test_unknown_ids_are_counted_and_the_first_shown():
    wanted = [f"u{number}" for number in range(50)]
    with pytest.raises(UnknownNode) as caught:
        Ids.of(["u0"]).rows(wanted)
    assert "49 of 50" in str(caught.value)
    assert caught.value.row == 1
    assert str(caught.value).count("'u") == 20 + 1


def test_integers_over_int64_are_refused():
    with pytest.raises(GraphError):
        Ids.of(pa.array([2**64 - 1], pa.uint64()))
