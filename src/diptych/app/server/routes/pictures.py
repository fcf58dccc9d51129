"""The pictures themselves, by opaque ids: thumbnails without a word in them, and the files as they are."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Literal

from fastapi import Request, Response
from fastapi.responses import FileResponse

from diptych.app.server.guard import needs, router, served
from diptych.app.server.problems import Problem
from diptych.app.server.recorded import hand
from diptych.sources import magic

routes = router("/v1/collections/{collection}/items/{item}", "pictures")

CACHE = "private, max-age=86400, must-revalidate"

MIME = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp", "GIF": "image/gif", "TIFF": "image/tiff"}
MIME |= {"BMP": "image/bmp", "AVIF": "image/avif", "HEIC": "image/heic", "HEIF": "image/heif"}

_IMAGE = {"content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}}


@routes.get("/thumbnails/{size}", response_class=Response, responses={200: _IMAGE, 304: {}}, **needs("read"))
def thumbnail(request: Request, collection: str, item: str, size: Literal["small", "medium", "large"]) -> Response:
    """A JPEG of 320, 960 or 2048 pixels, upright, made anew: no EXIF, no place, no name."""
    found = served(request, collection)
    with found.reader() as reader:
        picture = reader.get(found.opened(item))
    made = found.thumbnails.get(picture, size)
    hand(request, "opened" if size == "large" else "shown", [picture.id], len(made.data))
    headers = {"ETag": made.etag, "Cache-Control": CACHE, "Cross-Origin-Resource-Policy": "same-origin"}
    if made.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(made.data, media_type="image/jpeg", headers=headers)


@routes.get("/original", response_class=FileResponse, responses={200: _IMAGE}, **needs("read"))
def original(request: Request, collection: str, item: str) -> Response:
    """The file as it lies on the disk, with everything that is written in it."""
    found = served(request, collection)
    with found.reader() as reader:
        picture = reader.get(found.opened(item))
    try:
        with open(picture.path or "", "rb") as file:
            kind = magic.kind(file.read(magic.ENOUGH))
    except OSError:
        raise Problem(404, "the file of this picture is not there any more") from None
    if kind not in MIME:
        raise Problem(404, "the file is no picture any more")
    hand(request, "original", [picture.id], picture.size or 0)
    changed = format_datetime(datetime.fromtimestamp((picture.mtime_ns or 0) / 1e9, UTC), usegmt=True)
    headers = {"Cache-Control": CACHE, "Last-Modified": changed}
    return FileResponse(picture.path or "", media_type=MIME[kind], headers=headers, filename=_name(picture.path or ""))


def _name(path: str) -> str:
    return path.rpartition("/")[2]
