"""Names in queries, values out of them: the rules for every Cypher database."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import ladybug
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graphemb_loaders
from graphemb import EdgeType, HeteroGraph
from graphemb.errors import ConfigError, UnknownName
from graphemb.source import Query
from graphemb_loaders.cypher import (
    code_of,
    counting_cypher,
    internal_keys,
    looks_internal,
    pair_numbers,
    quoted,
    read_back,
    sampling_cypher,
    used_parameters,
    uses_parts,
)

FOLDER = Path(graphemb_loaders.__file__).parent
RUN_NO_QUERY = {"datasets.py", "csv_files.py"}
MODULES = sorted(path for path in FOLDER.rglob("*.py") if path.name not in RUN_NO_QUERY)
CYPHER = re.compile(
    r"\b(MATCH|MERGE|RETURN|CALL|WITH|UNWIND|CREATE|COPY|LOAD|SET|WHERE|DROP|ALTER|EXPLAIN|LIMIT)\b"
)
SAFE_CALLS = {"quoted", "check_name", "int"}


def is_cypher(node: ast.AST) -> bool:
    """Whether a piece of text in the code is (part of) a query."""
    return any(
        isinstance(part, ast.Constant) and isinstance(part.value, str) and CYPHER.search(part.value)
        for part in ast.walk(node)
    )


def is_safe(node: ast.expr) -> bool:
    """What may be put into a query: quoted names, and pieces that end in `_cypher`."""
    if isinstance(node, ast.Name):
        return node.id.endswith("_cypher")
    if isinstance(node, ast.Attribute):
        return node.attr.endswith("_cypher")
    if isinstance(node, ast.Call):
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        return name in SAFE_CALLS or name.endswith("_cypher")
    return False


def unsafe_pieces(tree: ast.AST) -> list[str]:
    """Pieces of queries made of anything else."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr) and is_cypher(node):
            values = [part.value for part in node.values if isinstance(part, ast.FormattedValue)]
            found += [ast.unparse(value) for value in values if not is_safe(value)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            found += [ast.unparse(node)] if is_cypher(node) else []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            made = node.func.attr in ("format", "replace", "format_map")
            found += [ast.unparse(node)] if made and is_cypher(node.func.value) else []
    return found


def unsafe_assignments(tree: ast.AST) -> list[str]:
    """`..._cypher` names that hold anything but pieces of queries."""

    def fine(value: ast.expr) -> bool:
        if isinstance(value, ast.Constant):
            return value.value in ("", None) or isinstance(value.value, str)
        if isinstance(value, ast.JoinedStr):
            parts = [part.value for part in value.values if isinstance(part, ast.FormattedValue)]
            return all(is_safe(part) or is_join(part) for part in parts)
        if isinstance(value, ast.IfExp):
            return fine(value.body) and fine(value.orelse)
        if isinstance(value, ast.Subscript):  # a part of a query
            return fine(value.value)
        return is_safe(value) or is_join(value) or ast.unparse(value).endswith("query.text")

    def is_join(value: ast.expr) -> bool:
        if not (isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)):
            return False
        if value.func.attr != "join" or not isinstance(value.func.value, ast.Constant):
            return False
        (given,) = value.args
        return not isinstance(given, ast.GeneratorExp) or fine(given.elt)

    found = []
    for node in ast.walk(tree):
        pairs: list[tuple[ast.expr, ast.expr]] = []
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs += zip(target.elts, node.value.elts, strict=True)
                else:
                    pairs.append((target, node.value))
        for target, value in pairs:
            if isinstance(target, ast.Name) and target.id.endswith("_cypher") and not fine(value):
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(FOLDER)))
def test_fault_065_no_query_is_built_by_formatting_values(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert unsafe_pieces(tree) == []
    assert unsafe_assignments(tree) == []


def test_modules_left_out_of_that_check_run_no_query() -> None:
    for path in FOLDER.rglob("*.py"):
        if path.name in RUN_NO_QUERY:
            assert not re.search(r"\.(run|execute|query)\(", path.read_text())


@pytest.mark.parametrize(
    "code",
    [
        'f"MATCH (n) WHERE n.id = {value} RETURN n"',
        'f"MATCH (n:{label}) RETURN n"',
        '"MATCH (n:%s) RETURN n" % label',
        '"MATCH (n:{}) RETURN n".format(label)',
        '"MATCH (n:X) RETURN n".replace("X", label)',
        '"MATCH (n:" + label + ") RETURN n"',
    ],
)
def test_the_check_for_formatted_values_finds_them(code: str) -> None:
    assert unsafe_pieces(ast.parse(code))


def test_the_check_for_formatted_values_follows_names() -> None:
    assert unsafe_assignments(ast.parse("where_cypher = f'n.id = {value}'"))
    assert unsafe_assignments(ast.parse("where_cypher = value"))
    assert not unsafe_assignments(ast.parse("where_cypher = f'n.{quoted(name)} = row[0]'"))


@given(st.text(max_size=30))
def test_fault_064_a_name_is_quoted_or_refused(name: str) -> None:
    try:
        text = quoted(name)
    except ConfigError:
        return
    assert text[0] == text[-1] == "`"
    assert text[1:-1].replace("``", "").count("`") == 0, "no backtick ends the name early"
    assert text[1:-1].replace("``", "`") == name
    assert "\\" not in text


@pytest.mark.parametrize("name", ["", "a\\u0060b", "a\nb", "a\x00b", "x" * 2_000])
def test_fault_064_a_name_that_no_database_can_hold_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        quoted(name)


@pytest.mark.parametrize("name", ["a`b", "a'b", 'a"b', "a) DETACH DELETE (n", "`", "``", "\u65e5"])
def test_fault_064_ladybug_takes_a_quoted_name_as_it_is(name: str) -> None:
    with ladybug.Database(":memory:") as db, ladybug.Connection(db) as connection:
        assert connection.execute(f"RETURN 1 AS {quoted(name)}").get_column_names() == [name]


def test_code_of_a_query_has_no_texts_and_comments() -> None:
    text = "MATCH (n:`$a`) // $b\nWHERE n.x = '$c\\'' AND n.y = \"$d\" /* $e\n */ RETURN $f AS id"
    assert "$f" in code_of(text)
    assert not any(f"${letter}" in code_of(text) for letter in "abcde")


def test_only_parameters_in_use_are_passed_and_unknown_ones_are_named() -> None:
    query = Query("user", "MATCH (n) WHERE n.x = $least AND n.y <> '$other' RETURN n.id AS id")
    assert used_parameters(query, {"least": 1, "other": 2}) == {"least": 1}
    with pytest.raises(UnknownName, match="did you mean 'last'"):
        used_parameters(query, {"last": 1})
    assert not uses_parts(query)
    assert uses_parts(Query("user", "MATCH (n) WHERE id(n) % $parts = $part RETURN n.id AS id"))


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("MATCH (n) RETURN elementId(n) AS id", ["id"]),
        ("MATCH (n) RETURN ID ( n ) as id", ["id"]),
        ("MATCH (n) RETURN n.id AS id", []),
        ("MATCH (n) RETURN 'elementId(n) AS id' AS id", []),
        ("MATCH (n) RETURN n.id AS id, elementId(n) AS src", []),
    ],
)
def test_fault_074_internal_ids_as_keys_are_seen_in_the_query(
    text: str, columns: list[str]
) -> None:
    assert internal_keys(Query("user", text)) == columns


def test_fault_074_internal_ids_are_seen_in_the_values() -> None:
    assert looks_internal(["4:63f1b1a6-5c8e-4b1d-9d6f-0a1b2c3d4e5f:17"])
    assert not looks_internal(["4:17", "u1"])
    assert not looks_internal([])
    assert not looks_internal([1, 2])


def test_parallel_edges_are_numbered_from_nought() -> None:
    to = EdgeType("a", "to", "a")
    graph = HeteroGraph.from_tables(
        {"a": {"id": [1, 2, 3]}},
        {to: {"src": [1, 1, 2, 1, 3, 3, 3], "dst": [2, 2, 2, 1, 3, 3, 3]}},
    )
    src, dst = graph[to].sources(), graph[to].neighbors
    seen: dict[tuple[int, int], int] = {}
    expected = []
    for pair in zip(src.tolist(), dst.tolist(), strict=True):
        expected.append(seen.get(pair, 0))
        seen[pair] = expected[-1] + 1
    assert pair_numbers(graph[to]).tolist() == expected
    assert pair_numbers(graph[to]).dtype == np.int64


def test_an_edge_column_may_not_take_the_name_that_tells_parallel_edges_apart() -> None:
    to = EdgeType("a", "to", "a")
    graph = HeteroGraph.from_tables({"a": {"id": [1]}}, {to: {"src": [1], "dst": [1], "_n": [1]}})
    with pytest.raises(ConfigError, match="_n"):
        read_back(graph, {"a": "a"}, {to: "to"})


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("MATCH (n:A) RETURN n.id AS id", "MATCH (n:A) RETURN count(*) AS `c`"),
        ("LOAD FROM 'RETURN' return id", "LOAD FROM 'RETURN' RETURN count(*) AS `c`"),
        (
            "MATCH (n) RETURN DISTINCT n.id AS id // RETURN",
            "MATCH (n) WITH DISTINCT n.id AS id // RETURN\nRETURN count(*) AS `c`",
        ),
        (
            "MATCH (n)-->(m) RETURN n.id AS id, count(m) AS seen",
            "MATCH (n)-->(m) WITH n.id AS id, count(m) AS seen\nRETURN count(*) AS `c`",
        ),
        ("RETURN 1 AS id UNION RETURN 2 AS id", None),
        ("CALL something() YIELD id", None),
    ],
)
def test_a_query_is_turned_into_one_that_counts_its_rows(text: str, counts: str | None) -> None:
    assert counting_cypher(Query("user", text), "c") == counts


def test_a_query_with_a_limit_of_its_own_is_not_cut_shorter() -> None:
    assert sampling_cypher(Query("user", "RETURN 1 AS id"), 9) == "RETURN 1 AS id\nLIMIT 9"
    assert sampling_cypher(Query("user", "RETURN 1 AS id LIMIT 2"), 9) is None
