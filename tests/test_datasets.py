"""Readers of public sets: on small files in their formats, and on the sets where they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.io import savemat

from graphemb.errors import SourceError
from graphemb.types import EdgeType
from graphemb_loaders import datasets

R1 = EdgeType("product", "r1", "product")
R2 = EdgeType("product", "r2", "product")
READERS: Mapping[str, Callable[[], Any]] = {
    name: getattr(datasets, name) for name in datasets.PUBLISHED if hasattr(datasets, name)
}
"""The sets with a reader of their own; the benchmarks read the others from their folders."""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`made("wiki", **{"a.txt": "..."})` writes small files in a folder of data."""
    monkeypatch.setenv("GRAPHEMB_DATA", str(tmp_path))

    def write(name: str, files: Mapping[str, str]) -> Path:
        (tmp_path / name).mkdir()
        for file, text in files.items():
            (tmp_path / name / file).write_text(text)
        return tmp_path / name

    return write


def test_gatne_keeps_types_pairs_and_ids(made: Callable[..., Path]) -> None:
    made(
        "gatne_amazon",
        {
            "train.txt": "1 007 5\n2 5 6\n1 5 6\n",
            "valid.txt": "1 007 6 1\n2 6 5 0\n",
            "test.txt": "2 5 007 1\n2 007 6 0\n1 6 5 1\n",
        },
    )
    data = datasets.gatne_amazon()
    assert data.graph.edge_types == (R1, R2)
    assert data.graph.ids("product").to_list() == ["007", "5", "6"]
    assert data.graph.neighbors("product", "007", R1) == ["5"]
    assert data.test[R2].src.to_pylist() == ["5", "007"]
    assert data.test[R2].linked.tolist() == [True, False]
    assert data.valid[R1].linked.tolist() == [True]


def test_facebook_reads_an_edge_list(made: Callable[..., Path]) -> None:
    made("facebook", {"facebook_combined.txt": "0 1\n0 2\n"})
    graph = datasets.facebook()
    assert graph.neighbors("node", "0", datasets.LINK) == ["1", "2"]


def test_wiki_keeps_pages_without_links(made: Callable[..., Path]) -> None:
    made("wiki", {"Wiki_category.txt": "0 8\n1 3\n2 8\n", "Wiki_edgelist.txt": "0 1\n"})
    data = datasets.wiki()
    assert data.graph.num_nodes("node") == 3
    assert data.labels == {"0": ("8",), "1": ("3",), "2": ("8",)}


def test_ppi_gives_several_labels_a_node(made: Callable[..., Path]) -> None:
    made("ppi", {"PPI.ungraph": "0\t1\n1\t2", "PPI.cmty": "0\t1\n1\n"})
    data = datasets.ppi()
    assert data.graph.num_edges() == 2
    assert data.labels == {"0": ("0",), "1": ("0", "1")}


def test_blogcatalog_stores_an_undirected_edge_once(made: Callable[..., Path]) -> None:
    folder = made("blogcatalog", {})
    network = sp.csc_matrix(np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]], float))
    group = sp.csc_matrix(np.array([[1, 0], [1, 1], [0, 1]], float))
    savemat(folder / "blogcatalog.mat", {"network": network, "group": group})
    data = datasets.blogcatalog()
    assert data.graph.num_edges() == 2
    assert data.labels == {0: ("0",), 1: ("0", "1"), 2: ("1",)}


def test_cora_has_features_as_a_column(made: Callable[..., Path]) -> None:
    folder = made("cora", {"edges.csv": "src,dst\n0,1\n", "labels.csv": "node,label\n0,3\n1,4\n"})
    sp.save_npz(folder / "features.npz", sp.csr_matrix(np.array([[0, 1, 0], [1, 0, 1]], "f4")))
    data = datasets.cora()
    assert data.graph.columns("node")["words"].to_pylist() == [[0, 1, 0], [1, 0, 1]]
    assert data.labels == {"0": ("3",), "1": ("4",)}


def test_gowalla_keeps_users_without_visits(made: Callable[..., Path]) -> None:
    made("gowalla", {"train.txt": "0 10 11\n1 10\n2\n", "test.txt": "0 12\n1\n"})
    data = datasets.gowalla()
    assert data.graph.ids("place").to_list() == ["10", "11", "12"]
    assert data.test[datasets.CHECKS_IN].dst.to_pylist() == ["12"]


@pytest.mark.parametrize("name", READERS)
def test_a_missing_set_says_who_publishes_it(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GRAPHEMB_DATA", raising=False)
    with pytest.raises(SourceError, match="set GRAPHEMB_DATA") as refused:
        READERS[name]()
    assert "http" in str(refused.value)
    monkeypatch.setenv("GRAPHEMB_DATA", str(tmp_path))
    with pytest.raises(SourceError, match="holds no folder"):
        READERS[name]()
    (tmp_path / name).mkdir()
    with pytest.raises(SourceError, match="is missing"):
        READERS[name]()


def test_fault_045_a_ragged_row_is_refused(made: Callable[..., Path]) -> None:
    made("facebook", {"facebook_combined.txt": "0 1\n0 2 3\n"})
    with pytest.raises(SourceError, match="Expected 2 columns, got 3"):
        datasets.facebook()


def test_a_file_that_is_no_matlab_file_is_refused(made: Callable[..., Path]) -> None:
    made("blogcatalog", {"blogcatalog.mat": "not one at all" * 100})
    with pytest.raises(SourceError, match="MATLAB"):
        datasets.blogcatalog()


SIZES = {
    "blogcatalog": (10_312, 333_983),
    "cora": (2_708, 5_278),
    "facebook": (4_039, 88_234),
    "gatne_amazon": (10_099, 126_535),
    "gowalla": (29_858 + 40_981, 810_128),
    "ppi": (3_890, 38_739),
    "wiki": (2_405, 17_981),
}


@pytest.mark.parametrize("name", SIZES)
def test_the_published_sets_have_their_published_sizes(
    name: str, data_set: Callable[[str], Path]
) -> None:
    data_set(name)
    data = READERS[name]()
    graph = getattr(data, "graph", data)
    assert (graph.num_nodes(), graph.num_edges()) == SIZES[name]
