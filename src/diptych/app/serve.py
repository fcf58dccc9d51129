"""`diptych serve`: collections on a page and over HTTP, on this machine unless told otherwise."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from diptych.app.shell import app, flush, print_line
from diptych.kinds import BadInput

if TYPE_CHECKING:
    from diptych.app.server.settings import Settings


@app.command()
def serve(
    places: Annotated[
        list[Path] | None, typer.Argument(help="Folders of pictures, or collections; by default the one near.")
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", help="Where to listen; another than this machine demands keys.")
    ] = None,
    port: Annotated[int | None, typer.Option("--port", help="0 takes a free one.")] = None,
    reports: Annotated[
        Path | None, typer.Option("--reports", help="A folder of reports of `evaluate --out`, shown on /reports.")
    ] = None,
    tenant: Annotated[
        list[str] | None,
        typer.Option("--tenant", help="NAME=PLACE: a collection of somebody who sees no others; may be repeated."),
    ] = None,
    against: Annotated[
        str,
        typer.Option("--against", help="Compare orders: keywords=0.2, diverse=0.3, reranker=off, or a collection."),
    ] = "",
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve a page to search with, and the same over HTTP."""
    settings = _settings(host=host, port=port, reports=None if reports is None else str(reports))
    if settings.reports and not Path(settings.reports).is_dir():
        raise BadInput(f"{settings.reports}: no such folder; give the one that `diptych evaluate --out` wrote to")
    owned = [_owned(text) for text in tenant or ()]
    if not (places or owned):
        from diptych.app.places import near

        places = [near(or_last=True)]
    if against and len(places or ()) + len(owned) != 1:
        raise BadInput("--against: an experiment is about one collection; name one folder")
    on_a_page([*(("", place) for place in places or ()), *owned], settings, open_page, against)


def on_a_page(
    places: Sequence[tuple[str, Path]], settings: Settings | None = None, open_page: bool = False, against: str = ""
) -> None:
    """Serve until Ctrl-C. places: (tenant, a folder of pictures or a collection); against: of an experiment."""
    settings = settings or _settings()
    import uvicorn

    from diptych.app.server import running

    with running.ready(places, settings, against) as (server, listening, address):
        print_line(f"{address}  (Ctrl-C ends it)")
        flush()
        if open_page:
            import webbrowser

            webbrowser.open(address)
        uvicorn.Server(server).run(sockets=[listening])


def _settings(**given: object) -> Settings:
    """Those of the environment and of the command line. Raises BadInput where serving lacks a package."""
    try:
        from diptych.app.server.settings import Settings
    except ImportError as error:
        raise BadInput(f"serving needs a few more packages ({error.name}): pip install 'diptych[serve]'") from None
    return Settings.of(os.environ, **given)


def _owned(text: str) -> tuple[str, Path]:
    tenant, is_one, place = text.partition("=")
    if not (tenant and is_one and place):
        raise BadInput(f"--tenant: {text!r}; give a name and a folder, such as anna=/srv/anna")
    return tenant, Path(place)
