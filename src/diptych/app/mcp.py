"""`diptych mcp`: an assistant looks through pictures, over the Model Context Protocol on standard input and output."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from diptych.app.shell import app
from diptych.kinds import BadInput

KEY = "DIPTYCH_API_KEY"


@app.command()
def mcp(
    places: Annotated[
        list[Path] | None, typer.Argument(help="Collections, or folders that were indexed; by default the one near.")
    ] = None,
    write: Annotated[bool, typer.Option("--write", help="Let the assistant add captions and tags.")] = False,
    server: Annotated[
        str | None, typer.Option("--server", help=f"Ask a running `diptych serve` instead; with the key in ${KEY}.")
    ] = None,
) -> None:
    """Let an assistant search and look at pictures, over MCP. It changes nothing unless told otherwise."""
    try:
        from diptych.app import assistant
    except ImportError:
        raise BadInput("mcp needs a few more packages: pip install 'diptych[mcp]'") from None
    from diptych.client import AsyncClient

    if server is not None:
        if places:
            raise BadInput("--server: it has collections of its own; leave the folders out")
        assistant.serving(AsyncClient(server, os.environ.get(KEY, "")), write).run("stdio")
        return
    import httpx2

    from diptych.app.places import named, near
    from diptych.app.server.access import files
    from diptych.app.server.access.caller import Caller, including
    from diptych.app.server.app import create
    from diptych.app.server.library import Library
    from diptych.app.server.settings import Settings

    settings = Settings.of(os.environ)
    caller = Caller("assistant", scopes=including("write" if write else "read"))
    with Library(files.secret(settings.home), settings.readers, settings.seconds) as library:
        for place in places or [near(or_last=True)]:
            library.add(named(place))
        routes = httpx2.ASGITransport(create(library, settings, lambda _: caller))  # without a socket
        assistant.serving(AsyncClient("http://localhost", transport=routes), write).run("stdio")
