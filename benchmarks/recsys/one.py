"""One method on one set with one seed; what came out goes to standard output as JSON."""

from __future__ import annotations

import json
import resource
import sys

from benchmarks.recsys import rec_set

_UNIT = 1 << 10 if sys.platform != "darwin" else 1 << 20
"""What makes MiB of `ru_maxrss`."""


def main(argv: list[str]) -> int:
    """`SET METHOD SEED`."""
    name, method, seed = argv
    found = rec_set(name).method(method).run(int(seed))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _UNIT
    record = {
        "figures": [round(float(figure), 5) for figure in found.figures],
        "seconds": None if found.seconds is None else round(found.seconds, 1),
        "peak_mib": round(peak),
        "facts": dict(found.facts),
    }
    print(json.dumps(record))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
