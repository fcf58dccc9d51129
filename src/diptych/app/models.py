"""The encoders there are by name: `models` lists them, `models get` brings one."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from diptych.app.shell import JsonOption, app, print_json, print_line, progress

models = typer.Typer(no_args_is_help=False)
app.add_typer(models, name="models")


@models.callback(invoke_without_command=True)
def listed(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the encoders that --model takes by name, and those fetched from the hub."""
    if context.invoked_subcommand:
        return
    from diptych.app import tables
    from diptych.encoders import shelf

    found = shelf.models()
    if as_json:
        print_json([asdict(model) | {"here": str(model.here) if model.here else None} for model in found])
    else:
        tables.models(found)


@models.command()
def get(
    name: Annotated[str, typer.Argument(help="A name of the list, or hub:owner/name, perhaps :VARIANT and @REVISION.")],
    as_json: JsonOption = False,
) -> None:
    """Fetch an encoder once; from then on it needs no network."""
    from diptych.encoders import shelf

    with progress() as on_progress:
        folder = shelf.fetch(name, on_progress)
    if as_json:
        print_json({"name": name, "model": shelf.canonical(name), "folder": str(folder)})
    else:
        print_line(f"{name} is here: {folder}")
