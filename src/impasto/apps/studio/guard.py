"""Who may ask: host, origin, token; and what a browser may do with the answers.

    request ── Host known? ── same origin? ── token? ──> the studio ──> headers ──> answer

The page is one of many that a browser has open, and other pages may send requests here too. A page
of another origin is told by `Origin` and `Sec-Fetch-Site`; a foreign name that resolves to this
machine (DNS rebinding) by `Host`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import socket
from collections.abc import Iterable
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from impasto.apps.studio.refusal import answer

__all__ = ["CONTENT_POLICY", "COOKIE", "DOCUMENT_POLICY", "Guard", "is_local", "local_names"]

COOKIE = "impasto-studio"

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; worker-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of the studio's own pages: nothing inline, nothing from elsewhere."""

DOCUMENT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
    "sandbox allow-popups; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Of a report, which is one file with everything in it: no scripts, and no origin."""

_HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
_READING = ("GET", "HEAD")
_PAGES = ("/", "/compare")  # which the program may print, with the token


class Guard:
    """ASGI middleware around the whole site.

    Args:
        app: the site.
        host: the address that the studio listens at; besides it the names of this machine are
            known, and where it is not local every address in numbers.
        token: what a browser has to know, None for a local host.
    """

    def __init__(self, app: ASGIApp, host: str = "127.0.0.1", token: str | None = None) -> None:
        self._app, self._token = app, token
        self._local, self._names = is_local(host), local_names(host)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or pass on; every answer gets the headers."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":  # a web socket; the studio has none
            await receive()
            return await send({"type": "websocket.close", "code": 1008})
        refused = self._refused(scope)

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        return await (refused or self._app)(scope, receive, sending)

    def _refused(self, scope: Scope) -> Response | None:
        """The answer to a request that goes no further; None for one that may."""
        headers, method = Headers(scope=scope), scope["method"]
        why = self._misaddressed(headers) or _from_elsewhere(headers, method, scope["path"])
        if why:
            return answer(403, why, {"connection": "close"})
        return self._unknown(scope, headers) if self._token else None

    def _misaddressed(self, headers: Headers) -> str:
        """Why the host that the browser asks for is not this one; empty if it is."""
        given = headers.getlist("host")
        name = _host_name(given[0]) if len(given) == 1 else ""
        if name in self._names or (not self._local and _is_address(name)):
            return ""
        return "this is not the address of the studio; use the one that the program printed"

    def _unknown(self, scope: Scope, headers: Headers) -> Response | None:
        """The answer to a browser without the token; for the one that brings it, a cookie."""
        assert self._token
        if scope["path"] == "/healthz" or self._has_token(headers):
            return None
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        page = scope["path"]
        if page in _PAGES and scope["method"] == "GET" and _same(given, self._token):
            response = RedirectResponse(page, 303)
            response.set_cookie(COOKIE, _proof(self._token), httponly=True, samesite="strict")
            return response
        text = "open the address with the token that the program printed"
        return answer(401, text, {"connection": "close"})

    def _has_token(self, headers: Headers) -> bool:
        """By cookie, or by `Authorization: Bearer` from a program."""
        assert self._token
        proof = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        kind, _, token = headers.get("authorization", "").partition(" ")
        bears = kind.lower() == "bearer" and _same(token.strip(), self._token)
        return bears or _same(proof, _proof(self._token))


def is_local(host: str) -> bool:
    """Whether only this machine reaches what listens at the host."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def local_names(host: str) -> frozenset[str]:
    """Names, in lower case, under which a browser may ask for the host."""
    known: Iterable[str] = ("localhost", "127.0.0.1", "::1", host)
    if not is_local(host):
        own = socket.gethostname()
        known = (*known, own, f"{own}.local")
    return frozenset(name.strip("[]").lower() for name in known)


def _host_name(value: str) -> str:
    """`name` or `[address]` of a Host header, without its port; empty if it is none."""
    name, colon, port = value.strip().lower().rpartition(":")
    if value.startswith("[") and value.endswith("]"):
        return value[1:-1]
    if not colon:
        return port
    return name.strip("[]") if port.isascii() and port.isdigit() else ""


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _from_elsewhere(headers: Headers, method: str, path: str) -> str:
    """Why a request is another page's; empty if it is not. Programs send neither header."""
    if method in _READING and not path.startswith("/api/"):
        return ""  # pages and their parts: nothing in them is private, no other page may embed them
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    own = {f"{scheme}://{headers.get('host', '')}".lower() for scheme in ("http", "https")}
    allowed = ("same-origin", "none") if method in _READING else ("same-origin",)
    if site is not None and site not in allowed:
        return "this was asked by another page than the studio's"
    if origin is not None and origin.lower() not in own:
        return "this was asked by another page than the studio's"
    return ""


def _same(given: str, known: str) -> bool:
    """Equality in a time that does not depend on where they differ."""
    return secrets.compare_digest(given.encode(), known.encode())


def _proof(token: str) -> str:
    """What the cookie holds: it shows that the token is known, and is not the token."""
    return hashlib.sha256(f"impasto studio {token}".encode()).hexdigest()
