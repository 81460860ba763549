"""A table of the TOML file -> the dataclass it stands for, with every complaint at its line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from datetime import date, datetime, time
from typing import Any, TypeVar

from graphemb.errors import ConfigError, UnknownName, shown
from graphemb.pipeline.toml_lines import KeyPath, TomlFile

T = TypeVar("T")


def sub_table(file: TomlFile, key: KeyPath, value: object) -> dict[str, object]:
    """`value` as a table.

    Raises:
        ConfigError: it is not one.
    """
    if not isinstance(value, dict):
        name = ".".join(map(str, key))
        raise ConfigError(
            f"{name} must be a table",
            code="wrong_type",
            source=file.at(key),
            value=value,
            hint=f"write [{name}] and its fields below",
        )
    return value


def sub_tables(file: TomlFile, key: KeyPath, value: object) -> list[dict[str, object]]:
    """`value` as an array of tables (`[[name]]`).

    Raises:
        ConfigError: it is not one.
    """
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        name = ".".join(map(str, key))
        raise ConfigError(
            f"{name} must be an array of tables",
            code="wrong_type",
            source=file.at(key),
            value=value,
            hint=f"write [[{name}]], once for each",
        )
    return value


def check_keys(
    file: TomlFile, key: KeyPath, values: Mapping[str, object], known: Iterable[str]
) -> None:
    """Refuse a key that no field bears.

    Raises:
        UnknownName: at the key's line, the nearest valid key first.
    """
    choices = list(known)
    for name in values:
        if name not in choices:
            what = f"key in [{'.'.join(map(str, key))}]" if key else "table or key"
            raise UnknownName(what, name, choices, source=file.at((*key, name)))


def read_table(file: TomlFile, key: KeyPath, values: Mapping[str, object], kind: type[T]) -> T:
    """Make a `kind`, a dataclass, from a table of the same field names.

    Types are strict: a number written as text is refused, an integer is a good float.

    Raises:
        UnknownName: a key that is no field.
        ConfigError: a field is missing, of the wrong type, or out of its range.
    """
    from pydantic import TypeAdapter, ValidationError

    known = [field for field in fields(kind) if field.init]  # type: ignore[arg-type]
    check_keys(file, key, values, [field.name for field in known])
    for field in known:
        optional = field.default is not MISSING or field.default_factory is not MISSING
        if not optional and field.name not in values:
            raise ConfigError(
                f"[{'.'.join(map(str, key))}] lacks {field.name!r}",
                code="missing_key",
                source=file.at(key),
                field=field.name,
            )
    with placed(file, key):
        try:
            text = json.dumps(values, default=_as_text)
            return TypeAdapter(kind).validate_json(text, strict=True)
        except ValidationError as error:
            raise _wrong(file, key, error.errors()[0]) from None


def _as_text(value: object) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    raise TypeError(f"not a TOML value: {value!r}")


def _wrong(file: TomlFile, key: KeyPath, found: Mapping[str, object]) -> ConfigError:
    """pydantic's first complaint as ours."""
    where = found["loc"]
    place = (*key, *where) if isinstance(where, tuple) else key
    written = [str(part) for part in place[len(key) :]]
    return ConfigError(
        str(found["msg"]).replace("Input should be", "must be"),
        code="wrong_type",
        source=file.at(place),
        field=written[0] if written else None,
        value=found["input"],
    )


@contextmanager
def placed(file: TomlFile, key: KeyPath) -> Iterator[None]:
    """Add the file and line to a `ConfigError` raised inside: of its field, or of its value."""
    try:
        yield
    except ConfigError as error:
        for name in (error.source, error.field):
            inner = (*key, *re.split(r"[.[]", name or "", maxsplit=1))
            if any(inner[:length] in file.lines for length in range(len(key) + 1, len(inner) + 1)):
                error.source = file.at(inner)
                break
        else:
            error.source = error.source or file.at(_holder(file, key, error.value) or key)
        raise


def _holder(file: TomlFile, key: KeyPath, value: str | None) -> KeyPath | None:
    """The path below `key` to the value that an error shows, also as a list joined by blanks."""
    for path, found in _leaves(file.values):
        if path[: len(key)] != key:
            continue
        words = isinstance(found, list) and all(isinstance(word, str) for word in found)
        if shown(found) == value or (words and shown(" ".join(found)) == value):
            return path
    return None


def _leaves(value: Any, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value of a table at any depth, with its path."""
    yield path, value
    pairs: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        pairs = value.items()
    elif isinstance(value, list):
        pairs = enumerate(value)
    for name, item in pairs:
        yield from _leaves(item, (*path, name))
