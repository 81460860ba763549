"""Readers of public benchmark sets, from the folder that GRAPHEMB_DATA names.

The project ships none of them. Where one is missing the error says who publishes it; nothing
stands in for it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from graphemb.errors import SourceError
from graphemb.graph import HeteroGraph
from graphemb.types import BoolArray, EdgeType, NodeId

PUBLISHED: Mapping[str, str] = {
    "blogcatalog": "http://leitang.net/social_dimension.html",
    "cora": "https://linqs.org/datasets/#cora",
    "dyhatr_ecomm": "https://github.com/skx300/DyHATR (data)",
    "facebook": "https://snap.stanford.edu/data/ego-Facebook.html",
    "facebook_pages": "https://snap.stanford.edu/data/facebook-large-page-page-network.html",
    "gatne_amazon": "https://github.com/THUDM/GATNE (data/amazon)",
    "gowalla": "https://github.com/gusye1234/LightGCN-PyTorch (data/gowalla)",
    "ncf_ml1m": "https://github.com/hexiangnan/neural_collaborative_filtering (Data/ml-1m)",
    "hin_amazon": "https://github.com/librahu/HIN-Datasets-for-Recommendation-and-Network-"
    "Embedding (Amazon)",
    "ppi": "https://snap.stanford.edu/node2vec/ (Homo sapiens PPI)",
    "twitch_de": "https://snap.stanford.edu/data/twitch-social-networks.html",
    "wiki": "https://github.com/thunlp/OpenNE (data/wiki)",
}
"""Who publishes each set."""

LINK = EdgeType("node", "to", "node")
"""The only edge type of the homogeneous sets; each undirected edge stands once."""
CHECKS_IN = EdgeType("user", "visits", "place")
WATCHES = EdgeType("user", "watches", "film")

Labels = Mapping[NodeId, tuple[str, ...]]
"""The labels of each labelled node; one or several."""


@dataclass(frozen=True, eq=False)
class LabelledGraph:
    """A graph with the classes of its nodes.

    Attributes:
        graph: node type `node`, edge type `LINK`.
        labels: by node id.
    """

    graph: HeteroGraph
    labels: Labels


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of nodes with the answer whether they are linked.

    Attributes:
        src: the n ids they start at, as published.
        dst: the n ids they end at.
        linked: bool [n].
    """

    src: pa.Array
    dst: pa.Array
    linked: BoolArray


@dataclass(frozen=True, eq=False)
class LinkSet:
    """A training graph with published pairs to choose and to test on, per edge type."""

    graph: HeteroGraph
    valid: Mapping[EdgeType, Pairs]
    test: Mapping[EdgeType, Pairs]


def data_folder(name: str) -> Path:
    """The folder of one public set.

    Raises:
        SourceError: GRAPHEMB_DATA is not set, or holds no such folder; says who publishes it.
    """
    root = os.environ.get("GRAPHEMB_DATA")
    where = f"{name} is published at {PUBLISHED[name]}"
    if not root:
        raise SourceError(
            f"the public set {name!r} is not at hand",
            code="no_data",
            source=name,
            hint=f"set GRAPHEMB_DATA to the folder that holds {name}/; {where}",
        )
    folder = Path(root) / name
    if not folder.is_dir():
        raise SourceError(
            f"GRAPHEMB_DATA holds no folder {name!r}", code="no_data", source=name, hint=where
        )
    return folder


def gatne_amazon() -> LinkSet:
    """GATNE's Amazon: products, edge types `r1` and `r2`, valid and test pairs half negative.

    Cen et al. 2019. `train.txt` holds `type src dst`, the others `type src dst linked`. Of the
    test positives 8 % (`r1`) and 33 % (`r2`) stand reversed in training, as published.

    Raises:
        SourceError: a file is missing or cannot be read.
    """
    folder = data_folder("gatne_amazon")
    train, *others = (_columns(folder / f"{part}.txt", " ") for part in ("train", "valid", "test"))
    kinds = {
        name: EdgeType("product", f"r{name}", "product")
        for name in sorted(set(train[0].to_pylist()))
    }
    edges = {}
    for name, edge_type in kinds.items():
        here = pa.array(np.asarray(train[0]) == name)
        edges[edge_type] = {"src": train[1].filter(here), "dst": train[2].filter(here)}
    graph = HeteroGraph.from_tables({"product": {"id": _distinct(train[1], train[2])}}, edges)
    valid, test = (
        {edge_type: _pairs(part, name) for name, edge_type in kinds.items()} for part in others
    )
    return LinkSet(graph, valid, test)


def facebook() -> HeteroGraph:
    """SNAP's ego-Facebook, combined: 4,039 people, 88,234 friendships, each once.

    Raises:
        SourceError: the file is missing or cannot be read.
    """
    return _graph(*_columns(data_folder("facebook") / "facebook_combined.txt", " "))


def wiki() -> LabelledGraph:
    """OpenNE's Wiki: 2,405 pages, 17,981 links, one of 17 classes each.

    Raises:
        SourceError: a file is missing or cannot be read.
    """
    folder = data_folder("wiki")
    nodes, classes = _columns(folder / "Wiki_category.txt", " ")
    graph = _graph(*_columns(folder / "Wiki_edgelist.txt", " "), ids=nodes)
    named = zip(nodes.to_pylist(), classes.to_pylist(), strict=True)
    return LabelledGraph(graph, {node: (label,) for node, label in named})


def ppi() -> LabelledGraph:
    """Protein interactions of node2vec: 3,890 nodes, 38,739 edges, 50 classes, several a node.

    `PPI.cmty` holds one class per line: the nodes that have it.

    Raises:
        SourceError: a file is missing or cannot be read.
    """
    folder = data_folder("ppi")
    graph = _graph(*_columns(folder / "PPI.ungraph", "\t"))
    labels: dict[NodeId, list[str]] = {}
    for number, line in enumerate(_text(folder / "PPI.cmty").splitlines()):
        for node in line.split():
            labels.setdefault(node, []).append(str(number))
    return LabelledGraph(graph, {node: tuple(own) for node, own in labels.items()})


def blogcatalog() -> LabelledGraph:
    """BlogCatalog: 10,312 bloggers, 333,983 friendships, 39 interests, several a blogger.

    Tang and Liu 2009. Ids are the rows of the published matrices, counted from 0.

    Raises:
        SourceError: the file is missing or cannot be read.
    """
    from scipy.io import loadmat
    from scipy.sparse import triu

    path = _existing(data_folder("blogcatalog") / "blogcatalog.mat")
    try:
        content = loadmat(path, variable_names=["network", "group"])
        friends, group = triu(content["network"]).tocoo(), content["group"].tocoo()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SourceError(
            "a MATLAB file with sparse matrices 'network' and 'group' is wanted", source=path
        ) from error
    ids = pa.array(np.arange(friends.shape[0]))
    graph = _graph(pa.array(friends.row), pa.array(friends.col), ids=ids)
    labels: dict[NodeId, list[str]] = {}
    for node, label in zip(group.row.tolist(), group.col.tolist(), strict=True):
        labels.setdefault(node, []).append(str(label))
    return LabelledGraph(graph, {node: tuple(own) for node, own in labels.items()})


def cora() -> LabelledGraph:
    """Cora: 2,708 papers, 5,278 citations, 7 classes; the column `words` holds 1,433 0/1 features.

    Raises:
        SourceError: a file is missing or cannot be read.
    """
    folder = data_folder("cora")
    nodes, classes = _columns(folder / "labels.csv", ",", skip=1)
    with np.load(_existing(folder / "features.npz"), allow_pickle=False) as parts:
        shape, offsets = parts["shape"], parts["indptr"]
        words = np.zeros(shape, np.float32)
        rows = np.repeat(np.arange(shape[0]), np.diff(offsets))
        words[rows, parts["indices"]] = parts["data"]
    features = pa.FixedSizeListArray.from_arrays(pa.array(words.reshape(-1)), int(shape[1]))
    src, dst = _columns(folder / "edges.csv", ",", skip=1)
    graph = HeteroGraph.from_tables(
        {"node": {"id": nodes, "words": features}}, {LINK: {"src": src, "dst": dst}}
    )
    named = zip(nodes.to_pylist(), classes.to_pylist(), strict=True)
    return LabelledGraph(graph, {node: (label,) for node, label in named})


def gowalla() -> LinkSet:
    """Gowalla as LightGCN splits it: 29,858 users, 40,981 places, 810,128 + 217,242 visits.

    All test pairs are positives: they are ranked among all places not visited in training.

    Raises:
        SourceError: a file is missing or cannot be read.
    """
    folder = data_folder("gowalla")
    (user, place), (test_user, test_place) = (
        _visits(folder / f"{part}.txt") for part in ("train", "test")
    )
    graph = HeteroGraph.from_tables(
        {
            "user": {"id": _distinct(user, test_user)},
            "place": {"id": _distinct(place, test_place)},
        },
        {CHECKS_IN: {"src": user, "dst": place}},
    )
    asked = Pairs(test_user, test_place, np.ones(len(test_user), np.bool_))
    return LinkSet(graph, {}, {CHECKS_IN: asked})


def ncf_ml1m() -> LinkSet:
    """MovieLens-1M as NCF divides it: 6,040 users, 3,706 films, 994,169 training pairs.

    He et al. 2017. Test pairs are each user's last film (linked) and 99 others (not linked); 156
    users have the last film among their own 99, as published.

    Raises:
        SourceError: a file is missing or cannot be read.
    """
    folder = data_folder("ncf_ml1m")
    user, film = _columns(folder / "ml-1m.train.pairs.tsv", "\t")[:2]
    asked, last = _columns(folder / "ml-1m.test.rating", "\t")[:2]
    lines = [line.split("\t") for line in _text(folder / "ml-1m.test.negative").splitlines()]
    against = [line[0].strip("()").partition(",")[0] for line in lines for one in line[1:] if one]
    others = pa.array([one for line in lines for one in line[1:] if one])
    src = pa.concat_arrays([asked, pa.array(against)])
    linked = np.arange(len(src)) < len(asked)
    graph = HeteroGraph.from_tables(
        {"user": {"id": _distinct(user, asked)}, "film": {"id": _distinct(film, last, others)}},
        {WATCHES: {"src": user, "dst": film}},
    )
    return LinkSet(graph, {}, {WATCHES: Pairs(src, pa.concat_arrays([last, others]), linked)})


def _graph(src: pa.Array, dst: pa.Array, *, ids: pa.Array | None = None) -> HeteroGraph:
    nodes = {"id": _distinct(src, dst) if ids is None else ids}
    return HeteroGraph.from_tables({"node": nodes}, {LINK: {"src": src, "dst": dst}})


def _distinct(*columns: pa.Array) -> pa.Array:
    return pa.concat_arrays(list(columns)).unique()


def _pairs(columns: list[pa.Array], name: str) -> Pairs:
    kind, src, dst, linked = (np.asarray(column) for column in columns)
    here = kind == name
    return Pairs(pa.array(src[here]), pa.array(dst[here]), linked[here] == "1")


def _visits(path: Path) -> tuple[pa.Array, pa.Array]:
    """`user place place ...` a line, as two columns."""
    lines = [line.split() for line in _text(path).splitlines()]
    users = [line[0] for line in lines for _ in line[1:]]
    return pa.array(users), pa.array([place for line in lines for place in line[1:]])


def _columns(path: Path, delimiter: str, *, skip: int = 0) -> list[pa.Array]:
    """The columns of a text file, all as strings, so that an id stays what it is."""
    first = _text(path).partition("\n")[0]
    names = [str(number) for number in range(first.count(delimiter) + 1)]
    try:
        table = csv.read_csv(
            path,
            csv.ReadOptions(column_names=names, skip_rows=skip),
            csv.ParseOptions(delimiter=delimiter),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )
    except pa.ArrowInvalid as error:
        raise SourceError(f"the file cannot be read: {error}", source=path.name) from error
    return [column.combine_chunks() for column in table.columns]


def _text(path: Path) -> str:
    return _existing(path).read_text(encoding="utf-8")


def _existing(path: Path) -> Path:
    if not path.is_file():
        where = PUBLISHED[path.parent.name]
        raise SourceError(
            f"{path.name} is missing", code="no_data", source=path.parent.name, hint=where
        )
    return path
