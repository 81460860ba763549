"""Runs over a small marketplace through Ladybug: what they make, keep, choose and refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from graphemb.derive import derive
from graphemb.embeddings import Embeddings
from graphemb.errors import Conflict, LeakError, MemoryLimit, StoreError, UnknownName
from graphemb.evaluate import Report
from graphemb.pipeline import Places, RunConfig, RunResult, run
from graphemb.pipeline.fits import Fits
from graphemb.pipeline.judge import judge, recommend
from graphemb.progress import Steps
from graphemb.split import split_by
from graphemb.store import EmbeddingStore
from graphemb.trainers.spectral import SVD

RunFile = Callable[..., Path]


class Heard(Steps):
    """Remembers the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def ran(path: Path, steps: Steps | None = None, *, fresh: bool = False) -> RunResult:
    return run(RunConfig.read(path), steps=steps, fresh=fresh)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_run_publishes_what_it_evaluated(run_file: RunFile) -> None:
    path = run_file()
    result = ran(path)
    assert result.chosen == "svd" and result.version == 1
    store = EmbeddingStore(path.parent / "embeddings")
    published = store.load("shop")
    for node_type, part in result.candidates["svd"].items():
        assert published[node_type].ids == part.ids
        assert np.array_equal(published[node_type].matrix, part.matrix)
    assert result.report is not None and result.split is not None
    assert store.report("shop") == result.report.to_dict()
    lineage = store.manifest("shop")["lineage"]
    assert lineage["graph"] == result.split.train.fingerprint
    assert lineage["spec"]["fit"]["svd"]["dim"] == 8
    assert lineage["spec"]["graph"]["uri"] == "ladybug::memory:"
    assert Report.load(path.parent / "shop-report").metrics == result.report.metrics


def test_a_run_does_what_the_calls_do_one_by_one(run_file: RunFile) -> None:
    path = run_file()
    result, config = ran(path), RunConfig.read(path)
    assert config.split is not None
    split = split_by(config.split, config.load())
    emb = SVD(dim=8, edge_types=(split.edge_type,), seed=3).fit(split.train)
    sellers = derive(emb, split.train, along="seller-sells-product")
    found = result.candidates["svd"]
    assert np.array_equal(found["user"].matrix, emb["user"].matrix)
    assert np.array_equal(found["seller"].matrix, sellers["seller"].matrix)
    assert len(found["seller"].ids) + len(found["seller"].missing) == 45
    expected = config.evaluate.run({"svd": emb}, split).metrics["svd"]
    assert result.report is not None
    assert result.report.metrics["svd"] == pytest.approx(expected)


def test_every_candidate_and_baseline_stands_in_one_report(run_file: RunFile) -> None:
    report = ran(run_file()).report
    assert report is not None
    assert list(report.metrics) == ["floor", "svd", "popularity"]
    assert report.metrics["svd"]["recall@10"] > 3 * report.metrics["floor"]["recall@10"]


def test_the_best_is_chosen_by_validation_pairs_and_the_report_says_so(run_file: RunFile) -> None:
    result, config = ran(run_file('fit = "best"', 'fit = "best"\nmetric = "mrr"')), None
    assert result.report is not None and result.split is not None
    choice = result.report.facts["choice"]
    config = RunConfig.read(run_file())
    valid = replace(config.evaluate, part="valid").run(result.candidates, result.split)
    assert choice["on"] == "validation pairs" and choice["by"] == "mrr"
    for name in ("floor", "svd"):
        assert choice["values"][name]["mrr"] == pytest.approx(valid.metrics[name]["mrr"])
    assert choice["chosen"] == valid.best("mrr") == result.chosen


def test_a_derivation_replaces_what_was_trained(run_file: RunFile) -> None:
    path = run_file('along = "seller-sells-product"', 'along = "user-buys-product"')
    emb = ran(path).candidates["floor"]
    lengths = np.linalg.norm(emb["user"].matrix, axis=1)
    assert lengths.min() < 0.99  # means of unit vectors, no unit vectors any more
    assert np.allclose(np.linalg.norm(emb["product"].matrix, axis=1), 1.0, atol=1e-5)


def test_without_a_split_everything_is_trained_on_and_published(run_file: RunFile) -> None:
    text = '[split]\nedge_type = "user-buys-product"\nby = "time"\ntest = 0.1\nvalid = 0.1\n'
    path = run_file(text, "", 'fit = "best"', 'fit = "svd"')
    result = ran(path)
    assert result.split is None and result.report is None and result.version == 1
    lineage = EmbeddingStore(path.parent / "embeddings").manifest("shop")["lineage"]
    assert lineage["graph"] == result.graph.fingerprint


def test_a_label_is_predicted_from_vectors_beside_the_majority(run_file: RunFile) -> None:
    path = run_file(
        "RETURN id, name",
        "RETURN id, name, string_split(name, ' ')[1] AS trade",
        "[evaluate]",
        '[[classify]]\nnode_type = "seller"\nlabel = "trade"\ntrain_shares = [0.5]\n[evaluate]',
    )
    report = ran(path).report
    assert report is not None
    rows = {row.name: row.values["accuracy 50%"].value for row in report.section("trade").rows}
    assert rows["svd"] > 2 * rows["majority class"]
    assert rows["svd"] > rows["floor"]


def test_a_label_that_is_no_column_is_refused_with_its_table(run_file: RunFile) -> None:
    path = run_file("[evaluate]", '[[classify]]\nnode_type = "seller"\nlabel = "nam"\n[evaluate]')
    with pytest.raises(UnknownName, match=r"did you mean 'name'"):
        ran(path)


def test_a_dry_run_plans_and_writes_nothing(run_file: RunFile) -> None:
    path = run_file()
    before = tree(path.parent)
    result = run(RunConfig.read(path), dry_run=True)
    assert tree(path.parent) == before
    assert [step.name for step in result.plan.steps] == [
        "fit floor",
        "derive for floor",
        "fit svd",
        "derive for svd",
        "evaluate",
        "publish",
    ]
    assert result.candidates == {} and result.version is None


def test_fault_089_a_run_that_will_not_fit_is_refused_before_anything_is_fitted(
    run_file: RunFile,
) -> None:
    path = run_file("dim = 8\nedge_types", "dim = 50000000\nedge_types")
    before = tree(path.parent)
    with pytest.raises(MemoryLimit, match="work matrices") as caught:
        ran(path)
    assert caught.value.source == "fit svd"
    with pytest.raises(MemoryLimit, match="10 MB are allowed"):
        run(RunConfig.read(run_file()), memory_limit=10_000_000)
    run_file("dim = 8\nedge_types", "dim = 50000000\nedge_types")
    assert tree(path.parent) == before


def test_what_was_fitted_is_kept_for_the_next_run(run_file: RunFile) -> None:
    path, heard = run_file(), Heard()
    first = ran(path)
    folder = path.parent / ".graphemb" / "shop"
    stamps = {
        name: (folder / name / "manifest.json").stat().st_mtime_ns for name in first.candidates
    }
    second = ran(path, heard)
    assert stamps == {
        name: (folder / name / "manifest.json").stat().st_mtime_ns for name in first.candidates
    }
    assert heard.notes == [note for note in heard.notes if "fitted again" not in note]
    assert np.array_equal(
        first.candidates["svd"]["user"].matrix, second.candidates["svd"]["user"].matrix
    )
    ran(path, fresh=True)
    assert all(
        (folder / name / "manifest.json").stat().st_mtime_ns > stamp
        for name, stamp in stamps.items()
    )


def test_fault_087_kept_vectors_of_another_config_or_graph_are_not_used_and_the_difference_is_named(
    run_file: RunFile,
) -> None:
    ran(run_file())
    heard = Heard()
    wider = ran(run_file("dim = 8\nedge_types", "dim = 12\nedge_types"), heard)
    assert wider.candidates["svd"].dim == 12
    again = [note for note in heard.notes if "fitted again" in note]
    assert len(again) == 1 and "svd" in again[0] and "dim (8, now 12)" in again[0]
    heard = Heard()
    path = run_file("dim = 8\nedge_types", "dim = 12\nedge_types", "test = 0.1", "test = 0.2")
    ran(path, heard)
    again = [note for note in heard.notes if "fitted again" in note]
    assert len(again) == 2 and all("the graph" in note for note in again)


def test_kept_vectors_that_were_damaged_are_fitted_again(run_file: RunFile) -> None:
    path, heard = run_file(), Heard()
    first = ran(path)
    matrix = path.parent / ".graphemb" / "shop" / "svd" / "user.npy"
    damaged = bytearray(matrix.read_bytes())
    damaged[-1] ^= 1
    matrix.write_bytes(bytes(damaged))
    second = ran(path, heard)
    assert any("svd" in note and "cannot be used" in note for note in heard.notes)
    assert np.array_equal(
        first.candidates["svd"]["user"].matrix, second.candidates["svd"]["user"].matrix
    )


def test_two_runs_at_once_in_one_place_are_a_conflict(run_file: RunFile) -> None:
    path = run_file()
    places = Places.beside(RunConfig.read(path))
    with Fits(places.work).locked(), pytest.raises(Conflict, match="another run"):
        ran(path)
    assert ran(path).version == 1


def test_a_folder_that_is_no_report_is_not_replaced(run_file: RunFile) -> None:
    path = run_file()
    mine = path.parent / "shop-report"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(StoreError, match="holds no report"):
        ran(path)
    assert (mine / "thesis.txt").read_text() == "years of work"
    assert not (path.parent / "embeddings").exists()


def test_saved_vectors_are_judged_by_the_same_split(run_file: RunFile) -> None:
    path = run_file()
    result = ran(path)
    assert result.report is not None
    folder = path.parent / "mine"
    result.candidates["svd"].save(folder)
    report = judge(RunConfig.read(path), [("mine", folder)])
    assert report.metrics["mine"] == pytest.approx(result.report.metrics["svd"])


def test_fault_081_vectors_trained_on_the_test_edges_are_not_judged(run_file: RunFile) -> None:
    path = run_file()
    config = RunConfig.read(path)
    SVD(dim=8).fit(config.load()).save(path.parent / "cheat")
    with pytest.raises(LeakError, match="whole graph"):
        judge(config, [("cheat", path.parent / "cheat")])


def test_a_recommendation_leaves_out_what_somebody_has(run_file: RunFile) -> None:
    path = run_file()
    result = ran(path)
    config = RunConfig.read(path)
    assert config.split is not None
    emb = result.candidates["svd"]
    who = emb["user"].ids[0]
    has = set(result.graph.neighbors("user", who, config.split.edge_type))
    found = recommend(config, lambda ids: who, 10)
    scores = emb["product"].matrix @ emb["user"].vector(who)
    order = np.argsort(-scores, kind="stable")
    names = [emb["product"].ids[int(row)] for row in order]
    assert found.ids == [name for name in names if name not in has][:10]
    assert found.seen == len(has) > 0


def test_an_attempt_that_died_after_publishing_does_not_publish_twice(run_file: RunFile) -> None:
    path = run_file()
    config = RunConfig.read(path)
    fits = Fits(Places.beside(config).work)
    with fits.locked():
        key = fits.attempt(config.describe())
    first = ran(path)
    (fits.folder / "attempt").write_text(key.split("-")[0])
    assert ran(path).version == first.version == 1
    assert ran(path).version == 2


def test_a_trainer_that_fails_is_named_with_its_line(run_file: RunFile) -> None:
    path = run_file(
        'trainer = "SVD"\ndim = 8\nedge_types = ["user-buys-product"]',
        'trainer = "Metapath2Vec"\ndim = 8\nlearning_rate = 1e30\nwalks_per_node = 1\n'
        'metapaths = [["user-buys-product", "product-~buys-user"]]',
    )
    line = path.read_text().splitlines().index("[fit.svd]") + 1
    with pytest.raises(Exception, match=rf"fit\.svd.*shop\.toml:{line}"):
        ran(path)
    assert not (path.parent / "embeddings").exists()


@pytest.mark.parametrize(("model", "told"), [("mlp", 1), ("gmf", 0)])
def test_a_model_whose_vectors_do_not_rank_as_it_does_is_said(
    run_file: RunFile, model: str, told: int
) -> None:
    path = run_file(
        'trainer = "SVD"\ndim = 8',
        f'trainer = "NeuralCF"\ndim = 8\nmodel = "{model}"\nepochs = 1\nhidden = [4]',
    )
    heard = Heard()
    ran(path, heard)
    assert sum("svd: the score that it learns is no dot product" in n for n in heard.notes) == told


def test_embeddings_of_a_run_say_where_they_come_from(run_file: RunFile) -> None:
    path = run_file()
    ran(path)
    published: Embeddings = EmbeddingStore(path.parent / "embeddings").load("shop")
    assert published.provenance["fit"]["trainer"] == "SVD"
    assert "kept_for" not in published.provenance


def test_fault_079_collapsed_vectors_are_published_only_by_force_and_that_is_recorded(
    run_file: RunFile,
) -> None:
    collapsed = ('trainer = "SVD"', 'trainer = "SVD"\nsmoothing = 300\nself_loops = 0.0')
    path = run_file(*collapsed, 'fit = "best"', 'fit = "svd"')
    with pytest.raises(StoreError, match=r"collapsed.*\[publish\], .*shop\.toml") as caught:
        ran(path)
    assert caught.value.code == "quality"
    store = EmbeddingStore(path.parent / "embeddings")
    assert store.names() == []
    assert ran(run_file(*collapsed, 'fit = "best"', 'fit = "svd"\nforce = true')).version == 1
    assert store.versions("shop")[0].forced
