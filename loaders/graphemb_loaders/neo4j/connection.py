"""One server: its address, the login from the environment, a driver per process, clear errors."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from graphemb.errors import (
    ConfigError,
    ConnectionFailed,
    GraphEmbError,
    MissingDependency,
    SourceError,
)
from graphemb.source import Source

if TYPE_CHECKING:
    import neo4j

T = TypeVar("T")

_MESSAGE = 400
_FORKED: list[object] = []
"""Drivers of a parent process: closing them, or losing them, would close the parent's sockets."""


class Refused(Exception):
    """The server will not give an answer in columns; says why. Not worth a retry as it is."""


class Connection:
    """Runs work in managed transactions, which the driver retries.

    Attributes:
        retry_seconds: how long the driver retries what may pass: lost connections, deadlocks, a
            change of leader.
    """

    retry_seconds = 30.0

    def __init__(self, source: Source) -> None:
        parts = urlsplit(source.uri)
        if not parts.hostname:
            raise ConfigError(
                "this address names no server",
                field="uri",
                value=source.uri,
                hint="for example neo4j://localhost:7687 or neo4j://localhost:7687/database",
            )
        routing = f"?{parts.query}" if parts.query else ""
        self._source = source
        self._address = f"{parts.scheme}://{parts.netloc}{routing}"
        self._database = parts.path.strip("/") or None
        self._driver: neo4j.Driver | None = None
        self._pid = 0

    def __repr__(self) -> str:
        return f"Connection({self._address!r})"

    def read(self, where: str, work: Callable[[neo4j.ManagedTransaction], T]) -> T:
        """Run `work` in read access mode, from the start again when the connection is lost.

        Raises:
            ConnectionFailed: no server, no login, or lost for longer than `retry_seconds`.
            SourceError: the server refuses the query.
        """
        with self._explained(where), self._session() as session:
            return session.execute_read(work)

    def write(self, where: str, work: Callable[[neo4j.ManagedTransaction], T]) -> T:
        """Run `work` in write access mode; it must be the same when it is done twice.

        So it is done again also when the connection was lost during the commit, and nobody knows
        whether that happened.

        Raises:
            ConnectionFailed, SourceError: as for `read`.
        """
        from neo4j.exceptions import IncompleteCommit

        end = time.monotonic() + self.retry_seconds
        with self._explained(where):
            while True:
                try:
                    with self._session() as session:
                        return session.execute_write(work)
                except IncompleteCommit:
                    if time.monotonic() > end:
                        raise

    def close(self) -> None:
        """Close this process's driver."""
        if self._driver is not None and self._pid == os.getpid():
            self._driver.close()
            self._driver = None

    def _session(self) -> neo4j.Session:
        return self._open().session(database=self._database)

    def _open(self) -> neo4j.Driver:
        if self._driver is not None and self._pid == os.getpid():
            return self._driver
        if self._driver is not None:
            _FORKED.append(self._driver)
        try:
            import neo4j
        except ImportError as error:
            raise MissingDependency("neo4j", "reading neo4j: addresses") from error
        self._driver = neo4j.GraphDatabase.driver(
            self._address,
            auth=_login(self._source),
            notifications_min_severity="OFF",
            max_transaction_retry_time=self.retry_seconds,
            connection_timeout=15.0,
        )
        self._pid = os.getpid()
        return self._driver

    @contextmanager
    def _explained(self, where: str) -> Iterator[None]:
        from neo4j.exceptions import DriverError, Neo4jError

        try:
            yield
        except (GraphEmbError, Refused):
            raise
        except (Neo4jError, DriverError) as error:
            raise self._as_error(error, where) from error
        except (OSError, ValueError) as error:
            raise ConnectionFailed(
                f"the server cannot be reached: {error}", source=self._address
            ) from error

    def _as_error(self, error: Exception, where: str) -> GraphEmbError:
        from neo4j import exceptions

        code = str(getattr(error, "code", "") or "")
        said = str(getattr(error, "message", "") or error).strip()[:_MESSAGE]
        if isinstance(error, exceptions.AuthError):
            names = f"{self._source.username_env} and {self._source.password_env}"
            return ConnectionFailed(
                "the server refused the login",
                code="login",
                source=self._address,
                hint=f"see {names}",
            )
        if code.endswith("DatabaseNotFound"):
            return ConnectionFailed(
                "the server has no such database",
                code="unknown_database",
                source=self._address,
                value=self._database,
            )
        lost = (exceptions.ServiceUnavailable, exceptions.SessionExpired)
        if isinstance(error, (*lost, exceptions.ConfigurationError)):
            return ConnectionFailed(
                f"the server cannot be reached, or was lost ({where}): {said}",
                source=self._address,
            )
        if code.endswith("AccessMode"):
            return SourceError(
                "a query of a spec may only read", code="write_refused", source=where
            )
        return SourceError(
            f"{said} ({code or type(error).__name__})", code="query_failed", source=where
        )


def _login(source: Source) -> tuple[str, str] | None:
    """Name and password from the environment; None if neither is set: a server without a login."""
    name = os.environ.get(source.username_env)
    password = os.environ.get(source.password_env)
    if password is None:
        if name is None:
            return None
        raise ConfigError(
            f"{source.username_env} is set and {source.password_env} is not",
            code="login",
            field=source.password_env,
        )
    return name or "neo4j", password
