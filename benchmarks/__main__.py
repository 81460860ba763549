"""`python -m benchmarks NAME [args]` runs the benchmark `benchmarks/NAME`."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

from graphemb import GraphEmbError
from graphemb.errors import UnknownName


def benchmarks() -> dict[str, str]:
    """Every module here that has a `main`, with the first line of what it says about itself."""
    found = {}
    here = Path(__file__).parent
    for path in sorted([*here.glob("*.py"), *here.glob("*/__init__.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        name = path.parent.name if path.stem == "__init__" else path.stem
        if "main" in names and name != "__main__":
            found[name] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def main(argv: list[str]) -> int:
    """Run one benchmark with the arguments after its name; without a name, list them."""
    known = benchmarks()
    if not argv or argv[0] in ("-h", "--help"):
        print("python -m benchmarks NAME [args]\n")
        for name, about in known.items():
            print(f"  {name:12s}  {about}")
        return 0
    try:
        if argv[0] not in known:
            raise UnknownName("benchmark", argv[0], known)
        return int(importlib.import_module(f"benchmarks.{argv[0]}").main(argv[1:]) or 0)
    except GraphEmbError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
