"""Neo4j when things break: connections cut, deadlocks, forks, writers that die half-way."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import neo4j
import pytest

from graphemb import EdgeType, GraphSpec, HeteroGraph, load_graph, write_graph
from graphemb.errors import ConnectionFailed, SourceError
from graphemb.source import LoadEvent, Source, spec_of
from graphemb_loaders.neo4j import read as reading
from graphemb_loaders.neo4j import write as writing
from graphemb_loaders.neo4j.connection import Connection
from tests.loaders.conftest import Database
from tests.neo4j.proxy import proxied

pytestmark = pytest.mark.neo4j

LONG = "UNWIND range(1, 50000) AS id RETURN id, 'a text of some length ' + id AS text"


def chain(database: Database, size: int = 300) -> HeteroGraph:
    """Nodes in a row, the first two joined by three parallel edges."""
    label = database.label("node")
    to = EdgeType(label, "to", label)
    src, dst = [*range(size - 1), 0, 0], [*range(1, size), 1, 1]
    return HeteroGraph.from_tables(
        {label: {"id": list(range(size)), "x": [0.5] * size}},
        {to: {"src": src, "dst": dst, "weight": [float(n + 1) for n in range(len(src))]}},
    )


def same(graph: HeteroGraph, uri: str) -> bool:
    return load_graph(uri, spec_of(graph, uri)).fingerprint == graph.fingerprint


@pytest.mark.parametrize("streamed", [False, True], ids=["columns", "records"])
class TestCutInRead:
    @pytest.fixture(autouse=True)
    def _way(self, streamed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        if streamed:
            monkeypatch.setattr(reading, "PART_VALUES", 1)
            monkeypatch.setattr(reading, "WHOLE_VALUES", 1)
            monkeypatch.setattr(reading, "_BATCH", 5_000)

    def test_fault_067_a_cut_is_retried_and_the_graph_is_whole(self, neo4j_uri: str) -> None:
        expected = load_graph(neo4j_uri, GraphSpec({"user": LONG})).fingerprint
        with proxied(neo4j_uri) as proxy:
            proxy.after_bytes, proxy.cuts_left = 300_000, 1
            graph = load_graph(proxy.uri, GraphSpec({"user": LONG}))
            assert proxy.cuts == 1
        assert graph.fingerprint == expected

    def test_fault_067_cut_again_and_again_it_fails_and_gives_no_graph(
        self, neo4j_uri: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Connection, "retry_seconds", 1.0)
        with proxied(neo4j_uri) as proxy:
            proxy.after_bytes, proxy.cuts_left = 300_000, 1_000
            with pytest.raises(ConnectionFailed) as caught:
                load_graph(proxy.uri, GraphSpec({"user": LONG}))
            assert proxy.cuts >= 1
        assert "nodes.user" in str(caught.value)
        assert os.environ["NEO4J_PASSWORD"] not in str(caught.value)


def test_fault_067_rows_that_come_or_go_between_count_and_read_are_seen(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = database.label("user")
    database.run(f"UNWIND range(1, 2000) AS i CREATE (:{label} {{id: i}})")
    monkeypatch.setattr(reading, "PART_VALUES", 1_000)
    measure = reading.measure

    def meanwhile(*args: Any) -> Any:
        plan = measure(*args)
        if len(args) == 3:  # the count, not the sample
            database.run(f"CREATE (:{label} {{id: 0}})")
        return plan

    monkeypatch.setattr(reading, "measure", meanwhile)
    with pytest.raises(SourceError) as caught:
        load_graph(database.uri, GraphSpec({"user": f"MATCH (n:{label}) RETURN n.id AS id"}))
    assert caught.value.code == "partial"
    assert "2,000 rows counted, 2,001 read" in str(caught.value)


def test_fault_068_a_commit_cut_off_is_done_again_with_the_same_result(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH", 50)
    graph = chain(database)
    with proxied(database.uri) as proxy:
        proxy.at_commit, proxy.cuts_left = True, 5
        write_graph(graph, proxy.uri)
        assert proxy.cuts == 5
    assert same(graph, database.uri)
    assert database.run(f"MATCH (:{graph.node_types[0]})-[r]->() RETURN count(r)") == [
        [graph.num_edges()]
    ]


def test_fault_068_a_write_that_fails_names_its_batch_and_may_be_done_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH", 50)
    monkeypatch.setattr(Connection, "retry_seconds", 0.5)
    graph = chain(database)
    with proxied(database.uri) as proxy:
        proxy.at_commit = True

        def cut_edges(event: LoadEvent) -> None:
            if event.query.startswith("edges.") and event.rows == 100:
                proxy.cuts_left = 1_000

        with pytest.raises(ConnectionFailed) as caught:
            write_graph(graph, proxy.uri, on_progress=cut_edges)
    assert "rows 100 to 149" in str(caught.value)
    assert not same(graph, database.uri)
    write_graph(graph, database.uri)
    assert same(graph, database.uri)


def test_fault_069_a_deadlock_is_retried(database: Database) -> None:
    graph = chain(database, size=40)
    write_graph(graph, database.uri)
    label = graph.node_types[0]
    last, first = f"MATCH (n:{label} {{id: 39}})", f"MATCH (n:{label} {{id: 0}})"
    deadlocks = 0
    with database.driver.session() as session:
        transaction = session.begin_transaction()
        transaction.run(f"{last} SET n.held = 1").consume()
        writer = threading.Thread(target=write_graph, args=(graph, database.uri))
        writer.start()  # takes nodes 0 to 38, then waits for 39
        waiting = "SHOW TRANSACTIONS YIELD status WHERE status STARTS WITH 'Blocked' RETURN status"
        end = time.monotonic() + 20
        while not database.run(waiting) and time.monotonic() < end:
            time.sleep(0.05)
        try:
            transaction.run(f"{first} SET n.held = 1").consume()  # one of the two must give way
            transaction.commit()
        except neo4j.exceptions.TransientError:
            deadlocks += 1
            transaction.close()
        writer.join(40)
    assert not writer.is_alive()
    assert same(graph, database.uri)
    held = database.run(f"MATCH (n:{label}) WHERE n.held = 1 RETURN count(n)")[0][0]
    assert held == (0 if deadlocks else 2)


def test_fault_069_what_lasts_longer_is_an_error_naming_the_batch(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Connection, "retry_seconds", 0.2)
    graph = chain(database, size=10)
    real = Connection.write

    def gone(self: Connection, where: str, work: Any) -> Any:
        def deadlocked(tx: Any) -> Any:
            if where.startswith("edges."):
                raise neo4j.exceptions.Neo4jError._hydrate_neo4j(
                    code="Neo.TransientError.Transaction.DeadlockDetected", message="deadlock"
                )
            return work(tx)

        return real(self, where, deadlocked)

    monkeypatch.setattr(Connection, "write", gone)
    with pytest.raises(SourceError) as caught:
        write_graph(graph, database.uri)
    assert "DeadlockDetected" in str(caught.value)
    assert "rows 0 to 8" in str(caught.value)


def test_fault_073_a_writer_that_dies_leaves_what_a_second_one_completes(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH", 50)
    graph = chain(database)

    def die(event: LoadEvent) -> None:
        if event.query.startswith("edges.") and event.rows:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_graph(graph, database.uri, on_progress=die)
    assert not same(graph, database.uri)
    write_graph(graph, database.uri)
    assert same(graph, database.uri)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_fault_075_a_forked_process_gets_a_driver_of_its_own(neo4j_uri: str) -> None:
    connection = Connection(Source(neo4j_uri))
    count = "UNWIND range(1, 1000) AS n RETURN count(n) AS n"

    def ask(tx: Any) -> int:
        return int(tx.run(count).single()["n"])

    assert connection.read("parent", ask) == 1000
    child = os.fork()
    if child == 0:  # the child only answers by its exit status
        status = 1
        try:
            status = 0 if connection.read("child", ask) == 1000 else 1
        finally:
            os._exit(status)
    answers = [connection.read("parent", ask) for _ in range(20)]
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert answers == [1000] * 20
    connection.close()
