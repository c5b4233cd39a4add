"""Compares the counts of another tool, by day and event, with those of the lake, and says what explains a difference.

Our count of a day and an event is of different event ids. A cause is tried on all cells at once and named only if it
brings the counts nearer to each other; what it explains is by how many events the sum of all differences becomes
smaller. The causes are tried in this order, each on what those before have left:

| cause | tried |
| --- | --- |
| missing name | we have no event of the name |
| missing day | one side has no event at all on a day that the other has |
| time zone | their days begin at another hour, the same for all days |
| duplicates | they count an event id as often as it was sent |
| bots | they leave out events whose user agent names a crawler or a monitor |
| refused | messages in quarantine name the event |
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl

from expectations import contract
from expectations.errors import InputError
from expectations.lake import layout
from expectations.lake.layout import Lake
from ingest.decoding.formats.values import snake
from ingest.files.rows import pieces, readable
from ingest.landing.commit import scan
from ingest.settings.ingest import Limits

DAY: Final = ("day", "date", "time", "period", "event_date")
EVENT: Final = ("event", "event_name", "name", "touchpoint", "event_type")
COUNT: Final = ("count", "events", "total", "event_count", "number", "value", "totals")
_DAY_FORM: Final = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})"
_SLOT: Final = "30m"
_OFFSETS: Final = sorted((half / 2 for half in range(-24, 29)), key=lambda hours: (hours % 1 > 0, abs(hours)))
"""Hours by which the day of a time zone begins before that of UTC, the most likely first."""
_ZONES: Final = (
    *("Europe/London", "Europe/Berlin", "Europe/Athens", "America/New_York", "America/Chicago", "America/Denver"),
    *("America/Los_Angeles", "America/Santiago", "Australia/Sydney", "Australia/Adelaide", "Pacific/Auckland"),
)
"""Zones with summer time, one of each kind."""
_BOTS: Final = r"(?i)bot\b|crawl|spider|headless|lighthouse|pingdom|uptime|monitor|slurp|facebookexternalhit"
_AGENTS: Final = (
    "$.userAgent",
    "$.user_agent",
    "$.useragent",
    "$.context.userAgent",
    "$['$user_agent']",
    "$['$raw_user_agent']",
)
"""Where properties have the user agent."""
_CELL: Final = ["day", "event"]


@dataclass(frozen=True)
class Reconciliation:
    """`cells`: day, event (as they name it), theirs, ours, difference (ours less theirs), cause (blank for none), by
    day and event. `causes`: cause, events (how many of the sum of all differences it explains), about; the last is what
    remains. `zone` is that of our days.
    """

    cells: pl.DataFrame
    causes: pl.DataFrame
    zone: str

    @property
    def differing(self) -> pl.DataFrame:
        """The cells whose counts differ, the largest difference first."""
        apart = self.cells.filter(pl.col("difference") != 0)
        return apart.sort(pl.col("difference").abs(), *_CELL, descending=[True, False, False])


def reconcile(lake: Lake, file: Path, zone: str = "UTC", limits: Limits | None = None) -> Reconciliation:
    """Compare the counts in a CSV or Parquet file with the events of the lake, day by day in a zone.

    The file has the columns day, event and count (or names like these), or a day and one column for each event. Days
    are written as 2026-01-31. Names of events are compared in lower case words. Raises InputError when the file cannot
    be read so, StorageError when the lake cannot be read.
    """
    theirs = _theirs(file, limits or Limits())
    slots = _slots(lake, theirs)
    ours = _by_day(slots, pl.col("slot").dt.convert_time_zone(zone))
    cells = theirs.join(ours, on=["day", "key"], how="left").with_columns(pl.col(_COUNTS).fill_null(0))
    explained = _Explained(cells)
    _try_names(explained, slots)
    _try_days(explained, ours)
    _try_zone(explained, slots)
    _try_duplicates(explained)
    _try_bots(explained)
    _try_refused(explained, lake)
    return explained.result(zone)


_COUNTS: Final = ["ids", "rows", "bots"]


def _theirs(file: Path, limits: Limits) -> pl.DataFrame:
    """Their counts: day, event, key (the event's name as we compare it), theirs."""
    frames = [piece.rows for piece in readable(file, pieces(file, 0, limits)) if piece.rows is not None]
    table = pl.concat(frames) if frames else pl.DataFrame()
    named = {column.strip().lower().replace(" ", "_"): column for column in table.columns}
    day, event, count = (next((named[name] for name in names if name in named), None) for names in (DAY, EVENT, COUNT))
    if day is None or (event is None) != (count is None) or len(table.columns) < 2:
        raise InputError(
            "The columns of their counts are not known.",
            where=str(file),
            expected="day, event and count, or a day and a column for each event",
            found=", ".join(table.columns) or "no columns",
            do="name the columns so in the first line",
        )
    if event is None or count is None:
        long = table.unpivot(index=day, variable_name="event", value_name="theirs").rename({day: "day"})
    else:
        long = table.select(pl.col(day).alias("day"), pl.col(event).alias("event"), pl.col(count).alias("theirs"))
    text = long.with_columns(pl.col("day", "event", "theirs").cast(pl.String).str.strip_chars())
    read = text.with_columns(
        pl.col("day").str.extract(_DAY_FORM).str.to_date("%Y-%m-%d", strict=False),
        pl.col("theirs").str.replace_all(r"[,\s]]", "").cast(pl.Float64, strict=False).cast(pl.Int64, strict=False),
    )
    for name, expected in (("day", "a day such as 2026-01-31"), ("event", "a name"), ("theirs", "a whole number")):
        if (bad := read[name].is_null()).any():
            row = int(bad.arg_max() or 0)
            raise InputError(
                "A value of their counts cannot be read.",
                where=f"{file}, row {row % max(table.height, 1) + 1:,}",
                expected=expected,
                found=str(text[name][row]),
            )
    keys = pl.Series("key", [snake(name) for name in read["event"]], dtype=pl.String)
    summed = read.with_columns(keys).group_by("day", "key").agg(pl.col("event").first(), pl.col("theirs").sum())
    return summed.sort("day", "key")


def _slots(lake: Lake, theirs: pl.DataFrame) -> pl.DataFrame:
    """Our counts by half an hour: slot, key, ids (different event ids), rows, bots; from the day before to the day
    after theirs.
    """
    first, last = theirs["day"].min(), theirs["day"].max()
    agents = [pl.col("properties").str.json_path_match(path) for path in _AGENTS]
    begin, end = pl.lit(first, pl.Date).dt.offset_by("-1d"), pl.lit(last, pl.Date).dt.offset_by("1d")
    near = pl.col(contract.OCCURRED_AT).dt.date().is_between(begin, end)
    counted = (
        scan(lake, layout.EVENTS)
        .filter(near)
        .group_by(
            pl.col(contract.OCCURRED_AT).dt.truncate(_SLOT).alias("slot"), pl.col(contract.EVENT_NAME).alias("name")
        )
        .agg(
            pl.col("event_id").n_unique().cast(pl.Int64).alias("ids"),
            pl.len().cast(pl.Int64).alias("rows"),
            pl.col("event_id").filter(pl.coalesce(agents).str.contains(_BOTS)).n_unique().cast(pl.Int64).alias("bots"),
        )
        .collect()
    )
    keys = {name: snake(name) for name in counted["name"].unique()}
    key = pl.col("name").replace_strict(keys, default=None, return_dtype=pl.String)
    return counted.with_columns(key.alias("key")).drop("name")


def _by_day(slots: pl.DataFrame, local: pl.Expr) -> pl.DataFrame:
    """Our counts by day and event; `local` is the time that says the day."""
    return slots.group_by(local.dt.date().alias("day"), "key").agg(pl.col(_COUNTS).sum())


class _Explained:
    """The cells so far: theirs, our count as explained so far (`now`), and the causes that were found."""

    def __init__(self, cells: pl.DataFrame) -> None:
        blank = pl.lit("").alias("cause")
        self.cells = cells.with_columns(pl.col("ids").alias("ours"), pl.col("ids").alias("now"), blank)
        self.found: list[tuple[str, int, str]] = []

    @property
    def left(self) -> int:
        """The sum of all differences that is not explained."""
        return int((self.cells["now"] - self.cells["theirs"]).abs().sum())

    def take(self, cause: str, about: str, now: pl.Expr, cells: pl.DataFrame | None = None) -> None:
        """Take a cause that makes the sum of all differences smaller: our counts would be `now`."""
        before = self.cells if cells is None else cells
        after = before.with_columns(now.alias("after"))
        theirs = after["theirs"]
        gained = (after["now"] - theirs).abs() - (after["after"] - theirs).abs()
        if int(gained.sum()) <= 0:
            return
        self.found.append((cause, int(gained.sum()), about))
        named = pl.when((gained > 0) & (pl.col("cause") == "")).then(pl.lit(cause)).otherwise("cause")
        self.cells = after.with_columns(named.alias("cause"), pl.col("after").alias("now")).drop("after")

    def result(self, zone: str) -> Reconciliation:
        """What was found."""
        schema = {"cause": pl.String, "events": pl.Int64, "about": pl.String}
        causes = [*self.found, ("not explained", self.left, "")]
        cells = self.cells.select(
            *_CELL, "theirs", "ours", (pl.col("ours") - pl.col("theirs")).alias("difference"), "cause"
        )
        return Reconciliation(cells.sort(_CELL), pl.DataFrame(causes, schema, orient="row"), zone)


def _try_names(explained: _Explained, slots: pl.DataFrame) -> None:
    known = slots["key"].unique()
    is_missing = ~pl.col("key").is_in(known.implode())
    names = explained.cells.filter(is_missing & (pl.col("theirs") > 0))["event"].unique(maintain_order=True)
    about = f"we have no event called {_listed(names.to_list())}"
    explained.take("missing name", about, pl.when(is_missing).then("theirs").otherwise("now"))


def _try_days(explained: _Explained, ours: pl.DataFrame) -> None:
    theirs = explained.cells.group_by("day").agg(pl.col("theirs").sum()).filter(pl.col("theirs") > 0)["day"]
    days = explained.cells["day"].unique()
    gone = days.filter(~days.is_in(ours["day"].implode()) | ~days.is_in(theirs.implode())).sort()
    of_us = gone.filter(gone.is_in(theirs.implode()))
    of_them = gone.filter(~gone.is_in(theirs.implode()))
    told = [
        f"{who} have nothing on {_listed([day.isoformat() for day in some])}"
        for who, some in (("we", of_us), ("they", of_them))
        if len(some)
    ]
    is_gone = pl.col("day").is_in(gone.implode())
    explained.take("missing day", "; ".join(told), pl.when(is_gone).then("theirs").otherwise("now"))


def _try_zone(explained: _Explained, slots: pl.DataFrame) -> None:
    """The zone of their days that brings the counts nearest; it has to explain half of what is left."""
    best: tuple[int, str, pl.DataFrame] | None = None
    slot = pl.col("slot")
    zones = {_spoken(hours): slot.dt.offset_by(f"{int(hours * 60)}m") for hours in _OFFSETS}
    zones |= {f"{name}, or a zone like it": slot.dt.convert_time_zone(name) for name in _ZONES}
    is_open = pl.col("now") != pl.col("theirs")
    open_days = explained.cells.filter(is_open)["day"].unique()
    for zone, local in zones.items():
        shifted = _by_day(slots, local)
        cells = explained.cells.drop(_COUNTS).join(shifted, on=["day", "key"], how="left")
        cells = cells.with_columns(pl.col(_COUNTS).fill_null(0)).sort("day", "key")
        left = int((_settled(cells) - cells["theirs"]).abs().sum())
        if best is None or left < best[0]:
            best = (left, zone, cells)
    if best is None or 2 * best[0] > explained.left or open_days.is_empty():
        return
    _, zone, cells = best
    settled = pl.col("cause").is_in(["missing name", "missing day"])
    explained.take("time zone", f"their days are those of {zone}", pl.when(settled).then("now").otherwise("ids"), cells)


def _spoken(hours: float) -> str:
    """An offset as people write it.

    >>> _spoken(5.5), _spoken(-3)
    ('UTC+5:30', 'UTC−3')
    """
    whole, minutes = divmod(round(abs(hours) * 60), 60)
    return f"UTC{'+' if hours >= 0 else '−'}{whole}{f':{minutes:02}' if minutes else ''}"


def _settled(cells: pl.DataFrame) -> pl.Series:
    """Our counts, where a cause that was found before has not settled them already."""
    settled = pl.col("cause").is_in(["missing name", "missing day"])
    return cells.select(pl.when(settled).then("now").otherwise("ids").alias("now")).to_series()


def _try_duplicates(explained: _Explained) -> None:
    surplus = pl.col("rows") - pl.col("ids")
    repeats = int((explained.cells["rows"] - explained.cells["ids"]).sum())
    nearer = _nearer(pl.col("now") + surplus)
    explained.take("duplicates", f"they count {repeats:,} repeated event ids again", nearer)


def _try_bots(explained: _Explained) -> None:
    bots = int(explained.cells["bots"].sum())
    nearer = _nearer(pl.col("now") - pl.col("bots"))
    explained.take("bots", f"{bots:,} of our events have the user agent of a crawler or a monitor", nearer)


def _nearer(other: pl.Expr) -> pl.Expr:
    """Another count where it is nearer to theirs."""
    is_nearer = (other - pl.col("theirs")).abs() < (pl.col("now") - pl.col("theirs")).abs()
    return pl.when(is_nearer).then(other).otherwise("now")


def _try_refused(explained: _Explained, lake: Lake) -> None:
    """Messages in quarantine that name an event, whatever their day: as many as that event lacks."""
    lacking = explained.cells.filter(pl.col("now") < pl.col("theirs"))
    if lacking.is_empty():
        return
    names = lacking.select("event", "key").unique("key", maintain_order=True)
    refused = scan(lake, layout.QUARANTINE).select("raw")
    named = [_names(event, key).sum().alias(key) for event, key in names.iter_rows()]
    counts = refused.select(named).collect().row(0, named=True)
    rest = {key: int(count or 0) for key, count in counts.items()}
    total = sum(rest.values())
    after = []
    for key, now, theirs in explained.cells.select("key", "now", "theirs").iter_rows():
        taken = max(min(rest.get(key, 0), theirs - now), 0)
        rest[key] = rest.get(key, 0) - taken
        after.append(now + taken)
    about = f"{total:,} refused messages name these events: journeys quarantine list"
    explained.take("refused", about, pl.lit(pl.Series(after, dtype=pl.Int64)))


def _names(event: str, key: str) -> pl.Expr:
    """Whether a message has the name of an event as a text of its own."""
    raw = pl.col("raw")
    written: Sequence[Callable[[str], str]] = (lambda name: f'"{name}"', lambda name: f",{name},")
    found = [raw.bin.contains(form(name).encode()) for name in (event, key) for form in written]
    return pl.any_horizontal(found)


def _listed(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
