"""What a loader is, and how one is found: by the scheme of the address."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Literal, Protocol, TypeAlias, cast

import pyarrow as pa

from graphemb.checks import check_choice, check_int
from graphemb.errors import ConfigError, UnknownName
from graphemb.graph import HeteroGraph
from graphemb.source.spec import GraphSpec, Parameter, Query

GROUP = "graphemb.loaders"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9]*)(\+[A-Za-z0-9]+)?:")


@dataclass(frozen=True)
class Source:
    """Where a graph comes from or goes to. A plain address is enough wherever this is taken.

    Attributes:
        uri: `ladybug:shop.lbug`, `ladybug::memory:`, `neo4j://host:7687/database`, ...; the
            scheme names the loader. Names and passwords in it are refused.
        username_env, password_env: names of the environment variables that hold the login. The
            values are read when the connection is made and kept nowhere.
        internal_ids: refuse the database's own element ids as keys (they change when data is
            copied), or allow them; allowing is noted in the graph.
        max_rows: refuse a query with more rows than this.
        memory_limit: bytes an embedded database may use; None: its own default.

    Raises:
        ConfigError: no scheme, a login in the address, a value out of range.
    """

    uri: str
    username_env: str = "NEO4J_USERNAME"
    password_env: str = "NEO4J_PASSWORD"
    internal_ids: Literal["refuse", "allow"] = "refuse"
    max_rows: int = 2**40
    memory_limit: int | None = None

    def __post_init__(self) -> None:
        if "@" in self.uri.partition("://")[2].partition("/")[0]:
            raise ConfigError(
                "an address holds no user name or password",
                code="credentials_in_uri",
                field="uri",
                hint=f"set {self.username_env} and {self.password_env} in the environment",
            )
        if not _SCHEME.match(self.uri):
            raise ConfigError(
                "an address starts with the name of a loader",
                code="bad_uri",
                field="uri",
                value=self.uri,
                hint="for example ladybug:shop.lbug or neo4j://localhost:7687",
            )
        check_choice("internal_ids", self.internal_ids, ("refuse", "allow"))
        check_int("max_rows", self.max_rows, low=1)
        if self.memory_limit is not None:
            check_int("memory_limit", self.memory_limit, low=1)

    @property
    def scheme(self) -> str:
        """The name of the loader: `neo4j` for `neo4j+s://...` too."""
        match = _SCHEME.match(self.uri)
        return match.group(1).lower() if match else ""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a query returned.

    Attributes:
        table: Arrow table, columns as the query named them.
        notes: what the user should know of how it was read.
    """

    table: pa.Table
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadEvent:
    """Progress of one query, or of writing one node or edge type.

    Attributes:
        query: `nodes.user`, `edges.user-buys-product`.
        rows: read or written so far.
        total: rows there are, where that is known.
        rows_per_second: since the query began.
    """

    query: str
    rows: int
    total: int | None
    rows_per_second: float


OnLoad: TypeAlias = Callable[[LoadEvent], None]
Report: TypeAlias = Callable[[str, int, "int | None"], None]
"""What a loader calls from any thread: query name, rows so far, rows in all if known."""


class Loader(Protocol):
    """Reads and writes one kind of database. Checked by `graphemb.testing.check_loader`.

    Declared under the entry points `graphemb.loaders` by the scheme of its addresses, and called
    as `loader(source, root)`; `root` is the folder that relative file names start at.
    """

    def __init__(self, source: Source, root: Path) -> None: ...

    def read(
        self, queries: Sequence[Query], parameters: Mapping[str, Parameter], report: Report
    ) -> list[Answer]:
        """The whole answer of every query, in their order; each query may only read."""

    def write(self, graph: HeteroGraph, report: Report) -> None:
        """Write all nodes and edges; written again, the same graph changes nothing."""

    def spec_of(self, graph: HeteroGraph) -> GraphSpec:
        """The queries that read back what `write` wrote."""

    def close(self) -> None:
        """Let go of connections and files."""


def loaders() -> list[str]:
    """The schemes for which a loader is installed."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def open_loader(source: str | Source, root: str | Path = ".") -> Loader:
    """The loader for an address, not yet connected.

    Raises:
        UnknownName: no loader is installed for the scheme.
        ConfigError: an address that cannot be.
    """
    given = Source(source) if isinstance(source, str) else source
    for point in entry_points(group=GROUP):
        if point.name == given.scheme:
            return cast(Loader, point.load()(given, Path(root)))
    raise UnknownName("loader", given.scheme, loaders(), source="uri")
