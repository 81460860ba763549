"""Commands over published versions: neighbors, publish, versions, verify."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphemb.cli import show

if TYPE_CHECKING:
    from graphemb.ids import Ids
    from graphemb.store import VersionRecord
    from graphemb.types import NodeId

Store = Annotated[Path, typer.Option(help="Folder of the store.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ref = Annotated[
    str, typer.Argument(metavar="NAME[@VERSION]", help="Such as shop, shop@3, shop@prod.")
]
DEFAULT_STORE = Path("embeddings")


def neighbors(
    ref: Ref,
    node_type: Annotated[str, typer.Argument(metavar="TYPE", help="Node type of the query.")],
    node_id: Annotated[str, typer.Argument(metavar="ID", help="Its id.")],
    k: Annotated[int, typer.Option("-k", help="How many.")] = 10,
    to: Annotated[str | None, typer.Option(help="Node type of the answers.")] = None,
    store: Store = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """List what is nearest to an entity, by cosine."""
    from graphemb.store import EmbeddingStore

    name, version = reference(ref)
    shelf = EmbeddingStore(store)
    emb = shelf.load(name, version)
    target = to or node_type
    query = read_id(emb[node_type].ids, node_id)
    vector = emb[node_type].vector(query)
    index = shelf.load_index(name, target, version, metric="cosine")
    exclude = [query] if target == node_type else None
    ids, scores = index.search(vector, k, exclude=exclude)
    answers(target, ids, scores.tolist(), json=json)


def publish(
    folder: Annotated[Path, typer.Argument(help="Vectors, as Embeddings.save wrote them.")],
    name: Annotated[str, typer.Argument(help="Name to publish under.")],
    tag: Annotated[str | None, typer.Option(help="A tag to point at the version.")] = None,
    store: Store = DEFAULT_STORE,
    force: Annotated[bool, typer.Option(help="Publish vectors that look collapsed.")] = False,
    json: Json = False,
) -> None:
    """Publish a folder of vectors as a new version."""
    from graphemb.embeddings import Embeddings
    from graphemb.store import EmbeddingStore

    emb = Embeddings.load(folder)
    graph = emb.provenance.get("graph")
    fingerprint = graph if isinstance(graph, str) else None
    number = EmbeddingStore(store, force=force).publish(name, emb, graph=fingerprint, tag=tag)
    if json:
        show.as_json({"name": name, "version": number, "tag": tag})
    else:
        show.say(f"published {name} version {number}{f', tagged {tag}' if tag else ''}")


def versions(
    name: Annotated[str | None, typer.Argument(help="Only of this name.")] = None,
    store: Store = DEFAULT_STORE,
    json: Json = False,
) -> None:
    """List what is published."""
    from graphemb.store import EmbeddingStore

    shelf = EmbeddingStore(store)
    records = [one for each in ([name] if name else shelf.names()) for one in shelf.versions(each)]
    if json:
        show.as_json([_record(one) for one in records])
    elif not records:
        show.say(f"nothing is published in {store}")
    else:
        print_versions(records)


def print_versions(records: Sequence[VersionRecord]) -> None:
    """Print versions as a table, oldest first."""
    rows = [
        (
            one.name,
            one.version,
            f"{one.created:%Y-%m-%d %H:%M}" if one.created else "?",
            ", ".join([*(["current"] if one.current else []), *one.tags]),
            one.dim,
            ", ".join(f"{count:,} {node_type}" for node_type, count in one.counts.items()),
            one.problem or ("forced" if one.forced else "ok"),
        )
        for one in records
    ]
    show.table(("name", "version", "created (UTC)", "tags", "dim", "vectors", "state"), rows)


def verify(ref: Ref, store: Store = DEFAULT_STORE, json: Json = False) -> None:
    """Read every byte of a version and compare it with its manifest."""
    from graphemb.store import EmbeddingStore

    name, version = reference(ref)
    problems = EmbeddingStore(store).verify(name, version)
    if json:
        show.as_json(
            [{"code": one.code, "file": one.file, "message": one.message} for one in problems]
        )
    else:
        for one in problems:
            show.say(str(one))
        show.say(f"{len(problems)} problems" if problems else f"{ref} is what its manifest says")
    if problems:
        raise typer.Exit(1)


def _record(one: VersionRecord) -> dict[str, Any]:
    created = one.created.isoformat() if one.created else None
    return {**asdict(one), "tags": list(one.tags), "created": created}


def reference(ref: str) -> tuple[str, int | str]:
    """`shop@3` -> ("shop", 3); without `@` the latest version."""
    name, _, version = ref.partition("@")
    return name, int(version) if version.isdigit() else version or "latest"


def read_id(ids: Ids, text: str) -> NodeId:
    """An id as the graph has it: a number where ids are numbers."""
    digits = text[1:] if text.startswith("-") else text
    return int(text) if ids.kind == "int" and digits.isdecimal() else text


def answers(node_type: str, ids: list[NodeId], scores: list[float], *, json: bool) -> None:
    """Print ids and scores, best first."""
    pairs = list(zip(ids, scores, strict=True))
    if json:
        found = [{"id": json_id(one), "score": round(score, 6)} for one, score in pairs]
        show.as_json({"node_type": node_type, "found": found})
    else:
        show.table((node_type, "score"), [(str(one), score) for one, score in pairs])


def json_id(node_id: NodeId) -> NodeId:
    """Integers that a JSON reader may round become strings."""
    return str(node_id) if isinstance(node_id, int) and abs(node_id) > 2**53 else node_id
