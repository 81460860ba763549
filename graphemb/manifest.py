"""Manifests: strict JSON, and file names that cannot leave their folder."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn, TypeAlias, cast

from graphemb.errors import CorruptManifest, StoreError, UnsupportedFormat

JSON: TypeAlias = "Mapping[str, JSON] | list[JSON] | str | int | float | bool | None"

MANIFEST = "manifest.json"
"""Name of the file that makes a folder one of ours."""
JSON_LIMIT = 64 * 2**20
"""Bytes of the largest JSON file that is read."""


def inside(folder: Path, name: str) -> Path:
    """The file `name` of a manifest, when it lies in `folder` for sure.

    Raises:
        CorruptManifest: absolute, with `..`, a backslash, a control character, an empty part, or
            through a symbolic link.
    """
    parts = name.split("/")
    bad = (
        not name
        or any(part in ("", ".", "..") for part in parts)
        or "\\" in name
        or any(ord(letter) < 32 for letter in name)
        or PurePosixPath(name).is_absolute()
        or ":" in parts[0]
    )
    path = folder
    for part in [] if bad else parts:
        path = path / part
        bad = bad or (os.path.lexists(path) and stat.S_ISLNK(path.lstat().st_mode))
    if bad:
        raise CorruptManifest(
            "a file name that could leave the folder",
            code="unsafe_path",
            source=folder,
            value=name,
            hint="plain relative names with '/' and no symbolic link",
        )
    return path


def json_bytes(value: JSON, *, source: object = None) -> bytes:
    """The bytes that `write_json` writes.

    Raises:
        StoreError: holds NaN, an infinity, or something that is not JSON.
    """
    try:
        text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False, ensure_ascii=False)
        return (text + "\n").encode()
    except (TypeError, ValueError) as error:
        raise StoreError(
            "cannot be written as JSON", code="not_json", source=source, value=str(error)
        ) from error


def read_json(path: Path) -> JSON:
    """Read a JSON file as `parse_json` does.

    Raises:
        CorruptManifest: not there, empty, too long, or refused by `parse_json`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(JSON_LIMIT + 1)
    except OSError as error:
        raise CorruptManifest(
            "the file cannot be read", source=path, value=error.strerror
        ) from error
    return parse_json(data, source=path)


def parse_json(data: bytes, *, source: object = None) -> JSON:
    """Parse JSON, refusing what parsers read in different ways.

    Raises:
        CorruptManifest: empty, over 64 MiB, cut short, not UTF-8, a key twice, NaN, an infinity or
            a number beyond float64, or nested too deep.
    """

    def refuse(why: str, value: object = None) -> NoReturn:
        raise CorruptManifest(why, source=source, value=value)

    def pairs(items: list[tuple[str, JSON]]) -> dict[str, JSON]:
        found = dict(items)
        if len(found) != len(items):
            names = [name for name, _ in items]
            twice = next(name for name in names if names.count(name) > 1)
            refuse("a key stands there twice", twice)
        return found

    def number(text: str) -> float:
        value = float(text)
        return value if math.isfinite(value) else refuse("a number beyond float64", text)

    if len(data) > JSON_LIMIT:
        refuse(f"longer than {JSON_LIMIT} bytes")
    try:
        return cast(
            "JSON",
            json.loads(
                data.decode("utf-8"),
                object_pairs_hook=pairs,
                parse_constant=lambda text: refuse("not a JSON number", text),
                parse_float=number,
            ),
        )
    except (ValueError, RecursionError) as error:
        refuse("not JSON, or cut short", str(error))


def read_manifest(folder: Path, kind: str, newest: int) -> dict[str, Any]:
    """The manifest of a folder of ours, when it is of that kind and of a format we read.

    Raises:
        StoreError: no such folder, or one of another kind.
        UnsupportedFormat: written by a newer graphemb.
        CorruptManifest: not to be trusted.
    """
    if not (folder / MANIFEST).is_file():
        raise StoreError(f"no {kind} is saved there", code="not_found", source=folder)
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict):
        raise CorruptManifest("not a manifest", source=folder / MANIFEST)
    if manifest.get("kind") != kind:
        raise StoreError(f"this folder holds no {kind}", source=folder, value=manifest.get("kind"))
    found = manifest.get("format")
    if not isinstance(found, int):
        raise CorruptManifest("no format version", source=folder / MANIFEST)
    if found > newest:
        raise UnsupportedFormat(newest, found, source=folder)
    return manifest
