"""What a run file is good for besides a run: judging saved vectors, and recommending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from graphemb.embeddings import Embeddings
from graphemb.errors import ConfigError
from graphemb.evaluate import Report
from graphemb.ids import Ids
from graphemb.index import Index
from graphemb.pipeline import say
from graphemb.pipeline.config import RunConfig
from graphemb.progress import Steps
from graphemb.split import SplitRule, audit_leaks, split_by
from graphemb.store import EmbeddingStore
from graphemb.types import NodeId, NodeType


@dataclass(frozen=True)
class Recommendation:
    """What is recommended to somebody.

    Attributes:
        node_type: of the answers.
        ids, scores: best first.
        seen: how many nodes were left out because they are joined already.
    """

    node_type: NodeType
    ids: list[NodeId]
    scores: list[float]
    seen: int


def judge(
    config: RunConfig, vectors: Sequence[tuple[str, Path]], *, steps: Steps | None = None
) -> Report:
    """Evaluate saved vectors by a file's `[split]` and `[evaluate]`.

    Args:
        vectors: names and folders that `Embeddings.save` wrote.

    Raises:
        ConfigError: the file has no split; a name stands twice.
        LeakError: vectors say that they were made on another graph than the training graph.
    """
    rule = _split_rule(config)
    steps = steps or Steps()
    candidates: dict[str, Embeddings] = {}
    for name, folder in vectors:
        if name in candidates:
            raise ConfigError("two candidates have one name", field="vectors", value=name)
        candidates[name] = Embeddings.load(folder)
    with steps.step("load") as step:
        graph = config.load(say.rows_read(step))
        step.result = say.sizes(graph)
    with steps.step("split and audit") as step:
        split = split_by(rule, graph)
        audit = audit_leaks(split, embeddings=candidates)
        step.result = say.held_out(split)
    for warning in (*audit.warnings, *audit.notes):
        steps.note(f"note: {warning}")
    with steps.step("evaluate"):
        return config.evaluate.run(candidates, split)


def recommend(
    config: RunConfig,
    read_id: Callable[[Ids], NodeId],
    k: int,
    *,
    name: str | None = None,
    version: int | str = "latest",
) -> Recommendation:
    """The k best targets of the split's edge type for one source, by published vectors.

    Those that the source is joined to in the graph, as it is now, are left out.

    Args:
        read_id: the source's id, given the ids there are.
        name, version: what to recommend from; by default what the file publishes.

    Raises:
        ConfigError: the file has no split or publishes nothing.
        UnknownNode: there is no such source, or it has no vector.
    """
    edge_type = _split_rule(config).edge_type
    if config.publish is None:
        raise ConfigError(
            "the file publishes nothing to recommend from",
            source=config.file.path,
            hint="it needs [publish] with store and name",
        )
    store = EmbeddingStore(config.folder / config.publish.store)
    emb = store.load(name or config.publish.name, version)
    graph = config.load()
    source = read_id(graph.ids(edge_type.src))
    seen = graph.neighbors(edge_type.src, source, edge_type)
    exclude = [*seen, *([source] if edge_type.src == edge_type.dst else [])]
    cosine = config.evaluate.scorer == "cosine"
    index = Index.build(emb[edge_type.dst], "cosine" if cosine else "dot")
    ids, scores = index.search(emb[edge_type.src].vector(source), k, exclude=exclude)
    return Recommendation(edge_type.dst, ids, scores.tolist(), len(set(seen)))


def _split_rule(config: RunConfig) -> SplitRule:
    if config.split is None:
        raise ConfigError(
            "the file has no [split], which says what to predict",
            code="missing_key",
            source=config.file.path,
        )
    return config.split
