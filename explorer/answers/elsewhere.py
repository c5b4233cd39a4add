"""The same question in Python, on the command line, and in journeys.toml: ready to run, without what is the default."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from analytics import Goal, Step, StepCondition, StepText
from expectations.config.file import toml_text
from explorer.question import SEGMENT, Question
from explorer.source import Source
from reports.words.numbers import shown_name

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))
_PLAIN: Final = ("order", "exclude", "same", "count", "ties", "attribution")
"""Options that are written as they are, in the order in which they are written."""
_LINE: Final = 88
_TIME: Final = "%Y-%m-%dT%H:%M:%S"


def elsewhere(
    source: Source,
    question: Question,
    function: str = "funnel",
    arguments: Mapping[str, Any] | None = None,
    more: Sequence[str] = (),
) -> dict[str, str]:
    """The question as `python`, `command` and `toml`.

    `function` is what asks the funnel, with `arguments`; `more` are the options of the command that say the same.
    """
    comment = f"# asked with: journeys funnel NAME {' '.join(more)}\n" if more else ""
    return {
        "python": python_of(source, question, function, arguments or {}),
        "command": command_of(source, question, more),
        "toml": comment + toml_of(source, question),
    }


def retention_elsewhere(
    source: Source, question: Question, steps: Sequence[str], asked: Mapping[str, Any]
) -> dict[str, str]:
    """A question of who comes back as `python` and `command`; journeys.toml has none."""
    start, returning = (StepText.read(step) for step in steps)
    words = [_python_step(start), _python_step(returning)]
    arguments = [f"{name}={value!r}" for name, value in (*asked.items(), ("timezone", source.report.timezone))]
    lines = ["from pathlib import Path", ""] if question.segment else []
    lines += ["import polars as pl", ""] if any("pl.col(" in word for word in words) else []
    names = ["Paths", "retention"]
    names = ["Funnel", *names] if question.segment else names
    names = [*names[:-1], "Step", names[-1]] if any("Step(" in word for word in words) else names
    lines += [f"from analytics import {', '.join(names)}"]
    if question.segment:
        lines += ["from journeys.segmented import funnel_of", "from journeys.settings import Settings"]
    lines += ["", f"paths = Paths.open({source.lake.address!r})"]
    if question.segment:
        lines += [f"asked = Funnel([{', '.join(words)}])"]
        lines += [
            f"paths, asked = funnel_of(Settings(Path({source.config!r})), paths, asked, {list(question.segment)!r})"
        ]
        words = ["*asked.steps"]
    lines += [_call("answer = retention", ["paths", *words, *arguments])]
    options = [*(f"--{name}={value}" for name, value in asked.items()), *_segments(question)]
    return {
        "python": "\n".join(lines),
        "command": _command("retention", source, options, str(start), str(returning)),
    }


def path_elsewhere(source: Source, question: Question, step: StepText, asked: Mapping[str, Any]) -> dict[str, str]:
    """A flow as `python` and `command`; journeys.toml has none."""
    anchor = "source" if "source" in asked else "target"
    word = step.any_of[0] if len(step.any_of) == 1 else " | ".join(map(_quoted, step.any_of))
    options = [f"--{'from' if anchor == 'source' else 'to'}={word}"]
    options += [f"--{name}={asked[name]}" for name in ("unit", "on", "depth", "top")]
    options += ["--collapse" if asked["collapse"] else "--repeats", *_segments(question)]
    options += _dates(source, question, "start", "end")
    asked = {**asked, **_moments(source, question)}
    return {
        "python": _python_call(source, "flow", asked, members=(question.segment, str(asked["unit"]))),
        "command": _command("paths flow", source, options),
    }


def _quoted(word: str) -> str:
    """A word in double quotes, as a step is written."""
    return json.dumps(word, ensure_ascii=False)


def goal_elsewhere(source: Source, question: Question, goal: Goal) -> dict[str, str]:
    """Routes to a goal as `python` and `command`; `question` has times of the zone of the report."""
    asked: dict[str, Any] = {"window": _Written("settings.report.window")}
    if isinstance(goal.value, str) and goal.value in source.report.money:
        asked["money"] = _Written(f"money_of(settings.report, [{goal.value!r}])")
    asked |= _moments(source, question)
    options = [*_dates(source, question, "from", "to"), *_segments(question), "--routes"]
    return {
        "python": _python_call(source, "goal_routes", asked, members=(question.segment, "journey"), goal=goal),
        "command": _command("goals", source, options, goal.name),
    }


def credit_elsewhere(
    source: Source, question: Question, goal: Goal, models: Sequence[str], top: int | None
) -> dict[str, str]:
    """Credit for a goal as `python` and `command`."""
    arguments = [f"settings.goal({goal.name!r})", f"on={question.on!r}", f"models={list(models)!r}"]
    arguments += [f"lookback={window_text(question.window)!r}", *([f"top={top}"] if top else [])]
    days = [f"{name}={at!r}" for name, at in _moments(source, question).items()]
    lines = [
        *(["from datetime import datetime"] if days else []),
        "from pathlib import Path",
        *(["from zoneinfo import ZoneInfo"] if days else []),
        "",
        "from analytics import Attribution, Paths, attribution",
        "from journeys.settings import Settings",
        "",
        f"paths, settings = Paths.open({source.lake.address!r}), Settings(Path({source.config!r}))",
        _call("asked = Attribution", arguments),
        _call("answer = attribution", ["paths", "asked", *days]),
    ]
    options = [f"--on={question.on}", f"--models={','.join(models)}", f"--lookback={window_text(question.window)}"]
    options += [f"--top={top}"] if top else []
    options += _dates(source, question, "from", "to")
    return {"python": "\n".join(lines), "command": _command("attribution", source, options, goal.name)}


def voice_elsewhere(source: Source, question: Question) -> dict[str, str]:
    """Scores by a column as `python` and `command`."""
    asked = {"by": question.per, "lookback": window_text(question.window)}
    options = [f"--by={question.per}", f"--lookback={asked['lookback']}", *_dates(source, question, "start", "end")]
    return {
        "python": _python_call(source, "voice", asked | _moments(source, question)),
        "command": _command("voice scores", source, options),
    }


def compared_elsewhere(source: Source, question: Question, groups: Sequence[str]) -> dict[str, str]:
    """Two groups of a funnel as `python`, `command` and `toml`."""
    written = elsewhere(source, question, more=[f"--compare={group}" for group in groups])
    return written | {"python": python_of(source, question, "compared", {}, groups)}


class _Written(str):
    """Python that stands for a value."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _python_call(
    source: Source,
    function: str,
    asked: Mapping[str, Any],
    *,
    members: tuple[Sequence[str], str] = ((), ""),
    goal: Goal | None = None,
) -> str:
    """A function of the paths, or of the units that begin in some segments (`members`), in Python."""
    arguments = [
        *([f"settings.goal({goal.name!r})"] if goal else []),
        *(f"{name}={value!r}" for name, value in asked.items()),
    ]
    segment, unit = list(members[0]), members[1]
    dated = any("datetime(" in argument for argument in arguments)
    configured = bool(segment or goal)
    lines = ["from datetime import datetime"] if dated else []
    lines += ["from pathlib import Path"] if configured else []
    lines += ["from zoneinfo import ZoneInfo"] if dated else []
    lines += [""] if lines else []
    lines += [f"from analytics import Paths, {function}"]
    lines += ["from journeys.segmented import members_only"] if segment else []
    lines += ["from journeys.settings import Settings"] if configured else []
    lines += ["from reports.questions.money import money_of"] if "money" in asked else []
    lines += ["", f"paths = Paths.open({source.lake.address!r})"]
    lines += [f"settings = Settings(Path({source.config!r}))"] if configured else []
    lines += [f"paths = members_only(settings, paths, {segment!r}, {unit!r})"] if segment else []
    return "\n".join([*lines, _call(f"answer = {function}", ["paths", *arguments])])


def _moments(source: Source, question: Question) -> dict[str, Any]:
    """The ends of the period as Python writes them."""
    days = {name: _local(source, getattr(question, name)) for name in ("start", "end")}
    return {name: _Written(_moment(source, at)) for name, at in days.items() if at is not None}


def _dates(source: Source, question: Question, first: str, last: str) -> list[str]:
    """The ends of the period as options of these names."""
    days = {first: _local(source, question.start), last: _local(source, question.end)}
    return [f"--{name}={_day(at)}" for name, at in days.items() if at is not None]


def _segments(question: Question) -> list[str]:
    return [f"--segment={name}" for name in question.segment]


def _command(verb: str, source: Source, options: Sequence[str], *names: str) -> str:
    """A command line; names that look like options stand behind a marker."""
    given = [*options, *([f"--config={source.config}"] if source.config != "journeys.toml" else [])]
    marked = [*given, *(["--"] if any(name.startswith("-") for name in names) else []), *names]
    return " \\\n  ".join([f"journeys {verb}", *map(shlex.quote, marked)])


def _call(name: str, arguments: Sequence[str]) -> str:
    """A call, over several lines where it is long."""
    called = f"{name}({', '.join(arguments)})"
    if len(called) <= _LINE:
        return called
    return "".join([f"{name}(\n", *(f"    {argument},\n" for argument in arguments), ")"])


def window_text(window: timedelta) -> str:
    """A length of time as text, in the largest unit that it is a whole number of.

    >>> window_text(timedelta(days=7)), window_text(timedelta(minutes=90)), window_text(timedelta(milliseconds=5))
    ('7d', '90m', '5ms')
    """
    for unit, seconds in _UNITS:
        number, rest = divmod(window, timedelta(seconds=seconds))
        if number and not rest:
            return f"{number}{unit}"
    return f"{window / timedelta(milliseconds=1):g}ms"


def changed(question: Question) -> dict[str, Any]:
    """The options that differ from their defaults, by name."""
    fields = Question.model_fields
    return {name: getattr(question, name) for name in _PLAIN if getattr(question, name) != fields[name].default}


def command_of(source: Source, question: Question, more: Sequence[str] = ()) -> str:
    """The question on the command line, with `more` options."""
    words = ["journeys funnel"]
    steps = [_as_argument(step, source) for step in question.texts]
    options = [f"--window={window_text(question.window)}"]
    for name, value in (("by", question.by), *changed(question).items(), ("segment", question.segment)):
        values = value if isinstance(value, tuple) else (value,)
        options += [f"--{name}={one}" for one in values]
    for name in ("start", "end"):
        if (moment := _local(source, getattr(question, name))) is not None:
            options.append(f"--{name}={_day(moment)}")
    options += more
    if source.config != "journeys.toml":
        options.append(f"--config={source.config}")
    arguments = [*options, *(["--"] if any(step.startswith("-") for step in steps) else []), *steps]
    return " \\\n  ".join([*words, *map(shlex.quote, arguments)])


def _as_argument(step: StepText, source: Source) -> str:
    """A step as the command reads it: quoted where it could be taken for a configured funnel."""
    text = str(step)
    is_word = len(step.any_of) == 1 and not step.where and step.on == "touchpoint" and not text.startswith('"')
    return json.dumps(text, ensure_ascii=False) if is_word and text in source.funnels else text


def toml_of(source: Source, question: Question) -> str:
    """The question as a table of journeys.toml."""
    first, last = question.texts[0], question.texts[-1]
    steps = [" or ".join(map(shown_name, step.any_of)) for step in (first, last)]
    name = question.name if question.name != "Question" else " to ".join(dict.fromkeys(steps))
    lines = ["[[funnels]]", f"name = {_toml(name)}", f"steps = {_toml(tuple(map(str, question.texts)))}"]
    lines.append(f"window = {_toml(window_text(question.window))}")
    for key, value in (("by", question.by), *changed(question).items(), ("segment", question.segment)):
        if value:
            lines.append(f"{key} = {_toml(value)}")
    for key in ("start", "end"):
        if (moment := _local(source, getattr(question, key))) is not None:
            lines.append(f"{key} = {moment.strftime(_TIME)}")
    return "\n".join(lines)


def _toml(value: Any) -> str:
    """A text, or a list of texts, as TOML writes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return toml_text(str(value))


def _local(source: Source, moment: datetime | None) -> datetime | None:
    """A time in the zone of the report, without the zone."""
    if moment is None or moment.tzinfo is None:
        return moment
    return moment.astimezone(source.report.zone).replace(tzinfo=None)


def python_of(
    source: Source, question: Question, function: str, more: Mapping[str, Any], groups: Sequence[str] = ()
) -> str:
    """The question in Python: a function of the funnel with `more` arguments, or its `groups` compared."""
    steps = [_python_step(step) for step in question.texts]
    asked = _called("Funnel", steps, _python_arguments(source, question))
    named = bool(question.segment) or any(name.startswith(SEGMENT) for name in question.by)
    dated = "datetime(" in asked
    names = ["Funnel", "Paths", *(["Step"] if "Step(" in asked else []), *([] if groups else [function])]
    segmented = [*(["compared"] if groups else []), *(["funnel_of"] if named else [])]
    lines = ["from datetime import datetime"] if dated else []
    lines += ["from pathlib import Path"] if segmented else []
    lines += ["from zoneinfo import ZoneInfo"] if dated else []
    lines += [""] if lines else []
    lines += ["import polars as pl", ""] if any("pl.col(" in step for step in steps) else []
    lines += [f"from analytics import {', '.join(names)}"]
    if segmented:
        lines += [f"from journeys.segmented import {', '.join(segmented)}", "from journeys.settings import Settings"]
    lines += ["", f"paths = Paths.open({source.lake.address!r})", f"asked = {asked}"]
    settings = f"Settings(Path({source.config!r}))"
    if named:
        segments = f", {list(question.segment)!r}" if question.segment else ""
        lines += [f"paths, asked = funnel_of({settings}, paths, asked{segments})"]
    if groups:
        return "\n".join([*lines, _call("answer = compared", [settings, "paths", "asked", repr(list(groups))])])
    given = ["paths", "asked", *(f"{name}={value!r}" for name, value in more.items())]
    return "\n".join([*lines, f"answer = {function}({', '.join(given)})"])


def _python_arguments(source: Source, question: Question) -> list[str]:
    """The arguments of `Funnel` beside its steps."""
    arguments = [repr(window_text(question.window))]
    if question.by:
        arguments.append(f"by={list(question.by)!r}")
    for name, value in changed(question).items():
        arguments.append(f"{name}={list(value) if isinstance(value, tuple) else value!r}")
    for name in ("start", "end"):
        if (moment := _local(source, getattr(question, name))) is not None:
            arguments.append(f"{name}={_moment(source, moment)}")
    return arguments


def _moment(source: Source, moment: datetime) -> str:
    """A local time of the report in Python."""
    parts = [moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second]
    while len(parts) > 3 and parts[-1] == 0:
        parts.pop()
    numbers = ", ".join(map(str, parts))
    return f"datetime({numbers}, tzinfo=ZoneInfo({source.report.timezone!r}))"


def _day(moment: datetime) -> str:
    """A local time on the command line."""
    return moment.strftime(_TIME).removesuffix("T00:00:00")


def _called(name: str, items: list[str], arguments: list[str]) -> str:
    """A call with a list and more arguments, over several lines where it is long."""
    listed = f"[{', '.join(items)}]"
    called = f"{name}({', '.join([listed, *arguments])})"
    if len(called) <= _LINE:
        return called
    if len(listed) > _LINE:
        listed = "\n        ".join(["[", *(f"{item}," for item in items)]) + "\n    ]"
    return "".join([f"{name}(\n", *(f"    {argument},\n" for argument in [listed, *arguments]), ")"])


def _python_step(step: StepText) -> str:
    """A step as Python writes it: its words alone where nothing else is said."""
    words = repr(step.any_of[0] if len(step.any_of) == 1 else list(step.any_of))
    where = [_python_condition(condition) for condition in step.where]
    joined = where[0][1:-1] if len(where) == 1 and where[0].startswith("(") else " & ".join(where)
    more = [*([joined] if where else []), *([f"on={step.on!r}"] if step.on != Step("any").on else [])]
    return f"Step({', '.join([words, *more])})" if more else words


def _python_condition(condition: StepCondition) -> str:
    """A condition in brackets, so that several can be joined."""
    column = f"pl.col({condition.column!r})"
    if condition.sign not in ("is", "is not"):
        return f"({column} {condition.sign} {float(condition.values[0])!r})"
    if len(condition.values) == 1:
        return f"({column} {'==' if condition.sign == 'is' else '!='} {condition.values[0]!r})"
    return f"{'~' if condition.sign == 'is not' else ''}{column}.is_in({list(condition.values)!r})"
