"""Loaders of graphemb: one thin file per system, found through entry points."""
