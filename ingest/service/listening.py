"""An HTTP server that strangers cannot exhaust: few connections at once, each with a deadline."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

MAX_CONNECTIONS: Final = 32
"""Connections at once; a further one takes the place of the oldest."""
TIMEOUT_SECONDS: Final = 10.0
"""How long a connection may take in all, from the first byte of the request to the last of the answer."""


class BoundedServer(ThreadingHTTPServer):
    """One thread per connection, at most `MAX_CONNECTIONS`. Connections that send nothing never keep others out."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Callable[[Any, Any, Any], BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._since: dict[socket.socket, float] = {}
        self._lock = threading.Lock()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own; close the oldest connection where there are too many."""
        with self._lock:
            self._since[request] = time.monotonic()
            oldest = next(iter(self._since)) if len(self._since) > MAX_CONNECTIONS else None
        if oldest is not None:
            self._end(oldest)
        request.settimeout(TIMEOUT_SECONDS)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection, whether it was answered or not."""
        with self._lock:
            self._since.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Close the connections that are past their deadline; called twice a second."""
        limit = time.monotonic() - TIMEOUT_SECONDS
        with self._lock:
            late = [request for request, since in self._since.items() if since < limit]
        for request in late:
            self._end(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is no news."""

    def _end(self, request: socket.socket) -> None:
        """Wake the thread of a connection, which then closes it."""
        with self._lock:
            self._since.pop(request, None)
        try:
            request.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # closed meanwhile
