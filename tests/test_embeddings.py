"""Embeddings as a value: checked, looked up, merged, written."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphemb.embeddings import Embeddings, Vectors
from graphemb.errors import (
    ChecksumMismatch,
    DimensionMismatch,
    GraphError,
    UnknownName,
    UnknownNode,
    VectorError,
)
from graphemb.ids import Ids


def toy():
    return Embeddings.from_arrays(
        {
            "user": (["a", "b", "c"], np.array([[1.0, 0], [0, 2], [3, 3]])),
            "product": ([1, 2], np.ones((2, 2))),
        },
        provenance={"fit": {"trainer": "toy"}},
    )


def test_vectors_are_looked_up_by_id():
    emb = toy()
    assert emb["user"].vector("b").tolist() == [0, 2]
    assert emb["user"].vectors(["c", "a"]).tolist() == [[3, 3], [1, 0]]
    assert "a" in emb["user"] and "z" not in emb["user"] and 1 in emb["product"]
    with pytest.raises(UnknownNode):
        emb["user"].vector("z")
    with pytest.raises(UnknownName, match="known: user"):
        emb["usr"]


def test_the_matrix_is_float32_contiguous_and_read_only():
    matrix = toy()["user"].matrix
    assert matrix.dtype == np.float32 and matrix.flags.c_contiguous
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 9


def test_making_vectors_does_not_freeze_the_callers_array():
    mine = np.zeros((1, 2), np.float32)
    Vectors("user", Ids.of(["a"]), mine)
    mine[0, 0] = 1


def test_most_similar_agrees_with_brute_force():
    emb = toy()["user"]
    assert [key for key, _ in emb.most_similar("a", 5)] == ["c", "b"]
    assert emb.most_similar("a", 1)[0][1] == pytest.approx(2**-0.5)
    assert emb.most_similar("a", 1, metric="dot") == [("c", 3.0)]
    with pytest.raises(UnknownName):
        emb.most_similar("a", metric="cosin")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_fault_024_a_component_that_is_not_finite_is_refused(bad):
    matrix = np.ones((3, 2))
    matrix[1, 1] = bad
    with pytest.raises(VectorError) as caught:
        Vectors("user", Ids.of(["a", "b", "c"]), matrix)
    assert (caught.value.source, caught.value.row) == ("user", 1)
    assert "component 1 of 'b'" in str(caught.value)


def test_fault_026_float64_that_overflows_float32_is_refused():
    with pytest.raises(VectorError, match="1e\\+60"):
        Vectors("user", Ids.of(["a"]), np.array([[1e60]]))


def test_fault_027_dimensions_that_differ_are_refused():
    with pytest.raises(DimensionMismatch) as caught:
        Embeddings.from_arrays({"a": ([1], np.ones((1, 2))), "b": ([1], np.ones((1, 3)))})
    assert (caught.value.want, caught.value.found) == (2, 3)
    with pytest.raises(DimensionMismatch):
        Embeddings.from_arrays({"a": ([1, 2], np.ones((1, 2)))})


def test_fault_030_doubled_ids_are_refused():
    with pytest.raises(GraphError, match="rows 0 and 2"):
        Embeddings.from_arrays({"a": (["x", "y", "x"], np.ones((3, 2)))})
    with pytest.raises(GraphError):
        Vectors("a", Ids.of(["x"]), np.ones((1, 2)), Ids.of(["x"]))


def test_merge_keeps_both_and_the_others_vectors_stand_on_record():
    emb = toy()
    derived = Embeddings.from_arrays(
        {"seller": (["s"], np.ones((1, 2)))}, provenance={"derive": "sells"}
    )
    both = emb.merge(derived)
    assert list(both) == ["user", "product", "seller"]
    assert both.provenance["merged"] == [{"derive": "sells"}]
    assert "merged" not in emb.provenance
    other = Embeddings.from_arrays({"seller": (["s"], np.zeros((1, 2)))})
    again = both.merge(other)
    assert again["seller"].vector("s").tolist() == [0, 0]
    assert again.provenance["merged"] == [{"derive": "sells"}, {"replaced": ["seller"]}]
    with pytest.raises(VectorError, match="seller"):
        both.merge(other, replace=False)


@given(
    hnp.arrays(
        np.float32,
        st.tuples(st.integers(0, 5), st.integers(1, 4)),
        elements=st.floats(-(2.0**90), 2.0**90, width=32),
    ),
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        min_size=9,
        max_size=9,
        unique=True,
    ),
)
def test_saving_and_loading_changes_nothing(tmp_path_factory, matrix, keys):
    size = len(matrix)
    part = Vectors("user", Ids.of(keys[:size]), matrix, Ids.of(keys[size:]))
    folder = tmp_path_factory.mktemp("emb") / "e"
    Embeddings([part], {"seed": 7}).save(folder)
    for mmap in (False, True):
        loaded = Embeddings.load(folder, mmap=mmap)
        assert np.array_equal(loaded["user"].matrix, matrix)
        assert loaded["user"].ids.to_list() == keys[:size]
        assert loaded["user"].missing.to_list() == keys[size:]
        assert loaded.provenance == {"seed": 7}


def test_fault_010_a_changed_file_is_found_at_load(tmp_path):
    toy().save(tmp_path / "e")
    for path in sorted((tmp_path / "e").glob("*.*")):
        if path.name == "manifest.json":
            continue
        good = path.read_bytes()
        path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        with pytest.raises(ChecksumMismatch):
            Embeddings.load(tmp_path / "e")
        path.write_bytes(good)


def test_written_for_other_tools(tmp_path):
    emb = toy()
    paths = emb.to_parquet(tmp_path / "p")
    table = pq.read_table(paths[0])
    assert table["id"].to_pylist() == ["a", "b", "c"]
    assert table["vector"].to_pylist() == emb["user"].matrix.tolist()
    frame = emb.to_pandas("user")
    assert frame.loc["c"].tolist() == [3, 3]
    assert emb.to_faiss("user").ntotal == 3


def test_word2vec_text_is_read_back_by_gensim(tmp_path):
    from gensim.models import KeyedVectors

    emb = toy()
    emb.to_word2vec(tmp_path / "v.txt", "user")
    read = KeyedVectors.load_word2vec_format(tmp_path / "v.txt")
    assert read["b"].tolist() == [0, 2]
    spaced = Embeddings.from_arrays({"user": (["a b"], np.ones((1, 2)))})
    with pytest.raises(VectorError, match="white space"):
        spaced.to_word2vec(tmp_path / "w.txt", "user")
    assert [path.name for path in tmp_path.iterdir()] == ["v.txt"]
