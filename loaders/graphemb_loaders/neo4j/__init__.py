"""Neo4j, a real server: columns instead of records, parameters only, no partial graph."""

from graphemb_loaders.neo4j.loader import Neo4jLoader

__all__ = ["Neo4jLoader"]
