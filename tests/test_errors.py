"""Errors teach: what, where, the value found, and what would be right."""

import inspect

import pytest

from graphemb import errors
from graphemb.errors import GraphEmbError, UnknownName, shown
from graphemb.types import EdgeType


def test_a_message_says_what_where_value_and_hint():
    error = GraphEmbError(
        "an id is empty", source="orders.csv", row=3, field="id", value="", hint="fill it"
    )
    assert (
        str(error) == "an id is empty (in orders.csv, row 3, field id): found ''\n  hint: fill it"
    )
    assert (error.source, error.row, error.field, error.value) == ("orders.csv", 3, "id", "''")


def test_a_value_is_escaped_and_cut_at_80_characters():
    assert shown("\x00\n\u202e<script>") == r"'\x00\n\u202e<script>'"
    assert len(shown("x" * 1000)) == 80


def test_an_unknown_name_lists_the_known_nearest_first():
    text = str(UnknownName("trainer", "nod2vec", ["SVD", "DeepWalk", "Node2Vec"]))
    assert "did you mean 'Node2Vec'? known: Node2Vec," in text


def test_an_unknown_edge_type_is_shown_as_it_is_written():
    error = UnknownName("edge type", EdgeType("user", "buy", "product"), ["user-buys-product"])
    assert error.value == "'user-buy-product'"


@pytest.mark.parametrize(
    "kind",
    [one for _, one in inspect.getmembers(errors, inspect.isclass) if issubclass(one, Exception)],
)
def test_the_tree_in_the_docstring_is_the_tree(kind):
    assert issubclass(kind, GraphEmbError)
    assert kind.__name__ in (errors.__doc__ or "")
