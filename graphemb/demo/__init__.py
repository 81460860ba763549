"""The demo: a synthetic marketplace from Cypher to searchable vectors."""

from graphemb.demo.story import DemoResult, run_demo

__all__ = ["DemoResult", "run_demo"]
