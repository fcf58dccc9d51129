"""`diptych` called in this very process: it ends as a process of its own does, without its second to start.

What only a process shows (how it starts, signals, encodings, what it has not imported) is tested with one.
"""

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from diptych.app import cli

Answer = subprocess.CompletedProcess[str]
Run = Callable[..., Answer]

UNSEEN = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
"""Warnings that Python does not print of itself."""


def caller(patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> Run:
    """run(*arguments, at=folder, NAME=value): what `diptych ARGUMENTS` answers, there and in such an environment."""

    def run(*arguments: str | Path, at: Path | None = None, **environment: str) -> Answer:
        words = ["diptych", *map(str, arguments)]
        with patch.context() as meanwhile, warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("default")
            for kind in UNSEEN:
                warnings.simplefilter("ignore", kind)
            meanwhile.setattr(os, "cpu_count", lambda: 1)  # few pictures want few workers
            meanwhile.setattr(sys, "argv", words)
            for name, value in environment.items():
                meanwhile.setenv(name, value)
            if at:
                meanwhile.chdir(at)
            capture.readouterr()
            with pytest.raises(SystemExit) as end:
                cli.main()
        out, err = capture.readouterr()
        told = (warnings.formatwarning(one.message, one.category, one.filename, one.lineno) for one in warned)
        return Answer(words, int(end.value.code or 0), out, err + "".join(told))

    return run
