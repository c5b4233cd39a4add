"""`journeys map`: the journey map in rows: what customers want, do, feel, believe and meet at each stage, what decides
whether they reach the goal, how many leave, and how long it takes; beside all journeys those of a persona, a segment or
a channel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import DefinitionError, StorageError, nearest
from expectations.hidden import escaped
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, On, app, paths_on, printed_as, settings_of
from journeys.segmented import OF_PERSONA, PERSONA, PREFIX, columns_of, with_segments_of
from journeys.why.trouble.pains import WORDS

if TYPE_CHECKING:
    import polars as pl

    from analytics import Paths
    from journeys.settings import Settings

OF_CHANNEL: Final = "channel:"
KINDS: Final = (OF_PERSONA, PREFIX, OF_CHANNEL)
LANES: Final = ("want", "do", "feel", "believe", "meet", "decide", "leave", "time")
NOTE: Final = (
    "Do: of the customers with a touch of mature journeys at the stage. Feel: of CSAT answers, 4 or 5. Believe: of the "
    "customers who answered, the wished answer. Meet and leave: of mature journeys. Decide: the difference of the goal "
    "rate, in points, between journeys with a bad experience of the touchpoint (a slow page, or trouble next) and "
    "those alike with a good one; no proof of a cause. Time: the median wait. Intervals: 95 %."
)
Row = dict[str, Any]
Key = tuple[str, str, str]
"""The stage, the lane, and what it is of."""


@app.command("map")
def journey_map(
    beside: Annotated[
        str | None,
        typer.Option(metavar="GROUP", help="A second number: persona:NAME, segment:NAME or channel:NAME."),
    ] = None,
    to: Annotated[Path | None, typer.Option(help="Write the rows to this file, .json or .csv.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Show the journey map: what customers want, do, feel, believe and meet at each stage, and how many leave.

    Example: journeys map --beside channel:app
    """
    settings, how = settings_of(config), printed_as(json=as_json, csv=as_csv)
    if to is not None and to.suffix not in (".json", ".csv"):
        raise DefinitionError(
            "A map is written as JSON or CSV.", expected="a name ending in .json or .csv", found=to.name
        )
    paths = paths_on(settings, on).require_touches()
    column, value = None, None
    if beside is not None:
        paths, column, value = _group(settings, paths, beside)
    frame = _framed(settings, paths, column, value)
    if to is not None:
        _written(frame, to)
    elif how is not terminal.As.table:
        terminal.show(frame, how)
    else:
        terminal.show(_table(frame, beside), how)
        terminal.out.print(f"\n{NOTE}", style="dim", markup=False)


def _group(settings: Settings, paths: Paths, beside: str) -> tuple[Paths, str, str]:
    """The paths with the column of the group, the column, and its value in the group."""
    kind = next((kind for kind in KINDS if beside.startswith(kind)), None)
    name = beside.removeprefix(kind or "")
    if kind is None or not name:
        raise DefinitionError("That is no group.", expected="persona:NAME, segment:NAME or channel:NAME", found=beside)
    if kind == PREFIX:
        return with_segments_of(settings, paths, [beside]), columns_of([beside])[0], "in"
    paths = with_segments_of(settings, paths, [PERSONA]) if kind == OF_PERSONA else paths
    column = PERSONA if kind == OF_PERSONA else "channel"
    known = paths.values_of(column).to_list()
    if name not in known:
        expected = f"one of {', '.join(known)}" if known else f"a {column}, of which there is none"
        raise DefinitionError(f"There is no {column} {name!r}.", expected=expected, do=nearest(name, known))
    return paths, column, name


def _framed(settings: Settings, paths: Paths, column: str | None, value: str | None) -> pl.DataFrame:
    """The rows of the map, with the numbers of the group beside those of all."""
    import polars as pl

    numbers: dict[str, Any] = {
        **dict.fromkeys(("share", "share_low", "share_high"), pl.Float64),
        **dict.fromkeys(("part", "whole"), pl.Int64),
        "wait": pl.Duration("us"),
        **dict.fromkeys(("difference", "difference_low", "difference_high"), pl.Float64),
    }
    stages = list(paths.definition.stages) if paths.definition is not None else []
    everybody, group = _numbers(settings, paths, None, None), {}
    if column is not None:
        group = _numbers(settings, paths, column, value)
    order = {name: place for place, name in enumerate(stages)}
    keys = [key for key in dict.fromkeys([*everybody, *group]) if key[0] in order]
    keys.sort(key=lambda key: (order[key[0]], LANES.index(key[1])))
    rows = []
    for key in keys:
        own, other = everybody.get(key, {}), group.get(key, {})
        row: Row = dict(zip(("stage", "lane", "name"), key, strict=True))
        row["evidence"] = {"want": "written", "feel": "asked", "believe": "asked"}.get(key[1], "counted")
        row |= {name: own.get(name) for name in numbers}
        rows.append(row | ({f"group_{name}": other.get(name) for name in numbers} if column is not None else {}))
    schema: dict[str, Any] = {**dict.fromkeys(("stage", "lane", "name", "evidence"), pl.String), **numbers}
    if column is not None:
        schema |= {f"group_{name}": dtype for name, dtype in numbers.items()}
    return pl.DataFrame(rows, schema=schema)


def _numbers(settings: Settings, paths: Paths, column: str | None, value: str | None) -> dict[Key, Row]:
    """The numbers of the map, of all or of one group."""
    import polars as pl

    own = pl.col("is_total") if column is None else ~pl.col("is_total") & (pl.col(column).cast(pl.String) == value)
    by = [] if column is None else [column]
    found: dict[Key, Row] = {}
    for lane in (_wanted, _done, _felt, _believed, _met, _decided, _left):
        found.update(lane(settings, paths, by, own))
    return found


def _at_stages(answer: pl.DataFrame, by: list[str], own: pl.Expr) -> Iterator[Row]:
    """The rows by stage of a measure that breaks down by touches, of all or of one group."""
    import polars as pl

    named = ~pl.col("is_total") & pl.col("stage").is_not_null()
    yield from answer.filter(named & own if by else named).iter_rows(named=True)


def _wanted(settings: Settings, *_: Any) -> dict[Key, Row]:
    return {(stage, "want", goal): {} for stage, goal in settings.report.stage_goals.items()}


def _done(settings: Settings, paths: Paths, by: list[str], own: pl.Expr) -> dict[Key, Row]:
    import polars as pl

    import analytics

    assert paths.end_of_data is not None, "there are touches"
    young = paths.end_of_data.astimezone(UTC) - analytics.goal_window(paths, settings.report.window)
    mature = paths.begun_between(end=young + timedelta.resolution).of_journeys()
    counted = ~pl.col("direct").fill_null(value=False) if "direct" in paths.schema else None
    used = analytics.usage(mature, by=["stage", *by], where=counted)
    return {
        (row["stage"], "do", row["touchpoint"]): {
            "share": row["share_of_customers"],
            "part": row["customers"],
            "whole": row["customers_of_group"],
        }
        for row in _at_stages(used, by, own)
    }


def _felt(_: Settings, paths: Paths, by: list[str], own: pl.Expr) -> dict[Key, Row]:
    import analytics

    if not {"survey", "score"} <= set(paths.schema):
        return {}
    return {
        (row["stage"], "feel", "satisfied"): {
            **{f"share{end}": row[f"csat{end}"] for end in ("", "_low", "_high")},
            "part": row["satisfied"],
            "whole": row["csat_n"],
        }
        for row in _at_stages(analytics.voice(paths, by=["stage", *by]), by, own)
        if row["csat_n"]
    }


def _believed(settings: Settings, paths: Paths, by: list[str], own: pl.Expr) -> dict[Key, Row]:
    import analytics

    asked = [each for each in settings.voice.questions if each.kind == "belief" and each.wished]
    if not asked:
        return {}
    answers = analytics.coded_answers(paths, asked, analytics.landed_answers(settings.lake, asked), by=["stage", *by])
    texts = [each.text for each in asked]
    says = {each.code: each.text if texts.count(each.text) == 1 else f"{each.text} ({each.code})" for each in asked}
    found: dict[Key, Row] = {}
    for row in _at_stages(answers, by, own):
        one = found.setdefault((row["stage"], "believe", says[row["question"]]), {"part": 0, "whole": row["answered"]})
        one["part"] += row["customers"] if row["is_wished"] else 0
    for one in found.values():
        ends = analytics.wilson(one["part"], one["whole"])
        one |= {"share": one["part"] / one["whole"], "share_low": float(ends.low), "share_high": float(ends.high)}
    return found


def _met(settings: Settings, paths: Paths, by: list[str], own: pl.Expr) -> dict[Key, Row]:
    import analytics

    found = analytics.pains(paths, goal=settings.main_goal, by=by, window=settings.report.window).filter(own)
    return {
        (row["stage"], "meet", row["touchpoint"] or WORDS[row["kind"]]): {
            "share": row["share"],
            "part": row["with_it"],
            "whole": row["journeys"],
        }
        for row in sorted(found.to_dicts(), key=lambda row: -row["share"])
    }


def _decided(settings: Settings, paths: Paths, by: list[str], own: pl.Expr) -> dict[Key, Row]:
    import analytics

    report = settings.report
    found = analytics.moments_of_truth(
        paths, goal=settings.main_goal, by=by, window=report.window, timezone=report.timezone
    ).filter(own, "is_moment")
    return {
        (row["stage"], "decide", row["touchpoint"]): {
            **{name: row[name] for name in ("share", "difference", "difference_low", "difference_high")},
            "part": row["with_it"],
            "whole": row["journeys"],
        }
        for row in found.sort("weight", descending=True).to_dicts()
    }


def _left(settings: Settings, paths: Paths, by: list[str], own: pl.Expr) -> dict[Key, Row]:
    import analytics

    report = settings.report
    rows = analytics.stage_funnel(paths, goal=settings.main_goal, by=by, window=report.window, timezone=report.timezone)
    found: dict[Key, Row] = {}
    before: Mapping[str, Any] | None = None
    for row in rows.filter(own).iter_rows(named=True):
        if before is not None and row["share_of_previous"] is not None:
            share, low, high = (row[f"share_of_previous{end}"] for end in ("", "_low", "_high"))
            lost = {"part": before["reached"] - row["reached"], "whole": before["reached"]}
            found[before["name"], "leave", "do not go on"] = {
                **lost,
                "share": 1 - share,
                "share_low": 1 - high,
                "share_high": 1 - low,
            }
            found[before["name"], "time", "to the next stage"] = {"wait": row["median_wait"]}
        before = row
    return found


def _written(frame: pl.DataFrame, file: Path) -> None:
    """Writes the rows. Raises `StorageError` where that is not possible."""
    from reports.site.csv import as_csv

    rows = terminal.plain(frame)
    text = escaped(rows.write_json()) + "\n" if file.suffix == ".json" else as_csv(rows)
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError("The map cannot be written.", where=str(file), found=error.strerror or "") from error
    terminal.out.print(f"{len(frame):,} rows in {terminal.harmless(str(file))}", markup=False, soft_wrap=True)


def _table(frame: pl.DataFrame, beside: str | None) -> pl.DataFrame:
    """The columns that a terminal shows."""
    import polars as pl

    rows = frame.to_dicts()
    shown: dict[str, Any] = {"stage": frame["stage"], "lane": frame["lane"], "what": frame["name"]}
    shown |= {"all": [_told(row, "") for row in rows], "of": frame["whole"]}
    if beside is not None:
        shown |= {beside: [_told(row, "group_") for row in rows], "of these": frame["group_whole"]}
    return pl.DataFrame(shown)


def _told(row: Row, of: str) -> str:
    """A number of a row as text."""
    if row[f"{of}wait"] is not None:
        return terminal.text(row[f"{of}wait"])
    if row[f"{of}difference"] is not None:
        ends = (row[f"{of}difference{end}"] for end in ("", "_low", "_high"))
        middle, low, high = (f"{100 * end:+.1f}" for end in ends)
        return f"{middle} ({low} to {high})"
    if row[f"{of}share_low"] is None:
        return "" if row["lane"] == "want" else terminal.text(row[f"{of}share"], "share")
    return terminal.share_text(row, f"{of}share")
