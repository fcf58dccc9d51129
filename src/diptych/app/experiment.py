"""`diptych experiment`: what people chose of two orders, and what follows."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diptych.app.find import opened
from diptych.app.shell import JsonOption, app, print_json, print_line
from diptych.kinds import BadInput

if TYPE_CHECKING:
    from diptych.collection import Comparison

ENOUGH = 30
"""Decided queries below which nothing is advised: who looks every day would sooner or later see p < .05."""

LEVEL = 0.05


@app.command()
def experiment(
    place: Annotated[
        Path | None, typer.Argument(help="A folder of pictures, or its collection; by default the one near.")
    ] = None,
    end: Annotated[bool, typer.Option("--end", help="End it, and forget whose answers were chosen.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Tell which of two orders people chose, since `diptych serve --against` shows both as one."""
    with opened(place, write=end) as found:
        running = found.experiment.running
        if running is None:
            raise BadInput(f"{found.folder}: no experiment; begin one: diptych serve FOLDER --against keywords=0.2")
        result = found.experiment.end() if end else found.experiment.result()
    advice = _advice(result, running.what)
    since = datetime.fromtimestamp(running.since, UTC).isoformat(timespec="seconds")
    if as_json:
        print_json({"against": running.what, "since": since, **asdict(result), "advice": advice, "ended": end})
        return
    print_line("against", running.what)
    print_line("since", since)
    print_line("wins, losses, ties", f"{result.wins}, {result.losses}, {result.ties}")
    print_line("preference", f"{result.preference:.0%} (95 % interval {result.low:.0%} to {result.high:.0%})")
    print_line("p", f"{result.p:.4f}")
    print_line("advice", advice)


def _advice(result: Comparison, what: str) -> str:
    decided = result.wins + result.losses
    if decided < ENOUGH or result.p >= LEVEL:
        return f"not enough yet: {decided} queries decided"
    if result.wins < result.losses:
        return f"keep what there is: people choose it before {what}"
    return f"switch: people choose {what}"
