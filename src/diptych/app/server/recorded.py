"""Every call that was checked stands in the audit log before its answer goes out, granted or not."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.requests import Request

from diptych.app.server.access.audit import Audit, Call, Handed
from diptych.app.server.access.caller import Caller


@dataclass
class Given:
    """What an answer hands over: how (see `Handed`), the ids of which items, and bytes of pictures."""

    handed: Handed = ""
    ids: tuple[int, ...] = ()
    sent: int = 0


NOBODY = Caller("", scopes=frozenset())


def hand(request: Request, handed: Handed, ids: Iterable[int], sent: int = 0) -> None:
    """Say what the answer to a request will hand over, for the log."""
    request.state.given = Given(handed, tuple(ids), sent)


def record(audit: Audit, request: Request, status: int) -> Call:
    """The line of a call. Raises NotWritten where it cannot be written and nothing is to be answered without it."""
    caller: Caller = getattr(request.state, "caller", NOBODY)
    given: Given = getattr(request.state, "given", Given())
    route = getattr(request.scope.get("route"), "path", "other")
    call = Call(
        time=time.time(),
        who=caller.key,
        name=caller.name,
        tenant=caller.tenant,
        what=f"{request.method} {route}",
        collection=str(request.scope.get("path_params", {}).get("collection", "")),
        status=status,
        address=getattr(request.state, "address", ""),
        handed=given.handed,
        items=len(given.ids),
        sent=given.sent,
        ids=given.ids,
    )
    audit.write(call)
    return call
