"""`journeys serve`: shows a published site in a browser of this machine and to nobody else."""

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


def show_site(site: Path, port: int, *, show: bool) -> None:
    """Serve until interrupted."""
    with server(site, port) as running:
        address = f"http://127.0.0.1:{running.server_port}/"
        terminal.out.print(f"{address}  (Ctrl+C ends)", soft_wrap=True)
        if show:
            webbrowser.open(address)
        running.serve_forever()


@app.command()
def serve(
    config: Config = DEFAULT,
    site: Annotated[Path | None, typer.Option(help="Show this folder instead of the configured one.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 takes a free one.")] = 8000,
    show: Annotated[bool, typer.Option("--open", help="Open it in a browser.")] = False,
) -> None:
    """Show the published report on this machine only, until interrupted.

    Example: journeys serve --port 0 --open
    """

    settings = settings_of(config)
    show_site(site or Path(settings.beside(settings.report.site)), port, show=show)
