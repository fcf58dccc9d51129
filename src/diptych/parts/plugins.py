"""Plug-ins: what other installed distributions offer under the entry points of a group."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from diptych.kinds import BadInput

METHODS, DATASETS = "diptych.methods", "diptych.datasets"


@cache  # reading what is installed takes milliseconds, and it stays the same while a program runs
def plugins(group: str) -> dict[str, EntryPoint]:
    """Name -> entry point; of two of one name the first by distribution. Nothing is imported."""
    found = sorted(entry_points(group=group), key=lambda entry: (entry.name, distribution(entry)))
    return {entry.name: entry for entry in reversed(found)}


def distribution(entry: EntryPoint) -> str:
    """What it came with: name and version."""
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else ""


def loaded(entry: EntryPoint) -> Any:
    """What it names, imported. Raises BadInput with the distribution where that fails."""
    try:
        return entry.load()
    except Exception as error:  # whatever code of others may raise
        told = f"{type(error).__name__}: {error}"
        raise BadInput(f"{distribution(entry)}: {entry.value} does not load ({told}); mend or uninstall it") from error
