"""Run files: what they say becomes objects, and what is wrong is refused at its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from graphemb.errors import ConfigError, SourceError, UnknownName
from graphemb.pipeline import RunConfig
from graphemb.trainers.base import trainers
from graphemb.trainers.spectral import SVD
from graphemb.types import EdgeType

RunFile = Callable[..., Path]
BUYS = EdgeType("user", "buys", "product")


def line_of(path: Path, text: str) -> str:
    """`file:line` of the only line that holds `text`."""
    lines = path.read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if text in line]
    return f"{path}:{number}"


def refused(path: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        RunConfig.read(path)
    return caught.value


def test_each_table_becomes_its_object(run_file: RunFile) -> None:
    config = RunConfig.read(run_file())
    assert config.split is not None and config.split.edge_type == BUYS
    assert config.fit["svd"] == SVD(dim=8, edge_types=(BUYS,), seed=3)
    assert [one.derived_type for one in config.derive] == ["seller"]
    assert config.evaluate.at == (10,)
    assert config.publish is not None and config.publish.fit == "best"
    assert config.graph.spec.edges[BUYS].startswith("LOAD FROM 'purchases.parquet'")


def test_a_seed_asked_for_makes_walk_models_deterministic(run_file: RunFile) -> None:
    walks = '[fit.svd]\ntrainer = "DeepWalk"\ndim = 8'
    path = run_file('[fit.svd]\ntrainer = "SVD"\ndim = 8', walks)
    assert RunConfig.read(path).fit["svd"].deterministic is False  # type: ignore[attr-defined]
    assert RunConfig.read(path, seed=5).fit["svd"].deterministic is True  # type: ignore[attr-defined]
    fast = run_file('[fit.svd]\ntrainer = "SVD"\ndim = 8', walks + "\ndeterministic = false")
    assert RunConfig.read(fast, seed=5).fit["svd"].deterministic is False  # type: ignore[attr-defined]


def test_the_seed_of_the_file_is_everybodys_unless_a_table_has_its_own(run_file: RunFile) -> None:
    path = run_file('trainer = "RandomVectors"\n', 'trainer = "RandomVectors"\nseed = 11\n')
    config = RunConfig.read(path)
    assert config.split is not None
    assert (config.split.seed, config.evaluate.seed) == (3, 3)
    assert [trainer.seed for trainer in config.fit.values()] == [11, 3]  # type: ignore[attr-defined]
    other = RunConfig.read(path, seed=5)
    assert other.split is not None and other.split.seed == 5
    assert [trainer.seed for trainer in other.fit.values()] == [11, 5]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("old", "new", "nearest"),
    [
        ("[split]\n", "[spilt]\n", "split"),
        ("seed = 3", "sead = 3", "seed"),
        ("uri = ", "url = ", "uri"),
        ("test = 0.1", "tset = 0.1", "test"),
        ('trainer = "RandomVectors"\ndim', 'trainer = "RandomVectors"\ndmi', "dim"),
        ('trainer = "SVD"', 'trainer = "SDV"', "SVD"),
        ("edge_types =", "edgetypes =", "edge_types"),
        ("along =", "allong =", "along"),
        ("negatives = []", "negative = []", "negatives"),
        ('store = "embeddings"', 'stor = "embeddings"', "store"),
        ('fit = "best"', 'fit = "svt"', "svd"),
        ('edge_type = "user-buys-product"', 'edge_type = "user-buy-product"', "user-buys-product"),
        ('edge_types = ["user-buys', 'edge_types = ["user-bys', "user-buys-product"),
        ('along = "seller-sells', 'along = "seller-sels', "seller-sells-product"),
        ("[graph.nodes]", "[graph.policies]\nself_lops = 'drop'\n[graph.nodes]", "self_loops"),
    ],
)
def test_fault_106_an_unknown_key_or_name_is_refused_at_its_line_with_the_nearest(
    run_file: RunFile, old: str, new: str, nearest: str
) -> None:
    path = run_file(old, new)
    error = refused(path)
    assert isinstance(error, UnknownName)
    asked = new.strip().splitlines()
    assert error.source in {line_of(path, line) for line in asked}
    assert error.hint is not None and error.hint.startswith(f"did you mean {nearest!r}?")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("seed = 3", 'seed = "3"'),
        ("seed = 3", "seed = -1"),
        ("test = 0.1", 'test = "0.1"'),
        ("test = 0.1", "test = 7"),
        ("at = [10]", "at = 10"),
        ("at = [10]", "at = [10.5]"),
        ("negatives = []", 'negatives = ["unifrom"]'),
        ('name = "shop"', "name = 7"),
        ('name = "shop"', 'name = "../shop"'),
        ('fit = "best"', 'fit = "svd"\nmetric = "mrr"'),
        ('uri = "ladybug::memory:"', "uri = 7"),
        ('uri = "ladybug::memory:"', 'uri = "shop.lbug"'),
        ('trainer = "SVD"', "trainer = 7"),
        ('along = "seller-sells-product"', 'along = "seller-sells"'),
        ('along = "seller-sells-product"', 'along = "seller-sells-product"\nmin_support = 0'),
    ],
)
def test_fault_106_a_mistyped_value_is_refused_at_its_line(
    run_file: RunFile, old: str, new: str
) -> None:
    path = run_file(old, new)
    error = refused(path)
    assert error.source in {line_of(path, line) for line in new.splitlines()}


@pytest.mark.parametrize(
    ("trainer", "line"),
    [
        ("SVD", "dim = 0"),
        ("SVD", "dim = 8.5"),
        ("SVD", 'dim = "8"'),
        ("SVD", "degree_exponent = 1.5"),
        ("Node2Vec", "walk_length = 0"),
        ("Node2Vec", "p = 0.0"),
        ("Node2Vec", "q = -1"),
        ("Node2Vec", "epochs = 0"),
        ("Node2Vec", "walks_per_node = true"),
        ("FastRP", "weights = [0.0, 'one']"),
        ("Metapath2Vec", 'metapaths = [["user-buys-product", "user-buys-product"]]'),
    ],
)
def test_fault_090_a_field_out_of_range_is_refused_naming_field_and_line(
    run_file: RunFile, trainer: str, line: str
) -> None:
    path = run_file('fit = "best"', 'fit = "svd"')
    path.write_text(path.read_text() + f'\n[fit.bad]\ntrainer = "{trainer}"\n{line}\n')
    error = refused(path)
    assert error.source == line_of(path, line)
    assert line.split()[0].rstrip("s") in str(error)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ("[split]\nedge_type", "edge_type"),
        ('[fit.svd]\ntrainer = "SVD"', "trainer"),
        ('store = "embeddings"', "store"),
        ('uri = "ladybug::memory:"', "uri"),
    ],
)
def test_a_missing_key_is_named(run_file: RunFile, table: str, key: str) -> None:
    path = run_file(table, table.replace(table.splitlines()[-1], "# gone"))
    if key == "edge_type":
        path.write_text(path.read_text().replace('# gone = "user-buys-product"', ""))
    error = refused(path)
    assert error.code == "missing_key"
    assert key in str(error)


@pytest.mark.parametrize(
    ("old", "new"),
    [("[fit.svd]", "[[fit.svd]]"), ("[[derive]]", "[derive]"), ("[split]", "split=1")],
)
def test_the_wrong_kind_of_table_is_refused(run_file: RunFile, old: str, new: str) -> None:
    path = run_file(old, new)
    if new == "split=1":
        path.write_text("split = 1\n" + path.read_text().replace("split=1", "[split2]"))
    assert str(path) in str(refused(path).source)


def test_fault_091_a_cycle_of_derivations_is_shown(run_file: RunFile) -> None:
    path = run_file(
        'along = "seller-sells-product"',
        'along = "seller-sells-product"\n[[derive]]\nalong = "product-~sells-seller"',
    )
    error = refused(path)
    assert error.code == "cycle"
    assert "product -> seller" in str(error) or "seller -> product" in str(error)


def test_the_best_needs_validation_edges(run_file: RunFile) -> None:
    path = run_file("valid = 0.1\n", "")
    error = refused(path)
    assert error.code == "no_valid"
    assert error.source == line_of(path, 'fit = "best"')
    assert error.hint is not None and "valid" in error.hint


def test_several_candidates_need_a_choice_and_one_needs_none(run_file: RunFile) -> None:
    path = run_file('fit = "best"\n', "")
    assert refused(path).code == "missing_key"
    one = run_file('fit = "best"\n', "", '[fit.floor]\ntrainer = "RandomVectors"\ndim = 8\n', "")
    publish = RunConfig.read(one).publish
    assert publish is not None and publish.fit == "svd"


def test_fault_107_a_login_in_the_address_is_refused_and_not_repeated(run_file: RunFile) -> None:
    path = run_file("ladybug::memory:", "neo4j://neo4j:hunter2@localhost:7687")
    error = refused(path)
    assert error.code == "credentials_in_uri"
    assert "hunter2" not in str(error)
    assert error.source == line_of(path, "uri =")


def test_a_query_that_fails_is_named_with_its_line(run_file: RunFile) -> None:
    path = run_file("RETURN id, title, price", "RETURN id, titel")
    with pytest.raises(SourceError) as caught:
        RunConfig.read(path).load()
    assert line_of(path, "titel") in str(caught.value.source)


def test_relative_paths_start_at_the_folder_of_the_file(
    run_file: RunFile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = run_file()
    monkeypatch.chdir(tmp_path)
    graph = RunConfig.read(path.relative_to(tmp_path)).load()
    assert graph.num_nodes("user") == 450


def test_every_registered_trainer_can_be_a_candidate(run_file: RunFile) -> None:
    needed = {
        "Metapath2Vec": 'metapaths = [["user-buys-product", "product-~buys-user"]]',
        "SequenceSkipGram": 'along = "user-buys-product"',
        "AttributeTower": 'along = "user-buys-product"\nown_weight = 1.0',
        "TripleInteraction": 'along = "user-buys-product"\nthen = "product-~sells-seller"',
    }
    path = run_file('fit = "best"', 'fit = "svd"')
    text = path.read_text()
    for name in trainers():
        path.write_text(f'{text}\n[fit.one]\ntrainer = "{name}"\n{needed.get(name, "")}\n')
        assert type(RunConfig.read(path).fit["one"]).__name__ == name


@pytest.mark.parametrize(
    ("trainer", "line"),
    [
        ("Node2Vec", 'edge_types = {"user-buys-produkt" = 1.0}'),
        ("Metapath2Vec", 'metapaths = [["user-buys-produkt", "produkt-~buys-user"]]'),
        ("SequenceSkipGram", 'along = "user-buys-produkt"'),
    ],
)
def test_an_edge_type_that_no_query_reads_is_refused_before_anything_is_loaded(
    run_file: RunFile, trainer: str, line: str
) -> None:
    path = run_file('fit = "best"', 'fit = "svd"')
    path.write_text(path.read_text() + f'\n[fit.one]\ntrainer = "{trainer}"\n{line}\n')
    error = refused(path)
    assert isinstance(error, UnknownName) and error.source == line_of(path, line)
    assert error.hint is not None and "'user-buys-product'" in error.hint


def test_what_a_candidate_cannot_give_to_a_derivation_is_refused_before_anything_is_loaded(
    run_file: RunFile,
) -> None:
    path = run_file('fit = "best"', 'fit = "svd"')
    follows = "user-follows-user = \"LOAD FROM 'follows.parquet' RETURN src, dst\""
    fit = '[fit.one]\ntrainer = "LightGCN"\nedge_types = ["user-follows-user"]'
    text = path.read_text().replace("[split]", f"{follows}\n[split]")
    path.write_text(f"{text}\n{fit}\n")
    error = refused(path)
    assert isinstance(error, ConfigError) and error.source == line_of(path, "[fit.one]")
    assert "seller is to be derived from product" in str(error) and "found 'user'" in str(error)
    path.write_text(f'{path.read_text()}\n[[derive]]\nalong = "product-~buys-user"\n')
    RunConfig.read(path)  # users give to products, and these to sellers


MANUAL = """
seed = 7

[graph]
uri = "ladybug::memory:"             # or "ladybug:shop.lbug", "neo4j://localhost:7687"

[graph.nodes]                        # paths are relative to this file
user    = "LOAD WITH HEADERS (id STRING, country STRING) FROM 'users.csv' (HEADER=true) RETURN id"
product = "LOAD FROM 'products.parquet' RETURN id, title"
seller  = "LOAD FROM 'products.parquet' RETURN DISTINCT seller AS id"

[graph.edges]
"user-buys-product"    = "LOAD FROM 'orders.parquet' RETURN user AS src, product AS dst, at AS time"
"seller-sells-product" = "LOAD FROM 'products.parquet' RETURN seller AS src, id AS dst"

[split]
edge_type = "user-buys-product"
by = "time"
test = 0.1

[fit.walks]                          # one table per candidate; all are compared in one report
trainer = "Node2Vec"
dim = 128
q = 2.0

[fit.floor]
trainer = "SVD"
dim = 128

[[derive]]                           # applied to every candidate
along = "seller-sells-product"
weight = "log1p"

[evaluate]
at = [10, 50]

[publish]
store = "embeddings"
name = "shop"
fit = "walks"                        # or "best"
tag = "candidate"
"""


def test_the_file_that_the_design_shows_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(MANUAL)
    config = RunConfig.read(path)
    assert list(config.fit) == ["walks", "floor"]
    assert config.evaluate.at == (10, 50)
    assert config.publish is not None and config.publish.tag == "candidate"
