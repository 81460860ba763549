"""The words of the engine: node types, edge types, metapaths, and array aliases."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from graphemb.errors import ConfigError

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

NodeType: TypeAlias = str
NodeId: TypeAlias = str | int

FloatArray: TypeAlias = npt.NDArray[np.float32]
"""float32; a vector or a matrix, as the docstring beside it says."""
IntArray: TypeAlias = npt.NDArray[np.int64]
RowArray: TypeAlias = npt.NDArray[np.int32 | np.int64]
"""Dense row numbers: int32 where the graph allows, int64 otherwise."""
BoolArray: TypeAlias = npt.NDArray[np.bool_]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_REVERSE = "~"


def check_name(name: object, what: str) -> str:
    """Return `name` when it can name a node type or a relation.

    Raises:
        ConfigError: not a string of letters, digits and `_` that starts with no digit.
    """
    if not isinstance(name, str) or not _NAME.match(name):
        raise ConfigError(
            f"{what} must be letters, digits and '_', and not start with a digit",
            code="bad_name",
            value=name,
            hint="for example 'user', 'buys' or 'LOCATED_IN'",
        )
    return name


class _Triple(NamedTuple):
    src: str
    relation: str
    dst: str


class EdgeType(_Triple):
    """`(src, relation, dst)`: a relation and the node types at its ends.

    `BUYS.reverse` is the same edges walked from dst to src; its relation starts with `~`.
    As text: `user-buys-product`, and the reverse `product-~buys-user`.

    Raises:
        ConfigError: a part is not a valid name.
    """

    __slots__ = ()

    def __new__(cls, src: str, relation: str, dst: str) -> EdgeType:
        check_name(src, "source node type")
        check_name(dst, "target node type")
        bare = relation.removeprefix(_REVERSE) if isinstance(relation, str) else relation
        check_name(bare, "relation")
        return super().__new__(cls, src, relation, dst)

    @classmethod
    def parse(cls, text: str) -> EdgeType:
        """Read `user-buys-product`.

        Raises:
            ConfigError: not three names joined by `-`.
        """
        parts = text.split("-") if isinstance(text, str) else []
        if len(parts) != 3:
            raise ConfigError(
                "an edge type is written src-relation-dst",
                code="bad_edge_type",
                value=text,
                hint="for example 'user-buys-product', or 'product-~buys-user' for its reverse",
            )
        return cls(*parts)

    @property
    def is_reverse(self) -> bool:
        """Whether this walks a stored edge type from dst to src."""
        return self.relation.startswith(_REVERSE)

    @property
    def reverse(self) -> EdgeType:
        """The same edges, walked the other way."""
        relation = self.relation[1:] if self.is_reverse else _REVERSE + self.relation
        return EdgeType(self.dst, relation, self.src)

    @property
    def stored(self) -> EdgeType:
        """The direction in which the graph stores these edges."""
        return self.reverse if self.is_reverse else self

    def __str__(self) -> str:
        return f"{self.src}-{self.relation}-{self.dst}"

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from pydantic_core import core_schema

        def read(value: object) -> EdgeType:
            return value if isinstance(value, EdgeType) else cls.parse(value)  # type: ignore[arg-type]

        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.to_string_ser_schema()
        )


EdgeTypeWeights: TypeAlias = Mapping[EdgeType, float] | tuple[EdgeType, ...] | None
"""Edge types to use, with a weight each; a tuple means weight 1, None all edge types."""
Metapath: TypeAlias = tuple[EdgeType, ...]
"""Edge types, each starting where the one before it ends."""


def check_metapath(edge_types: Sequence[EdgeType]) -> Metapath:
    """Return the edge types as a metapath.

    Raises:
        ConfigError: empty, or a hop does not start at the node type where the last one ended.
    """
    if not edge_types:
        raise ConfigError("a metapath needs at least one edge type", code="bad_metapath")
    for number, (before, after) in enumerate(pairwise(edge_types), 2):
        if before.dst != after.src:
            raise ConfigError(
                f"metapath hop {number} starts at {after.src!r}, but hop {number - 1} "
                f"ends at {before.dst!r}",
                code="bad_metapath",
                value=" ".join(map(str, edge_types)),
                hint=f"use {after.reverse} to walk that edge type the other way",
            )
    return tuple(edge_types)
