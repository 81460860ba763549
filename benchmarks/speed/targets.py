"""What should be reached, computed from the rows of the same table: met or missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.speed.processes import OURS

Entry = Mapping[str, Any]


class Figures:
    """The entries of one graph's rows, to be asked by names."""

    def __init__(self, rows: Mapping[str, Any]) -> None:
        self._rows = rows

    def entry(self, row: str, who: str = OURS) -> Entry:
        """One entry; KeyError when it was not measured."""
        found: Entry = self._rows[row]["entries"][who]
        return found

    def entries(self, row: str, runner: str) -> list[Entry]:
        """All entries of a runner, its variants too."""
        every = self._rows[row]["entries"].items()
        found = [entry for who, entry in every if who.partition(" (")[0] == runner]
        if not found:
            raise KeyError(runner)
        return found

    def share(self, row: str) -> float:
        """Of the machine's limit."""
        return float(self._rows[row]["share_of_limit"])

    def limit(self, row: str, name: str) -> float:
        """One of the machine's limits, as measured in the row's run."""
        return float(self._rows[row]["limits"][name])


Measure = Callable[[Figures], float]


@dataclass(frozen=True)
class Target:
    """One thing to reach.

    Attributes:
        graph: which of the test graphs.
        what: for people, with the unit of the figure.
        measure: the figure; KeyError when something it needs was not measured, None when
            there is something but nothing that would count.
        must, goal: bounds of the figure; None: there is none.
        at_most: the bounds are upper ones.
    """

    graph: str
    what: str
    measure: Callable[[Figures], float | None]
    must: float | None
    goal: float | None = None
    at_most: bool = False

    def judged(self, figures: Figures) -> tuple[float | None, str]:
        """The figure, and `met`, `goal met`, `missed` or `not measured`."""
        try:
            figure = self.measure(figures)
        except KeyError:
            return None, "not measured"
        if figure is None:
            return None, "missed"
        if self.goal is not None and self._reaches(figure, self.goal):
            return figure, "goal met"
        if self.must is None or self._reaches(figure, self.must):
            return figure, "goal missed" if self.must is None else "met"
        return figure, "missed"

    def _reaches(self, figure: float, bound: float) -> bool:
        return figure <= bound if self.at_most else figure >= bound


def _faster(row: str, peer: str) -> Measure:
    """Our rate over a peer's."""
    return lambda f: float(f.entry(row)["rate"] / f.entry(row, peer)["rate"])


def _slower(row: str, than: str) -> Measure:
    """Our time for a step over that for a step of another row."""
    return lambda f: float(f.entry(than)["rate"] / f.entry(row)["rate"])


def _two_threads(row: str) -> Measure:
    return lambda f: float(f.entry(row)["rate"] / f.entry(row, f"{OURS} (1 thread)")["rate"])


def _of_the_machines_threads(row: str) -> Measure:
    two = _two_threads(row)
    return lambda f: two(f) / f.limit(row, "private_speedup")


def _best(entries: list[Entry], key: str) -> float:
    return float(max(entry[key] for entry in entries))


def _quicker_whole(peer: str) -> Measure:
    """A peer's fastest whole run over ours."""

    def measure(f: Figures) -> float:
        peers = f.entries("whole", peer)
        return float(min(entry["seconds"] for entry in peers) / f.entry("whole")["seconds"])

    return measure


def _no_worse(row: str, key: str, peer: str) -> Measure:
    """How much our quality is above a peer's best."""

    def measure(f: Figures) -> float:
        return float(f.entry(row)[key]) - _best(f.entries(row, peer), key)

    return measure


def _to_quality(f: Figures) -> float | None:
    """Gensim's fastest epoch over our fastest run that is no worse than its best in both."""
    peers = f.entries("whole", "gensim")
    good = [
        entry["seconds"]
        for entry in f.entries("whole", OURS)
        if all(entry[key] >= _best(peers, key) for key in ("auc", "knn"))
    ]
    return min(entry["seconds"] for entry in peers) / min(good) if good else None


def _fastrp(f: Figures, auc: float, knn: float) -> float | None:
    """GDS's FastRP over our fastest that is as good as this in both."""
    good = [
        entry["seconds"]
        for entry in f.entries("fastrp", OURS)
        if entry["auc"] >= auc and entry["knn"] >= knn
    ]
    return float(f.entry("fastrp", "neo4j_gds")["seconds"] / min(good)) if good else None


def _fastrp_as_good(f: Figures) -> float | None:
    peer = f.entry("fastrp", "neo4j_gds")
    return _fastrp(f, peer["auc"], peer["knn"])


def _node2vec_epoch(f: Figures) -> float:
    epoch = f.entry("deepwalk", "neo4j_gds (node2vec, rate .025)")["seconds"]
    return float(f.entry("deepwalk")["seconds"] / epoch)


def _above_three_epochs(key: str) -> Measure:
    """How much our quality is above three epochs of GDS's node2vec."""
    three = "neo4j_gds (node2vec, rate .025, 3 epochs)"
    return lambda f: float(f.entry("deepwalk")[key] - f.entry("deepwalk", three)[key])


def _ratio(row: str, peer: str, key: str) -> Measure:
    return lambda f: float(f.entry(row, peer)[key] / f.entry(row)[key])


def _memory(f: Figures) -> float:
    peer = min(entry["peak_mb"] for entry in f.entries("whole", "ensmallen"))
    return float(f.entry("whole")["peak_mb"] / peer)


def _of(row: str, key: str) -> Measure:
    return lambda f: float(f.entry(row)[key])


def _walking() -> Iterator[Target]:
    yield Target("G1", "DeepWalk walks, x ensmallen", _faster("walks.deepwalk", "ensmallen"), 3, 4)
    yield Target(
        "G2",
        "DeepWalk walks, share of the machine's random reads at 2 lines a step",
        lambda f: f.share("walks.deepwalk"),
        0.7,
    )
    for graph in ("G1", "G2"):
        yield Target(
            graph, "node2vec walks, x fastnode2vec", _faster("walks.node2vec", "fastnode2vec"), 4
        )
        yield Target(
            graph,
            "node2vec walks, time of DeepWalk's",
            _slower("walks.node2vec", "walks.deepwalk"),
            None,
            2.5,
            at_most=True,
        )
        yield Target(
            graph,
            "weighted node2vec over 3 edge types, time of DeepWalk's walks",
            _slower("walks.weighted", "walks.deepwalk"),
            4,
            2.5,
            at_most=True,
        )


def _learning() -> Iterator[Target]:
    for radius in (10, 5):
        row = f"skipgram.r{radius}"
        yield Target(
            "G1", f"skip-gram tokens, radius {radius}, x gensim", _faster(row, "gensim"), 5, 8
        )
    yield Target("G1", "time to gensim's one-epoch AUC and kNN, x faster", _to_quality, 5, 10)
    for peer, must, goal in (("gensim", 5, 10), ("ensmallen", 2, 4)):
        yield Target("G1", f"whole run, x {peer}", _quicker_whole(peer), must, goal)
        for key, name in (("auc", "AUC"), ("knn", "kNN")):
            yield Target(
                "G1", f"whole run, {name} above {peer}'s best", _no_worse("whole", key, peer), 0
            )


def _linear() -> Iterator[Target]:
    yield Target(
        "G1",
        "FastRP at AUC .830 and kNN .984, x Neo4j GDS's",
        lambda f: _fastrp(f, 0.830, 0.984),
        1.5,
        3,
    )
    yield Target("G1", "FastRP at no less than GDS's quality, x GDS's", _fastrp_as_good, 1.5, 3)


def _against_linear() -> Iterator[Target]:
    yield Target("G1", "best walk model, AUC", _of("best", "auc"), 0.845)
    yield Target("G1", "best walk model, kNN", _of("best", "knn"), 0.985)
    yield Target("G1", "best walk model, seconds", _of("best", "seconds"), 30, at_most=True)
    yield Target(
        "G1",
        "DeepWalk, time of one epoch of GDS's node2vec",
        _node2vec_epoch,
        0.25,
        at_most=True,
    )
    for key, name in (("auc", "AUC"), ("knn", "kNN")):
        above = f"DeepWalk, {name} above 3 epochs of GDS's node2vec"
        yield Target("G1", above, _above_three_epochs(key), 0)


def _prone() -> Iterator[Target]:
    yield Target("G1", "ProNE, AUC", _of("prone", "auc"), 0.835)
    yield Target("G1", "ProNE, kNN", _of("prone", "knn"), 0.995)
    for key, name in (("auc", "AUC"), ("knn", "kNN")):
        same_run = f"ProNE, {name} above nodevectors' in the same run"
        yield Target("G1", same_run, _no_worse("prone", key, "nodevectors"), 0)
    yield Target(
        "G1", "ProNE, CPU time, x nodevectors'", _ratio("prone", "nodevectors", "cpu_seconds"), 3, 5
    )
    yield Target(
        "G1", "ProNE, memory, x nodevectors'", _ratio("prone", "nodevectors", "peak_mb"), 2
    )


def _costs() -> Iterator[Target]:
    yield Target("G1", "whole run, peak memory, of ensmallen's", _memory, 0.5, at_most=True)
    yield Target("G1", "whole run, peak MB", _of("whole", "peak_mb"), 537 / 2, at_most=True)
    for row, name in (("walks.deepwalk", "walks"), ("skipgram.r5", "skip-gram")):
        threads = f"{name}, 2 threads, x 1 thread"
        yield Target("G1", threads, _two_threads(row), 1.8, 1.9)
        share = f"{threads}, of what they give where nothing is shared"
        yield Target("G1", share, _of_the_machines_threads(row), 0.9, 0.95)
    yield Target(
        "G1",
        "second process, seconds to first vectors",
        _of("start.second", "seconds"),
        1,
        at_most=True,
    )


TARGETS = (
    *_walking(),
    *_learning(),
    *_linear(),
    *_against_linear(),
    *_prone(),
    *_costs(),
)
