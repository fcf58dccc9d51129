"""Whether the server lives, is ready, and what it measured of itself."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from diptych import __version__
from diptych.app.server import shapes
from diptych.app.server.guard import caller_of, needs, router
from diptych.app.server.library import Library
from diptych.app.server.problems import RESPONSES, Problem
from diptych.app.server.recorded import Watch

open_routes = APIRouter(tags=["health"], responses=RESPONSES)
routes = router("", "health")


@open_routes.get("/healthz")
def healthz() -> shapes.Health:
    """The process answers."""
    return shapes.Health(status="ok", version=__version__)


@open_routes.get("/readyz")
def readyz(request: Request) -> shapes.Health:
    """Every collection can be read."""
    library: Library = request.app.state.library
    for found in library.all():
        try:
            with found.reader() as reader:
                len(reader)
        except Exception:
            raise Problem(503, "a collection cannot be read; the server's log tells more") from None
    return shapes.Health(status="ok", version=__version__)


@routes.get("/metrics", response_class=PlainTextResponse, **needs("admin"))
def metrics(request: Request) -> Response:
    """Counts and times for Prometheus."""
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    return Response(generate_latest(request.app.state.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@routes.get("/v1/alerts", **needs("admin"))
def list_alerts(request: Request) -> shapes.Alerts:
    """Unusual use of the caller's collections since the server was started, the latest first."""
    watch: Watch | None = request.app.state.watch
    told = reversed(watch.alerts) if watch is not None else ()
    mine = [alert for alert in told if alert.tenant == caller_of(request).tenant]
    return shapes.Alerts(alerts=[shapes.Alert(**asdict(alert)) for alert in mine])
