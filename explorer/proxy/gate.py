"""Lets in what comes from the proxy alone, and from somebody whom it names; says who asked what."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any, Final

from explorer.proxy.settings import ExploreSettings

LONGEST: Final = 200
"""Characters of a name."""
_Application = Callable[..., Awaitable[None]]


class Gate:
    """Refuses requests that are not from an address of the proxy, or that do not name one reader; logs questions.

    The address is that of the connection: no header says from where a request comes. An answered question is `asked` in
    the state of its request.
    """

    def __init__(self, app: _Application, settings: ExploreSettings) -> None:
        self.app = app
        self._networks: Final = [ip_network(each) for each in settings.proxies]
        self._header: Final = settings.user_header.lower().encode()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Answer a request of a reader whom the proxy names; refuse any other with 403."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        peer = scope.get("client")
        if peer is None or not any(ip_address(peer[0]) in network for network in self._networks):
            await _refused(send, b"Ask through the proxy.")
            return
        names = [value.decode("latin-1").strip() for name, value in scope["headers"] if name == self._header]
        if len(names) != 1 or not 0 < len(names[0]) <= LONGEST or "," in names[0] or not names[0].isprintable():
            await _refused(send, b"The proxy does not say who asks.")
            return
        since, status = time.perf_counter(), 0

        async def sent(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self.app(scope, receive, sent)
        if scope["method"] == "POST":
            _log(names[0], scope.get("state", {}).get("asked", {}), status, time.perf_counter() - since)


async def _refused(send: Any, text: bytes) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": text})


def _log(reader: str, asked: dict[str, Any], status: int, seconds: float) -> None:
    """Writes on standard error who asked what, a line of JSON; a question that was refused is not quoted."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    line = {"at": at, "reader": reader, "asked": asked, "status": status, "milliseconds": round(seconds * 1000)}
    sys.stderr.write(json.dumps(line) + "\n")
    sys.stderr.flush()
