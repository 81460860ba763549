"""One name's folder: version numbers, the pointers, and the locks.

Locks are the kernel's (`flock` on the folders themselves), so they end with their owner. Publishers
and cleaners lock the shelf; a publisher locks the temporary folder it fills; a reader shares a lock
on the version while it opens its files.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from graphemb.errors import ConfigError, Conflict, CorruptManifest, StoreError
from graphemb.files import replace_file, sync_folder
from graphemb.manifest import json_bytes, read_json

TEMPORARY = ".new-"
"""Prefix of a version that is being written."""
REMOVED = ".gone-"
"""Prefix of a version that is being removed."""

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_NUMBER = re.compile(r"[0-9]{8,18}\Z")
_POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Pointer:
    """What `CURRENT` or a tag says.

    Attributes:
        version: the number; None in a `CURRENT` that never named one.
        newest: the largest number that `CURRENT` ever named.
    """

    version: int | None
    newest: int


@dataclass(frozen=True)
class Shelf:
    """The folder of one name."""

    name: str
    root: Path

    @property
    def versions(self) -> Path:
        """Folder of the versions."""
        return self.root / "versions"

    @property
    def current(self) -> Path:
        """The pointer that readers follow by default."""
        return self.root / "CURRENT"

    def version(self, number: int) -> Path:
        """Folder of one version."""
        return self.versions / f"{number:08d}"

    def tag(self, tag: str) -> Path:
        """Pointer of a tag."""
        return self.root / "tags" / check_label("tag", tag)

    def make(self) -> None:
        """Make the folders that are not there yet, durably."""
        for folder in (self.root.parent, self.root, self.versions, self.root / "tags"):
            if not folder.is_dir():
                folder.mkdir(parents=True, exist_ok=True)
                sync_folder(folder.parent)

    def numbers(self) -> list[int]:
        """Numbers of the versions whose folder is there, ascending."""
        if not self.versions.is_dir():
            return []
        with os.scandir(self.versions) as entries:
            return sorted(
                int(entry.name)
                for entry in entries
                if _NUMBER.match(entry.name) and entry.is_dir(follow_symlinks=False)
            )

    def tags(self) -> dict[str, int]:
        """Tag to version, of the tags that can be read."""
        found = {}
        for path in self.tag_files():
            with contextlib.suppress(CorruptManifest):
                if (version := read_pointer(path).version) is not None:
                    found[path.name] = version
        return found

    def tag_files(self) -> list[Path]:
        """The files of all tags, sorted."""
        folder = self.root / "tags"
        paths = folder.iterdir() if folder.is_dir() else ()
        return sorted(path for path in paths if _LABEL.match(path.name))

    def next_number(self) -> int:
        """A number never used before, taken for good. Call it under the lock."""
        used = [0, *self.numbers(), *self.tags().values()]
        with contextlib.suppress(CorruptManifest):
            used.append(read_pointer(self.current).newest)
        counter = self.root / "COUNTER"
        with contextlib.suppress(CorruptManifest):
            used.append(read_pointer(counter).newest)
        number = max(used) + 1
        write_pointer(counter, Pointer(None, number))
        return number

    @contextlib.contextmanager
    def locked(self, wait: float) -> Iterator[None]:
        """Hold the shelf against other publishers and cleaners.

        Raises:
            Conflict: somebody held it for longer than `wait` seconds.
        """
        descriptor = os.open(self.root, os.O_RDONLY)
        try:
            deadline = time.monotonic() + wait
            while not try_lock(descriptor, fcntl.LOCK_EX):
                if time.monotonic() >= deadline:
                    raise Conflict(
                        f"somebody else has been publishing for over {wait:g} s",
                        source=self.root,
                        hint="try again; the lock ends with the process that holds it",
                    )
                time.sleep(_POLL_SECONDS)
            yield
        finally:
            os.close(descriptor)


def check_label(field: str, value: object) -> str:
    """Return a name or tag that is safe as a file name.

    Raises:
        ConfigError: anything else.
    """
    if not isinstance(value, str) or not _LABEL.match(value):
        raise ConfigError(
            f"{field} must be 1 to 100 letters, digits, '.', '_' or '-', not '.', '_' or '-' first",
            code="bad_name",
            field=field,
            value=value,
        )
    if field == "tag" and (value == "latest" or value.isdigit()):
        raise ConfigError(
            "a tag cannot be 'latest' or a number", code="bad_name", field=field, value=value
        )
    return value


def read_pointer(path: Path) -> Pointer:
    """Read `CURRENT`, `COUNTER` or a tag.

    Raises:
        CorruptManifest: not there, empty, or not a pointer.
    """
    data = read_json(path)
    if isinstance(data, dict) and set(data) == {"version", "newest"}:
        version, newest = data["version"], data["newest"]
        if _is_number(newest) and (version is None or (_is_number(version) and version)):
            return Pointer(version, newest)
    raise CorruptManifest("not a pointer to a version", source=path, value=data)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def write_pointer(path: Path, pointer: Pointer) -> None:
    """Replace a pointer, durably and at once."""
    replace_file(path, json_bytes({"version": pointer.version, "newest": pointer.newest}))


def try_lock(descriptor: int, kind: int) -> bool:
    """Take the kernel's lock now, or say that somebody else has it."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def reading(folder: Path) -> Iterator[None]:
    """Keep a version from being removed while its files are opened.

    Raises:
        StoreError: it is not there (`not_found`).
    """
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise not_found(folder) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        if not folder.exists() or not os.path.samestat(os.fstat(descriptor), folder.stat()):
            raise not_found(folder)
        yield
    finally:
        os.close(descriptor)


def not_found(folder: Path) -> StoreError:
    """The error for a version that is not there."""
    return StoreError("there is no such version", code="not_found", source=folder)
