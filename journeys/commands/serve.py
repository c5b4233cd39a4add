"""`journeys serve`: serve a published site to browsers on this machine only."""

from __future__ import annotations

import webbrowser
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated

import typer

from expectations.errors import ConfigurationError
from journeys import terminal
from journeys.app import DEFAULT, Config, app, settings_of


class _Handler(SimpleHTTPRequestHandler):
    """Serves the current files, without a log line per request."""

    def end_headers(self) -> None:
        """Forbid caching: the site may be published again at any time."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def server(site: Path, port: int) -> ThreadingHTTPServer:
    """A server of the folder on the loopback address; port 0 picks a free port.

    Raises:
        ConfigurationError: nothing has been published there, or the port is in use.
    """
    if not (site / "index.html").exists():
        raise ConfigurationError("There is no report to show.", where=str(site), do="run `journeys report`")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(site)))
    except OSError as error:
        raise ConfigurationError(
            "The port cannot be used.", found=f"{port}: {error.strerror}", do="choose another port with --port"
        ) from error


def show_site(site: Path, port: int, *, show: bool) -> None:
    """Serve until interrupted."""
    with server(site, port) as running:
        address = f"http://127.0.0.1:{running.server_port}/"
        terminal.out.print(f"{address}  (Ctrl-C stops it)", soft_wrap=True)
        if show:
            webbrowser.open(address)
        running.serve_forever()


@app.command()
def serve(
    config: Config = DEFAULT,
    site: Annotated[Path | None, typer.Option(help="Serve this folder instead of the configured one.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 picks a free port.")] = 8000,
    show: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
) -> None:
    """Serve the published report to browsers on this machine, until interrupted.

    Example: journeys serve --port 0 --open
    """

    settings = settings_of(config)
    show_site(site or Path(settings.beside(settings.report.site)), port, show=show)
