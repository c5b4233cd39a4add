"""Writes a commented journeys.toml from guesses; a line below `# REVIEW` is for a person to confirm."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Final

from expectations.config.file import toml_text
from ingest.files.guess.roles import Choice
from ingest.files.guess.touchpoints import NamedTouchpoint, Plan
from ingest.files.guess.words import PURCHASES
from ingest.settings.tools.tools import Tool, tool_named

if TYPE_CHECKING:
    from ingest.files.guess.mapping import FileGroup, Guess

REVIEW: Final = "# REVIEW: "
_CONTEXT: Final = ("device", "country", "campaign", "source", "medium")


def source_text(source: FileGroup, goal_events: Sequence[str] = ()) -> str:
    """A table of `[[ingest.files]]`, or of the list of its origin; with events of the goal, an amount is taken of these
    alone.
    """
    made, table = source.guess, source.table
    lines = [f"[[ingest.{table}]]", *_whence(source)]
    if made.tool:
        return "\n".join([*lines, f"# {tool_named(made.tool).about}", f'tool = "{made.tool}"', ""])
    lines.append(f'kind = "{"order" if made.is_order else "clickstream"}"')
    if made.form != "json":
        lines.append(f'format = "{made.form}"')
    if not any(choice.field == "channel" for choice in made.choices):
        lines += [*_channel(made)]
    amount = next((choice for choice in made.fields if choice.field == "revenue"), None)
    is_apart = amount is not None and bool(goal_events) and not made.is_order
    fields = [choice for choice in made.fields if not (is_apart and choice is amount)]
    if fields:
        lines += ["", f"[ingest.{table}.fields]", *chain.from_iterable(map(_field, fields))]
    if is_apart and amount is not None:
        doubts = [amount.doubt, "taken as the value of these events alone"]
        lines += ["", f"{REVIEW}{'; '.join(filter(None, doubts))}", f"[[ingest.{table}.rules]]"]
        lines.append(f"events = [{', '.join(map(toml_text, goal_events))}]")
        if all(any(word in event for word in PURCHASES) for event in goal_events):
            lines.append('kind = "order"')
        lines.append(f"fields = {{ revenue = {_origin(amount)} }}")
    return "\n".join(lines) + "\n"


def written(sources: Sequence[FileGroup], plan: Plan, present: Sequence[str] = ()) -> str:
    """The whole of a journeys.toml; `present` are the fields that events have, for sources of a tool."""
    choices = [choice for source in sources for choice in source.guess.choices]
    tools = [tool_named(name) for name in dict.fromkeys(source.guess.tool for source in sources) if name]
    fields = {choice.field for choice in choices} | (set(present) if tools else set())
    context = [name for name in _CONTEXT if name in fields]
    parts = [
        _head(sources),
        "\n".join(source_text(source, plan.goal_events) for source in sources),
        _paths(plan, context, goals=plan.goal),
        *map(_identities, tools),
        _RULES_OF_NAMES,
        *map(_touchpoint, plan.touchpoints),
        *_stages(plan),
        _end(plan, context, has_value="revenue" in fields, has_channel="channel" in fields),
        *(_funnel_as(tool, plan) for tool in tools if tool.profile),
    ]
    return "\n".join(parts)


def _whence(source: FileGroup) -> Iterator[str]:
    """The lines that say which rows are meant."""
    if source.origin is None:
        yield f"match = [{', '.join(map(toml_text, source.match))}]"
        return
    for name, value in source.origin.keys.items():
        if name == "cursor":
            yield f"{REVIEW}this column must grow with every new row, else rows are missed"
        yield f"{name} = {toml_text(value)}"


def _head(sources: Sequence[FileGroup]) -> str:
    brokers = [each for source in sources if source.origin for each in source.origin.brokers]
    tables = dict.fromkeys(source.table for source in sources)
    listed = ", ".join(map(toml_text, dict.fromkeys(brokers)))
    of_brokers = f"[ingest]\nbrokers = [{listed}]\n\n" if brokers else ""
    return _HEAD + of_brokers + _LIMITS + "\n".join(_ABOUT[table] for table in tables)


_HEAD: Final = """\
# journeys.toml, proposed from the first rows of your files. Lines below "# REVIEW" are guesses: confirm or correct
# them. Durations are text with a unit: s, m, h, d, w. `journeys init other.toml` writes a file that explains every key.

[lake]
address = "lake"

"""
_LIMITS: Final = """\
[ingest.limits]
# Rows may be of any age.
oldest = "36500d"

"""
_ABOUT: Final = {
    "files": """\
# How the rows of files become events: `journeys load FILE` takes the first of these tables whose `match` fits the name
# of the file. A field is a column, or a path into an object; all other columns are kept as properties.
""",
    "streams": """\
# How the messages of topics become events: `journeys ingest` lands them. A field is a path into the message; all other
# fields are kept as properties.
""",
    "queries": """\
# How the rows of queries become events: `journeys load --sql NAME` lands those that came since the last time. A field
# is a column; all other columns are kept as properties.
""",
}


def _channel(made: Guess) -> Iterator[str]:
    if made.form == "json":
        is_web = any(choice.field == "url" for choice in made.choices)
        yield f"{REVIEW}no column names the channel, so it is the same for all rows"
        yield f'channel = "{"web" if is_web else "unknown"}"'


def _field(choice: Choice) -> Iterator[str]:
    """The line of a field, after one that says what is to be reviewed."""
    if choice.doubt:
        yield f"{REVIEW}{_line(choice.doubt)}"
    if choice.form is not None and not choice.form.is_zone_known:
        yield f"{REVIEW}the times have no zone; read as {choice.form.zone}. Name yours, such as Europe/Berlin"
    yield field_line(choice)


def field_line(choice: Choice) -> str:
    """The line of a mapping for a field."""
    name = toml_text(choice.field) if "." in choice.field else choice.field
    return f"{name} = {_origin(choice)}"


def _origin(choice: Choice) -> str:
    if choice.column is None:
        return f"{{ value = {toml_text(choice.constant)} }}"
    path, more = toml_text(choice.column.path), []
    if choice.form is not None and choice.form.form != "rfc3339":
        more.append(f"time = {toml_text(choice.form.form)}")
        more += [f"zone = {toml_text(choice.form.zone)}"] if choice.form.zone else []
    if choice.field == "identities.email_hash":
        more.append('hash = "email"')
    if choice.scale:
        more.append(f"scale = {toml_text(choice.scale)}")
    return f"{{ {', '.join([f'path = {path}', *more])} }}" if more else path


def _paths(plan: Plan, context: Sequence[str], goals: Sequence[str]) -> str:
    doubt = f"{REVIEW}{plan.goal_doubt}\n" if plan.goal_doubt else ""
    return f"""\
# From events to paths.

[paths]
# A session ends after this long without a touch; a journey ends with the goal, or after the journey gap.
session_gap = "30m"
journey_gap = "30d"
# Touchpoints that end a journey as converted.
{doubt}goal = [{", ".join(map(toml_text, goals))}]
# Columns of the event that every touch keeps; "properties.page" is kept as "page".
context = [{", ".join(map(toml_text, context))}]
values = ["revenue", "score"]
"""


def _identities(tool: Tool) -> str:
    lines = [f"# The rules of {tool.name.capitalize()}, as near as they can be written.", "[paths.identities]"]
    return "\n".join([*lines, *(f"{key} = {json.dumps(value)}" for key, value in tool.identities.items()), ""])


_RULES_OF_NAMES: Final = """\
# The first matching rule names the touchpoint; an event without a rule keeps its own name. `*` stands for any
# characters, {page} in a url for one part of it; `drop = true` instead of `name` leaves the event out of all paths.
"""


def _funnel_as(tool: Tool, plan: Plan) -> str:
    """A funnel of the stages that counts as a tool does."""
    name = f"As in {tool.name.capitalize()}"
    steps = ", ".join(toml_text(f"stage:{stage}") for stage, _ in plan.stages)
    return f"""\
# The stages, counted by the rules of {tool.name.capitalize()}: journeys funnel {toml_text(name)}
[[funnels]]
name = {toml_text(name)}
steps = [{steps}]
profile = "{tool.profile}"
"""


def _touchpoint(one: NamedTouchpoint) -> str:
    lines = [f"{REVIEW}{one.doubt}"] if one.doubt else []
    lines += ["[[paths.touchpoints]]", f"events = [{', '.join(map(toml_text, one.events))}]"]
    lines += [f"url = {toml_text(one.url)}"] if one.url else []
    return "\n".join([*lines, f"name = {toml_text(one.name)}", ""])


def _stages(plan: Plan) -> Iterator[str]:
    doubt = f"\n{REVIEW}{plan.stages_doubt}" if plan.stages_doubt else ""
    yield f"# The stages of a journey, in order; the last is the goal. A touchpoint in none has no stage.{doubt}"
    for name, touchpoints in plan.stages:
        listed = "".join(f"\n    {toml_text(one)}," for one in touchpoints)
        yield f"[[paths.stages]]\nname = {toml_text(name)}\ntouchpoints = [{listed}\n]\n"


def _end(plan: Plan, context: Sequence[str], *, has_value: bool, has_channel: bool) -> str:
    value = 'value = "revenue"\n' if has_value else ""
    segments = [*context, *(["channel"] if has_channel else [])]
    steps = ", ".join(map(toml_text, plan.goal))
    return f"""\
# Goals, any number of them; the first ends a journey.
[[goals]]
name = {toml_text(plan.goal[0])}
steps = [{steps}]
{value}
[report]
title = "From first touch to goal"
# Longest time from the first touch of a journey to the goal; no longer than the journey gap.
window = "30d"
# Zone of days, weeks and printed times; UTC without this line.
# timezone = "Europe/Berlin"
# Columns to break down by: those of `context`, or the channel.
segments = [{", ".join(map(toml_text, segments))}]
"""


def _line(text: str) -> str:
    """A text that stays within a comment of one line."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
