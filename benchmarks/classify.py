"""Node classification beside published figures, and what locks would buy, in one Markdown table.

    python -m benchmarks classify                                  # all; many minutes
    python -m benchmarks classify --set wiki --method DeepWalk     # adds to classify.json

The sets are read from GRAPHEMB_DATA. The protocol is DeepWalk's own: the labelled nodes are
shuffled ten times, a share of them trains one-vs-rest logistic regressions on the vectors as they
are, and of each other node as many labels are predicted as it has. DeepWalk has its README's
fields on every set.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

import graphemb as ge
from graphemb_loaders import datasets

SHARES = (0.1, 0.5, 0.9)
DIVISIONS = 10
HOGWILD_SEEDS = 5
BAND = 0.01
"""Micro-F1 at 50 % of threads without locks: at most so far from one thread's, in the mean."""
OUT = Path(__file__).with_suffix(".json")
PYTHON = f"{platform.machine()}, Python {platform.python_version()}"


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Attributes:
        data: the set.
        method: what was run, or whose figures these are.
        figures: share of training nodes, in percent -> Micro-F1, Macro-F1 and their standard
            deviations over the divisions; NaN where unknown.
        fit: wall seconds of fitting; None for published figures and for vectors fitted before.
        told: the command's seed, cores and versions; empty for published figures.
    """

    data: str
    method: str
    figures: Mapping[str, tuple[float, ...]]
    fit: float | None = None
    told: str = ""
    published: bool = field(default=False)


README = ge.DeepWalk(
    dim=128, context_size=10, walk_length=40, walks_per_node=80, learning_rate=0.025
)
"""DeepWalk's README; the learning rate is that of the library it calls."""

BIAS: Mapping[str, tuple[float, float]] = {
    "blogcatalog": (0.25, 0.25),
    "wiki": (0.25, 0.25),
    "ppi": (4.0, 1.0),
}
"""p and q as the node2vec paper has them; OpenNE has the first for all."""

METHODS: Mapping[str, Callable[[str, int], ge.Trainer]] = {
    "DeepWalk": lambda data, seed: replace(README, loss="hierarchical", seed=seed),
    "DeepWalk, not smoothed": lambda data, seed: replace(
        README, loss="hierarchical", smoothing=0, seed=seed
    ),
    "DeepWalk, negative sampling": lambda data, seed: replace(README, seed=seed),
    "node2vec": lambda data, seed: ge.Node2Vec(
        dim=128,
        context_size=10,
        walk_length=80,
        walks_per_node=10,
        epochs=5,
        learning_rate=0.025,
        p=BIAS[data][0],
        q=BIAS[data][1],
        seed=seed,
    ),
    "ProNE": lambda data, seed: ge.ProNE(dim=128, seed=seed),
}
SETS: Mapping[str, Callable[[], datasets.LabelledGraph]] = {
    "blogcatalog": datasets.blogcatalog,
    "wiki": datasets.wiki,
    "ppi": datasets.ppi,
}

PUBLISHED = (
    Result(
        "blogcatalog",
        "DeepWalk (its README)",
        {"10": (0.3586, 0.2108), "50": (0.4151, 0.2768), "90": (0.4240, 0.2821)},
        published=True,
    ),
    Result("blogcatalog", "node2vec (OpenNE)", {"50": (0.404, 0.264)}, published=True),
    Result("wiki", "DeepWalk (OpenNE)", {"50": (0.669, 0.560)}, published=True),
    Result("wiki", "node2vec (OpenNE)", {"50": (0.651, 0.541)}, published=True),
    Result("ppi", "node2vec (paper)", {"50": (float("nan"), 0.1791)}, published=True),
)


def classified(data: str, method: str, seed: int, keep: Path | None = None) -> Result:
    """One method on one set; vectors in the folder `keep` are taken, new ones are left there."""
    labelled = SETS[data]()
    folder = keep / f"{data}-{method}-{seed}".replace(" ", "_") if keep else None
    seconds = None
    if folder and folder.exists():
        fitted = ge.Embeddings.load(folder)
    else:
        begin = time.perf_counter()
        fitted = METHODS[method](data, seed).fit(labelled.graph)
        seconds = time.perf_counter() - begin
        if folder:
            fitted.save(folder)
    found = figures(fitted["node"], labelled.labels)
    return Result(data, method, found, seconds, conditions(seed))


def figures(vectors: ge.Vectors, labels: datasets.Labels) -> dict[str, tuple[float, ...]]:
    """Mean Micro- and Macro-F1 and their standard deviations over `DIVISIONS`, at each share."""
    runs = [micro_macro(vectors, labels, SHARES, number) for number in range(DIVISIONS)]
    mean, std = np.mean(runs, axis=0), np.std(runs, axis=0, ddof=1)
    both = np.concatenate([mean, std], axis=1).tolist()
    return {f"{share:.0%}"[:-1]: tuple(row) for share, row in zip(SHARES, both, strict=True)}


def micro_macro(
    vectors: ge.Vectors, labels: datasets.Labels, shares: Iterable[float], number: int
) -> list[tuple[float, float]]:
    """Micro- and Macro-F1 at each share, of one division; accuracy is Micro-F1 of one label."""
    shares = tuple(shares)
    report = ge.classify_nodes(
        {"vectors": vectors}, labels, train_shares=shares, seeds=1, seed=number, scaled=False
    )
    found = report.metrics["vectors"]
    micro = "micro-f1" if f"micro-f1 {shares[0]:.0%}" in found else "accuracy"
    return [(found[f"{micro} {share:.0%}"], found[f"macro-f1 {share:.0%}"]) for share in shares]


def hogwild(seed: int) -> Iterator[Result]:
    """Threads without locks against one thread, on `wiki`: Micro-F1 at 50 % over seeds of training.

    The standard deviation is over the seeds; each is judged by the mean of three divisions.
    """
    data = datasets.wiki()
    for loss in ("negative", "hierarchical"):
        for deterministic in (True, False):
            scores, begin = [], time.perf_counter()
            for number in range(seed, seed + HOGWILD_SEEDS):
                model = replace(README, walks_per_node=10, seed=number)
                model = replace(model, loss=loss, deterministic=deterministic)
                vectors = model.fit(data.graph)["node"]
                runs = [micro_macro(vectors, data.labels, (0.5,), n)[0] for n in range(3)]
                scores.append(np.mean(runs, axis=0))
            both = (*np.mean(scores, axis=0).tolist(), *np.std(scores, axis=0, ddof=1).tolist())
            how = "one thread" if deterministic else f"{model.threads_used} threads, no locks"
            seconds = (time.perf_counter() - begin) / HOGWILD_SEEDS
            name = f"10 walks, {loss}, {how}"
            yield Result(HOGWILD, name, {"50": both}, seconds, conditions(seed))


HOGWILD = "wiki, locks"
NOTES = f"""
*Italic: published.* The rest: `python -m benchmarks classify`, under the conditions in the JSON;
deviations are over {DIVISIONS} divisions of the nodes, the vectors being of one training. DeepWalk
has the fields of its README (128 components, 80 walks of 40 nodes, radius 10, learning rate .025)
and its loss, hierarchical softmax. node2vec has the paper's p and q and OpenNE's five passes of 10
walks of 80 nodes. Walk models are smoothed once, as by default; that default was chosen on three
other divisions of these sets, on `facebook` and on a planted graph, and the rest not by labels.

`{HOGWILD}`: {HOGWILD_SEEDS} seeds of training, each judged by three divisions; the deviation is
over the seeds. The means of threads without locks and of one thread are to differ by no more than
{BAND} in Micro-F1.
"""


def conditions(seed: int) -> str:
    """What a row was measured under."""
    return (
        f"seed {seed}, {len(os.sched_getaffinity(0))} cores, graphemb {ge.__version__}, " + PYTHON
    )


def cell(values: tuple[float, ...]) -> str:
    """`.407 ±.003 / .270 ±.004`."""
    shown = []
    for place, value in enumerate(values[:2]):
        spread = f" ±{values[2 + place]:.4f}".replace("0.", ".") if len(values) > 2 else ""
        shown.append("-" if np.isnan(value) else f"{value:.4f}".replace("0.", ".", 1) + spread)
    return " / ".join(shown)


def markdown(results: Iterable[Result]) -> str:
    """The table, published rows in italics, and how it was made."""
    lines = [
        "# Node classification beside published figures",
        "",
        "Micro-F1 / Macro-F1 ± standard deviation, by the share of labelled nodes that train.",
        "",
        "| set | method | 10 % | 50 % | 90 % | fit, s |",
        "|---|---|---|---|---|---|",
    ]
    for one in sorted(results, key=lambda one: (order_of(one.data), not one.published)):
        cells = [
            cell(one.figures[share]) if share in one.figures else "" for share in ("10", "50", "90")
        ]
        name = f"*{one.method}*" if one.published else one.method
        seconds = "" if one.fit is None else f"{one.fit:.0f}"
        lines.append(f"| {one.data} | {name} | {' | '.join(cells)} | {seconds} |")
    return "\n".join(lines) + "\n" + NOTES


def order_of(data: str) -> int:
    """Where a set stands in the table."""
    return [*SETS, HOGWILD].index(data)


def kept(path: Path) -> dict[tuple[str, str], Result]:
    """The results of earlier calls, with the published ones."""
    found = {(one.data, one.method): one for one in PUBLISHED}
    if path.exists():
        for record in json.loads(path.read_text(encoding="utf-8")):
            values = {share: tuple(row) for share, row in record["figures"].items()}
            one = Result(**(record | {"figures": values}))
            found[one.data, one.method] = one
    return found


def main(argv: list[str]) -> int:
    """Measure what is asked for, and write one table of it and of what was measured before.

    Raises:
        SourceError: a set is not there; says who publishes it.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks classify")
    parser.add_argument("--set", action="append", choices=[*SETS, "hogwild"], help="default: all")
    parser.add_argument("--method", action="append", choices=METHODS, help="default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT, help="JSON; the table stands beside it")
    parser.add_argument("--keep", type=Path, help="folder of fitted vectors, to go on from")
    options = parser.parse_args(argv)
    results = kept(options.out)
    for data in options.set or [*SETS, "hogwild"]:
        print(f"{data} ...", file=sys.stderr, flush=True)
        methods = options.method or list(METHODS)
        found = (classified(data, method, options.seed, options.keep) for method in methods)
        for one in hogwild(options.seed) if data == "hogwild" else found:
            results[one.data, one.method] = one
            print(f"{one.data}  {one.method}  {cell(one.figures['50'])}", flush=True)
            measured = [asdict(row) for row in results.values() if not row.published]
            options.out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
            options.out.with_suffix(".md").write_text(markdown(results.values()), encoding="utf-8")
    return 0
