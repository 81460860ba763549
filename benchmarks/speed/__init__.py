"""Everything that should be fast, ours beside the peers and the machine's limits.

    python -m benchmarks speed                                   # ours alone, on G1
    python -m benchmarks speed --peer gensim --peer ensmallen --only whole --out benchmarks
    python -m benchmarks speed --graph G0 --only walks --rounds 1
    python -m benchmarks speed --page --out benchmarks           # the page anew from its JSON

Ours and each peer take turns; each measurement is a process of its own. Peers are installed into
`.cache/benchmarks/peers/`, from `benchmarks/peers/NAME.txt`. With `--out` rows are written into a
table that may have others already, so that a long one can be measured piece by piece.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.graphs import SIZES
from benchmarks.speed import quality, results
from benchmarks.speed.inputs import Settings, make_inputs
from benchmarks.speed.processes import OURS, ROOT, Runner, measured, ours, peer, peers
from benchmarks.speed.rows import ROWS, Row
from benchmarks.speed.table import markdown

_CACHE = ROOT / ".cache" / "benchmarks"


def main(argv: list[str]) -> int:
    """Measure, print the table, and put it into an older one when asked."""
    options = _options(argv)
    file = options.out / "results.json" if options.out else None
    result = results.load(file)
    if not options.page:
        _measure(options, result, " ".join(["python -m benchmarks speed", *map(_quoted, argv)]))
    _write(options.out, result)
    print(markdown(result))
    return 0


def _quoted(word: str) -> str:
    return f"'{word}'" if " " in word else word


def _write(folder: Path | None, result: results.Result) -> None:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "results.json").write_text(json.dumps(result, indent=1) + "\n")
        (folder / "RESULTS.md").write_text(markdown(result), encoding="utf-8")


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--graph", choices=list(SIZES), default="G1")
    parser.add_argument("--peer", action="append", default=[], help=", ".join(peers()))
    parser.add_argument("--only", action="append", default=[], help="rows that begin so")
    parser.add_argument("--skip", action="append", default=[], help="rows that begin so, not")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--once", action="append", default=[], help="entries that begin so in one round alone"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=0, help="of the graph")
    parser.add_argument("--out", type=Path, help="folder of RESULTS.md and results.json")
    parser.add_argument("--page", action="store_true", help="measure nothing, write the page")
    parser.add_argument("--cache", type=Path, default=_CACHE)
    parser.add_argument("--no-limits", action="store_true", help="leave the roofline out")
    return parser.parse_args(argv)


def _measure(options: argparse.Namespace, result: results.Result, command: str) -> None:
    """Row by row; the page is written after each measurement, so an interrupted run keeps them."""
    settings = Settings.of(options.graph, options.seed, options.threads)
    only, skip = tuple(options.only) or ("",), tuple(options.skip)
    rows = [row for row in ROWS if row.task.startswith(only)]
    rows = [row for row in rows if not skip or not row.task.startswith(skip)]
    folder = make_inputs(options.cache, settings, [name for row in rows for name in row.files])
    plan = json.loads((folder / "plan.json").read_text())
    plan["planted_auc"] = quality.planted_auc(folder)
    absent: dict[str, str] = {}
    runners = _runners(options, absent)
    for runner in runners[1:]:
        result["versions"][f"peer {runner.name}"] = ", ".join(runner.requirements.split())
    limits = {} if options.no_limits else _limits(options.threads)
    about = {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "load_average": os.getloadavg()[0],
        "limits": limits,
    }
    for row in rows:
        for found, missing in _in_turn(row, runners, options, folder):
            made = {**results.with_ratios(row, found, limits, plan), **about}
            results.add(result, plan, row.task, made, {**absent, **missing})
            _write(options.out, result)


def _limits(threads: int) -> dict[str, float]:
    from benchmarks import roofline

    return roofline.measure(threads)


def _runners(options: argparse.Namespace, absent: dict[str, str]) -> list[Runner]:
    runners = [ours()]
    for name in options.peer:
        try:
            runners.append(peer(name, options.cache))
        except RuntimeError as error:
            absent[name] = str(error)
    return runners


def _in_turn(
    row: Row, runners: Sequence[Runner], options: argparse.Namespace, folder: Path
) -> Iterator[tuple[dict[str, results.Entry], dict[str, str]]]:
    """After each measurement everybody's medians so far, and who could not be measured.

    A B A B, so that a slow minute of the machine meets all.
    """
    runs: dict[str, list[results.Entry]] = {}
    turns, missing = list(_turns(row, runners)), {}
    if OURS not in {who for who, _, _ in turns}:
        missing[OURS] = "no runner of ours takes part"
    once, out = tuple(options.once), folder / "out.npy"
    for number in range(options.rounds):
        for who, runner, task in turns:
            if who in missing or (number and once and who.startswith(once)):
                continue
            print(f"{row.task}  {who}  {number + 1}/{options.rounds}", file=sys.stderr)
            out.unlink(missing_ok=True)
            try:
                found = measured(runner, task, folder, out, options.threads)
                found |= _checked(row, who, out, folder)
                runs.setdefault(who, []).append(found)
            except RuntimeError as error:
                missing[who] = str(error)
            yield {who: results.summed_up(found) for who, found in runs.items()}, missing


def _turns(row: Row, runners: Sequence[Runner]) -> Iterator[tuple[str, Runner, str]]:
    """Who does a row, under which name: `runner`, or `runner (variant)`."""
    for runner in runners:
        for task in sorted(runner.tasks):
            name, _, variant = task.partition(":")
            if name == row.task:
                yield f"{runner.name} ({variant})" if variant else runner.name, runner, task


def _checked(row: Row, who: str, out: Path, folder: Path) -> dict[str, Any]:
    """The quality of vectors; an answer must be the one that we gave first.

    Raises:
        RuntimeError: it is another.
    """
    if row.makes == "vectors":
        return quality.judge(out, folder)
    if row.makes == "answer":
        first = folder / f"{row.task}.answer.npy"
        if who == OURS:
            out.replace(first)
        elif first.exists():
            quality.check_same(out, first)
    return {}
