"""What goes wrong, told as RFC 9457 problem documents: one line of what to mend, as on the command line."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException

from diptych.collection import Damaged, Locked, TooLong
from diptych.kinds import BadInput

MEDIA_TYPE = "application/problem+json"


class ProblemDocument(BaseModel):
    """https://www.rfc-editor.org/rfc/rfc9457"""

    model_config = ConfigDict(extra="allow")
    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Problem(HTTPException):
    """An answer other than what was asked for. detail: what is wrong and the way out, in one line."""

    def __init__(self, status: int, detail: str, **headers: str) -> None:
        super().__init__(status, detail, {name.replace("_", "-"): value for name, value in headers.items()})

    def response(self) -> JSONResponse:
        return _response(self.status_code, self.detail, dict(self.headers or {}))


FAULT = "the server met a fault of its own; its log tells more"

_DOCUMENT = {"content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}}

RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "what to mend", **_DOCUMENT},
    "5XX": {"description": "what the server cannot do now", **_DOCUMENT},
}
"""Of every route, for the published description."""


def describe(app: FastAPI) -> None:
    """Have the published description tell what a problem document is: FastAPI knows models of JSON alone."""
    published = app.openapi

    def described() -> dict[str, Any]:
        whole = published()
        whole["components"]["schemas"]["ProblemDocument"] = ProblemDocument.model_json_schema()
        return whole

    app.openapi = described  # type: ignore[method-assign]


def install(app: FastAPI) -> None:
    """Every way in which a call can fail becomes a problem document; what nobody foresaw, at the door."""
    describe(app)

    @app.exception_handler(Problem)
    async def _problem(_: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(BadInput)
    async def _bad_input(_: Request, error: BadInput) -> JSONResponse:
        if isinstance(error, TooLong):
            return _response(503, str(error))
        if isinstance(error, Locked):
            return _response(503, str(error), {"Retry-After": "5"})
        return _response(500 if isinstance(error, Damaged) else 400, str(error))

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first, *rest = error.errors()
        field = ".".join(map(str, first["loc"][1:]))  # behind where it stands, which may have the same name
        more = f" (and {len(rest)} more)" if rest else ""
        return _response(422, f"{field or 'body'}: {first['msg']}{more}")

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        return _response(error.status_code, str(error.detail), dict(error.headers or {}))


def _response(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(body, status, headers, MEDIA_TYPE)
