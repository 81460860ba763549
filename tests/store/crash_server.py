"""A process that publishes in forked children and stops them at a chosen step.

It imports once, waits for a line of JSON on stdin, forks, and answers with the child's fate. The
child numbers every step by which a publish changes the disk (make, write, flush, rename, remove)
and, at the chosen one, is killed, or gets an error from the system.

Request: `{"store", "seed", "key", "tag", "at", "action"}`; action is `kill`, `EIO` (at a flush),
`ENOSPC` (at a write) or `none`. Answer: `{"status", "steps", "result"}`.
"""

from __future__ import annotations

import errno
import functools
import io
import json
import os
import pathlib
import signal
import sys
import traceback
from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

from graphemb.errors import GraphEmbError
from graphemb.index import HNSW
from graphemb.store import EmbeddingStore, IndexPlan
from tests.store.helpers import make_embeddings

STEPS = ("mkdir", "rename", "replace", "fsync", "chmod", "unlink", "rmdir")


def name_of(what: Any) -> str:
    if isinstance(what, int):
        return str(pathlib.Path(f"/proc/self/fd/{what}").readlink())
    return os.fspath(what)


class Saboteur:
    """Numbers the steps from 1, tells them on a pipe, and strikes at one."""

    def __init__(self, at: int, action: str, pipe: int) -> None:
        self.at, self.action, self.pipe, self.count = at, action, pipe, 0

    def step(self, kind: str, *paths: Any) -> bool:
        """Whether to fail now; may not return."""
        self.count += 1
        os.write(self.pipe, json.dumps([kind, *map(name_of, paths)]).encode() + b"\n")
        if self.count != self.at:
            return False
        if self.action == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        return True

    def wrap(self, kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def stepped(*args: Any, **kwargs: Any) -> Any:
            if self.step(kind, *args[: 2 if kind in ("rename", "replace") else 1]):
                raise OSError(errno.EIO, os.strerror(errno.EIO), name_of(args[0]))
            return call(*args, **kwargs)

        return stepped

    def install(self) -> None:
        for kind in STEPS:
            setattr(os, kind, self.wrap(kind, getattr(os, kind)))
        plain_open = pathlib.Path.open
        saboteur = self

        class Raw(io.FileIO):
            def write(self, data: Any) -> int:
                if len(data) > 1 and saboteur.at == saboteur.count + 1:
                    io.FileIO.write(self, bytes(data)[: len(data) // 2])  # a torn write
                if saboteur.step("write", self.name):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.name)
                return super().write(data)

        def stepped_open(path: pathlib.Path, mode: str = "r", *args: Any, **kwargs: Any) -> Any:
            if mode == "xb":
                saboteur.step("create", path)
                return io.BufferedWriter(Raw(os.fspath(path), "xb"))
            return plain_open(path, mode, *args, **kwargs)

        pathlib.Path.open = stepped_open  # type: ignore[method-assign, assignment]


def plain(folder: str, seed: int, key: str | None, tag: str | None) -> int:
    plan = IndexPlan("dot", HNSW(links=4, ef_construction=8))
    return EmbeddingStore(folder, index={"product": plan}).publish(
        "shop", make_embeddings(seed), report={"auc": 0.75}, tag=tag, idempotency_key=key
    )


def publish(request: dict[str, Any], pipe: int) -> None:
    Saboteur(request["at"], request["action"], pipe).install()
    version = plain(request["store"], request["seed"], request["key"], request["tag"])
    os.write(pipe, json.dumps({"version": version}).encode() + b"\n")


def child(request: dict[str, Any], pipe: int) -> None:
    try:
        publish(request, pipe)
    except GraphEmbError as error:
        facts = {"error": type(error).__name__, "code": error.code, **vars(error)}
        os.write(pipe, json.dumps(facts, default=str).encode() + b"\n")
    except BaseException:
        text = traceback.format_exc()
        os.write(pipe, json.dumps({"error": "unexpected", "text": text}).encode() + b"\n")
    finally:
        os._exit(0)


def warm() -> None:
    """Import and run everything once, so that each child need not."""
    with TemporaryDirectory() as folder:
        plain(folder, 0, None, None)


def serve() -> None:
    warm()
    for line in sys.stdin:
        request = json.loads(line)
        ours, theirs = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(ours)
            child(request, theirs)
        os.close(theirs)
        with os.fdopen(ours) as told:
            lines = [json.loads(each) for each in told]
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        steps = [each for each in lines if isinstance(each, list)]
        result = next((each for each in lines if isinstance(each, dict)), None)
        print(json.dumps({"status": status, "steps": steps, "result": result}), flush=True)


if __name__ == "__main__":
    serve()
