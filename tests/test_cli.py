"""The command line: every command over a small shop, what it prints and how it ends."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from graphemb.cli import main
from graphemb.demo.market import Marketplace

Command = Callable[..., tuple[int, str, str]]

SHOP = """\
seed = 3
[graph]
uri = "ladybug::memory:"
[graph.nodes]
user = "LOAD FROM 'users.parquet' RETURN id"
product = "LOAD FROM 'products.parquet' RETURN id"
seller = "LOAD FROM 'sellers.parquet' RETURN id"
[graph.edges]
user-buys-product = "LOAD FROM 'purchases.parquet' RETURN user AS src, product AS dst, at AS time"
seller-sells-product = "LOAD FROM 'products.parquet' RETURN seller AS src, id AS dst"
[split]
edge_type = "user-buys-product"
[fit.svd]
trainer = "SVD"
dim = 8
edge_types = ["user-buys-product"]
[[derive]]
along = "seller-sells-product"
[evaluate]
at = [10]
negatives = []
baselines = ["popularity"]
[publish]
store = "embeddings"
name = "shop"
tag = "prod"
"""


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """`command("run", "shop.toml")`: exit status, what went to stdout and to stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        status = ended.value.code
        return (status if isinstance(status, int) else 0), out, err

    return call


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder where `graphemb run shop.toml` has been run once; the real command, once."""
    folder = tmp_path_factory.mktemp("shop")
    Marketplace(seed=3, scale=0.15).write(folder)
    (folder / "shop.toml").write_text(SHOP)
    ran = subprocess.run(
        [sys.executable, "-m", "graphemb", "run", "shop.toml"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "60"},
    )
    assert ran.returncode == 0, ran.stderr
    (folder / "out.txt").write_text(ran.stdout)
    (folder / "err.txt").write_text(ran.stderr)
    return folder


@pytest.fixture
def shop(published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that folder, and the working directory."""
    folder = tmp_path / "shop"
    shutil.copytree(published, folder)
    monkeypatch.chdir(folder)
    return folder


def test_a_run_tells_its_steps_on_stderr_and_its_results_on_stdout(published: Path) -> None:
    out, err = (published / "out.txt").read_text(), (published / "err.txt").read_text()
    steps = ["load", "split", "audit", "fit svd", "derive for svd", "evaluate", "publish"]
    said = [line for line in err.splitlines() if not line.startswith(("note:", "compiling"))]
    assert [line.split("  ")[0] for line in said] == steps
    assert "user-buys-product, full ranking" in out and "popularity" in out
    assert "published  shop version 1 in embeddings, tagged prod: svd" in out
    assert "\x1b" not in out + err
    assert (published / "shop-report" / "report.json").is_file()


def test_what_a_run_says_to_try_next_works(published: Path, shop: Path, command: Command) -> None:
    text = (published / "out.txt").read_text().partition("next:\n")[2]
    lines = [line.split() for line in text.splitlines() if line.strip().startswith("graphemb")]
    assert len(lines) == 4
    for line in lines:
        status, out, err = command(*line[1:])
        assert status == 0 and out, err


def test_neighbors_are_the_nearest_of_the_type_asked_for(shop: Path, command: Command) -> None:
    from graphemb.store import EmbeddingStore

    emb = EmbeddingStore("embeddings").load("shop")
    one = str(emb["product"].ids[5])
    status, out, _ = command("neighbors", "shop@prod", "product", one, "-k", "3")
    assert status == 0
    rows = [line.split() for line in out.splitlines()]
    assert rows[0] == ["product", "score"]
    expected = emb["product"].most_similar(one, 3)
    assert [row[0] for row in rows[1:]] == [name for name, _ in expected]
    status, out, _ = command("neighbors", "shop@1", "product", one, "--to", "seller", "--json")
    found = json.loads(out)
    assert found["node_type"] == "seller" and len(found["found"]) == 10
    assert found["found"][0]["id"] in emb["seller"].ids


def test_a_recommendation_leaves_out_what_was_bought(shop: Path, command: Command) -> None:
    import pyarrow.parquet as pq

    bought = pq.read_table("purchases.parquet").to_pylist()
    who = bought[0]["user"]
    mine = {row["product"] for row in bought if row["user"] == who}
    status, out, err = command("recommend", "shop.toml", who, "-k", "20")
    assert status == 0
    found = {line.split()[0] for line in out.splitlines()[1:]}
    assert len(found) == 20 and not found & mine
    assert f"{len(mine)} that {who} has already" in err
    status, out, _ = command("recommend", "shop.toml", who, "-k", "2", "--json", "--from", "shop@1")
    assert len(json.loads(out)["found"]) == 2


def test_saved_vectors_are_published_listed_verified_and_told_of(
    shop: Path, command: Command
) -> None:
    kept = ".graphemb/shop/svd"
    status, out, _ = command("publish", kept, "other", "--tag", "new")
    assert (status, out) == (0, "published other version 1, tagged new\n")
    _, out, _ = command("publish", kept, "other", "--json")
    assert json.loads(out) == {"name": "other", "version": 2, "tag": None}
    _, out, _ = command("versions")
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["other", "1"],
        ["other", "2"],
        ["shop", "1"],
    ]
    _, out, _ = command("versions", "other", "--json")
    assert [(one["version"], one["current"], one["tags"]) for one in json.loads(out)] == [
        (1, False, ["new"]),
        (2, True, []),
    ]
    assert command("verify", "other@new")[:2] == (0, "other@new is what its manifest says\n")


def test_verify_finds_a_flipped_bit_and_fails(shop: Path, command: Command) -> None:
    matrix = next(Path("embeddings/shop/versions/00000001").rglob("matrix.npy"))
    damaged = bytearray(matrix.read_bytes())
    damaged[-1] ^= 1
    matrix.chmod(0o644)
    matrix.write_bytes(bytes(damaged))
    status, out, _ = command("verify", "shop")
    assert status == 1 and "matrix.npy" in out and "1 problems" in out
    status, out, _ = command("verify", "shop", "--json")
    assert status == 1 and json.loads(out)[0]["code"] == "checksum"


def test_evaluate_judges_saved_vectors(shop: Path, command: Command) -> None:
    status, out, err = command("evaluate", "shop.toml", "--vectors", "mine=.graphemb/shop/svd")
    assert status == 0, err
    assert "mine" in out and "popularity" in out
    status, out, _ = command("evaluate", "shop.toml", "--vectors", ".graphemb/shop/svd", "--json")
    report = json.loads(out)
    assert [row["name"] for row in report["sections"][0]["rows"]] == ["svd", "popularity"]


def test_a_dry_run_shows_the_plan_with_memory(shop: Path, command: Command) -> None:
    status, out, _ = command("run", "shop.toml", "--dry-run")
    assert status == 0
    assert [line.split("  ")[0] for line in out.splitlines()[2:9]] == [
        "load",
        "split",
        "audit",
        "fit svd",
        "derive for svd",
        "evaluate",
        "publish",
    ]
    assert all(re.search(r"\d [MG]B", line) for line in out.splitlines()[2:9])
    assert "nothing was written" in out


def test_a_run_as_json_has_config_plan_report_and_version(shop: Path, command: Command) -> None:
    status, out, _ = command("run", "shop.toml", "--json", "--seed", "9")
    assert status == 0
    facts: dict[str, Any] = json.loads(out)
    assert facts["version"] == 2 and facts["chosen"] == "svd"
    assert facts["config"]["fit"]["svd"]["seed"] == 9
    assert facts["report"]["sections"] and facts["plan"] and facts["took"]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (None, ["trainers", "Node2Vec", "ladybug"]),
        ("shop.toml", ["ladybug::memory:", "user-buys-product", "dim 8"]),
        ("embeddings", ["shop", "prod"]),
        (".graphemb/shop/svd", ["product", "vectors", "missing"]),
    ],
)
def test_info_tells_what_something_is(
    shop: Path, command: Command, path: str | None, words: list[str]
) -> None:
    arguments = ["info"] if path is None else ["info", path]
    status, out, _ = command(*arguments)
    assert status == 0
    assert all(word in out for word in words), out
    status, out, _ = command(*arguments, "--json")
    assert status == 0 and json.loads(out)


def test_info_reads_a_saved_graph(shop: Path, command: Command) -> None:
    from graphemb.pipeline import RunConfig

    RunConfig.read("shop.toml").load().save("graph")
    _, out, _ = command("info", "graph")
    assert "user-buys-product" in out


def test_trainers_are_listed_and_every_field_of_one_is_told(command: Command) -> None:
    _, out, _ = command("trainers", "--json")
    about = json.loads(out)
    assert about["SVD"].startswith("The largest singular vectors")
    for name in about:
        _, out, _ = command("trainers", name, "--json")
        told = json.loads(out)
        assert told["fields"] and all(one["meaning"] for one in told["fields"]), name
    status, out, _ = command("trainers", "AttributeTower")
    assert status == 0 and "Attributes:" not in out and "Raises:" not in out
    assert re.search(r"^along +\(needed\) +from users to items", out, re.MULTILINE)
    assert re.search(r'^device +"auto" ', out, re.MULTILINE)  # a field of all that use torch


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nowhere.toml"], ["nowhere.toml", "No such file"]),
        (["run", "shop.toml", "--memory-limit", "10MB"], ["needs about", "10 MB are allowed"]),
        (["run", "shop.toml", "--memory-limit", "much"], ["a size is a number and a unit"]),
        (["neighbors", "shpo", "product", "p0001"], ["did you mean 'shop'"]),
        (["neighbors", "shop@7", "product", "p0001"], ["no such version"]),
        (["neighbors", "shop", "produkt", "p0001"], ["did you mean 'product'"]),
        (["neighbors", "shop", "product", "p9999"], ["'p9999'"]),
        (["neighbors", "shop", "product", "p0001", "-k", "0"], ["k must be"]),
        (["recommend", "shop.toml", "nobody"], ["'nobody'"]),
        (["info", "."], ["no saved graph"]),
        (["trainers", "GraphSage"], ["did you mean 'GraphSAGE'"]),
        (["publish", "embeddings", "x"], ["embeddings"]),
    ],
)
def test_an_error_is_one_clean_message_on_stderr_and_status_1(
    shop: Path, command: Command, arguments: list[str], words: list[str]
) -> None:
    status, out, err = command(*arguments)
    assert status == 1 and out == ""
    assert err.splitlines()[-1].startswith(("error: ", "hint: "))
    assert "Traceback" not in err
    assert all(word in err for word in words), err


@pytest.mark.parametrize(
    "arguments", [["rnu"], ["run"], ["run", "shop.toml", "--dryrun"], ["neighbors", "shop"]]
)
def test_wrong_usage_has_status_2(shop: Path, command: Command, arguments: list[str]) -> None:
    status, out, err = command(*arguments)
    assert status == 2 and out == "" and "Usage" in err


def test_an_error_shows_where_it_came_from_when_asked(shop: Path) -> None:
    from graphemb.errors import ConfigError

    with pytest.raises(ConfigError):
        main(["--debug", "run", "nowhere.toml"])


def test_the_version_is_told(command: Command) -> None:
    from graphemb import __version__

    assert command("--version") == (0, f"graphemb {__version__}\n", "")


def test_ctrl_c_ends_with_a_line_and_status_130(
    shop: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    from graphemb.store import EmbeddingStore
    from graphemb.trainers.spectral import SVD

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(SVD, "fit", interrupted)
        status, _, err = command("run", "shop.toml", "--fresh")
    assert status == 130 and "nothing is left half-written" in err and "Traceback" not in err
    assert "nothing was fitted yet; graphemb run shop.toml begins anew" in err
    monkeypatch.setattr(EmbeddingStore, "publish", interrupted)
    status, _, err = command("run", "shop.toml")
    assert status == 130 and "kept: the vectors of svd; graphemb run shop.toml goes on" in err


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    heavy = ("numpy", "pyarrow", "numba", "scipy", "torch", "faiss", "neo4j", "ladybug", "pydantic")
    code = (
        "import sys\n"
        "from graphemb.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"loaded = [name for name in {heavy!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    for name in (
        "run",
        "evaluate",
        "neighbors",
        "recommend",
        "publish",
        "versions",
        "verify",
        "trainers",
        "info",
        "demo",
    ):
        assert f" {name} " in told.stdout


def test_integers_that_json_readers_round_become_strings() -> None:
    from graphemb.cli.store_commands import json_id

    assert json_id(2**53) == 2**53
    assert json_id(2**53 + 1) == str(2**53 + 1)
    assert json_id("007") == "007"
