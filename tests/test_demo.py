"""The demo, at a third of its size: it finds what was planted, shows it, and can be run again."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import graphemb.demo
import graphemb.demo.story
from graphemb.cli import main
from graphemb.demo import DemoResult, run_demo
from graphemb.demo.checks import check_planted
from graphemb.demo.niches import COMMUNITIES
from graphemb.demo.truth import Truth
from graphemb.embeddings import Embeddings
from graphemb.errors import StoreError
from graphemb.pipeline import RunConfig

SCALE = 0.3
SEED = 2


@dataclass
class Shown:
    """What the command made, and what it printed."""

    made: DemoResult
    folder: Path
    out: str
    status: int


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """`graphemb demo --out market --seed 2`, smaller."""
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    made: list[DemoResult] = []

    def small(*arguments: object, **named: object) -> DemoResult:
        made.append(partial(run_demo, scale=SCALE)(*arguments, **named))  # type: ignore[arg-type]
        return made[0]

    out, folder = StringIO(), tmp_path_factory.mktemp("demo") / "market"
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(StringIO()):
        patch.setattr(graphemb.demo, "run_demo", small)
        with pytest.raises(SystemExit) as ended:
            main(["demo", "--out", str(folder), "--seed", str(SEED)])
    assert isinstance(ended.value.code, int)
    return Shown(made[0], folder, out.getvalue(), ended.value.code)


def test_everything_planted_is_found_and_said(demo: Shown) -> None:
    assert demo.status == 0
    assert len(demo.made.checks) == 9
    assert all(check.found for check in demo.made.checks)
    assert all(check.value > 2 * check.chance for check in demo.made.checks)
    assert "MISSING" not in demo.out and demo.out.count("found\n") == 9
    assert "synthetic" in demo.out


def test_vectors_that_know_nothing_fail_the_checks(demo: Shown) -> None:
    rng = np.random.default_rng(0)
    truth = Truth.read(demo.folder / "truth.parquet")
    emb = demo.made.result.candidates["svd"]
    noise = Embeddings.from_arrays(
        {name: (part.ids, rng.normal(size=part.matrix.shape)) for name, part in emb.items()}
    )
    assert demo.made.result.split is not None
    rules = demo.made.config.evaluate
    report = rules.run({"noise": noise}, demo.made.result.split)
    checks = check_planted({"noise": noise}, "noise", report, truth)
    assert not any(check.found for check in checks)
    shares = [check for check in checks if "nearest" in check.name]
    assert all(abs(check.value - check.chance) < 0.12 for check in shares)


def test_node2vec_and_metapath2vec_are_trained_and_owners_derived(demo: Shown) -> None:
    fits = {name: type(trainer).__name__ for name, trainer in demo.made.config.fit.items()}
    assert fits == {"node2vec": "Node2Vec", "metapath2vec": "Metapath2Vec", "svd": "SVD"}
    for emb in demo.made.result.candidates.values():
        assert len(emb["seller"]) == 90 and len(emb["company"]) == 30
    assert [one.derived_type for one in demo.made.config.derive] == ["seller", "company"]


def test_the_folder_holds_data_run_file_report_map_and_a_version(demo: Shown) -> None:
    names = {path.name for path in demo.folder.iterdir()}
    assert {"users.parquet", "purchases.parquet", "shop.toml", "map.png", "shop-report"} <= names
    assert RunConfig.read(demo.folder / "shop.toml").seed == SEED
    assert (demo.folder / "map.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert demo.made.result.version == 1


def test_the_map_has_the_colours_of_all_communities(demo: Shown) -> None:
    from matplotlib.colors import to_rgb
    from matplotlib.image import imread

    from graphemb.demo.map import COLOURS

    pixels = np.asarray(imread(demo.folder / "map.png"))[..., :3].reshape(-1, 3)
    for colour in COLOURS:
        assert (np.abs(pixels - np.array(to_rgb(colour))).max(axis=1) < 0.02).sum() > 500


def test_neighbours_are_of_the_same_kind(demo: Shown) -> None:
    product = next(one for one in demo.made.neighbors if one.node_type == "product")
    community = {word: name for name, niches in COMMUNITIES.items() for word, _ in niches}
    found = [community[name.rsplit(" ", 1)[0]] for name, _ in product.nearest]
    assert found.count(community[product.name.rsplit(" ", 1)[0]]) >= 4
    assert f"nearest to the product {product.name}:" in demo.out


def test_what_it_says_to_try_next_works(demo: Shown, capsys: pytest.CaptureFixture[str]) -> None:
    text = demo.out.partition("next:\n")[2]
    lines = [shlex.split(line) for line in text.splitlines() if line.startswith("  graphemb ")]
    assert len(lines) == 5
    for words in lines:
        with pytest.raises(SystemExit) as ended:
            main(words[1:])
        assert ended.value.code == 0, words
    assert capsys.readouterr().out


def test_it_can_be_run_again_in_its_own_folder_and_in_no_other(
    demo: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(graphemb.demo.story, "draw_map", lambda *_: None)
    again = run_demo(demo.folder, seed=SEED, scale=SCALE)
    assert again.result.version == 2
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match="holds no demo"):
        run_demo(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
