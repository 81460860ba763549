"""The recommender benchmark: merging runs, the page, the verdict; nothing is trained here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.recsys import SETS, merged, rec_set
from benchmarks.recsys.sets import Measured, Method, RecSet
from benchmarks.recsys.table import markdown
from graphemb.errors import UnknownName
from graphemb_loaders import datasets

TOY = RecSet(
    name="toy",
    measures=("R@20", "N@20"),
    about="A set of nothing.",
    must=(0.179, 0.148),
    goal=(0.187, 0.157),
    methods=(
        Method("Model", lambda seed: Measured((0.18, 0.15), 1.0)),
        Method("popularity", lambda seed: Measured((0.04, 0.03)), role="simple", seeded=False),
    ),
    published={"Paper": (0.183, float("nan"))},
)


def record(method: str, figures: tuple[float, float], seed: int = 0, **more: Any) -> dict[str, Any]:
    run = {"set": "toy", "method": method, "seed": seed, "figures": list(figures)}
    return {**run, "seconds": 10.0, "peak_mib": 700, **more}


def test_a_run_takes_the_place_of_an_older_one_alone() -> None:
    old = [record("Model", (0.1, 0.1)), record("Model", (0.2, 0.1), seed=1)]
    found = merged(old, record("Model", (0.3, 0.1)))
    assert sorted(one["figures"][0] for one in found) == [0.2, 0.3]


def test_the_page_has_means_with_their_spread_and_published_rows_in_italics() -> None:
    runs = [record("Model", (0.18, 0.15)), record("Model", (0.182, 0.15), seed=1)]
    page = markdown([TOY], [*runs, record("popularity", (0.0416, 0.0317), seconds=None)])
    assert "| Model | 0.1810 ± 0.0014 | 0.1500 ± 0.0000 | 10 | 700 | 0, 1 |" in page
    assert "| popularity (simple) | 0.0416 | 0.0317 |  | 700 | 0 |" in page
    assert "| *Paper* | *0.1830* | - |" in page
    assert "Must 0.179 / 0.148: **met** by Model. Goal 0.187 / 0.157: missed." in page


def test_one_figure_below_the_target_misses_it() -> None:
    page = markdown([TOY], [record("Model", (0.19, 0.1479))])
    assert "Must 0.179 / 0.148: missed." in page


def test_a_simple_model_that_wins_is_said() -> None:
    runs = [record("Model", (0.18, 0.15)), record("popularity", (0.2, 0.1))]
    assert "The simple model popularity is ahead" in markdown([TOY], runs)


def test_a_set_without_records_is_left_out() -> None:
    assert "toy" not in markdown([TOY], [])


@pytest.mark.parametrize("name", SETS)
def test_every_set_is_whole(name: str) -> None:
    found = rec_set(name)
    assert found.name == name
    assert {method.role for method in found.methods} == {"ours", "simple"}
    assert len({method.name for method in found.methods}) == len(found.methods)
    width = len(found.measures)
    assert len(found.must) <= width and len(found.goal) <= width
    assert all(len(figures) == width for figures in found.published.values())
    with pytest.raises(UnknownName, match=found.methods[0].name):
        found.method(f"{found.methods[0].name}x")


def test_popularity_on_ncf_is_as_published(data_set: Callable[[str], Path]) -> None:
    data_set("ncf_ml1m")
    data = datasets.ncf_ml1m()
    pairs = data.test[datasets.WATCHES]
    assert data.graph.num_edges() == 994_169
    assert (int(pairs.linked.sum()), len(pairs.src)) == (6_040, 604_000)
    found = rec_set("ncf_ml1m").method("popularity").run(0)
    assert np.allclose(found.figures, (0.4538, 0.2545), atol=0.002)
