"""Which paths contain a pattern of touches, where in the path, and after how long?

A pattern is a regular expression over whole touches; how it is written is told in `analytics.grammar`. Every touch
becomes one letter that says which of the pattern's names it meets; every unit becomes one text; the texts are searched
by the regular expressions of polars (Rust's regex). Matches do not overlap: the next is looked for after the last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from analytics.definitions import Step
from analytics.engine import Matcher
from analytics.grammar import Pattern, Touch, pattern, wrong
from analytics.parts import AT, CUSTOMER, TOUCHPOINT, Part, as_text, decoded
from analytics.statistics import wilson
from analytics.store import Paths
from analytics.units import CONVERTED, ENDS, OPEN
from analytics.variants import as_bytes
from analytics.walks import By, Indices, Selection, View, Walks, each, together, words_of
from expectations.errors import DefinitionError

LETTERS: Final = "".join(chr(i) for i in range(0x30, 0x7F) if chr(i) not in "<>\\]^[-&~")
NOTHING: Final = "\x01"
OPENS, CLOSES = ord("<"), ord(">")
COUNTED: Final = (
    "units",
    "matching",
    "share",
    "share_low",
    "share_high",
    "customers",
    "matches",
    "median_position",
    "median_delay",
    "median_duration",
    "goal_rate",
    "goal_rate_without",
)
FOUND: Final = ("customer", "unit", "match", "position", "touches", "at", "until", "end")


@dataclass(frozen=True)
class Search:
    """A pattern, the steps that its names mean, and the paths that are searched."""

    paths: Paths
    view: View
    pattern: Pattern
    matcher: Matcher

    @classmethod
    def of(cls, paths: Paths, text: str, steps: Mapping[str, Step], view: View) -> Search:
        """The search for a pattern; raises `DefinitionError` for one that cannot be read, or matches no touch."""
        asked = pattern(text)
        meant = tuple(steps.get(name) or Step(name, on=view.on) for name in asked.names)
        if len(asked.names) > len(LETTERS) - 1:
            raise wrong(text, f"at most {len(LETTERS) - 1} names")
        try:
            empty = pl.Series([""]).str.contains(asked.regex(lambda _: "a"))[0]
        except pl.exceptions.ComputeError:
            raise wrong(text, "brackets in pairs, and quantifiers after a touch or a group") from None
        if empty:
            raise DefinitionError("This pattern is met by no touch at all.", expected="a touch at least", found=text)
        return cls(paths, view, asked, Matcher(paths, meant))

    def hits(self, found: Walks, part: Part) -> tuple[Indices, Indices]:
        """The first and the last touch of every match, in order."""
        codes, bits = self.matcher.match(part, part.read(self.matcher.columns))
        codes = codes if len(codes) == len(found.rows) else codes[found.rows]
        meant, letter_of = np.unique(bits, return_inverse=True)
        if len(meant) > len(LETTERS):
            meant, letters = np.unique(bits[codes], return_inverse=True)
        else:
            letters = letter_of[codes]
        if len(meant) > len(LETTERS):
            raise DefinitionError("The steps of a pattern overlap in too many ways.", do="use fewer conditions")
        alphabet = np.frombuffer(LETTERS.encode(), np.uint8)
        texts = as_bytes(alphabet[letters], found.bounds).cast(pl.String)

        def classes(touch: Touch) -> str:
            met = [bool(bits & np.uint64(sum(1 << name for name in set(touch.names)))) for bits in meant]
            chosen = "".join(letter for letter, hit in zip(LETTERS, met, strict=False) if hit != touch.negated)
            return f"[{chosen or NOTHING}]"

        if self.pattern.pauses:
            return self._timed(found, texts, classes)
        return spans(texts, self.pattern.regex(classes))

    def _timed(self, found: Walks, texts: pl.Series, classes: Any) -> tuple[Indices, Indices]:
        """Matches with pauses: those units that match without them, one after the other."""
        likely = texts.str.contains(f"(?s){self.pattern.regex(classes)}").arg_true()
        timed = Timed(self.pattern, classes)
        begins: list[int] = []
        lasts: list[int] = []
        for unit, text in zip(likely.to_list(), texts.gather(likely).to_list(), strict=True):
            low, high = found.bounds[unit], found.bounds[unit + 1]
            times = found.times[low:high].astype(np.int64) * found.scale
            for begin, end in timed.search(text, times.tolist()):
                begins.append(int(low) + begin)
                lasts.append(int(low) + end - 1)
        return np.array(begins, np.int64), np.array(lasts, np.int64)


class Timed:
    """A pattern with pauses, on one unit: of the earliest match the shortest, then the next after it."""

    def __init__(self, asked: Pattern, classes: Any) -> None:
        count = len(asked.segments)
        self.pauses = asked.pauses
        self.fixed = [asked.fixed(segment) for segment in range(count)]
        texts = [asked.regex(classes, segment=segment) for segment in range(count)]
        self.first, self.last = texts[0].startswith(r"\A"), texts[-1].endswith(r"\z")
        self.segments = [re.compile(text.removeprefix(r"\A").removesuffix(r"\z"), re.DOTALL) for text in texts]

    def search(self, text: str, times: list[int]) -> list[tuple[int, int]]:
        """Where matches begin, and after which touch they end."""
        found, begin = [], 0
        while begin < len(text):
            end = self._match(text, times, begin)
            if end is None:
                begin += 1
            else:
                found.append((begin, end))
                begin = end
            if self.first:
                break
        return found

    def _match(self, text: str, times: list[int], begin: int) -> int | None:
        """The earliest end of a match that begins at a touch."""
        ends = self._ends(0, text, begin)
        for place, pause in enumerate(self.pauses, 1):
            starts = {
                start
                for end in ends
                for start in range(end, len(text))
                if pause.test(times[start] - times[end - 1], pause.limit)
            }
            ends = {end for start in starts for end in self._ends(place, text, start)}
        return min((end for end in ends if not self.last or end == len(text)), default=None)

    def _ends(self, segment: int, text: str, start: int) -> set[int]:
        """Every place where a segment that begins at a touch can end."""
        fixed = self.fixed[segment]
        tried = range(start + 1, len(text) + 1) if fixed is None else [start + fixed]
        return {end for end in tried if end <= len(text) and self.segments[segment].fullmatch(text, start, end)}


def spans(texts: pl.Series, regex: str) -> tuple[Indices, Indices]:
    """The first and the last letter of every match in texts laid end to end, which have no `<` and `>`."""
    marked = texts.str.replace_all(f"(?s){regex}", "<${0}>")
    flat = letters_of(marked)
    opens, closes = np.flatnonzero(flat == OPENS), np.flatnonzero(flat == CLOSES)
    before = np.arange(len(opens)) * 2
    begin, end = opens - before, closes - before - 2
    real = end >= begin
    return begin[real], end[real]


def letters_of(texts: pl.Series) -> NDArray[np.uint8]:
    """All letters of texts, end to end."""
    import pyarrow as pa

    array = texts.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.large_binary())
    offsets, data = (np.frombuffer(memoryview(buffer or b""), np.uint8) for buffer in array.buffers()[1:])
    bounds = offsets.view(np.int64)[array.offset : array.offset + len(array) + 1]
    return data[bounds[0] : bounds[-1]] if len(bounds) else data


def match(
    paths: Paths,
    pattern: str,
    *,
    unit: str = "journey",
    by: By = (),
    on: str = TOUCHPOINT,
    steps: Mapping[str, Step] | None = None,
    collapse: bool = False,
    among: Selection | None = None,
) -> pl.DataFrame:
    """How many units contain a pattern, whose they are, where and when, and how many of them reach the goal.

    Columns: those of `by` (the value at the unit's first touch); `units`, `matching` (units with a match) Int64;
    `share` Float64 with its Wilson interval `share_low`, `share_high`; `customers` (with a match), `matches` Int64;
    of the first match of each unit `median_position` Float64 (of its first touch, from 1), `median_delay` (since the
    unit's first touch), `median_duration` (from its first touch to its last) Duration(us), null without a match;
    `goal_rate`, `goal_rate_without` Float64 (converted of the units that are over, with and without a match). One row,
    or one a group. `steps` gives names of the pattern a meaning of their own; other names are values of `on`. No
    touches give a row of zeros, or no rows with `by`. Raises `DefinitionError` for a pattern that cannot be read.

    >>> from tests.journeys import paths
    >>> shop = paths({"ann": "home@0m cart@1m look@2m", "bo": "home@0m cart@1m buy@2m"})
    >>> match(shop, "home .* cart (?!buy)* $")["units", "matching", "matches"].rows()
    [(2, 1, 1)]
    """
    view = View(unit, on, by, collapse=collapse, among=among).checked(paths, COUNTED)
    search = Search.of(paths, pattern, steps or {}, view)
    found = each(paths, view, words_of(paths, on), partial(_counts, search))
    numbers = dict.fromkeys(("matches", "position", "delay", "lasts"), pl.Int64)
    return _finish(together(paths, view, {"person": pl.UInt64, "end": pl.UInt8, **numbers}, found), view)


def matches(
    paths: Paths,
    pattern: str,
    *,
    unit: str = "journey",
    on: str = TOUCHPOINT,
    steps: Mapping[str, Step] | None = None,
    collapse: bool = False,
    among: Selection | None = None,
) -> pl.DataFrame:
    """Every match of a pattern, one row each, by customer and time.

    Columns: `customer` as in the paths; `unit` UInt32 (the number of the unit among the customer's, from 1), `match`
    UInt32 (the number of the match in its unit, from 1), `position` UInt32 (of its first touch in the unit, from 1),
    `touches` UInt32, `at`, `until` Datetime(us, UTC) (its first and last touch), `end` String (how the unit ends).
    Arguments as of `match`; units are numbered among those selected.

    >>> from tests.journeys import paths
    >>> matches(paths({"ann": "a@0m b@1m a@2m"}), "a")["customer", "match", "position"].rows()
    [('ann', 1, 1), ('ann', 2, 3)]
    """
    view = View(unit, on, collapse=collapse, among=among).checked(paths, ())
    search = Search.of(paths, pattern, steps or {}, view)
    found = each(paths, view, words_of(paths, on), partial(_rows, search))
    numbers = dict.fromkeys(("unit", "match", "position", "touches"), pl.UInt32)
    times = {"at": pl.Datetime("us", "UTC"), "until": pl.Datetime("us", "UTC"), "end": pl.String}
    return together(paths, view, {CUSTOMER: paths.schema[CUSTOMER], **numbers, **times}, found).sort(
        CUSTOMER, "at", "match"
    )


def _counts(search: Search, found: Walks, part: Part) -> pl.DataFrame:
    """A row a unit: groups, `person`, `end`, `matches`, and of the first match `position`, `delay`, `lasts`."""
    begin, last = search.hits(found, part)
    units = np.searchsorted(found.bounds, begin, side="right") - 1
    there, first = np.unique(units, return_index=True)
    start, stop = begin[first], last[first]
    low = found.bounds[:-1][there]
    values = {
        "position": start - low + 1,
        "delay": found.microseconds(start) - found.microseconds(low),
        "lasts": found.microseconds(stop) - found.microseconds(start),
    }
    each_unit = pl.int_range(len(found), eager=True)
    firsts = pl.DataFrame({"unit": there, **values})
    rows = found.groups.with_columns(
        pl.Series("person", found.people.astype(np.uint64) + (part.number << 32)),
        pl.Series("end", found.ends),
        pl.Series("matches", np.bincount(units, minlength=len(found))),
        each_unit.alias(" unit"),
    )
    return rows.join(firsts, left_on=" unit", right_on="unit", how="left", maintain_order="left").drop(" unit")


def _finish(units: pl.DataFrame, view: View) -> pl.DataFrame:
    """Units as the columns of `match`."""
    hit, over, won = pl.col("matches") > 0, pl.col("end") != OPEN, pl.col("end") == CONVERTED
    aggregates = [
        pl.len().cast(pl.Int64).alias("units"),
        hit.sum().cast(pl.Int64).alias("matching"),
        pl.col("person").filter(hit).n_unique().cast(pl.Int64).alias("customers"),
        pl.col("matches").sum(),
        pl.col("position").median().alias("median_position"),
        *(
            pl.col(column).median().round().cast(pl.Duration("us")).alias(name)
            for name, column in (("median_delay", "delay"), ("median_duration", "lasts"))
        ),
        won.filter(hit & over).mean().alias("goal_rate"),
        won.filter(~hit & over).mean().alias("goal_rate_without"),
    ]
    table = (
        units.group_by(view.groups).agg(aggregates).sort(view.groups, nulls_last=True)
        if view.by
        else units.select(aggregates)
    )
    low, high = wilson(table["matching"].to_numpy(), table["units"].to_numpy())
    some = pl.col("units") > 0
    return table.with_columns(
        pl.when(some).then(pl.col("matching") / pl.col("units")).alias("share"),
        *(pl.when(some).then(pl.Series(b)).alias(f"share_{n}") for n, b in (("low", low), ("high", high))),
    ).select(*view.groups, *COUNTED)


def _rows(search: Search, found: Walks, part: Part) -> pl.DataFrame:
    """The matches of one part as the columns of `matches`."""
    begin, last = search.hits(found, part)
    units = np.searchsorted(found.bounds, begin, side="right") - 1
    people = found.people
    first_of_person = np.searchsorted(people, people, side="left")
    first_of_unit = np.searchsorted(units, units, side="left")
    keys = as_text(decoded(part, [CUSTOMER], search.paths.dictionaries)[found.rows[begin]])
    counts = {
        "unit": np.arange(len(found))[units] - first_of_person[units] + 1,
        "match": np.arange(len(begin)) - first_of_unit + 1,
        "position": begin - found.bounds[:-1][units] + 1,
        "touches": last - begin + 1,
    }
    times = {
        name: pl.Series(found.microseconds(rows)).cast(pl.Datetime("us", "UTC"))
        for name, rows in ((AT, begin), ("until", last))
    }
    return keys.with_columns(
        *(pl.Series(name, values, pl.UInt32) for name, values in counts.items()),
        *(values.alias(name) for name, values in times.items()),
        pl.Series("end", pl.Series(ENDS).gather(found.ends[units])),
    )
