"""Commands over a run file: run, evaluate, recommend; and demo."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graphemb.cli import show
from graphemb.cli.store_commands import Json, answers, read_id, reference

if TYPE_CHECKING:
    from graphemb.demo import DemoResult
    from graphemb.pipeline.config import RunConfig
    from graphemb.pipeline.run import RunResult
    from graphemb.progress import Steps

File = Annotated[Path, typer.Argument(metavar="FILE", help="The run file, such as shop.toml.")]
Seed = Annotated[
    int | None, typer.Option(help="Instead of the file's own; gives the same vectors again.")
]


def run(
    file: File,
    seed: Seed = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Load, split and plan; fit and write nothing.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Fit again what is kept.")] = False,
    memory_limit: Annotated[
        str | None, typer.Option(metavar="SIZE", help="Refuse to need more, such as 4GB.")
    ] = None,
    json: Json = False,
) -> None:
    """Load, split, fit, derive, evaluate and publish, as a file says."""
    from graphemb.pipeline.config import RunConfig
    from graphemb.pipeline.memory import read_size
    from graphemb.pipeline.run import run as run_file

    limit = None if memory_limit is None else read_size(memory_limit)
    config = RunConfig.read(file, seed=seed)
    with show.interruptible(lambda: _kept(config)):
        result = run_file(
            config, steps=progress(), dry_run=dry_run, fresh=fresh, memory_limit=limit
        )
    if json:
        show.as_json(_result(config, result))
    elif dry_run:
        _print_plan(config, result)
    else:
        _print_result(config, result)


def evaluate(
    file: File,
    vectors: Annotated[
        list[str],
        typer.Option("--vectors", metavar="[NAME=]FOLDER", help="Saved vectors; may be repeated."),
    ],
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Judge saved vectors by a file's split and evaluation, beside the baselines."""
    from graphemb.pipeline.config import RunConfig
    from graphemb.pipeline.judge import judge

    named = [_named(one) for one in vectors]
    with show.interruptible():
        report = judge(RunConfig.read(file, seed=seed), named, steps=progress())
    if json:
        show.as_json(report.to_dict())
    else:
        show.report(report)


def recommend(
    file: File,
    node_id: Annotated[str, typer.Argument(metavar="ID", help="Who to recommend to.")],
    k: Annotated[int, typer.Option("-k", help="How many.")] = 10,
    ref: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME[@VERSION]", help="Instead of the file's own."),
    ] = None,
    json: Json = False,
) -> None:
    """Recommend targets of the split's edge type to an entity; what it has is left out."""
    from graphemb.pipeline.config import RunConfig
    from graphemb.pipeline.judge import recommend as recommend_from

    config = RunConfig.read(file)
    name, version = reference(ref) if ref else (None, "latest")
    found = recommend_from(config, lambda ids: read_id(ids, node_id), k, name=name, version=version)
    answers(found.node_type, found.ids, found.scores, json=json)
    if not json:
        show.stderr().print(f"left out: {found.seen:,} that {node_id} has already", style="dim")


def demo(
    out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("graphemb-demo"),
    seed: Annotated[int, typer.Option(help="Of the marketplace and of everything drawn.")] = 7,
) -> None:
    """Make a synthetic marketplace and take it all the way: about a minute."""
    from graphemb.demo import run_demo

    with show.interruptible():
        made = run_demo(out, seed=seed, steps=progress())
    _print_demo(made)
    if not all(check.found for check in made.checks):
        raise typer.Exit(1)


def progress() -> Steps:
    """Bars on a terminal; into a pipe one line per step."""
    from graphemb.progress import TerminalSteps

    return TerminalSteps(show.stderr())


def _kept(config: RunConfig) -> str:
    """What an interrupted run leaves, and how to go on."""
    from graphemb.pipeline.fits import Fits
    from graphemb.pipeline.run import Places
    from graphemb.pipeline.say import short

    kept = Fits(Places.beside(config).work).kept()
    parts = [f"the vectors of {', '.join(kept.fitted)}"] if kept.fitted else []
    parts += [f"a checkpoint of {', '.join(kept.begun)}"] if kept.begun else []
    again = f"graphemb run {quote(short(config.file.path))}"
    if not parts:
        return f"nothing was fitted yet; {again} begins anew"
    return f"kept: {' and '.join(parts)}; {again} goes on from there (--fresh forgets it)"


def _named(text: str) -> tuple[str, Path]:
    name, equals, folder = text.rpartition("=")
    return (name, Path(folder)) if equals else (Path(folder).name, Path(folder))


def _print_plan(config: RunConfig, result: RunResult) -> None:
    from graphemb.pipeline.memory import available, readable

    show.title(f"plan of {config.file.path} (seed {config.seed})")
    rows = [(took.name, "done", f"{readable(took.peak)} measured") for took in result.took]
    done = {took.name for took in result.took}
    rows += [
        (step.name, step.what, readable(step.bytes))
        for step in result.plan.steps
        if step.name not in done
    ]
    show.table(("step", "what", "memory"), rows)
    free = available()
    show.say(
        f"\nhighest: about {readable(result.plan.bytes)}"
        + (f"; {readable(free)} are free" if free else "")
        + "\nnothing was fitted, nothing was written"
    )


def _print_result(config: RunConfig, result: RunResult) -> None:
    from graphemb.pipeline.run import Places
    from graphemb.pipeline.say import short

    lines = []
    if result.report is not None:
        show.report(result.report)
        lines.append(f"report     {short(Places.beside(config).report)} (text, JSON, figures)")
    if config.publish is not None and result.version is not None:
        store, name = short(config.folder / config.publish.store), config.publish.name
        tag = f", tagged {config.publish.tag}" if config.publish.tag else ""
        lines.append(f"published  {name} version {result.version} in {store}{tag}: {result.chosen}")
        lines += ["", "next:", *_next_commands(config, result, store)]
    show.say("\n".join(lines))


def _next_commands(config: RunConfig, result: RunResult, store: str) -> list[str]:
    assert config.publish is not None and result.chosen is not None
    emb = result.candidates[result.chosen]
    edge_type = config.split.edge_type if config.split else None
    node_type = edge_type.dst if edge_type else next(iter(emb))
    name = config.publish.name
    asked = f"{name} {node_type} {quote(str(emb[node_type].ids[0]))} --store {store}"
    lines = [f"  graphemb neighbors {asked}"]
    if config.derive:
        lines.append(f"  graphemb neighbors {asked} --to {config.derive[0].derived_type}")
    if edge_type:
        who = quote(str(emb[edge_type.src].ids[0]))
        lines.append(f"  graphemb recommend {config.file.path} {who}")
    return [*lines, f"  graphemb versions --store {store}"]


def _print_demo(made: DemoResult) -> None:
    from graphemb.pipeline.say import short

    assert made.result.report is not None
    show.report(made.result.report)
    show.title("what was planted, and what the published vectors know of it")
    rows = [
        (check.name, check.value, check.chance, check.least, "found" if check.found else "MISSING")
        for check in made.checks
    ]
    show.table(("", "measured", "knowing nothing", "asked for", ""), rows)
    for one in made.neighbors:
        near = ", ".join(f"{name} ({score:.2f})" for name, score in one.nearest)
        show.say(f"\nnearest to the {one.node_type} {one.name}: {near}")
    folder = short(made.folder)
    show.say(
        f"\nall of this is synthetic. {folder} holds the data, {made.config.file.path.name} "
        f"(the run file), the report and its figures, and the map: {folder}/{made.map.name}\n\n"
        "next:\n" + "\n".join(_next_commands(made.config, made.result, f"{folder}/embeddings"))
    )
    show.say(
        f"  graphemb run {folder}/{made.config.file.path.name} --dry-run\n"
        f"then add another [fit.NAME] to that file (see graphemb trainers) and run it again"
    )


def _result(config: RunConfig, result: RunResult) -> dict[str, Any]:
    return {
        "config": config.describe(),
        "graph": result.graph.fingerprint,
        "took": [vars(took) for took in result.took],
        "plan": [
            {"step": step.name, "what": step.what, "bytes": step.bytes, "parts": dict(step.parts)}
            for step in result.plan.steps
        ],
        "report": None if result.report is None else result.report.to_dict(),
        "chosen": result.chosen,
        "version": result.version,
    }
