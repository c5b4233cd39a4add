"""A published site, shown in a browser of this machine and to nobody else."""

from __future__ import annotations

import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from expectations.errors import ConfigurationError
from journeys import terminal


class _Handler(SimpleHTTPRequestHandler):
    """Files as they are now, without a line for every request."""

    def end_headers(self) -> None:
        """Never cached: the site may be published anew at any time."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def server(site: Path, port: int) -> ThreadingHTTPServer:
    """A server of the folder on the loopback address; port 0 takes any that is free.

    Raises:
        ConfigurationError: nothing has been published there, or the port is taken.
    """
    if not (site / "index.html").exists():
        raise ConfigurationError("There is no report to show.", where=str(site), do="run `journeys report`")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(site)))
    except OSError as error:
        raise ConfigurationError(
            "The port cannot be used.", found=f"{port}: {error.strerror}", do="name another one with --port"
        ) from error


def serve(site: Path, port: int, *, show: bool) -> None:
    """Serve until interrupted."""
    with server(site, port) as running:
        address = f"http://127.0.0.1:{running.server_port}/"
        terminal.out.print(f"{address}  (Ctrl+C ends)", soft_wrap=True)
        if show:
            webbrowser.open(address)
        running.serve_forever()
