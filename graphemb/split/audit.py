"""The leak audit: every known way in which a held-out pair can show in training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graphemb.embeddings import Embeddings
from graphemb.errors import SAMPLE_LIMIT, LeakError, shown
from graphemb.graph import HeteroGraph
from graphemb.ids import Ids
from graphemb.split import probes
from graphemb.split.columns import column_leaks, late_columns
from graphemb.split.pairs import edges_of, find_pairs
from graphemb.split.probes import Probe, run_probes
from graphemb.split.questions import Questions
from graphemb.split.rule import HeldOut, Split
from graphemb.types import BoolArray, EdgeType, IntArray, NodeType

CHECKS = (
    "same_edge",
    "parallel_edge",
    "reverse_edge",
    "later_time",
    "leaky_relation",
    "derived_vector",
    "feature_column",
    "duplicate_id",
)


@dataclass(frozen=True)
class Leak:
    """One way in which held-out pairs show.

    Attributes:
        kind: one of `CHECKS`.
        count: how many edges, pairs, columns or embeddings show them.
        detail: what, where, and the first few.
    """

    kind: str
    count: int
    detail: str


@dataclass(frozen=True)
class Audit:
    """What the audit looked for and found.

    Attributes:
        leaks: what was found; empty when all is well.
        probes: rankings that know nothing, and what they score.
        notes: what could not be checked, or deserves a look.
    """

    leaks: tuple[Leak, ...]
    probes: tuple[Probe, ...]
    notes: tuple[str, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """The probes that beat popularity by more than chance, in words."""
        return tuple(str(probe) for probe in self.probes if probe.wins)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "checks": list(CHECKS),
            "leaks": [asdict(leak) for leak in self.leaks],
            "probe_test": probes.TEST,
            "probes": [{**asdict(probe), "wins": list(probe.wins)} for probe in self.probes],
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        lines = [f"leak audit: {len(CHECKS)} checks, {len(self.leaks)} leaks"]
        lines += [f"  {leak.kind}: {leak.detail}" for leak in self.leaks]
        lines += [f"  probe, {warning}" for warning in self.warnings]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def audit_leaks(
    split: Split,
    *,
    embeddings: Embeddings | Mapping[str, Embeddings] | None = None,
    leaky_with: Iterable[EdgeType] = (),
    accept: Iterable[str] = (),
    probe: bool = True,
    seed: int = 0,
) -> Audit:
    """Look for held-out pairs in everything that training may see.

    Args:
        embeddings: one candidate or several by name; their provenance must name the training
            graph, at every step that it records.
        leaky_with: further edge types, beside the rule's, that must not hold the pairs.
        accept: fingerprints of further graphs known to be made from the training graph.
        probe: also rank by file order and the like; their results never fail the audit.
        seed: of the probes' order of rows.

    Raises:
        LeakError: something shows; the message has every kind that was found.
        UnknownName: an edge type that is not in the graph.
    """
    secret = _secret(split)
    leaks = [
        *_edge_leaks(split, secret),
        *_later(split),
        *_relations(split, secret, {*split.rule.leaky_with, *leaky_with}),
        *_columns(split, secret),
        *_duplicates(split, secret),
    ]
    notes = list(late_columns(split))
    if embeddings is not None:
        named = {"": embeddings} if isinstance(embeddings, Embeddings) else dict(embeddings)
        leaks += _vectors(split, named, set(accept), notes)
    ran = run_probes(Questions.of(split, seed=seed)) if probe else ()
    audit = Audit(tuple(leaks), ran, tuple(notes))
    if leaks:
        raise LeakError(
            f"the training graph shows held-out pairs in {len(leaks)} ways: "
            + "; ".join(f"{leak.kind}: {leak.detail}" for leak in leaks),
            code=leaks[0].kind,
            source=split.edge_type,
            hint="split again with split_edges; name relations that repeat it in leaky_with",
        )
    return audit


def _secret(split: Split) -> HeldOut:
    """The pairs that training must not show, each once: asked or not, but for those it knew."""
    parts = [part for part in (split.test, split.valid, split.removed) if part is not None]
    src = np.concatenate([part.src for part in parts])
    dst = np.concatenate([part.dst for part in parts])
    times = [part.time for part in parts if part.time is not None]
    time = np.concatenate(times) if len(times) == len(parts) else None
    width = split.train.num_nodes(split.edge_type.dst)
    once = np.unique(src * width + dst, return_index=True)[1]
    secret = HeldOut(src, dst, time).take(once)
    if split.train_until is not None and secret.time is not None:
        return secret.take(secret.time >= split.train_until)
    return secret


def _edge_leaks(split: Split, secret: HeldOut) -> Iterator[Leak]:
    """Held-out pairs among the edges themselves: the same, parallel, or reversed."""
    adjacency = split.train[split.edge_type]
    here = edges_of(adjacency, secret, reverse=False)
    same = here.copy()
    if adjacency.times is not None and secret.time is not None and here.any():
        times = {
            (s, d, t)
            for s, d, t in zip(
                secret.src.tolist(), secret.dst.tolist(), secret.time.tolist(), strict=True
            )
        }
        places = np.flatnonzero(here)
        src, dst = adjacency.sources()[places], adjacency.neighbors[places]
        keys = zip(src.tolist(), dst.tolist(), adjacency.times[places].tolist(), strict=True)
        same[places] = [key in times for key in keys]
    yield from _edges("same_edge", split.train, split.edge_type, same)
    yield from _edges("parallel_edge", split.train, split.edge_type, here & ~same)
    if split.rule.one_type:
        back = edges_of(adjacency, HeldOut(secret.dst, secret.src), reverse=False)
        yield from _edges("reverse_edge", split.train, split.edge_type, back & ~here)


def _edges(kind: str, graph: HeteroGraph, edge_type: EdgeType, found: BoolArray) -> Iterator[Leak]:
    count = int(np.count_nonzero(found))
    if not count:
        return
    places = np.flatnonzero(found)[:SAMPLE_LIMIT]
    adjacency = graph[edge_type]
    src_ids, dst_ids = graph.ids(edge_type.src), graph.ids(edge_type.dst)
    sample = [
        f"{shown(src_ids[int(src)])} -> {shown(dst_ids[int(dst)])}"
        for src, dst in zip(adjacency.sources()[places], adjacency.neighbors[places], strict=True)
    ]
    yield Leak(kind, count, f"{count:,} edges of {edge_type}: {', '.join(sample)}")


def _later(split: Split) -> Iterator[Leak]:
    """Edges from the test's time on; for leave_one_out, the asked source's own ones."""
    train = split.train
    if split.by == "leave_one_out" and split.test.time is not None:
        adjacency = train[split.edge_type]
        since = np.full(adjacency.num_src, np.iinfo(np.int64).max)
        for part in (split.removed, split.test, split.valid):
            if part is not None and part.time is not None:
                np.minimum.at(since, part.src, part.time)
        if adjacency.times is not None:
            late = adjacency.times >= since[adjacency.sources()]
            yield from _edges("later_time", train, split.edge_type, late)
    if split.train_until is None:
        return
    others = train.edge_types if split.rule.cut_others else (split.edge_type.stored,)
    for edge_type in others:
        times = train[edge_type].times
        if times is not None:
            yield from _edges("later_time", train, edge_type, times >= split.train_until)


def _relations(split: Split, secret: HeldOut, others: set[EdgeType]) -> Iterator[Leak]:
    for other in sorted(others):
        way = other if other.src == split.edge_type.src else other.reverse
        shows = edges_of(split.train[way], secret, reverse=split.rule.one_type)
        yield from _edges("leaky_relation", split.train, way, shows)


def _columns(split: Split, secret: HeldOut) -> Iterator[Leak]:
    for leak in column_leaks(split, secret):
        yield Leak("feature_column", leak.found, str(leak))


def _duplicates(split: Split, secret: HeldOut) -> Iterator[Leak]:
    """Held-out pairs whose ends have a double, the same id but for case and white space."""
    edge_type = split.edge_type
    src_same, dst_same = (
        _folded(split.train, node_type) for node_type in (edge_type.src, edge_type.dst)
    )
    if src_same is None and dst_same is None:
        return
    adjacency = split.train[edge_type]
    src, dst = adjacency.sources().astype(np.int64), adjacency.neighbors.astype(np.int64)
    pairs = HeldOut(_of(src_same, secret.src), _of(dst_same, secret.dst))
    shows = find_pairs(
        _of(src_same, src), _of(dst_same, dst), pairs, adjacency.num_dst, split.rule.one_type
    )
    shows &= ~edges_of(adjacency, secret, reverse=split.rule.one_type)
    yield from _edges("duplicate_id", split.train, edge_type, shows)


def _of(same: IntArray | None, rows: IntArray) -> IntArray:
    return rows if same is None else same[rows]


def _folded(graph: HeteroGraph, node_type: NodeType) -> IntArray | None:
    """int64 [n]: the first row whose id is the same when folded; None when all differ."""
    ids: Ids = graph.ids(node_type)
    if ids.kind == "int" or len(ids) == 0:
        return None
    text = pc.utf8_lower(pc.utf8_normalize(ids.array.cast(pa.large_string()), "NFKC"))
    text = pc.replace_substring_regex(text, r"\s+", "")
    codes = np.asarray(pc.dictionary_encode(text).indices).astype(np.int64)
    first = np.unique(codes, return_index=True)[1]
    return None if first.size == len(ids) else np.asarray(first[codes], np.int64)


def _vectors(
    split: Split, named: Mapping[str, Embeddings], accept: set[str], notes: list[str]
) -> Iterator[Leak]:
    """Embeddings fitted or derived on another graph than the training graph."""
    fine = accept | {split.train.fingerprint}
    for name, emb in named.items():
        called = f"embeddings {name!r}" if name else "the embeddings"
        graphs = set(_fingerprints(emb.provenance))
        if not graphs:
            notes.append(f"{called} do not say on which graph they were made: not checked")
        strange = sorted(graphs - fine)
        if strange:
            whole = split.graph in strange and split.graph != split.train.fingerprint
            what = "the whole graph, test pairs included" if whole else "another graph"
            detail = f"{called} were made on {what} ({strange[0][:12]}...), not on split.train"
            yield Leak("derived_vector", len(strange), detail)


def _fingerprints(provenance: object) -> Iterator[str]:
    """Every fingerprint that stands under a key `graph`, at any depth."""
    if isinstance(provenance, Mapping):
        for key, value in provenance.items():
            if key == "graph" and isinstance(value, str):
                yield value
            else:
                yield from _fingerprints(value)
    elif isinstance(provenance, list | tuple):
        for value in provenance:
            yield from _fingerprints(value)
