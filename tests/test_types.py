"""Edge types and metapaths: written, read, reversed, refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphemb.errors import ConfigError
from graphemb.types import EdgeType, check_metapath

BUYS = EdgeType("user", "buys", "product")
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)


@given(names, names, names, st.booleans())
def test_an_edge_type_survives_being_written_and_read(src, relation, dst, reverse):
    edge_type = EdgeType(src, relation, dst)
    edge_type = edge_type.reverse if reverse else edge_type
    assert EdgeType.parse(str(edge_type)) == edge_type


@given(names, names, names)
def test_reversing_twice_changes_nothing_and_stored_is_the_given_direction(src, relation, dst):
    edge_type = EdgeType(src, relation, dst)
    assert edge_type.reverse.reverse == edge_type
    assert edge_type.reverse.stored == edge_type == edge_type.stored
    assert (edge_type.reverse.src, edge_type.reverse.dst) == (dst, src)


def test_an_edge_type_is_a_tuple_of_three():
    assert BUYS == ("user", "buys", "product")
    assert str(BUYS.reverse) == "product-~buys-user"


@pytest.mark.parametrize("bad", ["a`b", "a b", "", "1a", "a-b", "a'b", "\\u0060", "ü", None, 3])
def test_fault_064_names_that_could_break_a_query_are_refused(bad):
    with pytest.raises(ConfigError):
        EdgeType(bad, "buys", "product")
    with pytest.raises(ConfigError):
        EdgeType("user", bad, "product")


@pytest.mark.parametrize("text", ["user-buys", "user-buys-product-x", "", "user--product"])
def test_text_that_is_no_edge_type_is_refused(text):
    with pytest.raises(ConfigError):
        EdgeType.parse(text)


def test_a_metapath_must_join_end_to_start():
    assert check_metapath([BUYS, BUYS.reverse]) == (BUYS, BUYS.reverse)
    with pytest.raises(ConfigError, match=r"hop 2 starts at 'user'.*ends at 'product'"):
        check_metapath([BUYS, BUYS])
    with pytest.raises(ConfigError):
        check_metapath([])


def test_pydantic_reads_edge_types_from_text():
    from pydantic import TypeAdapter

    read = TypeAdapter(dict[EdgeType, float]).validate_python({"user-buys-product": 2.0})
    assert read == {BUYS: 2.0}
    assert isinstance(next(iter(read)), EdgeType)
