"""Files that are either whole or not there: durable writes, arrays, checksums.

A folder is written beside its target, flushed to the disk and renamed; a reader sees the old
state or the new one. Nothing here retries a failed flush: after EIO the kernel may have dropped
the pages, and a second fsync would report success for data that is gone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, cast

import numpy as np
import numpy.typing as npt

from graphemb.errors import ChecksumMismatch, StorageFull, StoreError
from graphemb.manifest import JSON, MANIFEST, json_bytes

if TYPE_CHECKING:
    import pyarrow as pa

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_FOLDER = frozenset({errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ENAMETOOLONG})
_NO_FOLDER_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EBADF})
_FULL_SYNC = getattr(fcntl, "F_FULLFSYNC", None)  # macOS: fsync alone stops at the drive's cache


def create(path: Path) -> BinaryIO:
    """Open a file that must not exist for writing. All data we store goes through here."""
    return path.open("xb")


def sync_file(path: Path) -> None:
    """Flush one file to the disk, once."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        if _FULL_SYNC is not None:
            fcntl.fcntl(descriptor, _FULL_SYNC)
        else:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> bool:
    """Flush a folder's entries; False where the file system cannot do that."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in _NO_FOLDER_SYNC:
            return False
        raise
    finally:
        os.close(descriptor)
    return True


def sync_tree(folder: Path) -> None:
    """Flush every file and folder below `folder`, and `folder` itself."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync_file(Path(root, name))
        sync_folder(Path(root))


@contextlib.contextmanager
def storage_errors(folder: Path, needed: int = 0) -> Iterator[None]:
    """Turn what the disk answers into our errors.

    Raises:
        StorageFull: no space, quota or file-size limit, with the bytes needed and free.
        StoreError: the disk failed (`io_error`) or may not be written (`read_only`).
    """
    try:
        yield
    except OSError as error:
        raise_storage_error(error, folder, needed)


def raise_storage_error(error: OSError, folder: Path, needed: int = 0) -> NoReturn:
    """Raise what `error`, met while writing in `folder`, is to a user."""
    if error.errno in _FULL:
        raise StorageFull(max(needed, 1), free_bytes(folder), source=folder) from error
    if error.errno == errno.EIO:
        raise StoreError(
            "the disk failed while writing",
            code="io_error",
            source=error.filename or folder,
            value=error.strerror,
            hint="check the disk before trying again",
        ) from error
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        raise StoreError(
            "the folder cannot be written",
            code="read_only",
            source=folder,
            value=error.strerror,
            hint="reading still works; give another folder or the right to write",
        ) from error
    if error.errno in _NO_FOLDER:
        raise StoreError(
            "no folder can be made there",
            code="not_a_folder",
            source=error.filename or folder,
            value=error.strerror,
        ) from error
    raise error


def free_bytes(folder: Path) -> int:
    """Bytes free to this user where `folder` is, or will be."""
    for place in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(place).free
    return 0


def folder_bytes(folder: Path) -> int:
    """Sum of the sizes of the files below `folder`."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def temporary_name(path: Path) -> Path:
    """A name beside `path` that readers skip and that nobody else uses."""
    return path.with_name(f".{path.name}.tmp-{secrets.token_hex(6)}")


@contextlib.contextmanager
def atomic_folder(path: str | Path, *, replace: bool = False, needed: int = 0) -> Iterator[Path]:
    """Give a temporary folder; when the block ends well, `path` is that folder, whole.

    Args:
        path: the folder to make. Its parents are made too.
        replace: put it in the place of an older folder that holds our `manifest.json`; readers
            who mapped the old files keep them.
        needed: bytes that will be written, refused at once when they are not free.

    Raises:
        StoreError: `path` exists (`exists`) and may not be replaced; the disk failed.
        StorageFull: no room; the temporary folder is gone and `path` is untouched.
    """
    target = Path(path).absolute()
    with storage_errors(target.parent, needed):
        target.parent.mkdir(parents=True, exist_ok=True)
    _check_target(target, replace)
    check_free(target.parent, needed)
    with filling(temporary_name(target), needed=needed) as temporary:
        yield temporary
        sync_tree(temporary)
        _check_target(target, replace)
        move_folder(temporary, target)


@contextlib.contextmanager
def filling(temporary: Path, *, needed: int = 0) -> Iterator[Path]:
    """Make a folder to be filled and then renamed; it is gone when the block fails.

    Raises:
        StoreError, StorageFull: what the disk answers, as `storage_errors`.
    """
    try:
        with storage_errors(temporary.parent, needed):
            temporary.mkdir()
        try:
            yield temporary
        except OSError as error:
            written = folder_bytes(temporary) + 1
            raise_storage_error(error, temporary.parent, max(needed, written))
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def check_free(folder: Path, needed: int) -> None:
    """Refuse now what cannot be written later.

    Raises:
        StorageFull: fewer than `needed` bytes are free.
    """
    if needed and (free := free_bytes(folder)) < needed:
        raise StorageFull(needed, free, source=folder)


def _check_target(target: Path, replace: bool) -> None:
    if not os.path.lexists(target) or (target.is_dir() and not any(target.iterdir())):
        return
    if replace and (target / MANIFEST).is_file():
        return
    raise StoreError(
        "the folder exists and is not replaced",
        code="exists",
        source=target,
        hint=f"give a new folder, or one that holds our {MANIFEST} and replace=True",
    )


def move_folder(temporary: Path, target: Path) -> None:
    """Rename a flushed folder to `target` and flush the parent.

    An older folder is first renamed aside: its mapped files stay valid for their readers.
    """
    aside = None
    if target.is_dir() and any(target.iterdir()):
        aside = temporary_name(target)
        target.rename(aside)
    try:
        temporary.rename(target)
    except OSError:
        if aside is not None:
            aside.rename(target)
        raise
    sync_folder(target.parent)
    if aside is not None:
        shutil.rmtree(aside, ignore_errors=True)


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` in the place of the file `path`, durably and at once.

    Raises:
        OSError: as the system says; the old file is then untouched.
    """
    temporary = temporary_name(path)
    try:
        with create(temporary) as file:
            file.write(data)
        sync_file(temporary)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


# -- arrays ---------------------------------------------------------------------------------------


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write a C-contiguous array as `.npy` (version 1.0), data at a multiple of 64 bytes.

    `np.save` loses the error number of a failed write; this keeps it.
    """
    array = np.ascontiguousarray(array)
    if array.dtype.hasobject:
        raise StoreError("an array of objects is not written", code="object_array", source=path)
    with create(path) as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(array))
        file.write(array.reshape(-1).view(np.uint8).data if array.size else b"")


def read_array(path: Path, *, mmap: bool = True) -> npt.NDArray[Any]:
    """Read (or map, read-only) what `write_array` wrote.

    Raises:
        StoreError: not an `.npy` file, cut short, or one of Python objects.
    """
    try:
        array = np.load(path, mmap_mode="r" if mmap else None, allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise StoreError(
            "not a readable .npy file", code="bad_array", source=path, value=str(error)
        ) from error
    return cast("npt.NDArray[Any]", array)


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write Parquet with a checksum on every page; only texts get a dictionary."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts = [
        column.name
        for column in table.schema
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    ]
    with create(path) as file:
        pq.write_table(
            table,
            file,
            compression="zstd",
            use_dictionary=texts or False,
            write_page_checksum=True,
        )


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read Parquet and verify the checksums of its pages.

    Raises:
        StoreError: not Parquet, cut short, or a page that is not what was written.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read(columns)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(
            "not a readable Parquet file", code="bad_parquet", source=path, value=str(error)
        ) from error


# -- checksums and JSON ---------------------------------------------------------------------------


def sha256_file(path: str | Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_sha256(path: Path, expected: str, *, name: str | None = None) -> None:
    """Compare a file with its manifest before any parser reads it.

    Raises:
        ChecksumMismatch: other bytes than were written, or no file.
    """
    found = sha256_file(path) if path.is_file() else "no file"
    if found != expected:
        raise ChecksumMismatch(name or str(path), expected, found)


def digest_tree(folder: Path) -> dict[str, dict[str, JSON]]:
    """`{relative path: {"bytes": ..., "sha256": ...}}` of every file below `folder`, sorted."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": sha256_file(path),
        }
        for path in files
    }


def write_json(path: Path, value: JSON) -> None:
    """Write JSON with sorted keys, indented, without NaN; ends with a newline."""
    with create(path) as file:
        file.write(json_bytes(value, source=path))
