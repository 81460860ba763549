"""How large the answers of a spec will be, found out before they are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from graphemb.source.loader import Source, open_loader
from graphemb.source.spec import GraphSpec, Parameter, Query
from graphemb.types import EdgeType, NodeType


@dataclass(frozen=True)
class AnswerSize:
    """How large an answer will be, about.

    Attributes:
        rows: as counted.
        bytes: of its Arrow table, by its first rows.
        work: bytes that reading takes beside the table while it is read.
    """

    rows: int
    bytes: int
    work: int


@runtime_checkable
class SizingLoader(Protocol):
    """A loader that can count before it reads; not every loader must."""

    def sizes(
        self, queries: Sequence[Query], parameters: Mapping[str, Parameter]
    ) -> list[AnswerSize | None]:
        """The size of every query's answer; None where it cannot be counted."""


def answer_sizes(
    source: str | Source, spec: GraphSpec, *, root: str | Path = "."
) -> dict[NodeType | EdgeType, AnswerSize] | None:
    """The size of every answer, or None when one of them cannot be counted.

    Args:
        root: as for `load_graph`.

    Raises:
        SourceError: a query that fails.
        ConnectionFailed: the server cannot be reached.
    """
    with closing(open_loader(source, root)) as loader:
        if not isinstance(loader, SizingLoader):
            return None
        found = loader.sizes(spec.queries, spec.parameters)
    pairs = zip(spec.queries, found, strict=True)
    sizes = {query.target: size for query, size in pairs if size is not None}
    return sizes if len(sizes) == len(found) else None
