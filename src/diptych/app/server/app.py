"""The server put together: the door, the routes, and what they share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request

from diptych import __version__
from diptych.app.page import reports, shared, sign_in
from diptych.app.page import routes as page
from diptych.app.server import problems
from diptych.app.server.access.audit import Audit
from diptych.app.server.access.caller import Caller
from diptych.app.server.access.detector import Detector
from diptych.app.server.admission import Admission
from diptych.app.server.guard import Door
from diptych.app.server.library import Library
from diptych.app.server.lingering import Lingering
from diptych.app.server.metrics import Measured, Metrics
from diptych.app.server.recorded import Watch
from diptych.app.server.routes import collections, drop_in, export, feedback, health, items, jobs, pictures, search
from diptych.app.server.routes import shares as links
from diptych.app.server.settings import Settings
from diptych.app.server.uploads import Uploads
from diptych.sources.fetch import Fetcher


def create(
    library: Library,
    settings: Settings,
    who: Admission | Callable[[Request], Caller],
    audit: Audit | None = None,
) -> FastAPI:
    """The server of some collections.

    who     tells the caller of a request, or raises Problem; the request's body is not read yet
    audit   where every call is written down
    """

    @asynccontextmanager
    async def until_the_end(app: FastAPI) -> AsyncIterator[None]:
        yield
        app.state.uploads.close()

    app = FastAPI(
        title="Diptych",
        version=__version__,
        summary="Find pictures with words and words with pictures.",
        docs_url=None,  # its page loads a script from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        lifespan=until_the_end,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.library, app.state.settings = library, settings
    detector = Detector(who.keys.takes_all) if isinstance(who, Admission) and who.wants_key else None
    app.state.watch = None if audit is None else Watch(audit, detector)
    app.state.admission = who if isinstance(who, Admission) else None
    app.state.uploads = Uploads(settings.uploads_kept, settings.upload_seconds)
    app.state.fetcher = Fetcher(settings.fetch)
    app.state.metrics = Metrics(library)
    problems.install(app)
    app.include_router(health.open_routes)
    for module in (page, sign_in, shared):
        app.include_router(module.open_routes)
    asked = (collections, search, feedback, items, pictures, export, links, jobs, drop_in)
    for module in (health, *asked, page, reports):
        app.include_router(module.routes)
    app.add_middleware(Measured, metrics=app.state.metrics)
    app.add_middleware(Door, settings=settings, who=who, watch=app.state.watch)
    app.add_middleware(Lingering)
    return app
