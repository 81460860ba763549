"""The command `trainers`: what can learn vectors, and every field of one."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from graphemb.cli import show
from graphemb.cli.store_commands import Json

_FIELD = re.compile(r"^ {4}(?P<names>\w+(?:, \w+)*): +(?P<text>.*)$")
"""How an entry of a docstring's `Attributes:` begins; deeper lines go on with it."""


def trainers(
    name: Annotated[str | None, typer.Argument(help="One of them, to see its fields.")] = None,
    json: Json = False,
) -> None:
    """List what can learn vectors; with a name, what it does and the fields of its table."""
    from graphemb.trainers.base import trainer_class
    from graphemb.trainers.base import trainers as registered

    if name is None:
        about = {one: _text(trainer_class(one)).partition("\n")[0] for one in registered()}
        show.as_json(about) if json else show.table(("trainer", "what it is"), [*about.items()])
        return
    kind = trainer_class(name)
    fields = list(_fields(kind))
    if json:
        show.as_json({"trainer": name, "about": _text(kind), "fields": fields})
        return
    show.say(re.split(r"\n(?:Attributes|Raises):\n", _text(kind))[0].strip() + "\n")
    show.table(("field", "default", "what it is"), [tuple(one.values()) for one in fields])


def _text(kind: type[Any]) -> str:
    return inspect.getdoc(kind) or ""


def _fields(kind: type[Any]) -> Iterator[dict[str, str]]:
    """Name, default as a run file writes it, and meaning, of every field that can be given."""
    meanings = _meanings(kind)
    for field in dataclasses.fields(kind):
        if field.init:
            meaning = meanings.get(field.name, "")
            yield {"field": field.name, "default": _default(field), "meaning": meaning}


def _default(field: dataclasses.Field[Any]) -> str:
    """Empty where the default is to have none."""
    value = field.default
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    if value is dataclasses.MISSING:
        return "(needed)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return str(list(value))
    return "" if value is None else f'"{value}"' if isinstance(value, str) else str(value)


def _meanings(kind: type[Any]) -> dict[str, str]:
    """What the docstrings of a class and of those below it say of their attributes."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        text = inspect.cleandoc(one.__doc__ or "")
        names: list[str] = []
        for line in text.partition("Attributes:\n")[2].split("\n"):
            if begun := _FIELD.match(line):
                names = begun["names"].split(", ")
                found |= dict.fromkeys(names, begun["text"])
            elif line.startswith(" " * 8):
                found |= {name: f"{found[name]} {line.strip()}" for name in names}
            elif line.strip():
                break
    return found
