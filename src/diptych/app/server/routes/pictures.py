"""The pictures themselves, by opaque ids: thumbnails without a word in them, and the files as they are."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Literal

from fastapi import Request, Response
from fastapi.responses import FileResponse

from diptych.app.server.guard import needs, router, served
from diptych.app.server.problems import Problem
from diptych.sources import magic

routes = router("/v1/collections/{collection}/items/{item}", "pictures")

CACHE = "private, max-age=86400, must-revalidate"

MIME = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif", "TIFF": "image/tiff"}
MIME |= {"BMP": "image/bmp", "AVIF": "image/avif", "HEIC": "image/heic", "HEIF": "image/heif"}

_BYTES = {"schema": {"type": "string", "format": "binary"}}
_PICTURE = {"content": dict.fromkeys(sorted(MIME.values()), _BYTES)}


@routes.get(
    "/thumbnails/{size}",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": _BYTES}}, 304: {}},
    **needs("read"),
)
def thumbnail(request: Request, collection: str, item: str, size: Literal["small", "medium", "large"]) -> Response:
    """A JPEG of 320, 960 or 2048 pixels, upright, made anew: no EXIF, no place, no name."""
    found = served(request, collection)
    with found.reader() as reader:
        picture = reader.get(found.opened(reader, item))
    made = found.thumbnails.get(picture, size)
    headers = {"ETag": made.etag, "Cache-Control": CACHE, "Cross-Origin-Resource-Policy": "same-origin"}
    if made.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(made.data, media_type="image/jpeg", headers=headers)


@routes.get(
    "/original", response_class=FileResponse, responses={200: _PICTURE, 206: _PICTURE, 304: {}}, **needs("read")
)
def original(request: Request, collection: str, item: str) -> Response:
    """The file as it lies on the disk, with everything that is written in it."""
    found = served(request, collection)
    with found.reader() as reader:
        picture = reader.get(found.opened(reader, item))
    path = picture.path or ""
    try:
        with open(path, "rb") as file:
            kind, facts = magic.kind(file.read(magic.ENOUGH)), os.fstat(file.fileno())
    except OSError:
        raise Problem(404, "the file of this picture is not there any more") from None
    if kind not in MIME:
        raise Problem(404, "the file is no picture any more")
    headers = {"Cache-Control": CACHE}
    whole = FileResponse(path, media_type=MIME[kind], headers=headers, filename=PurePath(path).name, stat_result=facts)
    if whole.headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": whole.headers["etag"], **headers})
    return whole
