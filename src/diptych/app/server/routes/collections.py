"""What there is: collections, and encoders."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

from fastapi import Query, Request

from diptych.app.server import shapes
from diptych.app.server.admission import Admission
from diptych.app.server.experiment import running
from diptych.app.server.guard import caller_of, needs, router, seen, served
from diptych.app.server.library import Library, Served
from diptych.app.server.problems import Problem
from diptych.app.server.settings import Settings

routes = router("/v1", "collections")


@routes.get("/collections", **needs("read"))
def list_collections(request: Request) -> shapes.Collections:
    """Those that the caller may see."""
    return shapes.Collections(collections=[_told(request, found) for found in seen(request)])


@routes.get("/collections/{collection}", **needs("read"))
def get_collection(request: Request, collection: str) -> shapes.Collection:
    """One of them, with its numbers."""
    return _told(request, served(request, collection))


@routes.post("/collections", status_code=201, **needs("admin"))
def make_collection(request: Request, new: shapes.NewCollection) -> shapes.Collection:
    """Make an empty one, of the caller's tenant, to upload pictures into."""
    library: Library = request.app.state.library
    settings: Settings = request.app.state.settings
    caller = caller_of(request)
    if caller.collections is not None:
        raise Problem(403, "this key is for some collections alone; making others needs one that is not")
    return _told(request, library.make(settings.home, caller.tenant, new.name))


@routes.delete("/collections/{collection}", status_code=204, **needs("admin"))
def delete_collection(request: Request, collection: str) -> None:
    """Delete one that was made here, with everything that was uploaded into it. A person's folder is not touched."""
    library: Library = request.app.state.library
    admission: Admission | None = request.app.state.admission
    found = served(request, collection)
    place = found.place
    library.delete(found)
    if admission is not None:  # one that is made there anew is no business of who was let into this one
        admission.shares.revoke_all(found.tenant, place)
        admission.keys.let_go(found.tenant, place)


@routes.get("/collections/{collection}/failures", **needs("read"))
def list_failures(
    request: Request,
    collection: str,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> shapes.Failures:
    """Files that could not be read, and why."""
    found, caller = served(request, collection), caller_of(request)
    with found.reader() as reader:
        failures = reader.failures()
    told = [
        shapes.Refused(name=path if caller.may("admin") else PurePath(path).name, why=why)
        for path, why in failures[offset : offset + limit]
    ]
    return shapes.Failures(total=len(failures), offset=offset, files=told)


@routes.get("/models", **needs("read"))
def list_models() -> shapes.Models:
    """The encoders there are, and whether each can be used at once."""
    from diptych.encoders import shelf

    return shapes.Models(
        models=[
            shapes.Model(
                name=model.name, what=model.what, here=model.here is not None, bytes=model.bytes, terms=model.terms
            )
            for model in shelf.models()
        ]
    )


def _told(request: Request, found: Served) -> shapes.Collection:
    settings: Settings = request.app.state.settings
    with found.reader() as reader:
        status, compares = reader.status(), running(found, reader) is not None
    numbers = {name: status[name] for name in ("items", "failed", "captions", "tags", "waiting")}
    indexing = any(not job.ended for job in found.jobs.all())
    encoder, keeps = status["encoder"]["name"], settings.feedback and found.is_writable
    return shapes.Collection(
        name=found.name, encoder=encoder, indexing=indexing, feedback=keeps, experiment=compares, **numbers
    )
