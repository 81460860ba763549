"""Whole runs from one TOML file.

`config` is what a file says and `reader` how it is read (`toml_lines`, `tables`, `environment`);
`run` does it, `plan` and `estimates` say before what memory it takes, `fits` keeps what was fitted,
`judge` evaluates saved vectors and recommends by the same file.
"""

from graphemb.pipeline.config import RunConfig
from graphemb.pipeline.run import Places, RunResult, run

__all__ = ["Places", "RunConfig", "RunResult", "run"]
