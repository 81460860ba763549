"""Neo4j's Graph Data Science 2.13.9 in a server of its own: FastRP, node2vec, GraphSAGE.

The server listens on this machine alone and ends with the measurement. The graph is projected
straight from CSV; an algorithm is timed from its projection to vectors kept in the server (mutate),
after a run on the same graph where that is short, else on a small one. Memory and CPU are the
JVM's, above what it held before the graph.
"""

# mypy: disable-error-code="import-untyped,import-not-found,attr-defined,no-any-return"
from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import neo4j
import numpy as np
from measure import Meter, main

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.neo4j import server  # noqa: E402

GDS = "gds-2.13.9"
HEAP = "4g"
_PROJECT = """
CALL () {
  LOAD CSV FROM 'file:///edges.csv' AS row FIELDTERMINATOR ' '
  RETURN toInteger(row[0]) AS src, toInteger(row[1]) AS dst
  UNION ALL
  UNWIND range(0, $nodes - 1) AS src RETURN src, null AS dst
}
RETURN gds.graph.project($name, src, dst, {}, {undirectedRelationshipTypes: ['*']}) AS made
"""
_SMALL = """
UNWIND range(0, 999) AS src
RETURN gds.graph.project($name, src, (src * 7 + 1) % 1000, {}, {undirectedRelationshipTypes: ['*']})
"""
_READ = """
CALL gds.graph.nodeProperty.stream('graph', 'vector') YIELD nodeId, propertyValue
WITH nodeId - nodeId % 1000 AS part, nodeId, propertyValue
RETURN collect(nodeId) AS ids, collect(propertyValue) AS rows, part
"""
Ask = Callable[..., Any]


@contextmanager
def _started(meter: Meter) -> Iterator[Ask]:
    """A server with the graph's file in reach; gives what asks it."""
    plugins = server.fetched(Path(__file__).with_suffix(".xml"), GDS)
    with server.running(plugins=plugins, heap=HEAP) as ready:
        shutil.copy(meter.folder / "edges.txt", ready.home / "import" / "edges.csv")
        with neo4j.GraphDatabase.driver(ready.uri, auth=("neo4j", ready.password)) as driver:

            def ask(text: str, values: dict[str, Any] | None = None) -> Any:
                return driver.execute_query(text, values or {}).records

            ask("RETURN gds.version()")
            bean = "CALL dbms.queryJmx('java.lang:type=Runtime') YIELD attributes AS told "
            meter.watch(ask(bean + "RETURN told.Pid.value AS pid")[0]["pid"])
            yield ask


def _project(ask: Ask, meter: Meter) -> None:
    ask(_PROJECT, {"name": "graph", "nodes": meter.plan["num_nodes"]})


def _loading(meter: Meter) -> None:
    with _started(meter) as ask:
        meter.warm(lambda: ask(_SMALL, {"name": "small"}))
        meter.timed(lambda: _project(ask, meter), meter.plan["num_edges"])


def _keep(ask: Ask, meter: Meter) -> None:
    out = np.zeros((meter.plan["num_nodes"], meter.plan["dim"]), np.float32)
    for record in ask(_READ):
        out[np.array(record["ids"])] = record["rows"]
    np.save(meter.out, out)


def _common(meter: Meter) -> dict[str, Any]:
    return {
        "embeddingDimension": meter.plan["dim"],
        "concurrency": meter.plan["threads"],
        "randomSeed": 1,
        "mutateProperty": "vector",
    }


def _fastrp(meter: Meter) -> None:
    with _started(meter) as ask:
        config = {**_common(meter), "iterationWeights": [0.0, 1.0, 1.0, 1.0]}
        fit = "CALL gds.fastRP.mutate('graph', $config) YIELD computeMillis RETURN computeMillis"
        _project(ask, meter)
        meter.warm(lambda: ask(fit, {"config": {**config, "mutateProperty": "warm"}}))
        meter.timed(lambda: ask(fit, {"config": config}))
        _keep(ask, meter)


def _node2vec(rate: float, epochs: int = 1, window: int = 5) -> Callable[[Meter], None]:
    """Walks without leaning, as DeepWalk's; a window of 5 is the center and 2 on each side."""

    def task(meter: Meter) -> None:
        with _started(meter) as ask:
            config = {
                **_common(meter),
                "walkLength": meter.plan["walk_length"],
                "walksPerNode": 1,
                "windowSize": window,
                "negativeSamplingRate": meter.plan["negatives"],
                "iterations": epochs,
                "initialLearningRate": rate,
            }
            fit = "CALL gds.node2vec.mutate($name, $config) YIELD computeMillis RETURN 1"
            _project(ask, meter)
            ask(_SMALL, {"name": "small"})
            meter.warm(lambda: ask(fit, {"name": "small", "config": config}))
            meter.timed(lambda: ask(fit, {"name": "graph", "config": config}))
            _keep(ask, meter)

    return task


def _graphsage(meter: Meter) -> None:
    """Its other fields are its defaults; a node is told by its degree and its FastRP vector."""
    with _started(meter) as ask:
        _project(ask, meter)
        common = _common(meter)
        degree = {"mutateProperty": "degree", "concurrency": common["concurrency"]}
        ask(
            "CALL gds.degree.mutate('graph', $config) YIELD mutateMillis RETURN 1",
            {"config": degree},
        )
        fastrp = {**common, "mutateProperty": "start"}
        train = {
            "modelName": "sage",
            "featureProperties": ["degree", "start"],
            "embeddingDimension": common["embeddingDimension"],
            "concurrency": common["concurrency"],
            "randomSeed": 1,
        }
        write = {"modelName": "sage", "mutateProperty": "vector"}
        write["concurrency"] = common["concurrency"]

        def fit() -> None:
            ask(
                "CALL gds.fastRP.mutate('graph', $config) YIELD mutateMillis RETURN 1",
                {"config": fastrp},
            )
            ask(
                "CALL gds.beta.graphSage.train('graph', $config) YIELD trainMillis RETURN 1",
                {"config": train},
            )
            ask(
                "CALL gds.beta.graphSage.mutate('graph', $config) YIELD mutateMillis RETURN 1",
                {"config": write},
            )

        meter.timed(fit)
        _keep(ask, meter)


if __name__ == "__main__":
    main(
        {
            "load": _loading,
            "fastrp": _fastrp,
            "deepwalk:node2vec, rate .025": _node2vec(0.025),
            "deepwalk:node2vec, rate .05": _node2vec(0.05),
            "deepwalk:node2vec, rate .025, 3 epochs": _node2vec(0.025, epochs=3),
            "deepwalk:node2vec, rate .05, window 11": _node2vec(0.05, window=11),
            "graphsage": _graphsage,
        }
    )
