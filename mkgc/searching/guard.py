"""What stands before the page: who may ask under which name, how much may be sent, and what browsers may do with it."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}

DRAINED = 8
"""How many times the most that is taken is read and thrown away: browsers see no answer before all is sent."""


TEXT = 200_000
"""Bytes of a body that is no upload: of the longest text, each sign written as JSON may, and more."""

UPLOADS = 32
"""Uploads that are taken at the same time."""


class Guard:
    """Limits uploads to ``most`` bytes, other bodies to those of a text, and hosts to ``names``, if there are any.

    A page elsewhere can let a browser ask this machine by a name of its own; only names that are known are answered.
    """

    def __init__(self, app: ASGIApp, most: int, names: Collection[str]) -> None:
        self._app, self._most, self._names, self._uploads = app, most, names, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if self._names and _host(headers) not in self._names:
            await PlainTextResponse("unknown host", 400, HEADERS)(scope, receive, send)
            return
        upload = headers.get("content-type", "").startswith("multipart/")
        self._uploads += upload
        try:
            limit = self._most if upload else TEXT
            crowded = upload and self._uploads > UPLOADS
            await self._app(scope, _Limited(receive, limit, crowded), _with_headers(send))
        finally:
            self._uploads -= upload


class _Limited:
    """Receives no more than so many bytes of a body, and nothing of one where it is ``crowded``."""

    def __init__(self, receive: Receive, most: int, crowded: bool) -> None:
        self._receive, self._most, self._crowded, self._seen = receive, most, crowded, 0

    async def __call__(self) -> Message:
        message = await self._next()
        while self._most < self._seen < DRAINED * self._most and message.get("more_body"):
            message = await self._next()
        if self._crowded:
            raise HTTPException(503)
        if self._seen > self._most:
            raise HTTPException(413)
        return message

    async def _next(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        return message


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return sending


def _host(headers: Headers) -> str | None:
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname
    except ValueError:
        return None
