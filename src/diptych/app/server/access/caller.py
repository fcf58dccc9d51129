"""Who calls, and what they may: what every way of signing in ends in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from diptych.kinds import BadInput, nearest

SCOPES = ("read", "write", "admin")
"""Each includes those before it."""


class Unauthorised(BadInput):
    """Nobody is signed in: what was shown is wrong, expired or revoked (HTTP 401)."""


class Forbidden(BadInput):
    """Somebody is signed in and may not do this (HTTP 403)."""


@dataclass(frozen=True)
class Caller:
    """Somebody who was let in.

    name          what a person calls it
    tenant        whose collections they are; "" where a server has one owner
    scopes        of SCOPES, with all that are included
    collections   where those lie that may be seen; None for all of the tenant. Names are given anew at each start
    key           the public id of the API key; "" where there is none: the owner of the machine, the guest of a link
    """

    name: str
    tenant: str = ""
    scopes: frozenset[str] = frozenset({"read"})
    collections: frozenset[str] | None = None
    key: str = ""

    OWNER: ClassVar[Caller]
    """Who sits at the machine, where it listens to nobody else and has no keys."""

    @property
    def user(self) -> str:
        """What feedback is kept under: no name, which another may have later, and no two callers' the same."""
        return self.key or "owner"

    def may(self, scope: str) -> bool:
        return scope in self.scopes

    def sees(self, tenant: str, place: str) -> bool:
        return tenant == self.tenant and (self.collections is None or place in self.collections)

    def check(self, scope: str) -> None:
        """Raises Forbidden for what this caller may not do."""
        if not self.may(scope):
            may = " and ".join(sorted(self.scopes, key=SCOPES.index))
            raise Forbidden(f"{self.name} may {may}; this needs a key that may {scope}")


def including(scope: str) -> frozenset[str]:
    """A scope with those it includes; BadInput for what is none."""
    if scope not in SCOPES:
        raise BadInput(f"scope {scope!r} is not known{nearest(scope, SCOPES)}")
    return frozenset(SCOPES[: SCOPES.index(scope) + 1])


Caller.OWNER = Caller("owner", scopes=including("admin"))
