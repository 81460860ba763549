"""What every measured process does alike, ours and the peers': time, memory, one line of JSON.

Standard library alone, since it runs inside each peer's environment. A runner is called as
`python RUNNER TASK FOLDER OUT`: FOLDER holds the graph and `plan.json`, OUT takes vectors.
"""

from __future__ import annotations

import json
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
    """

    def __init__(self, folder: Path, out: Path) -> None:
        self.folder, self.out = folder, out
        self.plan: dict[str, Any] = json.loads((folder / "plan.json").read_text())
        self.found: dict[str, Any] = {}
        self._own = _status("VmRSS")  # the interpreter and its imports

    def warm(self, work: Callable[[], Any]) -> None:
        """Run something small of the same kind, and keep how long the first call took."""
        begin = time.perf_counter()
        work()
        self.found["first_call_seconds"] = time.perf_counter() - begin

    def timed(self, work: Callable[[], Any], count: float | None = None) -> Any:
        """Run what counts; `count` are the units of work done in it."""
        _forget_peak()
        begin = time.perf_counter()
        value = work()
        self.found["seconds"] = time.perf_counter() - begin
        self.found["peak_mb"] = max(0.0, (_status("VmHWM") - self._own) / 1024)
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


def _status(field: str) -> float:
    """Kilobytes; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0.0
    return float(next(line.split()[1] for line in lines if line.startswith(field)))


def _forget_peak() -> None:
    """Let VmHWM start anew from what is held now; where that is refused, it includes warming."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return
