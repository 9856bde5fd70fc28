"""Pictures from the web, by an address that the user of the program gives; never by a request's.

Only `fetch` connects, and nothing in the package calls it but the command line.

    address ── every number of the host checked ──> one of them connected ──> bytes
       ^                                                                        │
       └──────────────────────── a redirect, at most five ─────────────────────┘
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from impasto.errors import ImageError, optional, printable
from impasto.images.connections import Connections
from impasto.images.held import MAX_BYTES, Encoded

__all__ = ["fetch", "is_address", "name_in"]

_REDIRECTS = 5
_STATUSES = (301, 302, 303, 307, 308)
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
_LONGEST = 100  # characters of a name
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # IPv4 inside IPv6

Number = ipaddress.IPv4Address | ipaddress.IPv6Address


def is_address(text: str) -> bool:
    """Whether a text is an address of the web, `https://…` or `http://…`."""
    return bool(_ADDRESS.match(text))


def name_in(address: str) -> str:
    """The name of a file that an address ends in, harmless; "picture" if it has none."""
    path = re.split(r"[?#]", _ADDRESS.sub("", address), maxsplit=1)[0]
    last = unquote(path.partition("/")[2].rpartition("/")[2])
    kept = "".join(c for c in last if c.isprintable() and c not in '/\\:*?"<>|{}')
    return kept.lstrip(". ")[-_LONGEST:].strip() or "picture"


def fetch(
    address: str,
    *,
    http: bool = False,
    local: bool = False,
    max_bytes: int = MAX_BYTES,
    seconds: float = 60.0,
    tls: ssl.SSLContext | None = None,
) -> Encoded:
    """The file at an address, as it is; `read` recognises it by its content.

    Args:
        address: `https://…`.
        http: allow `http://…` too; an https address never leads to one.
        local: allow addresses that are not public: private, loopback, link-local.
        max_bytes: a larger file is refused, by its length or as it comes.
        seconds: until all of it is there.
        tls: which servers to trust, by default those of public authorities.

    The host's numbers are resolved once; all must be allowed, and one of these is connected to. A
    redirect is checked the same way. No proxy is used.

    Raises ImageError for what is refused or does not answer, ExtraMissing without httpx.
    """
    httpx = optional("httpx", "web", "reading a picture from an address")
    rules = _Rules(http, local, max_bytes, name_in(address))
    client = httpx.Client(
        verify=tls or True,
        timeout=seconds,
        follow_redirects=False,
        trust_env=False,  # a proxy would resolve the host by itself
        headers={"Accept-Encoding": "identity", "User-Agent": "impasto"},
    )
    with client, _Deadline(seconds) as deadline:
        try:
            return Encoded(rules.name, _followed(client, httpx, address, rules, deadline))
        except httpx.HTTPError as error:
            late = f"not all of it came in {seconds:g} s"
            reason = late if deadline.over else printable(error) or type(error).__name__
            raise ImageError(f"{printable(address)}: {reason}; try again, or save it") from error


@dataclass(frozen=True)
class _Rules:
    """What is allowed, and what the file is called."""

    http: bool
    local: bool
    max_bytes: int
    name: str


@dataclass
class _Deadline:
    """Ends the connection when the time is over, even one that brings a byte now and then."""

    seconds: float
    over: bool = False
    connections: Connections = field(default_factory=Connections)

    def __enter__(self) -> _Deadline:
        self._timer = threading.Timer(self.seconds, self._end)
        self._timer.daemon = True
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _end(self) -> None:
        self.over = True
        self.connections.end()


def _followed(client: Any, httpx: Any, address: str, rules: _Rules, deadline: _Deadline) -> bytes:  # noqa: ANN401 (of an optional library)
    """The body at an address, after its redirects."""
    try:
        url = httpx.URL(address)
        for _ in range(_REDIRECTS + 1):
            with _answered(client, httpx, url, rules, deadline) as answer:
                if answer.status_code not in _STATUSES:
                    return _body(answer, url, rules)
                there = url.join(answer.headers.get("Location", ""))
            if (url.scheme, there.scheme) == ("https", "http"):
                raise _refused(url, "redirects to plain http")
            url = there
    except httpx.InvalidURL as error:
        raise ImageError(f"{printable(address)}: {error}; expected https://…") from error
    raise _refused(url, f"redirects more than {_REDIRECTS} times")


@contextmanager
def _answered(
    client: Any,  # noqa: ANN401 (of an optional library)
    httpx: Any,  # noqa: ANN401 (of an optional library)
    url: Any,  # noqa: ANN401 (of an optional library)
    rules: _Rules,
    deadline: _Deadline,
) -> Iterator[Any]:
    """The answer of the first of the host's numbers that can be connected to."""
    failure: Exception | None = None
    for number in _numbers(url, rules):
        request = client.build_request(
            "GET",
            url.copy_with(host=str(number)),
            headers={"Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": url.host, "trace": deadline.connections.trace},
        )
        try:
            answer = client.send(request, stream=True)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            failure = error
            if deadline.over:
                break
            continue
        try:
            yield answer
        finally:
            answer.close()
        return
    assert failure is not None
    raise failure


def _numbers(url: Any, rules: _Rules) -> list[Number]:  # noqa: ANN401 (of an optional library)
    """The numbers of an address's host, all of which are allowed."""
    if url.scheme != "https" and not (rules.http and url.scheme == "http"):
        raise _refused(url, f"plain {printable(url.scheme or 'text')}", "; expected https")
    if url.userinfo:
        raise _refused(url.copy_with(userinfo=b""), "a name or password in the address")
    port = url.port or {"https": 443, "http": 80}[url.scheme]
    try:
        found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ImageError(f"{_short(url)}: no such host ({reason}); check the address") from error
    numbers = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    for number in numbers:
        if not rules.local and not _is_public(number):
            raise _refused(url, f"{number} is no public address")
    return list(dict.fromkeys(numbers))


def _is_public(number: Number) -> bool:
    """Whether a number, and one that it may carry inside, is of the public internet."""
    if isinstance(number, ipaddress.IPv6Address):
        inner = number.ipv4_mapped or number.sixtofour or (number.teredo or (None, None))[1]
        if number in _NAT64:
            inner = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        if inner is not None and not _is_public(inner):
            return False
    return number.is_global and not number.is_multicast


def _body(answer: Any, url: Any, rules: _Rules) -> bytes:  # noqa: ANN401 (of an optional library)
    """The body of an answer, within its limits."""
    if answer.status_code != 200:
        raise _refused(url, f"the server answers {answer.status_code}")
    if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise _refused(url, "the server compresses it, which it was asked not to")
    length = answer.headers.get("Content-Length", "")
    kept = bytearray()
    too_long = f"over {rules.max_bytes:,} bytes"
    if length.isdecimal() and int(length) > rules.max_bytes:
        raise _refused(url, too_long)
    for chunk in answer.iter_raw():
        kept += chunk
        if len(kept) > rules.max_bytes:
            raise _refused(url, too_long)
    if length.isdecimal() and len(kept) < int(length):
        raise _refused(url, f"{len(kept):,} of {int(length):,} bytes came")
    return bytes(kept)


def _refused(url: Any, why: str, what: str = "") -> ImageError:  # noqa: ANN401 (of an optional library)
    return ImageError(f"{_short(url)}: refused, {why}{what}")


def _short(url: Any) -> str:  # noqa: ANN401 (of an optional library)
    return printable(url)
