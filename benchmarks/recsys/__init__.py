"""Recommenders on public sets beside simple models and published figures, with targets.

    python -m benchmarks recsys                                   # every set, an hour or so
    python -m benchmarks recsys --only gowalla --seed 0
    python -m benchmarks recsys --only gowalla --method LightGCN --seed 0 --seed 1 --seed 2

Each method and seed runs in a process of its own, which says its wall time and peak memory. What
comes out is put beside what `RECSYS.json` holds already, and the page is written again after
each run, so that the table can grow piece by piece. Sets are read from GRAPHEMB_DATA.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.recsys.sets import Method, RecSet
from benchmarks.recsys.table import markdown
from graphemb.errors import ConfigError
from graphemb.files import replace_file

SETS = (
    "gowalla",
    "ncf_ml1m",
    "jobs_views",
    "dyhatr_ecomm",
    "hin_amazon",
    "complete_journey",
    "gowalla_interests",
)
"""Modules of this package, in the order of the page."""
DEFAULT_SEEDS = (0, 1, 2)
Record = dict[str, Any]


def rec_set(name: str) -> RecSet:
    """The set that a module of this package defines."""
    found: RecSet = importlib.import_module(f"benchmarks.recsys.{name}").SET
    return found


def measured(name: str, method: Method, seed: int, threads: int | None) -> Record:
    """One run in a process of its own.

    Raises:
        ConfigError: the process failed; holds the end of what it said.
    """
    command = [sys.executable, "-m", "benchmarks.recsys.one", name, method.name, str(seed)]
    limits = {} if threads is None else {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **limits}
    )
    if done.returncode:
        raise ConfigError(f"{name}: {method.name} failed: {done.stderr[-2_000:]}", source=name)
    return {
        "set": name,
        "method": method.name,
        "role": method.role,
        "seed": seed,
        **json.loads(done.stdout.splitlines()[-1]),
        "load": round(os.getloadavg()[0], 1),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def merged(records: list[Record], new: Record) -> list[Record]:
    """Records with one more in the place of an older one of the same run."""
    key = ("set", "method", "seed")
    kept = [one for one in records if any(one[part] != new[part] for part in key)]
    return [*kept, new]


def main(argv: list[str]) -> int:
    """Measure what is asked for, run by run, and write the page.

    Raises:
        SourceError: a set is not there; says who publishes it.
        UnknownName: no such method.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks recsys")
    parser.add_argument("--only", action="append", choices=SETS, help="a set; may repeat")
    parser.add_argument("--method", action="append", help="a method by name; may repeat")
    parser.add_argument("--seed", action="append", type=int, help="may repeat; default 0, 1, 2")
    parser.add_argument("--threads", type=int, help="of BLAS and torch; default: theirs")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/RECSYS.md"))
    parser.add_argument("--table", action="store_true", help="only write the page again")
    options = parser.parse_args(argv)
    path = options.out.with_suffix(".json")
    records = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    for name in () if options.table else options.only or SETS:
        chosen = rec_set(name)
        wanted = [chosen.method(one) for one in options.method or ()] or chosen.methods
        for method in wanted:
            for seed in options.seed or DEFAULT_SEEDS if method.seeded else (0,):
                print(f"{name}  {method.name}  seed {seed}", file=sys.stderr, flush=True)
                records = merged(records, measured(name, method, seed, options.threads))
                _write(options.out, records)
    _write(options.out, records)
    print(options.out.read_text(encoding="utf-8"), end="")
    return 0


def _write(out: Path, records: list[Record]) -> None:
    page = markdown([rec_set(name) for name in SETS], records)
    replace_file(out.with_suffix(".json"), f"{json.dumps(records, indent=1)}\n".encode())
    replace_file(out, page.encode())
