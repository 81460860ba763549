"""The README is run: its commands, its Python, its run file; and what it quotes is printed."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


COMMANDS = [
    line.removeprefix("$ ")
    for block in blocks("console")
    for line in block.splitlines()
    if line.startswith("$ ")
]


def run(arguments: list[str], folder: Path) -> str:
    done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder in which `graphemb demo` ran, and what it printed."""
    folder = tmp_path_factory.mktemp("readme")
    return folder, run([sys.executable, "-m", "graphemb", "demo"], folder)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("make ")])
def test_make_knows_its_targets(command: str) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    wanted = {"make demo": "graphemb demo", "make test": "-m pytest"}[command]
    assert wanted in run(["make", "--dry-run", *command.split()[1:]], ROOT)


def test_the_demo_prints_what_is_quoted_and_draws_the_map(demo: tuple[Path, str]) -> None:
    """Names and layout, not figures: threads and machines move those a little."""
    folder, printed = demo
    assert (folder / "graphemb-demo" / "map.png").stat().st_size > 50_000
    for line in "".join(blocks("text")).splitlines():
        start = re.split(r"  |\d", line)[0]
        assert start in printed, line


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.startswith("graphemb ")])
def test_a_command_works(command: str, demo: tuple[Path, str]) -> None:
    assert run([sys.executable, "-m", *command.split()], demo[0]).strip()


def test_the_python_works(demo: tuple[Path, str]) -> None:
    (code,) = blocks("python")
    printed = run([sys.executable, "-c", code], demo[0])
    for name in ("svd", "node2vec", "popularity", "ItemKNN"):
        assert re.search(rf"^ {name} ", printed, re.MULTILINE), name


def test_the_run_file_works(demo: tuple[Path, str]) -> None:
    (text,) = blocks("toml")
    path = demo[0] / "graphemb-demo" / "mine.toml"
    path.write_text(text)
    assert "Node2Vec" in run(
        [sys.executable, "-m", "graphemb", "run", str(path), "--dry-run"], ROOT
    )


def test_files_that_are_named_exist() -> None:
    for name in re.findall(r"\]\(([\w./]+)\)|src=\"([\w./]+)\"", README):
        assert (ROOT / "".join(name)).exists(), name
