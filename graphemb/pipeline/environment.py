"""`${NAME}` in a run file: where files lie is the machine's business, and stays out of the file."""

from __future__ import annotations

import os
import re

from graphemb.errors import ConfigError

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def expanded(text: str, *, field: str, source: str) -> str:
    """`text` with the values of the environment variables that it names.

    Args:
        field, source: the key and the line it stands at, for the error.

    Raises:
        ConfigError: a variable is not set, or empty.
    """

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if not found:
            raise ConfigError(
                f"the environment variable {match[1]} is not set",
                code="unset_variable",
                source=source,
                field=field,
                value=text,
                hint=f"export {match[1]}=FOLDER, then run again",
            )
        return found

    return _VARIABLE.sub(value, text)
