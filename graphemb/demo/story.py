"""The demo from end to end: make the marketplace, run its file, check, look around."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from graphemb.demo.checks import Check, check_planted
from graphemb.demo.map import draw_map
from graphemb.demo.market import Marketplace
from graphemb.demo.truth import Truth
from graphemb.embeddings import Embeddings
from graphemb.errors import StoreError
from graphemb.graph import HeteroGraph
from graphemb.pipeline.config import RunConfig
from graphemb.pipeline.run import RunResult, run
from graphemb.progress import Steps

FILE = "shop.toml"
MAP = "map.png"
_FIRST_LINE = "# A run file: from tables to published vectors."
_NAME_COLUMNS = {"product": "title", "job": "title", "seller": "name", "company": "name"}


@dataclass(frozen=True)
class Neighbors:
    """An entity and what is nearest to it, by cosine: names and scores, best first."""

    node_type: str
    name: str
    nearest: list[tuple[str, float]]


@dataclass(frozen=True, eq=False)
class DemoResult:
    """What the demo made.

    Attributes:
        folder: where everything is.
        config, result: of the run.
        checks: of the planted structure.
        neighbors: one example for each of a few node types.
        map: PNG of all vectors.
    """

    folder: Path
    config: RunConfig
    result: RunResult
    checks: list[Check]
    neighbors: list[Neighbors]
    map: Path


def run_demo(
    folder: Path, *, seed: int = 7, scale: float = 1.0, steps: Steps | None = None
) -> DemoResult:
    """Make a synthetic marketplace in `folder` and take it through a whole run.

    Args:
        folder: made when missing; an earlier demo's is used again.
        seed: of the marketplace and of everything drawn.
        scale: size of the marketplace; see `Marketplace`.
        steps: told about each step.

    Raises:
        StoreError: the folder holds something else.
        GraphEmbError: whatever the run raises.
    """
    steps = steps or Steps()
    path = folder / FILE
    _check_folder(folder, path)
    with steps.step("make a marketplace") as step:
        market = Marketplace(seed=seed, scale=scale)
        paths = market.write(folder)
        path.write_text(_run_file(seed), encoding="utf-8")
        step.result = f"{len(paths)} Parquet files and {FILE} in {folder} (synthetic)"
    config = RunConfig.read(path)
    result = run(config, steps=steps)
    assert result.chosen is not None and result.report is not None
    emb = result.candidates[result.chosen]
    with steps.step("look for what was planted") as step:
        truth = Truth.read(folder / "truth.parquet")
        checks = check_planted(result.candidates, result.chosen, result.report, truth)
        step.result = f"{sum(check.found for check in checks)} of {len(checks)} found"
    with steps.step("draw the map") as step:
        draw_map(emb, truth, folder / MAP)
        step.result = str(folder / MAP)
    shown = [neighbors(emb, result.graph, node_type) for node_type in ("product", "seller", "job")]
    return DemoResult(folder, config, result, checks, shown, folder / MAP)


def neighbors(emb: Embeddings, graph: HeteroGraph, node_type: str, k: int = 5) -> Neighbors:
    """The node of a type with most edges, and the k nearest to it."""
    edge_type = next(one for one in graph.edge_types if node_type in (one.src, one.dst))
    way = edge_type if edge_type.src == node_type else edge_type.reverse
    busiest = graph.ids(node_type)[int(graph.degrees(way).argmax())]
    names = graph.columns(node_type)[_NAME_COLUMNS[node_type]]
    named = dict(zip(graph.ids(node_type), names.to_pylist(), strict=True))
    near = emb[node_type].most_similar(busiest, k)
    return Neighbors(node_type, named[busiest], [(named[one], score) for one, score in near])


def _check_folder(folder: Path, path: Path) -> None:
    ours = path.is_file() and path.read_text(encoding="utf-8").startswith(_FIRST_LINE)
    if folder.exists() and not ours and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreError(
            "the folder exists and holds no demo",
            code="exists",
            source=folder,
            hint="give a new folder with --out",
        )


def _run_file(seed: int) -> str:
    text = files("graphemb.demo").joinpath(FILE).read_text(encoding="utf-8")
    return text.replace("\nseed = 7\n", f"\nseed = {seed}\n")
