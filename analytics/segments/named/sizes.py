"""How many customers are in a segment over time, and how far two segments hold the same customers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.engine.partials import add_up
from analytics.engine.run import counted, on_parts
from analytics.segments.named.segment import BoundSegment, Segment, bound_segments
from analytics.segments.named.states import IN, OUT, UNKNOWN, Ints
from analytics.statistics.intervals import wilson
from analytics.store.columns import AT, TIME
from analytics.store.encoding import Dictionaries
from analytics.store.frames import as_utc, micros
from analytics.store.parts import Part, decoded
from analytics.store.paths import Paths
from expectations.config.durations import duration
from expectations.errors import DefinitionError

COUNTED: Final = ("members", "known", "customers", "joined", "left")
SHARES: Final = ("share_of_known", "share_of_known_low", "share_of_known_high")


def segment_sizes(
    paths: Paths,
    definitions: Segment | Iterable[Segment],
    *,
    every: str = "1w",
    at: Sequence[datetime] | None = None,
) -> pl.DataFrame:
    """How many customers are in each segment, instant by instant, with who joined and left since the instant before.

    One row per segment, in the order given, and instant: `segment` String, `version` Int64, `at` Datetime(us, UTC);
    `members` Int64 (customers of whom the segment is true), `known` (true or false), `customers` (first touch at or
    before the instant); `joined` and `left` Int64 (null at the first instant), so that members = members before +
    joined - left; `share_of_known` Float64 = members / known with its 95 % interval (Wilson) `share_of_known_low`,
    `share_of_known_high`, null where nobody is known. Who objects to profiling is in `customers` alone.

    Instants are 00:00 UTC of every Monday from the first touch to the end of the data; with `every` of whole days other
    than weeks of every so many days, with `1mo` the first of every month; or those of `at`. No touches give no rows.
    Raises `DefinitionError` for another `every`, an `at` that is empty, not rising, or after the end of the data, and
    as the conditions do.

    >>> from datetime import UTC
    >>> from analytics import Did
    >>> shop = Paths.from_text({"ann": "buy@0d", "bo": "look@1d buy@9d"}, end="20d")
    >>> segment_sizes(shop, Segment("Buyers", Did("buy")))["members", "customers", "joined"].rows()
    [(1, 1, None), (1, 2, 0), (2, 2, 1)]
    """
    bound = tuple(bound_segments(paths, definitions))
    instants = _given(paths, at) if at is not None else _every(paths, every)
    sizes = SegmentSizes(bound, tuple(instants))
    return sizes.finish(counted(paths, sizes))


def overlaps(paths: Paths, definitions: Iterable[Segment], *, at: datetime | None = None) -> pl.DataFrame:
    """How many customers every two segments share at an instant, by default the end of the data.

    One row per pair, in the order given: `segment`, `other` String; `both`, `only_segment`, `only_other` Int64 (members
    of one, and no known members of the other), `customers` Int64 (first touch at or before the instant); `jaccard`
    Float64 = both / members of any; `lift` Float64 = share of the members of `other` who are in `segment`, over the
    share of all customers who are; both null where there is nobody to divide by. No touches give rows of 0, fewer than
    two segments none. Raises `DefinitionError` as `segment_sizes` does.

    >>> from analytics import Did
    >>> shop = Paths.from_text({"ann": "buy@0d call@1d", "bo": "buy@0d", "cy": "look@0d", "di": "look@0d"})
    >>> overlaps(shop, [Segment("Buyers", Did("buy")), Segment("Callers", Did("call"))])["jaccard", "lift"].rows()
    [(0.5, 2.0)]
    """
    bound = tuple(bound_segments(paths, definitions))
    instants = (
        _given(paths, [at]) if at is not None else [0 if paths.end_of_data is None else micros(paths.end_of_data)]
    )
    pairs = SegmentOverlaps(bound, int(instants[0]))
    return pairs.finish(counted(paths, pairs))


@dataclass(frozen=True, eq=False)
class SegmentSizes:
    """Counts the members of segments at instants, in microseconds. A partial has a row per segment and instant."""

    segments: tuple[BoundSegment, ...]
    instants: tuple[int, ...]

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        return dict.fromkeys(("segment", "place", *COUNTED), pl.Int64)

    def partial(self, part: Part, _: Dictionaries) -> pl.DataFrame:
        """The counts of one part."""
        held = part.held()
        tables = [self._of_segment(number, bound, held) for number, bound in enumerate(self.segments)]
        return pl.concat([pl.DataFrame(schema=self.schema), *tables])

    def _of_segment(self, number: int, bound: BoundSegment, part: Part) -> pl.DataFrame:
        customers, instants = bound.customers(part), np.array(self.instants, np.int64)
        size, states = len(instants), bound.states(customers)
        begin, end = states.at_once(instants)
        first = np.searchsorted(instants, customers.first)
        known, member = (states.value != UNKNOWN) & (begin < end), (states.value == IN) & (begin < end)
        person, since, until = states.person[member], begin[member], end[member]
        meets = (person[1:] == person[:-1]) & (since[1:] == until[:-1])
        comes, goes = np.append(True, ~meets)[: len(person)], np.append(~meets, True)[: len(person)]
        counts = {
            "members": _covered(since, until, size),
            "known": _covered(begin[known], end[known], size),
            "customers": _covered(first, np.full(len(first), size), size),
            "joined": np.bincount(since[comes], minlength=size + 1)[:size],
            "left": np.bincount(until[goes], minlength=size + 1)[:size],
        }
        places = {"segment": np.full(size, number), "place": np.arange(size)}
        return pl.DataFrame({**places, **counts}, schema=self.schema)

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the rows of parts."""
        return add_up(partials, ["segment", "place"], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `segment_sizes`."""
        table = merged.sort("segment", "place")
        names = pl.Series([bound.name for bound in self.segments], dtype=pl.String)
        versions = pl.Series([bound.segment.version for bound in self.segments], dtype=pl.Int64)
        instants = pl.Series(self.instants, dtype=pl.Int64).cast(TIME)
        members, known = table["members"].to_numpy(), table["known"].to_numpy()
        share = np.divide(members, known, out=np.full(len(known), np.nan), where=known > 0)
        shares = (share, *wilson(members, known))
        is_first = pl.col("place") == 0
        return table.with_columns(
            *(pl.when(~is_first).then(pl.col(name)).alias(name) for name in ("joined", "left")),
            *(pl.Series(name, own, dtype=pl.Float64).fill_nan(None) for name, own in zip(SHARES, shares, strict=True)),
            instants[table["place"]].alias(AT),
            names[table["segment"]].alias("segment"),
            versions[table["segment"]].alias("version"),
        ).select("segment", "version", AT, *COUNTED, *SHARES)


@dataclass(frozen=True, eq=False)
class SegmentOverlaps:
    """Counts the customers in two segments at an instant. A partial has a row per pair, by their numbers."""

    segments: tuple[BoundSegment, ...]
    instant: int

    @property
    def schema(self) -> dict[str, Any]:
        """The columns of a partial."""
        counts = ("both", "only_segment", "only_other", "customers")
        return dict.fromkeys(("segment", "other", *counts), pl.Int64)

    def partial(self, part: Part, _: Dictionaries) -> pl.DataFrame:
        """The counts of one part."""
        held, values = part.held(), []
        for bound in self.segments:
            customers = bound.customers(held)
            values.append(bound.states(customers).at(self.instant, len(customers)))
        rows = []
        for one, other in self._pairs:
            mine, theirs = values[one] == IN, values[other] == IN
            counts = (mine & theirs, mine & ~theirs, theirs & ~mine, values[one] >= OUT)
            rows.append((one, other, *(int(np.count_nonzero(each)) for each in counts)))
        return pl.DataFrame(rows, schema=self.schema, orient="row")

    @property
    def _pairs(self) -> list[tuple[int, int]]:
        size = len(self.segments)
        return [(one, other) for one in range(size) for other in range(one + 1, size)]

    def merge(self, partials: Sequence[pl.DataFrame]) -> pl.DataFrame:
        """Adds up the rows of parts."""
        nothing = pl.DataFrame([(*pair, 0, 0, 0, 0) for pair in self._pairs], schema=self.schema, orient="row")
        return add_up([nothing, *partials], ["segment", "other"], self.schema)

    def finish(self, merged: pl.DataFrame) -> pl.DataFrame:
        """The columns of `overlaps`."""
        names = pl.Series([bound.name for bound in self.segments], dtype=pl.String)
        both, one, other = (pl.col(name) for name in ("both", "only_segment", "only_other"))
        in_one, in_other, any_ = both + one, both + other, both + one + other
        lift = (both * pl.col("customers")).cast(pl.Float64) / (in_one * in_other)
        table = merged.sort("segment", "other")
        return table.with_columns(
            pl.when(any_ > 0).then(both / any_).alias("jaccard"),
            pl.when((in_one > 0) & (in_other > 0)).then(lift).alias("lift"),
            names[table["segment"]].alias("segment"),
            names[table["other"]].alias("other"),
        )


def _covered(begin: NDArray[Any], end: NDArray[Any], size: int) -> Ints:
    """How many of the spans of positions hold each position; ends are not in them."""
    change = np.bincount(begin, minlength=size + 1) - np.bincount(end, minlength=size + 1)
    covered: Ints = np.cumsum(change)[:size]
    return covered


def _given(paths: Paths, at: Sequence[datetime]) -> list[int]:
    """Instants given, in microseconds."""
    instants = [micros(as_utc(instant)) for instant in at]
    end = paths.end_of_data
    if not instants or instants != sorted(set(instants)) or (end is not None and instants[-1] > micros(end)):
        raise DefinitionError(
            "These are no instants of the data.",
            where="at",
            expected=f"one or more times that rise, up to {end}",
            found=", ".join(map(str, at[:5])) or "none",
        )
    return instants


def _every(paths: Paths, every: str) -> list[int]:
    """The instants of a calendar from the first touch to the end of the data, in microseconds."""
    days = 0 if every == "1mo" else _days(every)
    first = min((one for one in on_parts(paths.stored, _first_time) if one is not None), default=None)
    if first is None or paths.end_of_data is None:
        return []
    begin = pl.Series([first]).cast(TIME).dt.truncate("1mo" if not days else "1d" if days % 7 else "1w")[0]
    times = pl.datetime_range(begin, paths.end_of_data, f"{days}d" if days else "1mo", eager=True)
    return [int(time) for time in times.cast(TIME).to_physical() if time >= first]


def _days(every: str) -> int:
    length = duration(every)
    if not length or length % timedelta(days=1):
        raise DefinitionError("Sizes are counted every so many days.", expected="1d, 1w, 4w or 1mo", found=every)
    return length // timedelta(days=1)


def _first_time(part: Part, words: Dictionaries) -> int | None:
    """The first touch of a part, in microseconds."""
    times = decoded(part, [AT], words)[AT].to_physical()
    return int(times.min()) if len(times) else None  # type: ignore[arg-type]
