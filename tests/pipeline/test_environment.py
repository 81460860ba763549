"""`root`: where the files of a run lie, by an environment variable or beside the run file."""

from __future__ import annotations

from pathlib import Path

import pytest

from graphemb.errors import ConfigError
from graphemb.pipeline.config import RunConfig

RUN = """
[graph]
uri = "ladybug::memory:"
root = {root}
[graph.nodes]
user = "LOAD WITH HEADERS (id STRING) FROM 'users.csv' (HEADER=true) RETURN id"
[fit.floor]
trainer = "RandomVectors"
"""


def run_file(folder: Path, root: str) -> RunConfig:
    path = folder / "run.toml"
    path.write_text(RUN.format(root=root))
    return RunConfig.read(path)


def users(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "users.csv").write_text("id\n007\n")


def test_a_root_starts_at_the_environment_variable_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users(tmp_path / "far" / "shop")
    monkeypatch.setenv("SHOP_DATA", str(tmp_path / "far"))
    config = run_file(tmp_path, '"${SHOP_DATA}/shop"')
    assert config.load().ids("user").to_list() == ["007"]
    assert config.describe()["graph"]["root"] == "${SHOP_DATA}/shop"


def test_a_relative_root_starts_at_the_folder_of_the_file(tmp_path: Path) -> None:
    users(tmp_path / "shop")
    assert run_file(tmp_path, '"shop"').load().ids("user").to_list() == ["007"]


@pytest.mark.parametrize("value", [None, ""])
def test_a_variable_that_is_not_set_is_named_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv("SHOP_DATA", raising=False)
    else:
        monkeypatch.setenv("SHOP_DATA", value)
    with pytest.raises(ConfigError, match="SHOP_DATA is not set") as caught:
        run_file(tmp_path, '"${SHOP_DATA}/shop"').load()
    assert caught.value.code == "unset_variable"
    assert str(caught.value.source).endswith("run.toml:4")


@pytest.mark.parametrize("root", ["7", '""', "[]"])
def test_a_root_that_is_no_folder_name_is_refused(tmp_path: Path, root: str) -> None:
    with pytest.raises(ConfigError, match=r"run\.toml:4, field root"):
        run_file(tmp_path, root)
