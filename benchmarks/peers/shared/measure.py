"""What every measured process does alike, ours and the peers': time, memory, one line of JSON.

Standard library alone, since it runs inside each peer's environment. A runner is called as
`python RUNNER TASK FOLDER OUT`: FOLDER holds the graph and `plan.json`, OUT takes vectors. A task
is named after its row in `benchmarks/speed/rows.py`; `ROW:VARIANT` is another entry of that row.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Task = Callable[["Meter"], Any]


class Meter:
    """One measurement: warm what compiles, then time what counts.

    Attributes:
        folder: the graph, as `plan.json` describes it.
        out: where vectors are saved.
        plan: sizes and settings.
        found: what was measured; all of it is written down.
    """

    def __init__(self, folder: Path, out: Path) -> None:
        self.folder, self.out = folder, out
        self.plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
        self.found: dict[str, Any] = {}
        self.watch(os.getpid())

    def watch(self, process: int) -> None:
        """Measure the memory and CPU of this process; what it holds now is its own."""
        self._process = process
        self._own = _status(process, "VmRSS")

    def warm(self, work: Callable[[], Any]) -> None:
        """Run something small of the same kind, and keep how long the first call took."""
        begin = time.perf_counter()
        work()
        self.found["first_call_seconds"] = time.perf_counter() - begin

    def timed(self, work: Callable[[], Any], count: float | None = None) -> Any:
        """Run what counts; `count` are the units of work done in it."""
        _forget_peak(self._process)
        begin, worked = time.perf_counter(), _cpu_seconds(self._process)
        value = work()
        self.found["seconds"] = time.perf_counter() - begin
        self.found["cpu_seconds"] = _cpu_seconds(self._process) - worked
        self.found["peak_mb"] = max(0.0, (_status(self._process, "VmHWM") - self._own) / 1024)
        self.counted(count)
        return value

    def counted(self, count: float | None) -> None:
        """Units of work done, where that is known only afterwards."""
        if count is not None:
            self.found["count"] = float(count)


def main(tasks: dict[str, Task]) -> None:
    """Run the task that the command line names and print what was measured."""
    if sys.argv[1] == "--tasks":
        print(json.dumps(sorted(tasks)))
        return
    meter = Meter(Path(sys.argv[2]), Path(sys.argv[3]))
    tasks[sys.argv[1]](meter)
    print(json.dumps(meter.found), flush=True)


def _status(process: int, field: str) -> float:
    """Kilobytes; 0 where the system does not tell."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return float(next(line.split()[1] for line in lines if line.startswith(field)))


def _cpu_seconds(process: int) -> float:
    """Of all its threads; 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _forget_peak(process: int) -> None:
    """Let VmHWM start anew from what is held now; where that is refused, it includes warming."""
    try:
        Path(f"/proc/{process}/clear_refs").write_text("5")
    except OSError:
        return
