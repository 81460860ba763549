"""Training that can be taken up again: arrays and a few facts, written whole or not at all.

A checkpoint folder holds `step-00000012/` with `arrays.safetensors` and a manifest that carries
the file's SHA-256. Each is written beside its name and renamed, so a process killed at any moment
leaves the last complete one; older ones are deleted after that. Nothing is ever unpickled.

    checkpoints = Checkpoints(folder, {"fit": describe(trainer), "graph": graph.fingerprint})
    last = checkpoints.newest()                       # None the first time
    checkpoints.write(Checkpoint(step, arrays, facts))
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from graphemb.errors import ConfigError, CorruptManifest, StoreError
from graphemb.files import atomic_folder, check_sha256, create, digest_tree, write_json
from graphemb.manifest import JSON, MANIFEST, inside, json_bytes, parse_json, read_manifest

FORMAT = 1
_KIND = "graphemb checkpoint"
_ARRAYS = "arrays.safetensors"
_STEP = re.compile(r"step-(\d{8,})\Z")

_DTYPES = {
    "bool": "BOOL",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    **{f"int{bits}": f"I{bits}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"U{bits}" for bits in (8, 16, 32, 64)},
}

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The state of a training after a step.

    Attributes:
        step: steps (or epochs) done; the newest checkpoint has the largest.
        arrays: by name, of any dtype that safetensors knows.
        facts: JSON-able: counters, losses, whatever else is needed to go on.
    """

    step: int
    arrays: Mapping[str, Array]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Checkpoints:
    """The checkpoints of one training in one folder.

    Attributes:
        folder: made when the first one is written.
        identity: JSON-able: what must be the same to go on, such as the trainer's fields and the
            graph's fingerprint.
    """

    folder: Path
    identity: Mapping[str, Any]

    def newest(self) -> Checkpoint | None:
        """The last complete checkpoint, or None when there is none yet.

        Raises:
            ConfigError: it is of another identity; names the first difference.
            StoreError: the folder is a file or holds something else; a damaged checkpoint.
            UnsupportedFormat: written by a newer graphemb.
        """
        steps = self._steps()
        if not steps:
            return None
        arrays, manifest = load_arrays(self.folder / _name(steps[-1]), _KIND, FORMAT)
        self._check_identity(manifest["identity"])
        return Checkpoint(steps[-1], arrays, manifest["facts"])

    def write(self, checkpoint: Checkpoint) -> Path:
        """Write one; when it is on the disk, older ones go.

        Raises:
            StoreError, StorageFull: what the disk answers; older ones then stay.
        """
        older = self._steps()
        path = self.folder / _name(checkpoint.step)
        facts = {"identity": dict(self.identity), "facts": dict(checkpoint.facts)}
        save_arrays(path, checkpoint.arrays, facts, kind=_KIND, version=FORMAT)
        gone = [_name(step) for step in older if step != checkpoint.step]
        for left in [*gone, *(left.name for left in self.folder.glob(".step-*.tmp-*"))]:
            shutil.rmtree(self.folder / left, ignore_errors=True)
        return path

    def _steps(self) -> list[int]:
        """Complete checkpoints, ascending."""
        if not self.folder.exists():
            return []
        if not self.folder.is_dir():
            raise StoreError(
                "checkpoints are kept in a folder, this is a file",
                code="not_a_folder",
                source=self.folder,
                hint="other programs' checkpoints cannot be taken up",
            )
        found, strange = [], []
        for path in self.folder.iterdir():
            match = _STEP.match(path.name)
            if match:
                found.append(int(match[1]))
            elif not path.name.startswith("."):
                strange.append(path.name)
        if strange:
            raise StoreError(
                "the folder holds something that is no checkpoint",
                code="not_a_checkpoint",
                source=self.folder,
                value=sorted(strange)[0],
                hint="give a folder of its own",
            )
        return sorted(found)

    def _check_identity(self, found: Any) -> None:
        wanted = parse_json(json_bytes(dict(self.identity)))  # tuples become lists
        difference = _first_difference(found, wanted, "")
        if difference is not None:
            field_name, was, now = difference
            raise ConfigError(
                f"the checkpoint is of another training: {field_name} was {was!r}",
                code="other_training",
                source=self.folder,
                field=field_name,
                value=now,
                hint="go on with the same fields and graph, or give a new folder",
            )


def _name(step: int) -> str:
    return f"step-{step:08d}"


def _first_difference(was: Any, now: Any, at: str) -> tuple[str, Any, Any] | None:
    """Where two JSON values first differ: path, old value, new value."""
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in sorted({*was, *now}):
            found = _first_difference(was.get(key), now.get(key), f"{at}.{key}" if at else key)
            if found is not None:
                return found
        return None
    return None if was == now else (at, was, now)


def save_arrays(
    folder: Path,
    arrays: Mapping[str, Array],
    facts: Mapping[str, Any],
    *,
    kind: str,
    version: int,
) -> None:
    """Write a folder of arrays, and facts as a manifest with checksums, all or nothing.

    Raises:
        StoreError: the folder exists and is not one of ours; facts that are not JSON.
        StorageFull: no room.
    """
    size = sum(array.nbytes for array in arrays.values())
    with atomic_folder(folder, replace=True, needed=size) as temporary:
        write_arrays(temporary / _ARRAYS, arrays)
        manifest = {"kind": kind, "format": version, "files": digest_tree(temporary), **facts}
        write_json(temporary / MANIFEST, manifest)


def load_arrays(folder: Path, kind: str, newest: int) -> tuple[dict[str, Array], dict[str, Any]]:
    """The arrays and the manifest of a folder that `save_arrays` wrote.

    Raises:
        StoreError: not there, of another kind, or not safetensors: never unpickled.
        UnsupportedFormat: written by a newer graphemb.
        ChecksumMismatch: not the bytes that were written; found before anything is parsed.
    """
    manifest = read_manifest(folder, kind, newest)
    check_files(folder, manifest, [_ARRAYS])
    return read_arrays(folder / _ARRAYS), manifest


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write arrays as one safetensors file that must not exist, without a copy of them in memory.

    The format is a length, a JSON header of dtypes, shapes and places, and the bytes of all arrays.

    Raises:
        StoreError: a dtype that safetensors does not know.
    """
    header: dict[str, JSON] = {}
    place = 0
    for name, array in arrays.items():
        if array.dtype.name not in _DTYPES:
            raise StoreError("safetensors knows no such dtype", source=name, value=array.dtype)
        header[name] = {
            "dtype": _DTYPES[array.dtype.name],
            "shape": list(array.shape),
            "data_offsets": [place, place + array.nbytes],
        }
        place += array.nbytes
    text = json_bytes(header)
    text += b" " * (-len(text) % 8)
    with create(path) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in arrays.values():
            file.write(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)


def read_arrays(path: Path) -> dict[str, Array]:
    """What `write_arrays` wrote.

    Raises:
        StoreError: not safetensors; never unpickled.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, ValueError, KeyError) as error:
        raise StoreError(
            "not a safetensors file", code="bad_arrays", source=path, value=str(error)
        ) from error


def check_files(folder: Path, manifest: Mapping[str, Any], wanted: Iterable[str] = ()) -> None:
    """Compare every file of a manifest with its SHA-256, before anything is parsed.

    Args:
        wanted: files that the manifest must name.

    Raises:
        ChecksumMismatch: not the bytes that were written.
        CorruptManifest: a file is not named, or not safely.
    """
    files = manifest.get("files")
    if not isinstance(files, dict) or not set(wanted) <= set(files):
        raise CorruptManifest("the manifest does not name its files", source=folder / MANIFEST)
    for name, facts in files.items():
        check_sha256(inside(folder, name), facts["sha256"], name=str(folder / name))
