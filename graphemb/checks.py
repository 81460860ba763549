"""Checks of configuration fields; each raises a `ConfigError` naming field, value and range."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from graphemb.errors import ConfigError, nearest


def check_int(field: str, value: Any, *, low: int, high: int | None = None) -> None:
    """Refuse anything but an integer from `low` to `high`, both included.

    Raises:
        ConfigError: another type, or out of range.
    """
    wanted = f"an integer of at least {low}" if high is None else f"an integer {low} to {high}"
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{field} must be {wanted}", field=field, value=value, code="range")
    if value < low or (high is not None and value > high):
        raise ConfigError(f"{field} must be {wanted}", field=field, value=value, code="range")


def check_positive(field: str, value: Any) -> None:
    """Refuse anything but a finite number above zero.

    Raises:
        ConfigError: another type, zero, negative, NaN or infinite.
    """
    check_number(field, value, above=0.0)


def check_number(
    field: str,
    value: Any,
    *,
    above: float | None = None,
    low: float | None = None,
    high: float | None = None,
) -> None:
    """Refuse anything but a finite number in the range; `above` is excluded, `low`/`high` are not.

    Raises:
        ConfigError: another type, not finite, or out of range.
    """
    limits = [f"above {above:g}"] if above is not None else []
    limits += [f"at least {low:g}"] if low is not None else []
    limits += [f"at most {high:g}"] if high is not None else []
    wanted = " ".join(["a finite number", " and ".join(limits)]).strip()
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if (
        not number
        or not math.isfinite(value)
        or (above is not None and value <= above)
        or (low is not None and value < low)
        or (high is not None and value > high)
    ):
        raise ConfigError(f"{field} must be {wanted}", field=field, value=value, code="range")


def check_choice(field: str, value: Any, choices: Iterable[Any]) -> None:
    """Refuse anything that is not one of `choices`.

    Raises:
        ConfigError: not on the list; the message gives it, nearest first.
    """
    known = list(choices)
    if value not in known:
        names = nearest(str(value), [str(choice) for choice in known])
        raise ConfigError(
            f"{field} must be one of the known values",
            field=field,
            value=value,
            code="choice",
            hint=f"known: {', '.join(names)}",
        )
