"""The pictures themselves, by opaque ids: thumbnails without a word in them, and the files as they are."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import Literal

from fastapi import Request, Response
from fastapi.responses import FileResponse

from diptych.app.server import thumbnails
from diptych.app.server.access.audit import Handed
from diptych.app.server.guard import needs, router, served
from diptych.app.server.problems import Problem
from diptych.app.server.recorded import hand
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
        id = found.opened(reader, item)
        digest = reader.digest(id)
    handed: Handed = "opened" if size == "large" else "shown"
    headers = {"Cache-Control": CACHE, "Cross-Origin-Resource-Policy": "same-origin"}
    known = thumbnails.etag(digest, size)
    if known and known in request.headers.get("if-none-match", ""):
        hand(request, handed, [id])
        return Response(status_code=304, headers={"ETag": known, **headers})
    made = found.thumbnails.get(digest, size, lambda: found.item(item))
    hand(request, handed, [id], len(made.data))
    return Response(made.data, media_type="image/jpeg", headers={"ETag": made.etag, **headers})


@routes.get(
    "/original", response_class=FileResponse, responses={200: _PICTURE, 206: _PICTURE, 304: {}}, **needs("read")
)
def original(request: Request, collection: str, item: str) -> Response:
    """The file as it lies on the disk, with everything that is written in it."""
    found = served(request, collection)
    picture = found.item(item)
    path = picture.path or ""
    try:
        with open(path, "rb") as file:
            kind, facts = magic.kind(file.read(magic.ENOUGH)), os.fstat(file.fileno())
    except OSError:
        raise Problem(404, "the file of this picture is not there any more") from None
    if kind not in MIME:
        raise Problem(404, "the file is no picture any more")
    hand(request, "original", [picture.id], picture.size or 0)
    headers = {"Cache-Control": CACHE}
    whole = FileResponse(path, media_type=MIME[kind], headers=headers, filename=PurePath(path).name, stat_result=facts)
    if whole.headers["etag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": whole.headers["etag"], **headers})
    return whole
