"""Writing a report in the place of an older one."""

from __future__ import annotations

import shutil
from pathlib import Path

from graphemb.errors import StoreError
from graphemb.evaluate import Report
from graphemb.files import temporary_name

_OURS = "report.json"


def save_report(report: Report, folder: Path) -> None:
    """Write a report's JSON, text and figures; an older report there is replaced as a whole.

    Raises:
        StoreError: the folder holds something else; the disk failed.
    """
    if folder.exists() and not (folder / _OURS).is_file() and any(folder.iterdir()):
        raise StoreError(
            "the folder exists and holds no report",
            code="exists",
            source=folder,
            hint="move it away, or give another folder for the report",
        )
    for left in folder.parent.glob(f".{folder.name}.tmp-*"):
        shutil.rmtree(left, ignore_errors=True)
    written = temporary_name(folder)
    report.save(written)
    if folder.exists():
        shutil.rmtree(folder)
    written.rename(folder)
