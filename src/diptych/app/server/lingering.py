"""An answer that comes before the request is all there, such as "too large", reaches who is still sending.

A connection that is closed while bytes come in is reset, and takes the answer with it. So the answer is sent, and what
is on its way is thrown away for a moment before the connection ends.
"""

from __future__ import annotations

import anyio
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS, BYTES = 2.0, 16_000_000
"""For how long it is listened to what is still sent, and to how much of it."""


class Lingering:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        thrown_away = 0
        whole = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers

        async def heard() -> Message:
            nonlocal whole
            message = await receive()
            whole = not message.get("more_body", False)
            return message

        async def told(message: Message) -> None:
            nonlocal thrown_away
            if message["type"] == "http.response.start" and not whole:
                message["headers"] = [*message["headers"], (b"connection", b"close")]
            is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if is_last and not whole:
                await send({**message, "more_body": True})
                with anyio.move_on_after(SECONDS):
                    while not whole and thrown_away < BYTES:
                        thrown_away += len((await heard()).get("body", b""))
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, heard, told)
