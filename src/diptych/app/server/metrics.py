"""What the server counts of itself: calls and their seconds by route, for Prometheus. No name, no query, no id."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from diptych.app.server.library import Library

STEPS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Seconds."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Those that are counted by name: any word is one to HTTP, and each would be kept for ever."""


class Metrics:
    """Those of one server."""

    def __init__(self, library: Library) -> None:
        self.registry = CollectorRegistry()
        self.calls = Counter("diptych_calls", "Calls answered", ["route", "method", "status"], registry=self.registry)
        self.seconds = Histogram(
            "diptych_seconds", "Seconds to answer", ["route"], buckets=STEPS, registry=self.registry
        )
        up = Gauge("diptych_up_seconds", "Seconds since the server was started", registry=self.registry)
        up.set_function(lambda: time.time() - library.started)


class Measured:
    """Counts what passes."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, told)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in METHODS else "other"
            self._metrics.calls.labels(route, method, status).inc()
            self._metrics.seconds.labels(route).observe(time.perf_counter() - started)
