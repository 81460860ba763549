"""Removing what is no longer wanted, only when asked: leftovers of crashes and old versions."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from pathlib import Path

from graphemb.errors import StoreError
from graphemb.files import sync_folder
from graphemb.store.shelf import REMOVED, TEMPORARY, Shelf, read_pointer, try_lock


def leftovers(shelf: Shelf) -> list[Path]:
    """Folders and files that crashed or stopped publishers left; one in use may be among them."""
    found = []
    for folder in (shelf.root, shelf.root / "tags", shelf.versions):
        if folder.is_dir():
            found += [path for path in folder.iterdir() if _is_leftover(path)]
    return sorted(found)


def clean(shelf: Shelf, keep: int | None) -> list[str]:
    """Remove leftovers nobody is writing and, when `keep` is given, old versions; under the lock.

    Never goes: the current version, a tagged one, one newer than the current, one that a reader is
    opening, and the newest `keep`.

    Raises:
        StoreError: a pointer cannot be read, so that what it protects is not known.
    """
    removed = [path.name for path in leftovers(shelf) if _remove_unused(path)]
    if keep is None:
        return removed
    numbers = shelf.numbers()
    current = read_pointer(shelf.current).version
    tagged = {read_pointer(path).version for path in shelf.tag_files()}
    if current is None:
        return removed
    old = [number for number in numbers if number < current and number not in tagged]
    kept = set(numbers[-keep:]) if keep else set()
    for number in old:
        if number not in kept and _remove_version(shelf, number):
            removed.append(shelf.version(number).name)
    return removed


def _is_leftover(path: Path) -> bool:
    return path.name.startswith((TEMPORARY, REMOVED)) or (
        path.name.startswith(".") and ".tmp-" in path.name
    )


def _remove_unused(path: Path) -> bool:
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)  # pointers are written under the lock, which is ours
        return True
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if not try_lock(descriptor, fcntl.LOCK_EX):
            return False
        shutil.rmtree(path)
    finally:
        os.close(descriptor)
    return True


def _remove_version(shelf: Shelf, number: int) -> bool:
    folder = shelf.version(number)
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise StoreError("cannot be removed", source=folder, value=error.strerror) from error
    try:
        if not try_lock(descriptor, fcntl.LOCK_EX):
            return False
        gone = shelf.versions / f"{REMOVED}{secrets.token_hex(6)}"
        folder.rename(gone)
        sync_folder(shelf.versions)
    finally:
        os.close(descriptor)
    shutil.rmtree(gone)
    return True
