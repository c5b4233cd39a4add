"""Answers in a notebook: `draw` makes a chart of one, `show` a table that people read. Neither asks a network.

Both know an answer by its columns, so that they take that of every measure, also after `filter` and `select`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from html import escape
from typing import Any, Final, Literal

import altair as alt
import polars as pl

from analytics import pseudonyms
from expectations.errors import DefinitionError, nearest
from expectations.hidden import without_hidden
from reports.charts.svg import drawing
from reports.charts.theme import CATEGORIES, TOKENS, Mode, config, specification
from reports.words import numbers

TOTAL: Final = "is_total"
CUSTOMER: Final = "customer"
ALL: Final = "all"
MOST_ROWS: Final = 100
"""Rows that a table shows; how many more there are is said below it."""
MOST_MARKS: Final = 60
"""Groups that a chart shows, in the order of the answer."""
WAYS: Final = ("path", "route")
"""Lists whose words follow one another."""
PLACES: Final = ("step", "position")
"""Whole numbers that say where, not how much."""
_SALT: Final = secrets.token_hex(16)
"""Of this process: without a salt of one's own, pseudonyms of two sessions cannot be joined."""


class Drawing(alt.LayerChart):
    """A chart that a notebook keeps as a picture, which needs no script and no network."""

    @property
    def svg(self) -> str:
        """The picture."""
        mode: Mode = "dark" if (self.usermeta or {}).get("theme") == "dark" else "light"
        return drawing(specification(self) | {"config": config(mode)})

    def _repr_mimebundle_(self, *_: Any, **__: Any) -> dict[str, str]:
        return {"image/svg+xml": self.svg}


def draw(answer: pl.DataFrame, share: str | None = None, *, width: int = 520, theme: Mode = "light") -> Drawing:
    """A chart of the answer of a measure, as its columns say: over time, by step, or by group.

    A `share` is a column with its interval beside it (`goal_rate` with `goal_rate_low` and `goal_rate_high`); by
    default the first one. With a `period`, `cohort` or `time` it is a line with its band, of at most six groups; with
    `step`, bars of `reached` with the share that went on; otherwise a dot for each group with its interval. Without a
    share, bars of the first count. At most 60 groups, the first of the answer.

    Raises `DefinitionError` for an answer without rows or numbers, and for a share that it lacks, with the nearest.

    >>> from analytics import Funnel, Paths, funnel
    >>> shop = Paths.from_text({"ann": "visit@0m pay@2d", "bo": "visit@1m"}, end="60d")
    >>> drawn = draw(funnel(shop, Funnel(["visit", "pay"])))
    >>> "pay" in drawn.svg and "http://" not in drawn.svg.replace("http://www.w3.org", "")
    True
    """
    if not len(answer):
        raise DefinitionError("There is nothing to draw.", expected="an answer with rows", found="no rows")
    shape = _Shape.of(answer, share)
    rows = shape.rows(answer)
    if not rows:
        raise DefinitionError("There is nothing to draw.", expected=f"rows with {shape.measure}", found="only nulls")
    said = ". ".join(f"{row['group']}: {row['said']}" for row in rows)
    description = f"{_title(shape.measure)}. {said}."
    return Drawing(layer=shape.layers(rows, width, theme), usermeta={"theme": theme}, description=description)


def show(answer: pl.DataFrame, *, keys: Literal["pseudonym", "clear"] = "pseudonym", salt: str | None = None) -> Shown:
    """A table of an answer for people: a share with its interval in one column, waits in words, counts with separators.

    Customers are shown under pseudonyms, because notebooks are passed on; `salt`, a secret of yours, keeps a customer's
    pseudonym the same in every session. `keys="clear"` shows the keys of the paths. At most 100 rows are shown; below
    stands how many there are. Raises `DefinitionError` for other words in `keys`.

    >>> from analytics import Funnel, Paths, members
    >>> shop = Paths.from_text({"ann": "visit@0m pay@2d", "bo": "visit@1m"}, end="60d")
    >>> table = show(members(shop, Funnel(["visit", "pay"])))
    >>> "ann" in table.html
    False
    """
    if keys not in ("pseudonym", "clear"):
        raise DefinitionError(f"There is no way {keys!r} to show keys.", expected="pseudonym or clear")
    if keys == "pseudonym" and answer.schema.get(CUSTOMER) == pl.String:
        answer = answer.with_columns(pseudonyms(answer[CUSTOMER], salt or _SALT))
    return Shown(answer)


@dataclass(frozen=True, eq=False)
class Shown:
    """An answer as a table; `frame` has what is in it."""

    frame: pl.DataFrame

    @property
    def html(self) -> str:
        """The table as HTML; every text is escaped."""
        columns = list(_columns(self.frame))
        head = "".join(f"<th>{escape(_title(name))}</th>" for name, _ in columns)
        rows = self.frame.head(MOST_ROWS).to_dicts()
        body = "".join(f"<tr>{''.join(f'<td>{escape(words(row))}</td>' for _, words in columns)}</tr>" for row in rows)
        more = len(self.frame) - len(rows)
        below = f"<p>{more:,} more rows</p>" if more else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"

    def _repr_html_(self) -> str:
        return self.html


Words = Callable[[dict[str, Any]], str]


def _columns(frame: pl.DataFrame) -> Iterator[tuple[str, Words]]:
    """The columns of a table, with what each says of a row.

    The ends of an interval stand beside their share; columns without a value are left out.
    """
    shares = {name for name in frame.columns if _has_ends(frame, name) and _are_shares(frame, name)}
    ends = {f"{name}_{end}" for name in shares for end in ("low", "high")}
    for name in frame.columns:
        is_blank = frame[name].null_count() == len(frame) > 0 or (name == TOTAL and frame[name].all())
        if name not in ends and not is_blank:
            yield name, _words(name, has_interval=name in shares)


def _words(name: str, *, has_interval: bool) -> Words:
    if has_interval:
        return lambda row: _with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"])
    return lambda row: _word(name, row[name])


def _with_interval(share: float | None, low: float | None, high: float | None) -> str:
    said = numbers.percent(share)
    return said if share is None or low is None else f"{said} ({numbers.interval(low, high)})"


def _word(name: str, value: Any) -> str:
    """One value in words."""
    if value is None:
        return numbers.MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, timedelta):
        return numbers.wait(value)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if (value.hour, value.minute) == (0, 0) else f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int):
        return numbers.count(value)
    if isinstance(value, float):
        return numbers.percent(value) if {"share", "rate"} & {*name.split("_")} else f"{value:,.4g}"
    if isinstance(value, list):
        return (" → " if name in WAYS else ", ").join(_word(name, one) for one in value)
    return without_hidden(str(value))


def _title(name: str) -> str:
    return name.replace("_", " ")


def _has_ends(answer: pl.DataFrame, name: str) -> bool:
    """Whether a number has its interval beside it."""
    return answer.schema[name].is_float() and {f"{name}_low", f"{name}_high"} <= set(answer.columns)


def _are_shares(answer: pl.DataFrame, name: str, *ends: str) -> bool:
    """Whether a number and the ends of its interval are shares of 1: all of them at least 0 and at most 1."""
    known = [answer[one].drop_nulls().drop_nans() for one in (name, *(ends or (f"{name}_low", f"{name}_high")))]
    return all(bool(((one >= 0) & (one <= 1)).all()) for one in known)


@dataclass(frozen=True)
class _Shape:
    """How an answer is drawn: the columns that say how much, where, and of whom."""

    measure: str
    low: str
    high: str
    time: str
    named: tuple[str, ...]
    is_funnel: bool
    is_share: bool

    @classmethod
    def of(cls, answer: pl.DataFrame, share: str | None) -> _Shape:
        """The shape of an answer. Raises `DefinitionError` as `draw` does."""
        ranged = {name: (f"{name}_low", f"{name}_high") for name in answer.columns if _has_ends(answer, name)}
        if {"low", "high"} <= set(answer.columns):
            ranged |= {name: ("low", "high") for name in ("converted", "active") if name in answer.columns}
        if share is not None and share not in ranged:
            expected = f"one of {', '.join(ranged)}" if ranged else "an answer that has a share with its interval"
            raise DefinitionError(f"There is no share {share!r}.", expected=expected, do=nearest(share, ranged))
        whole = [name for name, dtype in answer.schema.items() if dtype.is_integer() and name not in PLACES]
        if not ranged and not whole:
            raise DefinitionError("There is nothing to draw.", expected="a share with its interval, or a count")
        times = (name for name in ("period", "cohort", "time") if name in answer.columns)
        time = next((name for name in times if answer[name].null_count() < len(answer)), "")
        is_funnel = {"step", "name", "reached"} <= set(answer.columns) and not time and share is None
        measure = "reached" if is_funnel else share or next(iter(ranged), "") or whole[0]
        low, high = ranged.get(measure, ("", ""))
        texts = (name for name, dtype in answer.schema.items() if dtype == pl.String)
        named = tuple(name for name in texts if not (is_funnel and name == "kind"))
        is_share = bool(low) and _are_shares(answer, measure, low, high)
        return cls(measure, low, high, time, named, is_funnel, is_share)

    def rows(self, answer: pl.DataFrame) -> list[dict[str, Any]]:
        """The rows as a chart takes them: `group`, `value`, `low`, `high`, `at`, and what is `said` of each."""
        many = TOTAL in answer.columns and answer[TOTAL].n_unique() > 1
        made = [self._row(row, many=many) for row in answer.to_dicts() if row[self.measure] is not None]
        if not self.time:
            return made[:MOST_MARKS]
        groups = list(dict.fromkeys(row["group"] for row in made))[: len(CATEGORIES["light"])]
        return [row for row in made if row["group"] in groups]

    def _row(self, row: dict[str, Any], *, many: bool) -> dict[str, Any]:
        is_total = bool(row.get(TOTAL))  # its nulls say that it is of all; those of others, that it is not known
        words = [_word(name, row[name]) for name in self.named if not (is_total and row[name] is None)]
        if many and is_total:
            words = [*words, ALL] if self.is_funnel else [ALL, *words]
        at = row[self.time] if self.time else None
        return {
            "group": " · ".join(words) or ALL,
            "value": float(row[self.measure]),
            "low": row[self.low] if self.low else None,
            "high": row[self.high] if self.high else None,
            "at": at / timedelta(days=1) if isinstance(at, timedelta) else at and at.isoformat(),
            "said": self._said(row),
        }

    def _said(self, row: dict[str, Any]) -> str:
        """The value in words, with its interval."""
        if self.is_share:
            return _with_interval(row[self.measure], row[self.low], row[self.high])
        said = _word(self.measure, row[self.measure])
        share = row.get("share_of_previous") if self.is_funnel else None
        return said if share is None or row["step"] == 1 else f"{said}, {numbers.percent(share)} of the step before"

    def layers(self, rows: list[dict[str, Any]], width: int, theme: Mode) -> list[alt.Chart]:
        """The marks, from the back to the front."""
        base = alt.Chart(alt.InlineData(values=rows)).properties(width=width)
        groups = list(dict.fromkeys(row["group"] for row in rows))
        return self._over_time(base, groups, theme) if self.time else self._by_group(base, groups, theme)

    def _over_time(self, base: alt.Chart, groups: list[str], theme: Mode) -> list[alt.Chart]:
        kind = "Q" if self.time == "time" else "T"
        across = alt.X(f"at:{kind}", title="days" if kind == "Q" else None)
        format_ = ".0%" if self.is_share else ",.4~g"
        down = alt.Y("value:Q", title=_title(self.measure), axis=alt.Axis(format=format_))
        palette = CATEGORIES[theme]
        scale = alt.Scale(domain=groups, range=[palette[number % len(palette)] for number in range(len(groups))])
        colour = alt.Color("group:N", title=None, scale=scale, legend=alt.Legend() if len(groups) > 1 else None)
        tips = [alt.Tooltip("group:N"), alt.Tooltip(f"at:{kind}"), alt.Tooltip("said:N", title=_title(self.measure))]
        marks = [base.mark_line(point=self.time != "time").encode(x=across, y=down, color=colour, tooltip=tips)]
        if self.low:
            band = base.mark_area(opacity=0.18).encode(x=across, y="low:Q", y2="high:Q", color=colour)
            marks.insert(0, band)
        return marks

    def _by_group(self, base: alt.Chart, groups: list[str], theme: Mode) -> list[alt.Chart]:
        tokens = TOKENS[theme]
        down = alt.Y("group:N", title=None, sort=groups)
        axis = alt.Axis(format=".0%" if self.is_share else ",.4~g")
        across = alt.X("value:Q", title=_title(self.measure), axis=axis)
        tips = [alt.Tooltip("group:N"), alt.Tooltip("said:N", title=_title(self.measure))]
        ink = alt.value(tokens["ink"])
        if not self.low:
            bars = base.mark_bar().encode(x=across, y=down, color=alt.value(tokens["primary"]), tooltip=tips)
            words = base.mark_text(align="left", dx=6).encode(x="value:Q", y=down, text="said:N", color=ink)
            return [bars, words]
        range_ = base.mark_rule(strokeWidth=2).encode(
            x=alt.X("low:Q", title=_title(self.measure), axis=axis),
            x2="high:Q",
            y=down,
            color=alt.value(tokens["ink2"]),
        )
        dots = base.mark_point(filled=True, size=70).encode(
            x=across, y=down, color=alt.value(tokens["primary"]), tooltip=tips
        )
        words = base.mark_text(align="left", dx=8).encode(x="high:Q", y=down, text="said:N", color=ink)
        return [range_, dots, words]
