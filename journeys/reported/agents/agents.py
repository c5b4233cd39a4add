"""`journeys agents`: a server that agents ask in tools, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from expectations.errors import InputError
from journeys import terminal
from journeys.app import DEFAULT, Config, app, settings_of

if TYPE_CHECKING:
    from journeys.reported.agents.tools import Tools

agents = typer.Typer(no_args_is_help=False)
app.add_typer(agents, name="agents")


@agents.callback(invoke_without_command=True)
def serve_agents(
    context: typer.Context,
    mine: Annotated[
        bool, typer.Option("--mine", help="Also questions of your own and touches, for who may see the lake.")
    ] = False,
    tool: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Offer only this tool; repeatable. Default: all eight.")
    ] = None,
    config: Config = DEFAULT,
) -> None:
    """Answer agents over standard input and output, in the Model Context Protocol, until the input ends.

    By default the answers are what reports told, with small counts withheld. It reads only; no answer names a customer.

    Example: journeys agents --config /srv/shop/journeys.toml
    """
    if context.invoked_subcommand is not None:
        return
    from journeys.reported.agents.server import run_on_stdio

    run_on_stdio(tools_of(config, tool or [], mine=mine))


@agents.command("skill")
def write_skill(
    to: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write SKILL.md here, instead of printing it.")
    ] = None,
) -> None:
    """Print, or write, the file that tells an agent how to ask.

    Example: journeys agents skill --to .skills/journeys
    """
    import sys

    from journeys.reported.agents.skill import skill_text

    if to is None:
        terminal.write(sys.stdout, skill_text())
        return
    file = to / "SKILL.md"
    try:
        to.mkdir(parents=True, exist_ok=True)
        file.write_text(skill_text(), encoding="utf-8")
    except OSError as error:
        raise InputError("The file cannot be written.", where=str(file), found=error.strerror or str(error)) from None
    terminal.out.print(f"Wrote {file}", markup=False, soft_wrap=True)


def tools_of(config: Path, only: list[str], *, mine: bool) -> Tools:
    """The tools over the lake of a configuration."""
    from journeys.reported.agents.mine import Mine
    from journeys.reported.agents.published import Published
    from journeys.reported.agents.tools import Tools

    settings = settings_of(config)
    return Tools(Mine(settings, config) if mine else Published(settings), only)
