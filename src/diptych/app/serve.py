"""`diptych serve`: collections on a page and over HTTP, on this machine unless told otherwise."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from diptych.app.shell import app, flush, print_line
from diptych.kinds import BadInput


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
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Serve a page to search with, and the same over HTTP."""
    try:
        import uvicorn
    except ImportError:
        raise BadInput("serving needs a few more packages: pip install 'diptych[serve]'") from None
    from diptych.app.server import running
    from diptych.app.server.settings import Settings

    shown = None if reports is None else str(reports)
    settings = Settings.of(os.environ, host=host, port=port, reports=shown)
    if settings.reports and not Path(settings.reports).is_dir():
        raise BadInput(f"{settings.reports}: no such folder; give the one that `diptych evaluate --out` wrote to")
    with running.ready(places or [], settings) as (server, address):
        print_line(f"{address}  (Ctrl-C ends it)")
        flush()
        if open_page:
            import webbrowser

            webbrowser.open(address)
        uvicorn.Server(server).run()
