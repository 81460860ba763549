"""The shape of the house: small modules, short functions, few parameters, nothing forbidden."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted(
    path
    for folder in ("graphemb", "loaders", "benchmarks")
    for path in (ROOT / folder).rglob("*.py")
)
MAX_LINES = 350
MAX_BODY = 40
MAX_PARAMETERS = 7

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield node


def is_kernel(function: Function) -> bool:
    """Kernels take arrays one by one and must be one loop: they may be longer and wider."""
    return any("jit" in ast.unparse(decorator) for decorator in function.decorator_list)


def body_lines(function: Function) -> int:
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def parameters(function: Function) -> list[ast.arg]:
    spec = function.args
    named = [*spec.posonlyargs, *spec.args, *spec.kwonlyargs]
    return [argument for argument in named if argument.arg not in ("self", "cls")]


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_is_a_house() -> None:
    assert len(MODULES) > 20


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_holds_one_idea(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_are_short_and_narrow(path: Path) -> None:
    plain = [function for function in functions(path) if not is_kernel(function)]
    long = {f.name: body_lines(f) for f in plain if body_lines(f) > MAX_BODY}
    wide = {f.name: len(parameters(f)) for f in plain if len(parameters(f)) > MAX_PARAMETERS}
    assert not long, f"bodies over {MAX_BODY} lines"
    assert not wide, f"more than {MAX_PARAMETERS} parameters"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_public_function_hides_its_parameters(path: Path) -> None:
    hidden = [f.name for f in functions(path) if f.args.kwarg and not f.name.startswith("_")]
    assert not hidden, "**kwargs in a public signature"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_what_it_is(path: Path) -> None:
    text = path.read_text()
    assert not text.strip() or ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_pickle(path: Path) -> None:
    tree = ast.parse(path.read_text())
    imported = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        str(node.module).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert not imported & {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve"}
    allowed = [
        keyword
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False"
    ]
    assert not allowed, "allow_pickle other than False"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_kernels_are_cached_and_serial(path: Path) -> None:
    """`parallel=True` aborts when called from several Python threads; uncached costs seconds."""
    for function in functions(path):
        for decorator in function.decorator_list:
            text = ast.unparse(decorator)
            if "njit" in text:
                assert "parallel=True" not in text, function.name
                assert "cache=True" in text, f"{function.name} is compiled anew in every process"
