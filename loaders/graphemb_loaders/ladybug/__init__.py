"""Ladybug, the embedded property graph: nothing to install or start, Cypher over plain files."""

from graphemb_loaders.ladybug.loader import LadybugLoader

__all__ = ["LadybugLoader"]
