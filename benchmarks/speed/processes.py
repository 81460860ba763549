"""Runners in processes of their own, and environments for the peers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphemb.errors import UnknownName

ROOT = Path(__file__).parents[2]
PEERS = ROOT / "benchmarks" / "peers"
OURS = "graphemb"
_SECONDS = 900
_INSTALL_SECONDS = 1200


@dataclass(frozen=True)
class Runner:
    """Somebody who can be measured.

    Attributes:
        name: ours or a peer's.
        command: what starts it, before task, folder and out.
        tasks: the rows it knows.
        requirements: what is installed, as pinned; empty for ours.
    """

    name: str
    command: tuple[str, ...]
    tasks: frozenset[str]
    requirements: str = ""


def peers() -> list[str]:
    """Every peer with a runner here."""
    return sorted(path.stem for path in PEERS.glob("*.txt"))


def ours() -> Runner:
    """This checkout, in this environment."""
    return _asked(OURS, (sys.executable, "-m", "benchmarks.speed.ours"))


def peer(name: str, cache: Path) -> Runner:
    """A peer, installed into an environment of its own when it is not there yet.

    Raises:
        UnknownName: no such peer.
        RuntimeError: it cannot be installed, or does not start; says why.
    """
    if name not in peers():
        raise UnknownName("peer", name, peers())
    wanted = (PEERS / f"{name}.txt").read_text(encoding="utf-8")
    home = cache / "peers" / name
    done = home / "installed.txt"
    python = str(home / "bin" / "python")
    if wanted.startswith("#"):  # it is among what graphemb itself needs
        wanted, python = "", sys.executable
    elif not done.exists() or done.read_text(encoding="utf-8") != wanted:
        venv.create(home, with_pip=True)
        install = [python, "-m", "pip", "install", "--quiet"]
        _run([*install, "-r", str(PEERS / f"{name}.txt")], _INSTALL_SECONDS)
        done.write_text(wanted, encoding="utf-8")
    # -P: else a script named as the library it measures would import itself
    return _asked(name, (python, "-P", str(PEERS / f"{name}.py")), wanted)


def measured(runner: Runner, task: str, folder: Path, out: Path, threads: int) -> dict[str, Any]:
    """One measurement.

    Raises:
        RuntimeError: the process failed or took too long; with the end of what it said.
    """
    text = _run([*runner.command, task, str(folder), str(out)], _SECONDS, threads)
    found: dict[str, Any] = json.loads(text.splitlines()[-1])
    return found


def _asked(name: str, command: tuple[str, ...], requirements: str = "") -> Runner:
    told = json.loads(_run([*command, "--tasks"], _SECONDS).splitlines()[-1])
    return Runner(name, command, frozenset(told), requirements)


def _run(command: list[str], seconds: float, threads: int = 1) -> str:
    limits = ("OMP", "OPENBLAS", "MKL", "NUMBA", "RAYON")
    env = {**os.environ, **{f"{name}_NUM_THREADS": str(threads) for name in limits}}
    env["PYTHONPATH"] = str(PEERS / "shared") if "-P" in command else str(ROOT)
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=seconds
        )
    except subprocess.TimeoutExpired:
        raise RuntimeError(f"not done in {seconds:.0f} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"ended with {done.returncode}"]
        raise RuntimeError(lines[-1][:300])
    return done.stdout
