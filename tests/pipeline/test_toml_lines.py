"""Lines of TOML keys, against files whose lines are known."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphemb.errors import ConfigError
from graphemb.pipeline.toml_lines import KeyPath, read_toml

FULL = '''# a comment with [brackets] and = signs
seed = 7  # line 2
[graph]
uri = "a # [b]"
query = """
[no.table]
x = 1
"""
[graph.edges] # line 9
"user-buys-product" = 'x = 1'
a.b = [ # line 11
  {x = 1, "y" = {z = 2}},
  2,
]
[[derive]]
along = ["x",
  "y"]
[[derive]]
along = 1979-05-27T07:32:00Z
[derive.sub]
k = 1
'''


def write(folder: Path, text: str) -> Path:
    path = folder / "shop.toml"
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("seed",), 2),
        (("graph",), 3),
        (("graph", "uri"), 4),
        (("graph", "query"), 5),
        (("graph", "edges"), 9),
        (("graph", "edges", "user-buys-product"), 10),
        (("graph", "edges", "a", "b", 0, "y", "z"), 12),
        (("graph", "edges", "a", "b", 1), 13),
        (("derive", 0, "along", 1), 17),
        (("derive", 1, "along"), 19),
        (("derive", 1, "sub", "k"), 21),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_key_has_its_line(tmp_path: Path, key: KeyPath, line: int, newline: str) -> None:
    file = read_toml(write(tmp_path, FULL.replace("\n", newline)))
    assert file.lines[key] == line
    assert file.at(key) == f"{file.path}:{line}"


def test_text_in_strings_is_no_key(tmp_path: Path) -> None:
    file = read_toml(write(tmp_path, FULL))
    assert not any("no" in key for key in file.lines)


def test_the_line_of_an_unknown_key_is_that_of_the_table_around_it(tmp_path: Path) -> None:
    file = read_toml(write(tmp_path, FULL))
    assert file.at(("graph", "nothing", 3)) == f"{file.path}:3"
    assert file.at(("nothing",)) == str(file.path)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\nb = 2\na = 3\n", 3),
        ("[a]\nx = 1\n[b]\n[a]\ny = 1\n", 4),
        ("x = 1\na = {x = 1, x = 2}\n", 2),
        ("[fit.walks]\ndim = 1\n\n[fit.walks]\ndim = 2\n", 4),
    ],
)
def test_fault_106_a_doubled_key_is_refused_at_its_line(
    tmp_path: Path, text: str, line: int
) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_toml(path)
    assert caught.value.code == "doubled_key"
    assert caught.value.source == f"{path}:{line}"


@pytest.mark.parametrize(
    ("text", "line"), [("a = 1\nb = \n", 2), ("a = [1,\n2\n", 3), ("[graph\n", 1)]
)
def test_what_is_not_toml_is_refused_at_its_line(tmp_path: Path, text: str, line: int) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        read_toml(path)
    assert caught.value.code == "bad_toml"
    assert caught.value.source == f"{path}:{line}"


def test_bytes_that_are_not_utf8_are_refused_at_their_line(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_bytes(b"a = 1\nb = '\xff'\n")
    with pytest.raises(ConfigError) as caught:
        read_toml(path)
    assert caught.value.source == f"{path}:2"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"No such file.*nowhere\.toml"):
        read_toml(tmp_path / "nowhere.toml")


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=6)
scalars = st.one_of(
    st.integers(-5, 5), st.booleans(), st.text(st.characters(exclude_categories=["Cs", "Cc"]))
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=8,
)


def quoted(text: str) -> str:
    escapes = {'"': '\\"', "\\": "\\\\"}
    return (
        '"'
        + "".join(
            escapes.get(char, char if char.isprintable() else f"\\U{ord(char):08X}")
            for char in text
        )
        + '"'
    )


def written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return "[" + ",\n ".join(map(written, value)) + "]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)} = {written(v)}" for k, v in value.items()) + "}"
    return str(value)


def keys_of(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    found: set[KeyPath] = {path} if path else set()
    pairs = value.items() if isinstance(value, dict) else ()
    pairs = enumerate(value) if isinstance(value, list) else pairs
    for key, item in pairs:
        found |= keys_of(item, (*path, key))
    return found


@given(st.dictionaries(names, values, min_size=1, max_size=4))
def test_exactly_the_keys_of_any_file_get_lines(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    text = "".join(f"{quoted(key)} = {written(item)}\n" for key, item in content.items())
    try:
        assert tomllib.loads(text) == content
    except tomllib.TOMLDecodeError:  # a line break inside an inline table, before TOML 1.1
        return
    file = read_toml(write(tmp_path_factory.mktemp("toml"), text))
    assert set(file.lines) == keys_of(content)
