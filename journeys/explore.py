"""`journeys explore`: ask the paths in a browser, without code."""

from __future__ import annotations

import json
import webbrowser
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from expectations.errors import DefinitionError, nearest
from journeys import terminal
from journeys.app import DEFAULT, Config, app, settings_of
from journeys.commands.funnel import checked_question
from journeys.segmented import PREFIX, compared, funnel_of, members_only

if TYPE_CHECKING:
    from pathlib import Path

    from analytics import Funnel, Paths
    from explorer.source import Source


def source_of(config: Path, *, is_shared: bool = False) -> Source:
    """The lake of a configuration, and what the explorer needs of it; `is_shared` behind a proxy."""
    from explorer.source import Source

    settings = settings_of(config)
    report = settings.report
    rules = settings.paths
    columns = [name for name in report.segments if not name.startswith(PREFIX)]
    columns += ["channel", *(name.rpartition(".")[2] for name in (*rules.attributes, *rules.context, *rules.values))]

    def bind(paths: Paths, steps: Sequence[str], options: dict[str, Any]) -> tuple[Paths, Funnel]:
        definition, only = checked_question(settings, paths, list(steps), options)
        return funnel_of(settings, paths, definition, only)

    return Source(
        lake=settings.lake,
        report=report,
        config=str(config),
        segments=tuple(segment.name for segment in settings.segments),
        columns=tuple(dict.fromkeys(name for name in columns if name != "persona" and not name.startswith("persona:"))),
        funnels=tuple(settings.funnels),
        goals=settings.goals or ((settings.main_goal,) if rules.goal else ()),
        bind=bind,
        compared=lambda paths, definition, groups: compared(settings, paths, definition, groups),
        members=lambda paths, names, unit: members_only(settings, paths, names, unit),
        is_shared=is_shared,
    )


def _chosen(source: Source, names: list[str]) -> str:
    """The end of an address that opens the page with only these segments; `DefinitionError` for an unknown one."""
    for name in names:
        if name not in source.segments:
            raise DefinitionError(
                f"There is no segment {name!r}.",
                expected=f"one of {', '.join(source.segments)}" if source.segments else "a segment of [[segments]]",
                do=nearest(name, source.segments),
            )
    kind = "funnel" if source.is_shared else "walk"
    return f"#{quote(json.dumps({'kind': kind, 'segment': names}))}" if names else ""


@app.command()
def explore(
    config: Config = DEFAULT,
    host: Annotated[str, typer.Option(help="Listen by this name of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on this machine; 0 picks a free port.")] = 0,
    behind_proxy: Annotated[
        bool, typer.Option("--behind-proxy", help="For the readers whom the proxy of \\[explore] logs in, in tens.")
    ] = False,
    segment: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Open it with only this segment; repeatable.")
    ] = None,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the explorer in a browser.")] = True,
) -> None:
    """Ask the paths in a browser on this machine, without code, until interrupted.

    Example: journeys explore --port 8001 --no-open
    """
    from explorer.server import listener, server_of

    proxy = settings_of(config).explore.named(str(config)) if behind_proxy else None
    source = source_of(config, is_shared=behind_proxy)
    chosen = _chosen(source, segment or [])
    with listener(host, port, behind_proxy=behind_proxy) as listening:
        if proxy is not None:
            terminal.out.print(
                f"{proxy.address}{chosen}  (listens on {host}:{listening.getsockname()[1]})", soft_wrap=True
            )
            server_of(source, proxy).run(sockets=[listening])
            return
        address = f"http://{host}:{listening.getsockname()[1]}/{chosen}"
        terminal.out.print(f"{address}  (Ctrl-C stops it)", soft_wrap=True)
        if show:
            webbrowser.open(address)
        server_of(source).run(sockets=[listening])
