"""Pictures to take along: their files in one ZIP, written while it is sent, or their names in a text."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse, StreamingResponse

from diptych.app.server import shapes
from diptych.app.server.guard import caller_of, needs, router, served
from diptych.app.server.problems import Problem
from diptych.app.server.recorded import hand
from diptych.app.server.settings import Settings
from diptych.collection import Item

routes = router("/v1/collections/{collection}/export", "export")

BLOCK = 1 << 18
"""Bytes that are read at a time."""

Date = tuple[int, int, int, int, int, int]

_EARLIEST: Date = (1980, 1, 1, 0, 0, 0)

_FILES = {
    "content": {
        "application/zip": {"schema": {"type": "string", "format": "binary"}},
        "text/plain": {"schema": {"type": "string"}},
    }
}


@routes.post("", response_class=Response, responses={200: _FILES}, **needs("read"))
def export(request: Request, collection: str, wanted: shapes.Export) -> Response:
    """The files of some items as a ZIP; or a list of them, by path for administrators and by name for others."""
    settings: Settings = request.app.state.settings
    found, caller = served(request, collection), caller_of(request)
    if len(wanted.ids) > settings.max_export:
        raise Problem(413, f"ids: {len(wanted.ids):,}; at most {settings.max_export:,} at a time")
    with found.reader() as reader:
        items = [reader.get(found.opened(reader, id)) for id in dict.fromkeys(wanted.ids)]
    if wanted.format == "list":
        hand(request, "told", (item.id for item in items))
        lines = [item.key if caller.may("admin") else PurePath(item.key).name for item in items]
        return PlainTextResponse("".join(f"{line}\n" for line in lines), headers=_as_file(f"{found.name}.txt"))
    there = [(item, path) for item in items if (path := _file(item)) is not None]
    gone = [PurePath(item.key).name for item in items if _file(item) is None]
    if not there:
        raise Problem(404, "ids: none of these has a file that is still there")
    if (size := sum(path.stat().st_size for _, path in there)) > settings.max_export_bytes:
        raise Problem(413, f"ids: {size:,} bytes of files; at most {settings.max_export_bytes:,} at a time")
    hand(request, "original", (item.id for item, _ in there), size)
    return StreamingResponse(_zipped(there, gone), media_type="application/zip", headers=_as_file(f"{found.name}.zip"))


def _file(item: Item) -> Path | None:
    path = Path(item.path) if item.path is not None else None
    return path if path is not None and path.is_file() else None


def _as_file(name: str) -> dict[str, str]:
    plain = name.encode("ascii", "replace").decode().replace("?", "_").replace('"', "_")
    return {"Content-Disposition": f'attachment; filename="{plain}"', "Cache-Control": "no-store"}


class _Sent(io.RawIOBase):
    """What was written and not sent yet. It cannot seek, so `zipfile` writes from the front to the back."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        part = bytes(data)  # type: ignore[call-overload]
        self._parts.append(part)
        return len(part)

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _zipped(some: Sequence[tuple[Item, Path]], gone: Sequence[str]) -> Iterator[bytes]:
    """A ZIP of files as they are: pictures are packed already. Those that are gone are named in `missing.txt`."""
    out = _Sent()
    taken = {"missing.txt"}
    missing = list(gone)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for item, path in some:
            name = _free(path.name, taken)
            entry = zipfile.ZipInfo(name, _date(item))
            try:
                with open(path, "rb") as file, archive.open(entry, "w", force_zip64=True) as packed:
                    while block := file.read(BLOCK):
                        packed.write(block)
                        yield out.taken()
            except OSError:
                missing.append(name)
        if missing:
            archive.writestr("missing.txt", "".join(f"{name}\n" for name in missing))
    yield out.taken()


def _free(name: str, taken: set[str]) -> str:
    """A name that no other file of the archive has, on systems that take no account of case either."""
    at, number, free = PurePath(name), 1, name
    while free.lower() in taken:
        number += 1
        free = f"{at.stem}-{number}{at.suffix}"
    taken.add(free.lower())
    return free


def _date(item: Item) -> Date:
    """When it was taken, as far as it is known, from 1980 on: earlier no ZIP can say."""
    known = [int(part) for part in re.findall(r"\d+", item.taken or "")[:6]]
    year, month, day, hour, minute, second = (*known, *_EARLIEST[len(known) :])
    return (year, month, day, hour, minute, second) if 1980 <= year <= 2107 else _EARLIEST
