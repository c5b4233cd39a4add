"""The pages of the command: every verb with what `--help` says of it, from the command itself."""

from __future__ import annotations

import inspect
import re
from typing import Any, Final

import typer.cli
from typer.main import get_command
from typer.models import Context

import journeys.commands
from journeys.app import app
from manual.text import cell, table

NAME: Final = "journeys"
assert journeys.commands, "importing it adds the verbs"


def verbs() -> dict[str, Any]:
    """The verbs that `journeys --help` lists, in its order."""
    command: Any = get_command(app)
    named = command.list_commands(Context(command))
    return {name: command.commands[name] for name in named if not command.commands[name].hidden}


def command_pages() -> dict[str, str]:
    """The pages by name: one per verb, with the verbs below it, and `index` with all of them."""
    rows = [(f"[`{NAME} {name}`]({name}.md)", cell(_first(verb))) for name, verb in verbs().items()]
    index = f"# The command\n\n{_ABOUT}\n\n{table(('command', 'what it does'), rows)}\n"
    return {"index": index, **{name: _page(name, verb) for name, verb in verbs().items()}}


_ABOUT: Final = """Every command reads `journeys.toml` of the folder where it is run, or the one that `--config` or
`JOURNEYS_CONFIG` names, and prints a table, or the same rows with `--json` or `--csv`. How a command ends is said by
its [exit code](../errors.md)."""


def _page(name: str, verb: Any) -> str:
    """What typer says of a verb, with headings that begin at the first level."""
    text = typer.cli.get_docs_for_click(obj=verb, ctx=Context(verb), name=name, call_prefix=NAME)
    for pattern, instead in _CHANGES:
        text = pattern.sub(instead, text)
    lines = {below: f"* `{below}`: {_first(command)}" for below, command in getattr(verb, "commands", {}).items()}
    for below, line in lines.items():  # typer cuts what each of them does
        text = re.sub(rf"^\* `{below}`: .*$", line.replace("\\", "\\\\"), text, flags=re.MULTILINE)
    return text


_CHANGES: Final = (
    (re.compile(r"^\* `(?:-h, )?--help`: Show this message and exit\.\n", re.MULTILINE), ""),
    (re.compile(r"^\*\*Options\*\*:\n\n(?=\n|\*\*|#|\Z)", re.MULTILINE), ""),
    (re.compile(r"\\+\["), "["),
    (re.compile(r"^Example: (.+(?:\n(?!\n).+)*)$", re.MULTILINE), r"**Example**:\n\n```console\n$ \1\n```"),
    (re.compile(r"^(\s*)\*\*(Usage|Arguments|Options|Commands|Example)\*\*:$", re.MULTILINE), r"\1**\2**"),
)


def _first(verb: Any) -> str:
    """The first sentence of a verb's help."""
    paragraph = inspect.cleandoc(verb.help or "").split("\n\n")[0]
    return " ".join(paragraph.replace("\\[", "[").split())
