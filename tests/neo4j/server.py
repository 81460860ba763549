"""A real Neo4j server from its published jars, for the tests and for anybody without Docker.

    make neo4j

starts one in the foreground and prints its address and password. It needs java (17 or newer) and,
the first time, mvn, which fetches 118 MB into the user's cache folder.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

POM = Path(__file__).parent / "pom.xml"
VERSION = "5.26.25"
HEAP = "512m"
START_SECONDS = 120
STOP_SECONDS = 60

# Ends the server when its own input ends, so that it never outlives the process that started it.
_GUARD = """
exec 3<&0
"$@" </dev/null &
server=$!
(cat <&3 >/dev/null; kill "$server" 2>/dev/null) &
wait "$server"
"""


@dataclass(frozen=True)
class Server:
    """A server that is ready.

    Attributes:
        uri: its Bolt address.
        password: of the user `neo4j`.
        home: its folder, gone when it stops.
    """

    uri: str
    password: str
    home: Path


def missing_tools() -> str | None:
    """Why no server can be started here; None: it can."""
    if shutil.which("java") is None:
        return "java is not installed"
    if not _cached(f"neo4j-{VERSION}").is_dir() and shutil.which("mvn") is None:
        return "mvn is not installed"
    return None


@contextmanager
def running(
    *, memory_per_transaction: str | None = None, plugins: Path | None = None, heap: str = HEAP
) -> Iterator[Server]:
    """Start a server on a free port of this machine, and stop it whatever happens.

    Args:
        memory_per_transaction: a limit such as `64m`; None: the server's own.
        plugins: a folder of jars, as `fetched` gives it: those that the server lacks become its
            plugins, without any restriction.
        heap: of the JVM, such as `512m`.
    """
    jars = fetched(POM, f"neo4j-{VERSION}")
    home = Path(tempfile.mkdtemp(prefix="graphemb-neo4j-"))
    try:
        port = _free_port()
        _configure(home, port, memory_per_transaction, plugins)
        _plug_in(home, jars, plugins)
        with (home / "out.log").open("wb") as log:
            process = subprocess.Popen(
                ["sh", "-c", _GUARD, "sh", *_command(jars, home, heap)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait_until_started(process, home)
            yield Server(f"neo4j://127.0.0.1:{port}", _new_password(port), home)
        finally:
            _stop(process)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def fetched(pom: Path, name: str) -> Path:
    """The folder of a POM's jars, kept as `name`; nothing is ever left there half fetched."""
    jars = _cached(name)
    if jars.is_dir():
        return jars
    jars.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=jars.parent))
    try:
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies"]
        command += ["-DincludeScope=runtime", f"-DoutputDirectory={part}"]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, timeout=600)
        try:
            part.rename(jars)
        except OSError:
            if not jars.is_dir():  # else another process was first
                raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return jars


def _cached(name: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "graphemb" / name


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _configure(
    home: Path, port: int, memory_per_transaction: str | None, plugins: Path | None
) -> None:
    lines = [
        f"server.bolt.listen_address=127.0.0.1:{port}",
        "server.http.enabled=false",
        "server.https.enabled=false",
        "dbms.usage_report.enabled=false",
        f"server.directories.import={home / 'import'}",
        "server.memory.pagecache.size=128m",
    ]
    if plugins:
        lines.append("dbms.security.procedures.unrestricted=*")
    if memory_per_transaction:
        lines.append(f"db.memory.transaction.max={memory_per_transaction}")
    for folder in ("conf", "import"):
        (home / folder).mkdir()
    (home / "conf" / "neo4j.conf").write_text("\n".join(lines) + "\n")


def _plug_in(home: Path, jars: Path, plugins: Path | None) -> None:
    """Link the jars that the server does not have itself."""
    (home / "plugins").mkdir()
    for jar in plugins.iterdir() if plugins else ():
        if not (jars / jar.name).exists():
            (home / "plugins" / jar.name).symlink_to(jar)


def _command(jars: Path, home: Path, heap: str) -> list[str]:
    return [
        "java",
        f"-Xmx{heap}",
        "-cp",
        f"{jars}/*{os.pathsep}{home / 'plugins'}/*",
        "org.neo4j.server.CommunityEntryPoint",
        f"--home-dir={home}",
        f"--config-dir={home / 'conf'}",
    ]


def _wait_until_started(process: subprocess.Popen[bytes], home: Path) -> None:
    log = home / "logs" / "neo4j.log"
    end = time.monotonic() + START_SECONDS
    while not (log.exists() and "Started." in log.read_text()):
        if process.poll() is not None or time.monotonic() > end:
            told = (home / "out.log").read_text()[-2000:]
            raise RuntimeError(f"the Neo4j server did not start\n{told}")
        time.sleep(0.1)


def _new_password(port: int) -> str:
    """The first login is neo4j/neo4j and must change its password."""
    import neo4j

    password = secrets.token_hex(12)
    address = f"bolt://127.0.0.1:{port}"
    with neo4j.GraphDatabase.driver(address, auth=("neo4j", "neo4j")) as driver:
        driver.execute_query(
            "ALTER CURRENT USER SET PASSWORD FROM $old TO $new",
            old="neo4j",
            new=password,
            database_="system",
        )
    return password


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM through the guard, then wait; SIGKILL to the group only if that is not enough."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main() -> int:
    """Run a server until it is interrupted."""
    reason = missing_tools()
    if reason:
        print(f"no server: {reason}", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with running() as server:
        print(f"Neo4j {VERSION} is ready. Ctrl-C stops it and deletes its data.\n", flush=True)
        print(f"export NEO4J_URI={server.uri} NEO4J_USERNAME=neo4j", end="", flush=True)
        print(f" NEO4J_PASSWORD={server.password}", flush=True)
        try:
            signal.pause()
        except KeyboardInterrupt:
            print("\nstopping ...", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
