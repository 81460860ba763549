"""What the loaders' tests share: a Neo4j to play in, cleaned of what a test wrote."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import neo4j
import pytest

OURS = re.compile(r".+_[0-9a-f]{8}\Z")


@dataclass(frozen=True)
class Database:
    """A Neo4j server and names of this test's own in it."""

    uri: str
    driver: neo4j.Driver
    suffix: str = field(default_factory=lambda: secrets.token_hex(4))

    def label(self, name: str) -> str:
        return f"{name}_{self.suffix}"

    def run(self, query: str, **parameters: Any) -> list[list[Any]]:
        records, _, _ = self.driver.execute_query(query, parameters)
        return [list(record.values()) for record in records]

    def delete_all(self, label: str) -> None:
        """In parts: a large graph is more than one transaction may hold."""
        edges = f"MATCH (:`{label}`)-[r]-() WITH DISTINCT r LIMIT 2000 DELETE r RETURN count(*)"
        nodes = f"MATCH (n:`{label}`) WITH n LIMIT 2000 DELETE n RETURN count(*)"
        for query in (edges, nodes):
            while self.run(query)[0][0]:
                pass


@pytest.fixture
def database(neo4j_server: tuple[str, str, str], neo4j_uri: str) -> Iterator[Database]:
    uri, name, password = neo4j_server
    with neo4j.GraphDatabase.driver(uri, auth=(name, password)) as driver:
        made = Database(neo4j_uri, driver)
        before = {row[0] for row in made.run("CALL db.labels()")}
        yield made
        new = {row[0] for row in made.run("CALL db.labels()")} - before
        labels = [label for label in new if OURS.match(label)]
        for label in labels:
            made.delete_all(label)
        for constraint, label in made.run("SHOW CONSTRAINTS YIELD name, labelsOrTypes"):
            if OURS.match(label[0]):
                made.run(f"DROP CONSTRAINT `{constraint}`")
