"""What may be written as a weight, along what may be derived, and what is refused."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from graphemb.derive import (
    Column,
    Derivation,
    EdgeWeight,
    Idf,
    Log1p,
    One,
    Rank,
    Recency,
    Sif,
    Values,
)
from graphemb.derive.weights import described, read_weighting
from graphemb.errors import ConfigError, UnknownName
from graphemb.types import EdgeType
from tests.derive.oracle import IN, NEAR, SELLS


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("edge", (EdgeWeight(),)),
        ("one", (One(),)),
        ("log1p", (Log1p(),)),
        ("idf", (EdgeWeight(), Idf())),
        ("sif", (EdgeWeight(), Sif())),
        ("rank", (EdgeWeight(), Rank())),
        ({"column": "price"}, (Column("price"),)),
        ({"column": {"name": "price"}}, (Column("price"),)),
        ({"recency": "30d"}, (EdgeWeight(), Recency("30d"))),
        ({"recency": {"half_life": "30d"}}, (EdgeWeight(), Recency("30d"))),
        ({"rank": {"decay": 0.5, "by": "weight"}}, (EdgeWeight(), Rank(0.5, "weight"))),
        ({"rank": 0.5}, (EdgeWeight(), Rank(0.5))),
        ({"idf": {}}, (EdgeWeight(), Idf())),
        (["log1p", "idf"], (Log1p(), Idf())),
        (["idf", "one", {"rank": 0.5}], (One(), Idf(), Rank(0.5))),
        (("one", Sif(a=0.1)), (One(), Sif(a=0.1))),
        (Log1p(), (Log1p(),)),
        (Idf(), (EdgeWeight(), Idf())),
    ],
)
def test_text_toml_and_objects_mean_the_same(written: Any, meant: Any) -> None:
    assert read_weighting(written) == meant
    again = described(read_weighting(written))
    assert read_weighting(json.loads(json.dumps(again))) == meant


def test_an_array_is_the_callers_weights() -> None:
    array = np.ones(3)
    for written in (array, Values(array), {"values": array}):
        (found,) = read_weighting(written)
        assert isinstance(found, Values) and found.array is array
    assert described(read_weighting(array)) == {"values": {"array": "an array of 3"}}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 2_592_000), ("1.5h", 5400), ("2 min", 120), ("1w", 604_800), ("500ms", 0.5), (7, 7)],
)
def test_half_lives_are_read(text: Any, seconds: float) -> None:
    assert Recency(text).micros == seconds * 1e6
    assert Recency(timedelta(seconds=seconds)).micros == seconds * 1e6


@pytest.mark.parametrize(
    ("written", "kind", "told"),
    [
        ("lgo1p", UnknownName, "'log1p'"),
        (3, UnknownName, "log1p"),
        ({"recency": {"half_live": "3d"}}, UnknownName, "'half_life'"),
        ({"idf": {"smooth": 1}}, UnknownName, "smooth"),
        ({"recency": "3d", "rank": {}}, UnknownName, "recency"),
        ("recency", ConfigError, "half_life"),
        ("column", ConfigError, "name"),
        ({"recency": "soon"}, ConfigError, "30d"),
        ({"recency": "1.2.3d"}, ConfigError, "30d"),
        ({"recency": 0}, ConfigError, "half_life"),
        ({"recency": {"half_life": True}}, ConfigError, "half_life"),
        ({"rank": {"decay": 0.0}}, ConfigError, "decay"),
        ({"rank": {"decay": 1.5}}, ConfigError, "decay"),
        ({"sif": {"a": 0.0}}, ConfigError, "a must be"),
        (["edge", "log1p"], ConfigError, "two bases"),
    ],
)
def test_fault_106_what_cannot_be_read_is_refused(written: Any, kind: type, told: str) -> None:
    with pytest.raises(kind, match=told):
        read_weighting(written)
    with pytest.raises(kind, match=told):
        Derivation(along=SELLS, weight=written)


@pytest.mark.parametrize(
    ("along", "paths"),
    [
        (SELLS, {(SELLS,): 1.0}),
        ("seller-sells-product", {(SELLS,): 1.0}),
        ((SELLS, IN), {(SELLS, IN): 1.0}),
        (["seller-sells-product", "product-in-category"], {(SELLS, IN): 1.0}),
        ("seller-sells-product product-in-category", {(SELLS, IN): 1.0}),
        ({SELLS: 2, "seller-near-category": 0.5}, {(SELLS,): 2.0, (NEAR,): 0.5}),
        ({(SELLS, IN): 1.0, NEAR: 3.0, SELLS: 0.0}, {(SELLS, IN): 1.0, (NEAR,): 3.0}),
        ("product-~sells-seller", {(SELLS.reverse,): 1.0}),
    ],
)
def test_paths_are_read(along: Any, paths: Any) -> None:
    derivation = Derivation(along=along)
    assert derivation.paths == paths
    assert derivation.derived_type == next(iter(paths))[0].src
    told = json.loads(json.dumps(derivation.describe()))
    assert Derivation(**told).describe() == told


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("along", {}, "no edge type"),
        ("along", {SELLS: 0.0}, "no edge type"),
        ("along", {SELLS: -1.0}, "at least 0"),
        ("along", {SELLS: float("nan")}, "finite"),
        ("along", (SELLS, NEAR), "hop 2 starts at 'seller'"),
        ("along", {SELLS: 1.0, IN: 1.0}, "product, seller"),
        ("along", "seller-product", "src-relation-dst"),
        ("along", 7, "metapath"),
        ("weight", {IN: "one"}, "not derived along"),
        ("normalise", "max", "normalise"),
        ("min_support", 0, "min_support"),
        ("min_support", 1.5, "min_support"),
    ],
)
def test_fault_090_derivations_that_cannot_be_are_refused(
    field: str, value: Any, told: str
) -> None:
    config = {"along": SELLS, field: value}
    with pytest.raises(ConfigError, match=told):
        Derivation(**config)


def test_a_toml_table_is_a_derivation() -> None:
    read = TypeAdapter(Derivation).validate_python
    table = {
        "along": {"seller-sells-product": 1.0, "seller-near-category": 0.3},
        "weight": {"seller-sells-product": ["log1p", {"recency": {"half_life": "30d"}}]},
        "normalise": "l2",
        "min_support": 2,
    }
    derivation = read(table)
    assert derivation.derived_type == "seller"
    assert derivation.member_types == ("product", "category")
    assert derivation.weightings[SELLS] == (Log1p(), Recency("30d"))
    assert derivation.weightings[NEAR] == (EdgeWeight(),)
    assert derivation.describe() == {
        "along": {"seller-sells-product": 1.0, "seller-near-category": 0.3},
        "weight": {
            "seller-sells-product": ["log1p", {"recency": {"half_life": "30d", "now": None}}],
            "seller-near-category": "edge",
        },
        "normalise": "l2",
        "min_support": 2,
    }


def test_an_edge_type_written_as_a_plain_tuple_of_names_is_told_what_to_do() -> None:
    with pytest.raises(ConfigError, match="src-relation-dst"):
        Derivation(along=("seller", "sells", "product"))
    assert Derivation(along=EdgeType("seller", "sells", "product")).paths == {(SELLS,): 1.0}
