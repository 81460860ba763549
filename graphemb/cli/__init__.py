"""The command line: commands parse, call and print; nothing else."""

from graphemb.cli.app import main

__all__ = ["main"]
