"""Small graphs whose right answer is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from graphemb.graph import HeteroGraph
from graphemb.types import EdgeType

BUYS = EdgeType("user", "buys", "product")
SELLS = EdgeType("seller", "sells", "product")
KNOWS = EdgeType("user", "knows", "user")
TO = EdgeType("node", "to", "node")
APPLIES = EdgeType("member", "applies", "role")

_DAY = 86_400_000_000
_FIRST_DAY = 18_000  # days since 1970: in 2019
_USERS, _PRODUCTS, _SELLERS = 20, 15, 5  # of each community


def communities(num: int = 4, *, mixing: float = 0.05, seed: int = 0) -> HeteroGraph:
    """A marketplace of `num` planted communities; the column `community` (int64) names them.

    Each has 20 users, 15 products and 5 sellers. Users buy 6 products of their own community
    (any product, with probability `mixing`) on different days and in different amounts, and know
    3 of its users; each product has one seller of its community. Ids are strings. Every node has
    an edge, and who shares a community is the answer that a trainer should find.
    """
    rng = np.random.default_rng(seed)
    users, products, sellers = (
        np.repeat(np.arange(num), size) for size in (_USERS, _PRODUCTS, _SELLERS)
    )
    buyer = np.repeat(np.arange(users.size), 6)
    bought = users[buyer] * _PRODUCTS + rng.integers(_PRODUCTS, size=buyer.size)
    strays = rng.random(buyer.size) < mixing
    bought[strays] = rng.integers(products.size, size=int(strays.sum()))
    knower = np.repeat(np.arange(users.size), 3)
    steps = rng.integers(1, _USERS, size=knower.size)  # nobody knows themselves
    known = users[knower] * _USERS + (knower + steps) % _USERS
    seller = products * _SELLERS + rng.integers(_SELLERS, size=products.size)
    seller[:: _PRODUCTS // _SELLERS] = np.arange(sellers.size)  # none is left without a product
    days = _FIRST_DAY + rng.permutation(buyer.size)
    return HeteroGraph.from_tables(
        {
            "user": {"id": _names("u", users.size), "community": users},
            "product": {"id": _names("p", products.size), "community": products},
            "seller": {"id": _names("s", sellers.size), "community": sellers},
        },
        {
            BUYS: {
                "src": _names("u", buyer),
                "dst": _names("p", bought),
                "weight": rng.integers(1, 4, size=buyer.size).astype(np.float32),
                "time": pa.array(days * _DAY, pa.timestamp("us", "UTC")),
            },
            SELLS: {"src": _names("s", seller), "dst": _names("p", products.size)},
            KNOWS: {"src": _names("u", knower), "dst": _names("u", known)},
        },
    )


def awkward() -> HeteroGraph:
    """The schema of `communities` with everything that graphs really hold.

    Integer ids out of order, an isolated node of every type (the last included), a self loop,
    parallel edges, an edge type without edges (`SELLS`), a node with one edge.
    """
    day = np.arange(9) * _DAY + _FIRST_DAY * _DAY
    return HeteroGraph.from_tables(
        {
            "user": {"id": [30, 10, 20, 40, 99]},
            "product": {"id": [7, 5, 6, 1000, 4]},
            "seller": {"id": [1, 2]},
        },
        {
            BUYS: {
                "src": [30, 30, 10, 10, 10, 20, 20, 20, 40],
                "dst": [7, 5, 7, 5, 5, 5, 6, 4, 4],
                "weight": [1.0, 2.0, 1.0, 0.5, 0.5, 3.0, 1.0, 1.0, 1.0],
                "time": pa.array(day, pa.timestamp("us", "UTC")),
            },
            SELLS: {"src": pa.array([], pa.int64()), "dst": pa.array([], pa.int64())},
            KNOWS: {"src": [10, 20, 20], "dst": [10, 30, 30]},
        },
    )


def edgeless() -> HeteroGraph:
    """The schema of `communities`: three nodes of every type, and not one edge."""
    none: dict[str, Any] = {"src": pa.array([], pa.string()), "dst": pa.array([], pa.string())}
    timed = none | {
        "weight": pa.array([], pa.float32()),
        "time": pa.array([], pa.timestamp("us", "UTC")),
    }
    names = {"user": "u", "product": "p", "seller": "s"}
    return HeteroGraph.from_tables(
        {node_type: {"id": _names(prefix, 3)} for node_type, prefix in names.items()},
        {BUYS: timed, SELLS: none, KNOWS: none},
    )


def checkerboard(size: int = 20) -> HeteroGraph:
    """User i bought product j when i and j are both even or both odd, except where i = j.

    As in the tests of the library implicit: whatever ranks products for users must put product i
    first among those that user i has not bought.
    """
    src, dst = np.nonzero(
        (np.add.outer(np.arange(size), np.arange(size)) % 2 == 0) & ~np.eye(size, dtype=bool)
    )
    return HeteroGraph.from_tables(
        {"user": {"id": np.arange(size)}, "product": {"id": np.arange(size)}},
        {BUYS: {"src": src, "dst": dst}},
    )


def parity(*, seed: int = 0) -> tuple[HeteroGraph, pa.Table]:
    """Applications of 24 members for 16 roles at 12 companies that no pair of the three explains.

    Everybody and everything is secretly of kind 0 or 1 (the column `kind`), half of each. An
    application succeeds (`applied` is 1) when the three kinds add up to an odd number. Whoever
    looks at two of the three sees 1 half of the time, so every sum over pairs is a guess.

    Returns:
        a graph with half of the 4,608 triples, each an edge of `APPLIES` with the columns
        `company` and `applied` and also a node of type `application` with the columns `member`,
        `role`, `company` and `applied`; and a table of the other half with those four columns.
    """
    rng = np.random.default_rng(seed)
    sizes = {"member": 24, "role": 16, "company": 12}
    kinds = {name: rng.permutation(np.arange(size) % 2) for name, size in sizes.items()}
    grid = np.indices(tuple(sizes.values())).reshape(3, -1)
    grid = grid[:, rng.permutation(grid.shape[1])]
    odd = sum(kinds[name][rows] for name, rows in zip(sizes, grid, strict=True)) % 2
    columns = {name: _names(name[0], rows) for name, rows in zip(sizes, grid, strict=True)}
    table = pa.table({**columns, "applied": odd})
    known, held = table[: len(table) // 2], table[len(table) // 2 :]
    nodes: dict[str, Any] = {
        name: {"id": _names(name[0], size), "kind": kinds[name]} for name, size in sizes.items()
    }
    nodes["application"] = known.add_column(0, "id", pa.array(np.arange(len(known))))
    edges = known.rename_columns(["src", "dst", "company", "applied"])
    return HeteroGraph.from_tables(nodes, {APPLIES: edges}), held


def star(leaves: int = 10) -> HeteroGraph:
    """Node 0 points to nodes 1 to `leaves`: all leaves have the same surroundings."""
    return _plain(leaves + 1, np.zeros(leaves, np.int64), np.arange(1, leaves + 1))


def chain(nodes: int = 10) -> HeteroGraph:
    """0 -> 1 -> 2 -> ...: one way to go, and a sink at the end."""
    return _plain(nodes, np.arange(nodes - 1), np.arange(1, nodes))


def _plain(nodes: int, src: Any, dst: Any) -> HeteroGraph:
    return HeteroGraph.from_tables(
        {"node": {"id": np.arange(nodes)}}, {TO: {"src": src, "dst": dst}}
    )


def _names(prefix: str, numbers: Any) -> list[str]:
    numbers = np.arange(numbers) if isinstance(numbers, int) else numbers
    return [f"{prefix}{number}" for number in numbers.tolist()]
