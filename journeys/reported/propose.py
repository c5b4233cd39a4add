"""`journeys propose`: checks definitions that somebody proposes, and prints the numbers they would show."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import ConfigurationError, DefinitionError, nearest
from journeys import terminal
from journeys.app import DEFAULT, AsJson, Config, app, settings_of

if TYPE_CHECKING:
    from analytics import Paths
    from expectations.config.file import ConfigFile
    from journeys.settings import Settings

TABLES: Final = ("goals", "funnels", "segments")
"""The tables of journeys.toml that a proposal may have."""
NEW, CHANGED, SAME = "new", "changed", "as it is"
NOW, PROPOSED = "now", "proposed"
NOTE: Final = (
    "Counts are rounded to tens, and shares accordingly; what is fewer than {k} customers, or follows from fewer, is "
    "withheld. Data to {end}. Nothing was changed: put the tables into journeys.toml to accept them."
)
Row = dict[str, Any]


@app.command()
def propose(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="[\\[goals]], [\\[funnels]] and [\\[segments]], as in journeys.toml.")
    ],
    as_json: AsJson = False,
    config: Config = DEFAULT,
) -> None:
    """Check proposed definitions against the data, and print the numbers they would show, as Markdown.

    A definition with the name of one in journeys.toml takes its place, and both numbers stand beside each other; any
    other is added. Nothing is changed. Small counts are withheld, so that the text can go into a pull request.

    Example: journeys propose proposal.toml
    """
    settings = settings_of(config)
    rows = proposed_rows(settings, config, file)
    if as_json:
        terminal.write(sys.stdout, json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
        return
    terminal.write(sys.stdout, "\n".join(_markdown(rows)) + "\n\n" + _note(settings) + "\n")


def proposed_rows(settings: Settings, config: Path, file: Path) -> list[Row]:
    """One row per definition of the file, of `now` and `proposed`, and of what it counts; withheld numbers are null.

    Raises `ConfigurationError` or `DefinitionError` for a definition that is invalid, or names what the data have not.
    """
    from analytics import Paths

    paths = Paths.open(settings.lake).require_touches()
    _ = settings.goals, settings.funnels, settings.segments  # what is wrong already is no fault of the proposal
    proposal = _proposal(file)
    merged = _merged(settings, proposal, config)
    try:
        _check(settings, merged)
        versions = ({PROPOSED: merged}, {NOW: settings, PROPOSED: merged})
        return [
            {"kind": table.removesuffix("s"), "name": item["name"], "change": change, **row}
            for table in TABLES
            for item, change in _changes(settings, proposal, table)
            for row in _counted(versions[change == CHANGED], paths, table, item["name"])
        ]
    except (ConfigurationError, DefinitionError) as error:
        facts = {"expected": error.expected, "found": error.found, "do": error.do}
        raise type(error)(error.what, where=str(file), **facts) from None


def _proposal(file: Path) -> ConfigFile:
    """The file, with valid tables and a name of its own for each."""
    from analytics import Goal, NamedFunnel, NamedSegment
    from expectations.config.file import ConfigFile

    proposal = ConfigFile.open(file, TABLES)
    for table, model in (("goals", Goal), ("funnels", NamedFunnel), ("segments", NamedSegment)):
        items = proposal.data.get(table, [])
        if not isinstance(items, list):
            raise ConfigurationError(f"[{table}] is no array of tables.", where=str(file), expected=f"[[{table}]]")
        for number in range(len(items)):
            proposal.item(table, number, model)
        names = [item["name"] for item in items]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ConfigurationError(f"Two of [[{table}]] are called {twice!r}.", where=str(file))
    if not any(proposal.data.values()):
        expected = ", ".join(f"[[{table}]]" for table in TABLES)
        raise ConfigurationError("Nothing is proposed.", where=str(file), expected=expected)
    return proposal


def _merged(settings: Settings, proposal: ConfigFile, config: Path) -> Settings:
    """The settings with the proposal: a definition takes the place of the one of its name, others are added."""
    from expectations.config.file import ConfigFile

    merged = settings_of(config)
    data = dict(settings.file.data)
    for table in TABLES:
        items = {item["name"]: item for item in data.get(table, [])}
        items |= {item["name"]: item for item in proposal.data.get(table, [])}
        if items:
            data[table] = list(items.values())
    merged.file = ConfigFile(settings.file.path, settings.file.text, data)
    return merged


def _check(settings: Settings, merged: Settings) -> None:
    """Raises for a proposal that would need other paths, or a segment that keeps its version but not its meaning."""
    from journeys.segmented import segments_in

    if merged.paths.goal != settings.paths.goal:
        raise DefinitionError(
            "The goal that ends a journey would be another.",
            expected=", ".join(settings.paths.goal),
            found=", ".join(merged.paths.goal),
            do="propose it as a goal behind the first, or change journeys.toml and run journeys stitch",
        )
    known = segments_in(settings) if settings.segments else {}
    for name, segment in (segments_in(merged) if merged.segments else {}).items():
        if name in known and known[name].hash != segment.hash and known[name].version == segment.version:
            raise DefinitionError(
                f"Segment {name!r} would mean something else under the same version.",
                expected=f"version = {segment.version + 1}",
                found=f"version = {segment.version}",
            )


def _changes(settings: Settings, proposal: ConfigFile, table: str) -> Iterator[tuple[Row, str]]:
    """Every definition of the proposal, and whether it is new, changed or as it is."""
    known = {item["name"]: item for item in settings.file.data.get(table, [])}
    for item in proposal.data.get(table, []):
        was = known.get(item["name"])
        yield item, NEW if was is None else SAME if was == item else CHANGED


def _counted(versions: Mapping[str, Settings], paths: Paths, table: str, name: str) -> Iterator[Row]:
    """The numbers of one definition, of each version."""
    count = {"goals": _goal, "funnels": _funnel, "segments": _segment}[table]
    for version, settings in versions.items():
        for row in count(settings, paths, name):
            yield {"version": version, **row}


def _goal(settings: Settings, paths: Paths, name: str) -> Iterator[Row]:
    """How many mature journeys reach the goal."""
    import analytics
    from reports.privacy.goals import publishable_goals
    from reports.questions.money import money_of

    goal, report = settings.goal(name), settings.report
    known = paths.values_of("touchpoint")
    for touchpoint in goal.touchpoints:
        if touchpoint not in known:
            raise DefinitionError(
                f"Goal {name!r}: no touchpoint is called {touchpoint!r}.",
                expected="a touchpoint of the data",
                do=nearest(touchpoint, known),
            )
    money = money_of(report, [goal.value] if isinstance(goal.value, str) else [])
    attained = analytics.goal_attainment(paths, [goal], window=report.window, money=money).filter("is_total")
    for row in publishable_goals(attained, [goal.steps], (), report.k, report.least).iter_rows(named=True):
        yield _part(settings, name, row | {"count": row["reached"], "of": row["mature"]}, "goal_rate")


def _funnel(settings: Settings, paths: Paths, name: str) -> Iterator[Row]:
    """How many of those who enter reach each step."""
    import analytics
    from journeys.commands.funnel import checked_question, named_question
    from journeys.segmented import funnel_of
    from reports.privacy.rules import publishable_steps

    definition, only = checked_question(settings, paths, *named_question(settings, [name], {"by": ()}))
    chosen, definition = funnel_of(settings, paths, definition, only)
    rows = analytics.funnel(chosen, definition).sort("step").to_dicts()
    told = publishable_steps([row["reached"] for row in rows], settings.report.k, [row["dropped"] for row in rows])
    for row, is_told in zip(rows, told, strict=True):
        counts = {"count": row["reached"] if is_told else None, "of": row["entered"] if told[0] else None}
        yield _part(settings, row["name"], row | counts, "share_of_entered")


def _segment(settings: Settings, paths: Paths, name: str) -> Iterator[Row]:
    """How many customers are members at the end of the data, of those of whom it is known."""
    import analytics
    from journeys.segmented import segment_named
    from reports.privacy.rules import small

    segment = segment_named(settings, name)
    analytics.check_segment_words(paths, segment)
    end, k = paths.end_of_data, settings.report.k
    assert end is not None, "there are touches"
    for row in analytics.segment_sizes(paths, [segment], at=[end]).iter_rows(named=True):
        hidden = small(row["members"], k) or small(row["known"] - row["members"], k)
        counts = {"count": None if hidden else row["members"], "of": row["known"]}
        yield _part(settings, name, row | counts, "share_of_known")


def _part(settings: Settings, part: str, row: Row, share: str) -> Row:
    """A `count` of a whole (`of`) in tens, with its share and both ends where there are enough; null where withheld."""
    from reports.privacy.rules import rough_ends, rough_share, small, to_tens

    k, count, of = settings.report.k, row["count"], row["of"]
    found: Row = {"part": part, "count": None, "of": None, "share": None, "share_low": None, "share_high": None}
    if of is not None and not small(of, k):
        found["of"] = to_tens(of)
        if count is not None:
            found["count"] = to_tens(count)
            if of >= settings.report.least and row[f"{share}_low"] is not None:
                low, high = rough_ends(row[f"{share}_low"], row[f"{share}_high"], of, k)
                found |= {"share": rough_share(count, of, k), "share_low": low, "share_high": high}
    return found


def _markdown(rows: Sequence[Row]) -> Iterator[str]:
    """A heading for each definition, and a table of its parts."""
    for kind, name in dict.fromkeys((row["kind"], row["name"]) for row in rows):
        own = [row for row in rows if (row["kind"], row["name"]) == (kind, name)]
        versions = list(dict.fromkeys(row["version"] for row in own))
        yield f"\n### {kind.capitalize()} {_plain(name)}: {own[0]['change']}\n"
        yield f"| | {' | '.join(versions)} |"
        yield "| --- " * (len(versions) + 1) + "|"
        for part in dict.fromkeys(row["part"] for row in own):
            cells = {row["version"]: _cell(row) for row in own if row["part"] == part}
            yield f"| {_plain(part)} | {' | '.join(cells.get(version, '–') for version in versions)} |"


def _cell(row: Row) -> str:
    """A count, of what, and the share with its interval.

    >>> _cell({"count": 40, "of": 100, "share": 0.4, "share_low": 0.3, "share_high": 0.5})
    '40 of 100: 40 % (30 to 50)'
    """
    if row["count"] is None:
        return "withheld"
    counted = f"{row['count']:,} of {row['of']:,}"
    if row["share"] is None or row["share_low"] is None:
        return counted
    return f"{counted}: {row['share'] * 100:.4g} % ({row['share_low'] * 100:.4g} to {row['share_high'] * 100:.4g})"


def _plain(text: str) -> str:
    """A name from outside as Markdown text that makes no cell, link, mention or tag."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>|#!~@" else letter for letter in terminal.harmless(text))


def _note(settings: Settings) -> str:
    from analytics import Paths

    end = Paths.open(settings.lake).end_of_data
    assert end is not None, "there are touches"
    return NOTE.format(k=settings.report.k, end=end.astimezone(settings.report.zone).date().isoformat())
