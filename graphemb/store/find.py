"""Which version is meant, and whether it can be trusted."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

from graphemb.errors import ConfigError, CorruptManifest, StoreError, UnknownName, UnsupportedFormat
from graphemb.store.records import Health, Problem, StoreWarning, VersionRecord
from graphemb.store.shelf import Pointer, Shelf, not_found, read_pointer, reading
from graphemb.store.version import Version, open_version

LATEST = "latest"
"""The version that was last published or rolled back to."""

_ATTEMPTS = 3
Result = TypeVar("Result")


def read(shelf: Shelf, version: int | str, how: Callable[[Version], Result]) -> Result:
    """Open a version and read from it while no clean-up can take it away.

    A version that a pointer named and a clean-up removed meanwhile is looked up anew.

    Raises:
        UnknownName, StoreError: there is no such tag or version; it cannot be trusted.
    """
    for _ in range(_ATTEMPTS):
        number = locate(shelf, version)
        try:
            with reading(shelf.version(number)):
                return how(open_version(shelf.version(number), shelf.name, number))
        except StoreError as error:
            if error.code != "not_found" or isinstance(version, int):
                raise
            lost = error
    raise lost


def locate(shelf: Shelf, version: int | str) -> int:
    """The number of a version; a `StoreWarning` when the latest cannot be served.

    Raises:
        UnknownName: no such tag.
        StoreError: nothing is current, or nothing can be trusted.
        CorruptManifest: the tag's file cannot be read.
        ConfigError: neither a number nor a tag.
    """
    if isinstance(version, int) and not isinstance(version, bool) and version >= 1:
        return version
    if not isinstance(version, str):
        raise ConfigError(
            "a version is a number from 1, a tag or 'latest'", field="version", value=version
        )
    if version == LATEST:
        found, problems = current(shelf)
        if problems:
            warnings.warn(
                f"{shelf.name}: {problems[0]}; version {found.number} is served instead",
                StoreWarning,
                stacklevel=4,
            )
        return found.number
    if version.isdigit():
        return locate(shelf, int(version))
    path = shelf.tag(version)
    if not path.exists():
        raise UnknownName("tag", version, [*shelf.tags(), LATEST], source=shelf.name)
    number = read_pointer(path).version
    if number is None:
        raise CorruptManifest("the tag names no version", source=path)
    return number


def current(shelf: Shelf) -> tuple[Version, tuple[str, ...]]:
    """The version that is served as the latest, and why it is not the one it should be.

    Raises:
        StoreError: no version was ever current, or none is valid.
        UnsupportedFormat: it was published by a newer graphemb.
    """
    try:
        pointer = read_pointer(shelf.current)
        if pointer.version is None and not pointer.newest:
            raise _nothing_current(shelf)
        if pointer.version is None:
            raise CorruptManifest("the pointer names no version", source=shelf.current)
        return _complete(shelf, pointer.version), ()
    except UnsupportedFormat:
        raise
    except StoreError as error:
        if error.code == "not_current" or not shelf.numbers():
            raise
        found = _newest_valid(shelf, error)
        return found, (str(error),)


def sound(shelf: Shelf, version: int | str) -> int:
    """The number of a version of which every byte is what was published.

    Raises:
        UnknownName, StoreError: no such version, or one that fails verification.
    """
    number = locate(shelf, version)
    folder = shelf.version(number)
    if not folder.is_dir():
        raise not_found(folder)
    damage = [
        problem
        for problem in open_version(folder, shelf.name, number).problems(deep=True)
        if problem.code != "extra"
    ]
    if damage:
        raise _damaged(shelf, number, damage)
    return number


def health(shelf: Shelf) -> Health:
    """What `current` gives, as a value."""
    try:
        found, problems = current(shelf)
    except StoreError as error:
        return Health(False, None, (str(error),))
    return Health(not problems, found.number, problems)


def records(shelf: Shelf) -> list[VersionRecord]:
    """All versions, oldest first."""
    tags = shelf.tags()
    try:
        pointer = read_pointer(shelf.current)
    except CorruptManifest:
        pointer = Pointer(None, 0)
    found = []
    for number in shelf.numbers():
        names = tuple(sorted(tag for tag, target in tags.items() if target == number))
        found.append(_record(shelf, number, names, number == pointer.version))
    return found


def _record(shelf: Shelf, number: int, tags: tuple[str, ...], is_current: bool) -> VersionRecord:
    problem = version = None
    try:
        version = open_version(shelf.version(number), shelf.name, number)
        problem = next(iter(map(str, version.problems(deep=False))), None)
    except StoreError as error:
        problem = str(error)
    return VersionRecord(
        name=shelf.name,
        version=number,
        created=version.created if version else None,
        tags=tags,
        current=is_current,
        complete=problem is None,
        bytes=version.bytes if version else 0,
        dim=int(version.manifest["dim"]) if version else 0,
        counts=version.counts if version else {},
        forced=bool(version and version.manifest["quality"].get("forced")),
        problem=problem,
    )


def _complete(shelf: Shelf, number: int) -> Version:
    version = open_version(shelf.version(number), shelf.name, number)
    if damage := version.problems(deep=False):
        raise _damaged(shelf, number, damage)
    return version


def _newest_valid(shelf: Shelf, why: StoreError) -> Version:
    for number in reversed(shelf.numbers()):
        try:
            return _complete(shelf, number)
        except UnsupportedFormat:
            raise
        except StoreError:
            continue
    raise why


def _nothing_current(shelf: Shelf) -> StoreError:
    numbers = shelf.numbers()
    return StoreError(
        "no version was made current yet",
        code="not_current",
        source=shelf.name,
        value=numbers or None,
        hint="publish again, or roll back to a complete version" if numbers else "publish first",
    )


def _damaged(shelf: Shelf, number: int, damage: list[Problem]) -> StoreError:
    return StoreError(
        f"version {number} fails verification: {'; '.join(map(str, damage[:20]))}",
        code="damaged",
        source=shelf.version(number),
        hint="use another version, or publish again",
    )
