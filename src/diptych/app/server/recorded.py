"""Every call that was checked stands in the audit log before its answer goes out, granted or not.

The detector sees the same calls. What it takes for unusual is told, and the key is slowed down.
"""

from __future__ import annotations

import json
import logging
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass

from starlette.requests import Request

from diptych.app.server.access.audit import Audit, Call, Handed
from diptych.app.server.access.caller import Caller
from diptych.app.server.access.detector import Alert, Detector
from diptych.app.server.access.limits import TooMany
from diptych.app.server.problems import Problem


@dataclass
class Given:
    """What an answer hands over: how (see `Handed`), the ids of which items, and bytes of pictures."""

    handed: Handed = ""
    ids: tuple[int, ...] = ()
    sent: int = 0


NOBODY = Caller("", scopes=frozenset())


TAKEN: frozenset[Handed] = frozenset({"opened", "original", "vector"})
"""What a key that is slowed down has to wait for."""

ALERTS = 200
"""The last of them are remembered."""

_log = logging.getLogger("diptych.server")


class Watch:
    """The audit log and the detector of one server. detector: None where only the owner of the machine calls."""

    def __init__(self, audit: Audit, detector: Detector | None = None) -> None:
        self.audit, self.detector = audit, detector
        self.alerts: deque[Alert] = deque(maxlen=ALERTS)

    def hold(self, request: Request) -> None:
        """Raises Problem where a key has to wait before it is given more."""
        if self.detector is None:
            return
        try:
            self.detector.hold(_caller(request).key, getattr(request.state, "address", ""), time.time())
        except TooMany as error:
            raise Problem(429, str(error), Retry_After=str(error.seconds)) from None

    def see(self, call: Call) -> None:
        """Raises NotWritten where the call cannot be written down and nothing is to be answered without it."""
        self.audit.write(call)
        for alert in self.detector.see(call) if self.detector is not None else ():
            self.alerts.append(alert)
            _log.warning("unusual use: %s", json.dumps(asdict(alert)))  # in ASCII, on one line, whatever is in it


def hand(request: Request, handed: Handed, ids: Iterable[int], sent: int = 0) -> None:
    """Say what the answer to a request will hand over, before it does. Raises Problem for a key that has to wait."""
    watch: Watch | None = request.app.state.watch
    if watch is not None and handed in TAKEN:
        watch.hold(request)
    request.state.given = Given(handed, tuple(ids), sent)


def record(watch: Watch, request: Request, status: int) -> None:
    """Take a call down. Raises NotWritten as `Watch.see` does."""
    caller = _caller(request)
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
    watch.see(call)


def _caller(request: Request) -> Caller:
    caller: Caller = getattr(request.state, "caller", NOBODY)
    return caller
