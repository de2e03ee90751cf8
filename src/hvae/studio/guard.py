"""Who may ask: this machine alone, its own page alone, and whoever holds the token of this start.

A page of another site that the user has open can send requests to this machine, and can make a name of its own stand
for it.  So the Host must be this machine, the Origin that Host, and the token be there in a cookie that no other site's
page can send or read.  The token is in no address that could be shared; the one that is printed trades it for the
cookie.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hvae.errors import HvaeError

OURS = ("127.0.0.1", "localhost", "::1")
ENTER = "/enter"
MOST_BYTES = 32 << 20
"""Of a request: a photograph of a camera, and more than any other question."""
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "media-src blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class TooLarge(HvaeError):
    """A body that is larger than any may be."""


@dataclass(frozen=True, eq=False)
class Pass:
    """The token of one start, and the cookie that it is kept in: cookies know no ports, so its name says it."""

    port: int
    token: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def cookie(self) -> str:
        """The name of the cookie."""
        return f"hvae-studio-{self.port}"

    def fits(self, token: str) -> bool:
        """Whether this is the token, in a time that says nothing about it."""
        return hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())


class Guard:
    """Lets through what may ask, sets the headers of every answer, and counts the bytes of every question."""

    def __init__(self, app: ASGIApp, ours: Pass, most: int = MOST_BYTES) -> None:
        self.app, self.ours, self.most = app, ours, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # a web socket, which nothing here speaks
            return None
        with_headers = _adding(send)
        answer = self._refusal(scope)
        if answer is not None:
            return await answer(scope, receive, with_headers)
        await self.app(scope, self._counted(receive), with_headers)

    def _refusal(self, scope: Scope) -> Response | None:
        """Why not, or the way in; None for what may pass."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if _name(host) not in OURS:
            return _line(421, "this server answers on 127.0.0.1 and localhost only")
        if headers.get("origin", f"http://{host}") != f"http://{host}":
            return _line(403, "this server answers its own page only")
        if scope["path"] == ENTER:
            return self._enter(scope)
        if not self.ours.fits(cookie_parser(headers.get("cookie", "")).get(self.ours.cookie, "")):
            return _line(403, "open the address that hvae studio has printed: it lets this browser in")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > 18 or int(length) > self.most:
            return _line(413, f"expected at most {self.most:,} bytes")
        return None

    def _enter(self, scope: Scope) -> Response:
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if not self.ours.fits(token):
            return _line(403, "this address is of an earlier start; open the one that hvae studio has printed last")
        answer = RedirectResponse("/", 303)
        # Lax and not strict: an address that was shared must open from a chat too, and no GET changes anything.
        answer.set_cookie(self.ours.cookie, token, httponly=True, samesite="lax", path="/")
        return answer

    def _counted(self, receive: Receive) -> Receive:
        """The same body; a chunked one, which says no length, is counted as it comes."""
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.most:
                raise TooLarge(f"expected at most {self.most:,} bytes")
            return message

        return counted


def _adding(send: Send) -> Send:
    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(HEADERS)
        await send(message)

    return adding


def _name(host: str) -> str:
    """The name in a Host header, without its port; empty where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _line(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)
