"""`import graphemb`: a curated face that costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import graphemb as ge

FACE = [
    "ALS",
    "AttributeTower",
    "BPR",
    "DeepWalk",
    "EdgeType",
    "EmbeddingStore",
    "Embeddings",
    "EpochEvent",
    "Evaluation",
    "FastRP",
    "GAT",
    "GivenNegatives",
    "GraphEmbError",
    "GraphSAGE",
    "GraphSpec",
    "HGT",
    "HeldOut",
    "HeteroGraph",
    "Index",
    "Interests",
    "LightGCN",
    "Metapath",
    "Metapath2Vec",
    "NeuralCF",
    "Node2Vec",
    "NodeVectors",
    "PinSage",
    "Policies",
    "ProNE",
    "RGCN",
    "RandomVectors",
    "Report",
    "SVD",
    "SequenceSkipGram",
    "Source",
    "Split",
    "SplitRule",
    "Trainer",
    "TripleInteraction",
    "TwoTower",
    "Vectors",
    "WalkSpec",
    "audit_leaks",
    "classify_nodes",
    "derive",
    "derive_chain",
    "derive_update",
    "evaluate_links",
    "evaluate_newcomers",
    "evaluate_seeds",
    "explain",
    "generate_walks",
    "given_split",
    "hold_out_nodes",
    "interests",
    "learn_weights",
    "load_graph",
    "split_edges",
    "write_graph",
]
HEAVY = {
    "torch",
    "torch_geometric",
    "faiss",
    "neo4j",
    "ladybug",
    "fastapi",
    "starlette",
    "uvicorn",
    "flask",
    "aiohttp",
    "requests",
    "numba",
    "llvmlite",
    "numpy",
    "pyarrow",
    "scipy",
    "pandas",
    "polars",
    "sklearn",
    "matplotlib",
    "networkx",
    "nodevectors",
    "csrgraph",
    "gensim",
    "pydantic",
    "rich",
    "typer",
    "graphemb_loaders",
}


def test_the_face_is_exactly_this() -> None:
    assert ge.__all__ == FACE
    assert sorted(FACE) == FACE
    assert dir(ge) == sorted([*FACE, "__version__"])


@pytest.mark.parametrize("name", FACE)
def test_every_name_is_there_and_is_no_module(name: str) -> None:
    value = getattr(ge, name)
    assert not isinstance(value, ModuleType)
    assert getattr(ge, name) is value


def test_type_checkers_are_told_what_runs() -> None:
    """The imports under TYPE_CHECKING and the table of homes are the same list."""
    tree = ast.parse(Path(str(ge.__file__)).read_text())
    told = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("graphemb.")
        for alias in node.names
    }
    assert told == ge._HOME
    assert sorted(told) == FACE


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Node3Vec"):
        ge.Node3Vec  # type: ignore[attr-defined]  # noqa: B018


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after `code`."""
    tell = "import sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{tell}"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_import_loads_nothing_heavy() -> None:
    assert not loaded_by("import graphemb") & HEAVY


def test_the_whole_face_needs_no_torch_and_no_database() -> None:
    code = "import graphemb\nfor name in graphemb.__all__: getattr(graphemb, name)"
    unwanted = {"torch", "torch_geometric", "neo4j", "ladybug", "matplotlib", "graphemb_loaders"}
    assert not loaded_by(code) & unwanted


def test_derive_stays_the_function_when_its_module_is_imported() -> None:
    code = "import graphemb.derive, graphemb; assert graphemb.derive.__name__ == 'derive'"
    code += "; assert callable(graphemb.derive)"
    loaded_by(code)
