"""`graphemb`: the commands put together, and what happens when one fails."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from graphemb.cli import info_command, run_commands, store_commands, trainers_command
from graphemb.errors import GraphEmbError

app = typer.Typer(
    name="graphemb",
    help="Learn, compare, publish and search vectors of a graph's entities.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for command in (
    run_commands.run,
    run_commands.evaluate,
    run_commands.recommend,
    store_commands.neighbors,
    store_commands.publish,
    store_commands.versions,
    store_commands.verify,
    trainers_command.trainers,
    info_command.info,
    run_commands.demo,
):
    app.command()(command)


class _Options:
    debug = False


def _version(value: bool) -> None:
    if value:
        from graphemb import __version__

        print(f"graphemb {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show where in the program an error came from.")
    ] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    _Options.debug = debug


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit: 0 all is well, 1 an error, 2 wrong usage, 130 interrupted.

    Args:
        arguments: instead of those of the process.
    """
    try:
        app(args=arguments)
    except GraphEmbError as problem:
        if _Options.debug:
            raise
        from graphemb.cli import show

        show.error(problem)
        sys.exit(1)
