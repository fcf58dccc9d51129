"""The server put together: the door, the routes, and what they share."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import FastAPI, Request

from diptych import __version__
from diptych.app.server import problems
from diptych.app.server.access.caller import Caller
from diptych.app.server.guard import Door
from diptych.app.server.library import Library
from diptych.app.server.lingering import Lingering
from diptych.app.server.metrics import Measured, Metrics
from diptych.app.server.routes import collections, drop_in, health, items, jobs, pictures, search
from diptych.app.server.settings import Settings
from diptych.app.server.uploads import Uploads


def create(library: Library, settings: Settings, who: Callable[[Request], Caller]) -> FastAPI:
    """The server of some collections.

    who   tells the caller of a request, or raises Problem; the request's body is not read yet
    """
    app = FastAPI(
        title="Diptych",
        version=__version__,
        summary="Find pictures with words and words with pictures.",
        docs_url=None,  # its page loads a script from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.library, app.state.settings = library, settings
    app.state.uploads = Uploads(settings.uploads_kept, settings.upload_seconds)
    app.state.metrics = Metrics(library)
    problems.install(app)
    app.include_router(health.open_routes)
    for module in (health, collections, search, items, pictures, jobs, drop_in):
        app.include_router(module.routes)
    app.add_middleware(Measured, metrics=app.state.metrics)
    app.add_middleware(Door, settings=settings, who=who)
    app.add_middleware(Lingering)
    return app
