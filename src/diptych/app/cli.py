"""The command line. Names of commands, options and JSON keys are a promise.

Bad input is one line on standard error and exit code 2. Heavy libraries load inside the commands that need them.
"""

from __future__ import annotations

from diptych.app import chat, experiment, feedback, find, keys, mcp, measure, models, protect, serve
from diptych.app.shell import app, run

__all__ = [
    "app",
    "chat",
    "experiment",
    "feedback",
    "find",
    "keys",
    "main",
    "mcp",
    "measure",
    "models",
    "protect",
    "serve",
]


def main() -> None:
    """The `diptych` command."""
    run(app, "diptych")


if __name__ == "__main__":
    main()
