"""What stands before the app: only this page may talk to it, and the page may talk to nobody else.

A browser sends the origin of the page that makes a request: any other than our own is refused, so that a web page that
the learner has open elsewhere cannot drive the tutor. On loopback the host name must be a loopback one, which a
rebinding of DNS cannot forge. The content policy keeps text of banks or models from loading anything from outside.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from tutor.ui.services import COOKIE, LOOPBACK

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; media-src 'self' blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}


class Guard:
    """ASGI middleware. :param host: the address that the server listens on. :param home: path of each language's page."""

    def __init__(self, app: App, host: str, home: dict[str, str]) -> None:
        self.app, self.local, self.home = app, host in LOOPBACK, home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, redirect `?lang=`, or pass on with our headers added."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope["headers"]}
        refusal = self._refusal(headers)
        if refusal:
            await _respond(send, 403, refusal)
            return
        target = self._language(scope)
        if target is not None:
            await _respond(send, 307, "", location=target)
            return
        cookie = "" if self.local or COOKIE in SimpleCookie(headers.get("cookie", "")) else secrets.token_urlsafe(24)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(key.encode(), value.encode()) for key, value in _HEADERS.items()]
                if cookie:
                    value = f"{COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Strict; Max-Age=31536000"
                    added.append((b"set-cookie", value.encode()))
                message = {**message, "headers": [*message.get("headers", []), *added]}
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _refusal(self, headers: dict[str, str]) -> str:
        host = headers.get("host", "")
        if self.local and urlsplit(f"//{host}").hostname not in LOOPBACK:
            return "this address does not belong to the tutor"
        origin = headers.get("origin")
        if origin and urlsplit(origin).netloc != host:
            return "requests from other pages are refused"
        return ""

    def _language(self, scope: Scope) -> str | None:
        """Where `?lang=xx` on one of the pages leads."""
        query = scope.get("query_string", b"").decode("latin-1")
        wanted = next((part[5:] for part in query.split("&") if part.startswith("lang=")), "")
        path = scope["path"].rstrip("/") or "/"
        if wanted not in self.home or path not in self.home.values() or path == self.home[wanted]:
            return None
        return self.home[wanted]


async def _respond(send: Send, status: int, text: str, location: str = "") -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    if location:
        headers.append((b"location", location.encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": text.encode()})
