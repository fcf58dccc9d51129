"""The command line. Names of commands, options and JSON keys are a promise.

Bad input is one line on standard error and exit code 2. Heavy libraries load inside the commands that need them.
"""

from __future__ import annotations

import sys

from diptych.app import find, measure, models
from diptych.app.shell import app
from diptych.kinds import BadInput

__all__ = ["app", "find", "main", "measure", "models"]


def main() -> None:
    """The `diptych` command: what the person can mend is one line and exit code 2, never a traceback."""
    try:
        app()
    except BadInput as error:
        sys.stderr.write(f"diptych: {error}\n")
        raise SystemExit(2) from None
    except KeyboardInterrupt:
        sys.stderr.write("diptych: stopped\n")
        raise SystemExit(130) from None
    except BrokenPipeError:
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
