"""How much memory this process uses, may use, and used at most."""

from __future__ import annotations

import os
import re
import resource
import sys
from pathlib import Path

from graphemb.errors import ConfigError

_PROCESSES = Path("/proc")
_CLEAR = Path("/proc/self/clear_refs")
_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kMGT]?)(i?)B?\s*\Z", re.IGNORECASE)
_PAGE = os.sysconf("SC_PAGE_SIZE")


def resident(process: int | None = None) -> int:
    """Bytes of a process in memory now; its peak where the system tells nothing else.

    Args:
        process: its id; None: this process.
    """
    own = _PROCESSES / ("self" if process is None else str(process))
    return _kilobytes(own / "status", "VmRSS") or (peak() if process is None else 0)


def peak() -> int:
    """Most bytes that were in memory at once since the start, or since `reset_peak`."""
    scale = 1 if sys.platform == "darwin" else 1024
    return (
        _kilobytes(_PROCESSES / "self/status", "VmHWM")
        or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale
    )


def reset_peak() -> bool:
    """Begin to measure the peak anew; False where the system cannot."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return False
    return True


def available() -> int | None:
    """Bytes that this process can still take, by the machine and its control group."""
    found = [size for size in (_free(), _group_room()) if size is not None]
    return min(found) if found else None


def readable(size: float) -> str:
    """`512 MB`, `3.2 GB`; powers of 1,000."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if size >= 10 or unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def read_size(text: str) -> int:
    """Bytes of `4GB`, `512 MB`, `2GiB` or a plain number.

    Raises:
        ConfigError: none of these.
    """
    match = _SIZE.match(text)
    if not match:
        raise ConfigError(
            "a size is a number and a unit", value=text, hint="for example 4GB, 512MB or 2GiB"
        )
    power = "kmgt".find(match[2].lower()) + 1 if match[2] else 0
    step = 1024.0 if match[3] else 1000.0
    return round(float(match[1]) * step**power)


def _free() -> int | None:
    size = _kilobytes(_MEMINFO, "MemAvailable")
    if size:
        return size
    try:
        return os.sysconf("SC_PHYS_PAGES") * _PAGE
    except (ValueError, OSError):  # pragma: no cover - no such name on this system
        return None


def _group_room() -> int | None:
    """What is left under the control group's limit; None without one."""
    try:
        limit = (_CGROUP / "memory.max").read_text().strip()
        used = (_CGROUP / "memory.current").read_text().strip()
    except OSError:
        return None
    return int(limit) - int(used) if limit.isdigit() else None


def _kilobytes(path: Path, name: str) -> int:
    try:
        text = path.read_text()
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0
