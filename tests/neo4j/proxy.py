"""A TCP proxy before a server that cuts a connection where a test says so."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

COMMIT = b"\xb0\x12"  # a Bolt message without fields, signature COMMIT


class Proxy:
    """Passes bytes on between clients and a server.

    Attributes:
        cuts_left: how many connections are still to be cut.
        after_bytes: cut once a connection has brought this many bytes from the server; None: never.
        at_commit: cut when the client sends COMMIT, after the server has got it.
        cuts: connections cut so far.
    """

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "localhost", parts.port or 7687)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self.uri = f"bolt://127.0.0.1:{self._listener.getsockname()[1]}"
        self.cuts_left = 0
        self.after_bytes: int | None = None
        self.at_commit = False
        self.cuts = 0

    def serve(self) -> None:
        while not self._stopped.is_set():
            if not select.select([self._listener], [], [], 0.1)[0]:
                continue
            client, _ = self._listener.accept()
            thread = threading.Thread(target=self._pass_on, args=(client,))
            thread.start()
            self._threads.append(thread)

    def stop(self, serving: threading.Thread) -> None:
        self._stopped.set()
        for thread in (serving, *self._threads):
            thread.join(10)
        self._listener.close()

    def _pass_on(self, client: socket.socket) -> None:
        brought = 0
        with client, suppress(OSError), socket.create_connection(self._target) as server:
            while not self._stopped.is_set():
                ready, _, _ = select.select([client, server], [], [], 0.1)
                for side in ready:
                    data = side.recv(65_536)
                    if not data:
                        return
                    (server if side is client else client).sendall(data)
                    brought += len(data) if side is server else 0
                    if self._must_cut(brought, data if side is client else b""):
                        return

    def _must_cut(self, brought: int, sent: bytes) -> bool:
        with self._lock:
            late = self.after_bytes is not None and brought > self.after_bytes
            if not self.cuts_left or not (late or (self.at_commit and COMMIT in sent)):
                return False
            self.cuts_left -= 1
            self.cuts += 1
            return True


@contextmanager
def proxied(target: str) -> Iterator[Proxy]:
    """A proxy to the server at `target`, serving until the block ends."""
    proxy = Proxy(target)
    thread = threading.Thread(target=proxy.serve)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.stop(thread)
