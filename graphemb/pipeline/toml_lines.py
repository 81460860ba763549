"""TOML with line numbers: what each key says, and on which line it says it.

`tomllib` gives values without positions. `read_toml` parses with it and then walks the same,
now known to be valid, text once more for the line of each key.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graphemb.errors import ConfigError

KeyPath = tuple[str | int, ...]
"""Keys and array positions from the top of the file to a value."""

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)\Z")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BLANK = re.compile(r"[ \t]*")
_BLANK_LINES = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}#\n]+")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'",
    re.DOTALL,
)


@dataclass(frozen=True)
class TomlFile:
    """A parsed TOML file: `path`, its `values`, and `lines`, the line of each key (from 1)."""

    path: Path
    values: Mapping[str, object]
    lines: Mapping[KeyPath, int]

    def at(self, key: KeyPath) -> str:
        """`file:line` of a key, or of the closest key around it."""
        while key and key not in self.lines:
            key = key[:-1]
        return f"{self.path}:{self.lines[key]}" if key else str(self.path)


def read_toml(path: Path) -> TomlFile:
    """Read a TOML file.

    Raises:
        ConfigError: the file is not there, not UTF-8, or not TOML (a doubled key included);
            `source` is `file:line`.
    """
    try:
        text = path.read_bytes().decode("utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot read the file: {error.strerror}", code="no_file", source=path
        ) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(
            f"not UTF-8 at byte {error.start}", code="bad_toml", source=f"{path}:{line}"
        ) from None
    text = text.replace("\r\n", "\n")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _bad_toml(path, text, error) from None
    return TomlFile(path, values, _Scanner(text).lines)


def _bad_toml(path: Path, text: str, error: tomllib.TOMLDecodeError) -> ConfigError:
    """The parser's complaint with its line, and for a doubled key both lines."""
    place = _PLACE.search(str(error))
    message = _PLACE.sub("", str(error))
    line = int(place[1]) if place and place[1] else text.count("\n") + 1
    doubled = message.startswith(("Cannot overwrite", "Cannot declare", "Duplicate"))
    if not doubled:
        return ConfigError(f"not TOML: {message}", code="bad_toml", source=f"{path}:{line}")
    while line > 1 and not text.splitlines()[line - 1].strip():
        line -= 1
    written = text.splitlines()[line - 1].strip()
    return ConfigError(
        "this key or table stands twice in the file",
        code="doubled_key",
        source=f"{path}:{line}",
        value=written,
        hint="keep one of the two",
    )


class _Scanner:
    """Walks valid TOML text and notes the line of every key in `lines`."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.lines: dict[KeyPath, int] = {}
        self._counts: dict[KeyPath, int] = {}
        table: KeyPath = ()
        while self._skip(_BLANK_LINES) < len(text):
            if text.startswith("[", self.place):
                table = self._header()
            else:
                self._pair(table)

    def _skip(self, pattern: re.Pattern[str]) -> int:
        match = pattern.match(self.text, self.place)
        if match:
            self.place = match.end()
        return self.place

    def _note(self, path: KeyPath) -> None:
        line = self.text.count("\n", 0, self.place) + 1
        self.lines.setdefault(path, line)

    def _header(self) -> KeyPath:
        """`[a.b]` or `[[a.b]]`: the path of the table it opens."""
        many = self.text.startswith("[[", self.place)
        start = self.place
        self.place += 1 + many
        names = self._key()
        self.place += 1 + many
        path: KeyPath = ()
        for name in names[:-1]:
            path = self._newest((*path, name))
        path = (*path, names[-1])
        if many:
            self._counts[path] = self._counts.get(path, -1) + 1
        path = self._newest(path)
        end, self.place = self.place, start
        for length in range(1, len(path) + 1):
            self._note(path[:length])
        self.place = end
        return path

    def _newest(self, path: KeyPath) -> KeyPath:
        """The path itself, or its newest element when it is an array of tables."""
        return (*path, self._counts[path]) if path in self._counts else path

    def _key(self) -> list[str]:
        """A dotted key; leaves the place behind it and behind blanks."""
        names = []
        while True:
            self._skip(_BLANK)
            match = _STRING.match(self.text, self.place) or _BARE.match(self.text, self.place)
            if match is None:  # the text has been parsed before: cannot happen
                raise AssertionError(f"no key at offset {self.place}")
            self.place = match.end()
            quoted = match[0][0] in "\"'"
            names.append(_unquote(match[0]) if quoted else match[0])
            self._skip(_BLANK)
            if not self.text.startswith(".", self.place):
                return names
            self.place += 1

    def _pair(self, table: KeyPath) -> None:
        start = self.place
        names = self._key()
        end, self.place = self.place, start
        for length in range(1, len(names) + 1):
            self._note((*table, *names[:length]))
        self.place = end + 1
        self._value((*table, *names))

    def _value(self, path: KeyPath) -> None:
        self._skip(_BLANK)
        opening = self.text[self.place]
        if opening == "[":
            self._inside("]", path)
        elif opening == "{":
            self._inside("}", path)
        elif opening in "\"'":
            self._skip(_STRING)
        else:
            self._skip(_SCALAR)
        self._skip(_BLANK)

    def _inside(self, closing: str, path: KeyPath) -> None:
        """The elements of an array or the pairs of an inline table."""
        self.place += 1
        number = 0
        while self.text[self._skip(_BLANK_LINES)] != closing:
            if closing == "}":
                self._pair(path)
            else:
                self._note((*path, number))
                self._value((*path, number))
                number += 1
            if self.text[self._skip(_BLANK_LINES)] == ",":
                self.place += 1
        self.place += 1


def _unquote(quoted: str) -> str:
    """A quoted key as `tomllib` reads it."""
    value = tomllib.loads(f"key = {quoted}")["key"]
    return str(value)
