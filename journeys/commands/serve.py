"""`journeys serve`: serve a published site to browsers on this machine only."""

from __future__ import annotations

import webbrowser
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

import typer

from expectations.errors import ConfigurationError
from journeys import terminal
from journeys.app import DEFAULT, Config, app, settings_of

if TYPE_CHECKING:
    from ingest.service.listening import BoundedServer

HOSTS: Final = ("127.0.0.1", "localhost")
"""The names of this machine by which a browser may ask."""


class _Handler(SimpleHTTPRequestHandler):
    """Serves the current files to browsers on this machine, without a log line per request.

    A page of another site could have its own name resolved to this machine and read the report through the visitor's
    browser, so only requests to this machine by its own names are answered. Folders are not listed, and no link leads
    out of the site.
    """

    server_version, sys_version = "journeys", ""

    def parse_request(self) -> bool:
        """Read a request; refuse one for another host."""
        if not super().parse_request():
            return False
        if urlsplit(f"//{self.headers.get('Host', '')}").hostname in HOSTS:
            return True
        self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "Ask 127.0.0.1 or localhost")
        return False

    def send_head(self) -> Any:
        """Open the file of a request; refuse one outside the site."""
        site, file = Path(self.directory).resolve(), Path(self.translate_path(self.path)).resolve()
        if file.is_relative_to(site):
            return super().send_head()
        self.send_error(HTTPStatus.NOT_FOUND)
        return None

    def list_directory(self, path: Any) -> None:  # noqa: ARG002 - the library defines the signature
        """Refuse to list a folder."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def end_headers(self) -> None:
        """Forbid caching: the site may be published again at any time."""
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing."""


def server(site: Path, port: int) -> BoundedServer:
    """A server of the folder on the loopback address; port 0 picks a free port.

    Raises:
        ConfigurationError: nothing has been published there, or the port is in use.
    """
    from ingest.service.listening import BoundedServer

    if not (site / "index.html").exists():
        raise ConfigurationError("There is no report to show.", where=str(site), do="run `journeys report`")
    try:
        return BoundedServer(("127.0.0.1", port), partial(_Handler, directory=str(site)))
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
