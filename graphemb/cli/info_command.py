"""The command `info`: what a file or folder is, or what is installed here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from graphemb.cli import show
from graphemb.cli.store_commands import Json, print_versions
from graphemb.errors import StoreError


def info(
    path: Annotated[
        Path | None,
        typer.Argument(help="A run file, or a folder: saved graph, saved vectors, store."),
    ] = None,
    json: Json = False,
) -> None:
    """Tell what a file or folder holds; without one, what is installed."""
    if path is None:
        facts = _installed()
        show.as_json(facts) if json else _print_facts(facts)
    elif path.is_dir():
        _folder(path, json)
    else:
        from graphemb.pipeline.config import RunConfig

        config = RunConfig.read(path).describe()
        show.as_json(config) if json else _print_facts(_shortened(config))


def _installed() -> dict[str, Any]:
    from importlib.metadata import entry_points

    from graphemb.linalg import num_threads
    from graphemb.pipeline.memory import available, readable
    from graphemb.source import loaders
    from graphemb.store.lineage import libraries
    from graphemb.trainers.base import GROUP

    free = available()
    return {
        **libraries(),
        "cores": num_threads(),
        "free memory": readable(free) if free else "unknown",
        "trainers": sorted(point.name for point in entry_points(group=GROUP)),
        "loaders": loaders(),
    }


def _folder(path: Path, json: bool) -> None:
    """Print a folder by the kind that its manifest says."""
    from graphemb.embeddings import Embeddings
    from graphemb.graph import HeteroGraph
    from graphemb.manifest import MANIFEST, read_json
    from graphemb.store import EmbeddingStore

    if not (path / MANIFEST).is_file():
        store = EmbeddingStore(path)
        records = [one for name in store.names() for one in store.versions(name)]
        if not records:
            raise StoreError(
                "this folder is no saved graph, no saved vectors and no store", source=path
            )
        if json:
            show.as_json({"kind": "graphemb store", "names": store.names()})
        else:
            print_versions(records)
        return
    manifest = read_json(path / MANIFEST)
    if json:
        show.as_json(manifest)
    elif isinstance(manifest, dict) and manifest.get("kind") == "graphemb graph":
        show.say(HeteroGraph.load(path, verify=False).summary())
    else:
        emb = Embeddings.load(path, mmap=True)
        rows = [(name, len(part), len(part.missing), part.dim) for name, part in emb.items()]
        show.table(("node type", "vectors", "missing", "dim"), rows)


def _print_facts(facts: dict[str, Any]) -> None:
    width = max(map(len, facts))
    for name, value in facts.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        show.say(f"{name:<{width}}  {text}")


def _shortened(config: dict[str, Any]) -> dict[str, Any]:
    """A run file in a few lines: names instead of queries."""
    graph = config["graph"]
    facts: dict[str, Any] = {
        "graph": graph["uri"],
        "node types": list(graph["nodes"]),
        "edge types": list(graph["edges"]),
    }
    if config["split"]:
        facts["split"] = _fields(config["split"])
    facts |= {f"fit {name}": _fields(one) for name, one in config["fit"].items()}
    for number, one in enumerate(config["derive"], 1):
        facts[f"derive {number}"] = _fields(one)
    return facts


def _fields(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
