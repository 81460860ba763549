"""What a `LOAD FROM` of a CSV file can get wrong without a word, and the check for each.

Ladybug takes the first line as data unless `(HEADER=true)` says otherwise, names columns by
position, guesses types from the first rows (a later `007` becomes 7), and takes a field whose
quote is never closed as it stands.
"""

from __future__ import annotations

import csv
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from graphemb.errors import SourceError
from graphemb.source import Query

_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_GROUP = r"\(((?:[^()]|\([^()]*\))*)\)"
_LOAD = re.compile(
    rf"\bLOAD\s+(?:WITH\s+HEADERS\s*{_GROUP}\s*)?FROM\s+"
    rf"('[^']*'|\"[^\"]*\"|\[[^\]]*\]|[A-Za-z_][A-Za-z0-9_]*)(?:\s*{_GROUP})?",
    re.IGNORECASE,
)
_HEADER = re.compile(r"\bHEADER\b(?:\s*=\s*(\w+))?", re.IGNORECASE)
_DELIMITER = re.compile(r"\bDELIM(?:ITER)?\s*=\s*['\"](.+?)['\"]", re.IGNORECASE)
_DECLARED = re.compile(r"\s*(`(?:``|[^`])*`|[^\s`]+)")
_SUFFIXES = (".csv", ".tsv")
_CHUNK = 1 << 24


@dataclass(frozen=True)
class Scan:
    """One `LOAD FROM` over CSV files.

    Attributes:
        paths: the files.
        columns: the names declared by `WITH HEADERS`; None: not declared, types are guessed.
        header: whether the first line is said to hold the names.
        delimiter: between fields.
    """

    paths: tuple[Path, ...]
    columns: tuple[str, ...] | None
    header: bool
    delimiter: str


def scans(query: Query, root: Path) -> list[Scan]:
    """The CSV files that a query loads.

    Raises:
        SourceError: a file name without quotes.
    """
    found = []
    for headers, files, options in _LOAD.findall(_COMMENT.sub("", query.text)):
        if files[0] not in "'\"[":
            raise SourceError(
                "a file name stands in quotes", source=query.name, value=files, hint="FROM 'x.csv'"
            )
        names = re.findall(r"'([^']*)'|\"([^\"]*)\"", files)
        paths = [path for pair in names for path in _matching(root, "".join(pair))]
        paths = [path for path in paths if path.suffix.lower() in _SUFFIXES]
        if paths:
            said = _HEADER.search(options)
            delimiter = _DELIMITER.search(options)
            found.append(
                Scan(
                    tuple(paths),
                    tuple(_declared(headers)) if headers else None,
                    bool(said) and (said.group(1) or "true").lower() == "true" if said else False,
                    delimiter.group(1) if delimiter else ",",
                )
            )
    return found


def _matching(root: Path, name: str) -> Iterator[Path]:
    if any(sign in name for sign in "*?["):
        absolute = Path(name).is_absolute()
        yield from sorted((Path("/") if absolute else root).glob(name.lstrip("/")))
    elif (root / name).is_file():
        yield root / name


def _declared(headers: str) -> Iterator[str]:
    depth, start = 0, 0
    for place, letter in enumerate(headers + ","):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            match = _DECLARED.match(headers[start:place])
            if match:
                yield match.group(1).strip("`").replace("``", "`")
            start = place + 1


def check_file(query: Query, scan: Scan, path: Path) -> None:
    """Refuse a header read as data, columns declared in another order, a quote never closed.

    Raises:
        SourceError: with the hint that mends it.
    """
    if scan.columns is not None:
        first = _first_line(path, scan.delimiter)
        declared = [name.lower() for name in scan.columns]
        if not scan.header and first == declared:
            raise header_as_data(query, str(path.name), first)
        if scan.header and first != declared and sorted(first) == sorted(declared):
            raise SourceError(
                "WITH HEADERS names columns by position, and the file has them in another order",
                code="column_order",
                source=query.name,
                value=", ".join(scan.columns),
                hint=f"the file's order: {', '.join(first)}",
            )
    line = _open_quote(path, scan.delimiter)
    if line is not None:
        raise SourceError(
            f"a quote is opened on line {line} of {path.name} and never closed",
            code="open_quote",
            source=query.name,
            row=line - 1,
        )


def header_as_data(query: Query, where: str, found: list[str]) -> SourceError:
    """The error for a first row that is the header."""
    return SourceError(
        f"the first row of {where} is its header, read as data",
        code="header_as_data",
        source=query.name,
        row=0,
        value=", ".join(found),
        hint="write (HEADER=true) after the file name",
    )


def refuse_header_row(query: Query, table: pa.Table) -> None:
    """Refuse an answer whose first row holds the names of its columns.

    Raises:
        SourceError: with the hint that mends it.
    """
    if not table.num_rows:
        return
    first = [str(table[place][0].as_py()) for place in range(table.num_columns)]
    if [text.lower() for text in first] == [name.lower() for name in table.column_names]:
        raise header_as_data(query, "the answer", first)


def refuse_guessed_keys(query: Query, table: pa.Table, found: list[Scan]) -> None:
    """Refuse ids whose type was guessed from the first rows of a CSV file.

    Raises:
        SourceError: with the clause that declares the columns.
    """
    guessed = [scan for scan in found if scan.columns is None]
    for name in query.keys:
        kind = table.schema.field(name).type
        if not guessed or pa.types.is_string(kind) or pa.types.is_large_string(kind):
            continue
        columns = _first_line(guessed[0].paths[0], guessed[0].delimiter)
        clause = ", ".join(f"{column} STRING" for column in columns)
        raise SourceError(
            f"the type of this column, {kind}, is a guess from the first rows of a CSV file; "
            "an id 007 further down would become 7",
            code="guessed_id",
            source=query.name,
            field=name,
            hint=f"declare the columns: LOAD WITH HEADERS ({clause}) FROM ... (HEADER=true)",
        )


def utf8_error(query: Query, found: list[Scan]) -> SourceError | None:
    """Where the first file that is not UTF-8 breaks off; None: all are."""
    for path in (path for scan in found for path in scan.paths):
        offset = 0
        with path.open("rb") as file:
            for line in file:
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError as error:
                    return SourceError(
                        f"{path.name} is not UTF-8 at byte {offset + error.start}",
                        code="utf8",
                        source=query.name,
                        value=line[max(error.start - 20, 0) : error.start + 20],
                    )
                offset += len(line)
    return None


def _first_line(path: Path, delimiter: str) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        row = next(csv.reader(file, delimiter=delimiter[:1]), [])
    return [field.strip().lower() for field in row]


def _open_quote(path: Path, delimiter: str) -> int | None:
    """The line, counted from 1, of a quote that opens the file's last quoted field for good."""
    if not path.stat().st_size:
        return None
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        last = data.rfind(b'"')
        if last < 0:
            return None
        begin = data.rfind(b"\n", 0, last) + 1
        before = data[begin:last]
        starts_field = not before or before.endswith(delimiter.encode())
        if not starts_field or before.count(b'"') % 2 or _quotes(data) % 2 == 0:
            return None
        return data[:begin].count(b"\n") + 1


def _quotes(data: mmap.mmap) -> int:
    return sum(data[at : at + _CHUNK].count(b'"') for at in range(0, len(data), _CHUNK))
