"""Reading by Cypher from a Ladybug database, or through an empty one from CSV and Parquet files.

`ladybug:shop.lbug` is a database file, opened read-only to read. `ladybug::memory:` is an empty
database whose queries are `LOAD FROM 'orders.parquet' RETURN ...` over files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from graphemb.errors import ConfigError, GraphEmbError, MemoryLimit, MissingDependency, SourceError
from graphemb.graph import HeteroGraph
from graphemb.source import Answer, AnswerSize, GraphSpec, Parameter, Query, Report, Source
from graphemb_loaders.cypher import (
    code_of,
    counting_cypher,
    read_back,
    sampling_cypher,
    used_parameters,
)
from graphemb_loaders.ladybug import csv_files
from graphemb_loaders.ladybug.write import table_names, write_tables

MEMORY = ":memory:"

_READS = ("MATCH", "OPTIONAL", "LOAD", "UNWIND", "WITH", "RETURN", "CALL")
_ONE_STATEMENT = {"graphemb_one_statement": True}
_MESSAGE = 400
_COUNT = "graphemb_count"
_SAMPLE_ROWS = 1_000
_BUFFERS = 45_000_000
"""What the engine itself takes, and then its own form of a result for each byte of it; measured."""
_WORK_SHARE = 1.7


class LadybugLoader:
    """Reads and writes Ladybug databases; see `graphemb.source.Loader`."""

    def __init__(self, source: Source, root: Path) -> None:
        name = source.uri.partition(":")[2]
        if not name:
            raise ConfigError(
                "this address names no database",
                field="uri",
                value=source.uri,
                hint="ladybug:shop.lbug, or ladybug::memory: for queries over files",
            )
        self._source = source
        self._root = root
        self._path = None if name == MEMORY else root / name

    def read(
        self, queries: Sequence[Query], parameters: Mapping[str, Parameter], report: Report
    ) -> list[Answer]:
        """The answers as Arrow tables.

        Raises:
            SourceError: a database that is locked, damaged or of another version; a query that
                writes, fails, or reads a file other than it means to.
            MemoryLimit: a result larger than `memory_limit`.
        """
        for query in queries:
            _check_reads(query)
            for scan in csv_files.scans(query, self._root):
                for path in scan.paths:
                    csv_files.check_file(query, scan, path)
        before = self._signature()
        with self._connected(read_only=True) as connection:
            answers = [self._answer(connection, query, parameters, report) for query in queries]
        if self._signature() != before:
            raise SourceError(
                "the database was changed while it was read", code="changed", source=self._path
            )
        return answers

    def sizes(
        self, queries: Sequence[Query], parameters: Mapping[str, Parameter]
    ) -> list[AnswerSize | None]:
        """The size of every answer; Parquet files and plain matches are counted at once.

        Raises:
            SourceError: a query that writes or fails.
        """
        for query in queries:
            _check_reads(query)
        with self._connected(read_only=True) as connection:
            return [self._size(connection, query, parameters) for query in queries]

    def write(self, graph: HeteroGraph, report: Report) -> None:
        """Write all nodes and edges in one transaction.

        Raises:
            ConfigError: the database would be gone at once, or cannot hold a column.
            SourceError: the database is locked or damaged, or holds other columns.
        """
        if self._path is None:
            raise ConfigError(
                "a database in memory is gone when the writing ends",
                field="uri",
                value=self._source.uri,
                hint="ladybug:shop.lbug",
            )
        where = f"writing {self._path.name}"
        with (
            self._connected(read_only=False) as connection,
            _explained(where, self._root),
        ):
            write_tables(connection, graph, report)

    def spec_of(self, graph: HeteroGraph) -> GraphSpec:
        """The queries that read back what `write` wrote."""
        return read_back(graph, *table_names(graph))

    def close(self) -> None:
        """Nothing stays open between calls."""

    def _answer(
        self,
        connection: Any,
        query: Query,
        parameters: Mapping[str, Parameter],
        report: Report,
    ) -> Answer:
        used = used_parameters(query, {**parameters, "part": 0, "parts": 1})  # all in one part
        found = csv_files.scans(query, self._root)
        report(query.name, 0, None)
        try:
            with _explained(query.name, self._root):
                result = connection.execute(query.text, used | _ONE_STATEMENT)
                query.check_columns(result.get_column_names())
                rows = result.get_num_tuples()
                if rows > self._source.max_rows:
                    raise MemoryLimit(
                        f"{rows:,} rows, more than max_rows allows",
                        source=query.name,
                        value=self._source.max_rows,
                    )
                table = result.get_as_arrow()
        except UnicodeDecodeError as error:
            raise (
                csv_files.utf8_error(query, found)
                or SourceError("text that is not UTF-8", code="utf8", source=query.name)
            ) from error
        csv_files.refuse_header_row(query, table)
        csv_files.refuse_guessed_keys(query, table, found)
        report(query.name, table.num_rows, table.num_rows)
        return Answer(_plain(table))

    def _size(
        self, connection: Any, query: Query, parameters: Mapping[str, Parameter]
    ) -> AnswerSize | None:
        count_cypher = counting_cypher(query, _COUNT)
        sample_cypher = sampling_cypher(query, _SAMPLE_ROWS) or query.text
        if count_cypher is None:
            return None
        used = used_parameters(query, {**parameters, "part": 0, "parts": 1}) | _ONE_STATEMENT
        with _explained(query.name, self._root):
            rows = int(connection.execute(count_cypher, used).get_next()[0])
            sample = connection.execute(sample_cypher, used).get_as_arrow()
        size = rows * sample.nbytes // max(sample.num_rows, 1)
        return AnswerSize(rows, size, _BUFFERS + round(_WORK_SHARE * size))

    @contextmanager
    def _connected(self, *, read_only: bool) -> Iterator[Any]:
        try:
            import ladybug
        except ImportError as error:
            raise MissingDependency("ladybug", "reading ladybug: addresses") from error
        if self._path is not None and read_only and not self._path.exists():
            raise SourceError("there is no such database", code="missing_file", source=self._path)
        if self._path is not None and self._path.is_file() and not self._path.stat().st_size:
            raise SourceError("the database file is empty", code="damaged", source=self._path)
        with _explained(str(self._path or MEMORY), self._root):
            database = ladybug.Database(
                str(self._path) if self._path else MEMORY,
                read_only=read_only and self._path is not None,
                buffer_pool_size=self._source.memory_limit or 0,
            )
        with database, ladybug.Connection(database) as connection:
            root_cypher = _text_cypher(str(self._root.resolve()))
            connection.execute(f"CALL file_search_path={root_cypher}")
            yield connection

    def _signature(self) -> list[tuple[int, int] | None]:
        """Sizes and times of the database's files: they stay while nobody writes."""
        if self._path is None:
            return []
        files = [self._path, self._path.with_name(self._path.name + ".wal")]
        stats = [file.stat() if file.exists() else None for file in files]
        return [stat and (stat.st_size, stat.st_mtime_ns) for stat in stats]


def _text_cypher(text: str) -> str:
    """A text in quotes: for settings, which take no parameters."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _check_reads(query: Query) -> None:
    words = code_of(query.text).split(None, 1)
    if not words or words[0].upper() not in _READS:
        raise SourceError(
            "a query of a spec may only read",
            code="write_refused",
            source=query.name,
            value=words[0] if words else query.text,
            hint=f"it starts with one of {', '.join(_READS)}",
        )


@contextmanager
def _explained(where: str, root: Path) -> Iterator[None]:
    """Ladybug tells everything as a RuntimeError: sort it by what it says."""
    try:
        yield
    except GraphEmbError:
        raise
    except UnicodeDecodeError:
        raise
    except (RuntimeError, pa.ArrowException) as error:
        raise _as_error(str(error), where, root) from error


_KINDS = (
    ("Could not set lock", "locked", "another process has it open for writing: close it there"),
    ("different version", "version", "made by another version of ladybug: use that one to export"),
    ("not a valid Lbug database", "not_a_database", "is this the right file?"),
    ("orrupted", "damaged", "restore it from a copy, or write the graph again"),
    ("Reading past the end", "damaged", "its log is cut short; restore it from a copy"),
    ("Cannot read checkpoint", "damaged", "cut short, or being written at this moment"),
    ("Cannot execute write operations", "write_refused", "a query of a spec may only read"),
    ("do not support prepare multiple", "write_refused", "one query, without a semicolon inside"),
    ("No file found", "missing_file", None),
)


def _as_error(text: str, where: str, root: Path) -> GraphEmbError:
    message = text.strip()[:_MESSAGE]
    if "buffer pool is full" in text:
        return MemoryLimit(
            "the answer needs more memory than the database may use",
            source=where,
            hint="return fewer rows or columns, or raise memory_limit",
        )
    for sign, code, hint in _KINDS:
        if sign in text:
            start = f"relative names start at {root.resolve()}" if code == "missing_file" else hint
            return SourceError(message, code=code, source=where, hint=start)
    line = re.search(r"on line (\d+)", text)
    return SourceError(
        message,
        code="query_failed",
        source=where,
        row=int(line.group(1)) - 1 if line else None,
        hint="(PARALLEL=FALSE) after the file name allows line breaks in quotes"
        if "Quoted newlines" in text
        else None,
    )


def _plain(table: pa.Table) -> pa.Table:
    """UUIDs as the text they are written in; all else as it came."""
    for place, column in enumerate(table.schema):
        if isinstance(column.type, pa.BaseExtensionType):
            texts = pa.array(
                [None if one is None else str(one) for one in table[place].to_pylist()], pa.string()
            )
            table = table.set_column(place, column.name, texts)
    return table
