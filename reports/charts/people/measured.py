"""Rows with a share and its interval on one scale, with words below their names and figures beside them; a ring says
what was expected of the share.

A share that is not told stands as a word in its place.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import altair as alt

from reports.charts import fonts
from reports.charts.canvas import NARROW, Canvas, Layers, tips
from reports.charts.stages.segments import ticks
from reports.words.numbers import MISSING, interval, percent

WIDTH: Final = 1096
HEAD: Final = 24
FOOT: Final = 30
PAD: Final = 14
SMALL_PAD: Final = 7
"""Of a row, where no row has words."""
LINE: Final = 15
FIGURE: Final = 92
NAME: Final = 13
MOST_DESCRIBED: Final = 260
"""Characters of the rows in the alternative text."""
MOST_LINES: Final = 14
"""Of the words of a row."""


@dataclass(frozen=True)
class Measured:
    """A row: its name, words below it, a share with its interval or a `note` in its place, and figures beside it."""

    name: str
    share: float | None
    low: float | None
    high: float | None
    figures: tuple[str, ...] = ()
    words: str = ""
    note: str = MISSING
    is_worse: bool = False
    expected: float | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any], share: str, **own: Any) -> Self:
        """The share of this name, with its interval, of a row of a frame; `own` is the rest."""
        return cls(share=row[share], low=row[f"{share}_low"], high=row[f"{share}_high"], **own)

    @property
    def text(self) -> str:
        """The share, or the note."""
        return self.note if self.share is None else percent(self.share)


@dataclass(frozen=True)
class Heads:
    """What the rows are, what the share is, and what each figure is."""

    rows: str
    share: str
    figures: tuple[str, ...] = ()


def measured_rows(rows: Sequence[Measured], heads: Heads, described: str, width: int = WIDTH) -> Layers:
    """The rows below one another; `described` begins the alternative text."""
    right = width - FIGURE * (len(heads.figures) + 1)
    has_words = any(row.words for row in rows)
    left, pad = (round(0.62 * right), PAD) if has_words else (min(0.45 * right, _widest(rows) + 26), SMALL_PAD)
    words = [fonts.wrap(row.words, left - 24, 12, lines=MOST_LINES) if row.words else [] for row in rows]
    heights = [2 * pad + LINE * (1 + len(text)) for text in words]
    tops = [HEAD + sum(heights[:number]) for number in range(len(rows) + 1)]
    canvas = Canvas(width, tops[-1] + FOOT)
    span = (left + 4, right - 28)
    marks = [_mark(row, top + pad + 6, span, rows) for row, top in zip(rows, tops, strict=False)]
    names: list[dict[str, Any]] = [
        {"x": 0, "y": top + pad + 6, "t": fonts.fit(row.name, left - 24, NAME, 600)}
        for row, top in zip(rows, tops, strict=False)
    ]
    below: list[dict[str, Any]] = [
        {"x": 0, "y": top + pad + 9 + LINE, "t": text} for text, top in zip(words, tops, strict=False) if text
    ]
    figures: list[dict[str, Any]] = [
        {"x": right + FIGURE * (place + 2), "y": mark["y"], "t": figure}
        for row, mark in zip(rows, marks, strict=True)
        for place, figure in enumerate(row.figures)
    ]
    titles: list[dict[str, Any]] = [{"x": 0, "y": 8, "t": heads.rows}, {"x": span[0], "y": 8, "t": heads.share}]
    others = [{"x": right + FIGURE * (place + 2), "y": 8, "t": head} for place, head in enumerate(heads.figures)]
    lines = [{"x": 0, "x2": width, "y": top, "y2": top} for top in tops[:-1]]
    layers = [
        canvas.lines(lines, "sep"),
        canvas.texts(titles, "label-head"),
        canvas.texts(names, "label-strong", fontSize=NAME),
        *([canvas.texts(below, "label", lineHeight=LINE)] if below else []),
        *([canvas.texts(others, "label-head", "right")] if others else []),
        *([canvas.texts(figures, "label", "right", fontSize=12.5)] if figures else []),
        *_scale(canvas, tops[-1], span, rows),
        *_dots(canvas, marks),
        canvas.texts([{**mark, "x": right + FIGURE - 4} for mark in marks], "label-strong", "right"),
    ]
    return canvas.layered(layers, _described(rows, described))


def narrow_measured_rows(rows: Sequence[Measured], heads: Heads, described: str, width: int = NARROW) -> Layers:
    """The same for a phone: the share stands below the name, and words and figures below that."""
    words = [
        [
            *(fonts.wrap(row.words, width, 12, lines=2 * MOST_LINES) if row.words else []),
            *(f"{head}: {figure}" for head, figure in zip(heads.figures, row.figures, strict=True)),
        ]
        for row in rows
    ]
    heights = [2 * PAD + 28 + LINE * len(text) + (8 if text else 0) for text in words]
    tops = [HEAD + sum(heights[:number]) for number in range(len(rows) + 1)]
    canvas = Canvas(width, tops[-1] + FOOT)
    span = (4.0, width - 4.0)
    marks = [_mark(row, top + PAD + 24, span, rows) for row, top in zip(rows, tops, strict=False)]
    starts = list(zip(rows, tops, strict=False))
    names = [{"x": 0, "y": top + PAD + 4, "t": fonts.fit(row.name, width - 84, NAME, 600)} for row, top in starts]
    shares = [{"x": width, "y": top + PAD + 4, "t": row.text} for row, top in starts]
    below: list[dict[str, Any]] = [
        {"x": 0, "y": top + PAD + 44, "t": text} for text, top in zip(words, tops, strict=False) if text
    ]
    lines = [{"x": 0, "x2": width, "y": top, "y2": top} for top in tops[:-1]]
    layers = [
        canvas.lines(lines, "sep"),
        canvas.texts([{"x": width, "y": 8, "t": heads.share}], "label-head", "right"),
        canvas.texts(names, "label-strong", fontSize=NAME),
        canvas.texts(shares, "label-strong", "right"),
        *([canvas.texts(below, "label", lineHeight=LINE)] if below else []),
        *_scale(canvas, tops[-1], span, rows),
        *_dots(canvas, marks),
    ]
    return canvas.layered(layers, _described(rows, described))


def _widest(rows: Sequence[Measured]) -> float:
    return max(fonts.width(row.name, NAME, 600) for row in rows)


def _top(rows: Sequence[Measured]) -> float:
    """The end of the scale, which begins at 0."""
    highest = max((end for row in rows for end in (row.high, row.expected) if end is not None), default=0.0)
    return min(1.0, highest * 1.06) or 1.0


def _mark(row: Measured, y: float, span: tuple[float, float], rows: Sequence[Measured]) -> dict[str, Any]:
    def across(share: float) -> float:
        return round(span[0] + (span[1] - span[0]) * share / _top(rows), 1)

    ends = interval(row.low, row.high)
    text = {"t": row.text, "name": row.name, "t_interval": ends, "is_worse": row.is_worse, "y": y, "y2": y}
    text["d"] = f"{row.name}: {row.text}" + (f" ({ends})" if row.share is not None and row.low is not None else "")
    if row.share is None:
        return text
    low, high = (row.share if end is None else end for end in (row.low, row.high))
    ring = {} if row.expected is None else {"ring": across(row.expected), "t_expected": percent(row.expected)}
    return {**text, **ring, "x": across(row.share), "w1": across(low), "w2": across(high)}


def _dots(canvas: Canvas, marks: Sequence[dict[str, Any]]) -> list[alt.Chart]:
    shown = [mark for mark in marks if "x" in mark]
    whiskers = [{**mark, "x": mark["w1"], "x2": mark["w2"]} for mark in shown if mark["w2"] > mark["w1"]]
    tip = tips(name="Row", t="Share", t_interval="95 % interval")
    rings = [{**mark, "x": mark["ring"]} for mark in shown if "ring" in mark]
    layers = [canvas.lines(whiskers, "ci-soft")] if whiskers else []
    layers += [canvas.dots(rings, "dot-open", "circle", tips(name="Row", t_expected="Expected"), 75)] if rings else []
    for is_worse, style in ((False, "dot"), (True, "dot-bad")):
        own = [mark for mark in shown if mark["is_worse"] is is_worse]
        layers += [canvas.dots(own, style, "triangle-down" if is_worse else "circle", tip, 75)] if own else []
    return layers


def _scale(canvas: Canvas, bottom: float, span: tuple[float, float], rows: Sequence[Measured]) -> list[alt.Chart]:
    top = _top(rows)
    places = ticks(0.0, top)
    digits = 0 if all(abs(place * 100 - round(place * 100)) < 1e-6 for place in places) else 1
    at = {place: round(span[0] + (span[1] - span[0]) * place / top, 1) for place in places}
    marks = [{"x": x, "x2": x, "y": bottom + 2, "y2": bottom + 6} for x in at.values()]
    labels: list[dict[str, Any]] = [{"x": x, "y": bottom + 17, "t": percent(place, digits)} for place, x in at.items()]
    far = [label for label in labels[1:] if label["x"] + fonts.width(label["t"], 11) / 2 > canvas.width]
    first, middle = labels[:1], [label for label in labels[1:] if label not in far]
    axis = {"x": span[0], "x2": span[1], "y": bottom + 2, "y2": bottom + 2}
    return [
        canvas.lines([axis, *marks], "sep"),
        canvas.texts(first, "label", "left", fontSize=11),
        *([canvas.texts(middle, "label", "center", fontSize=11)] if middle else []),
        *([canvas.texts([{**one, "x": canvas.width} for one in far], "label", "right", fontSize=11)] if far else []),
    ]


def _described(rows: Sequence[Measured], described: str) -> str:
    told = [f"{row.name}: {row.text}" for row in rows]
    while len(told) > 1 and len("; ".join(told)) > MOST_DESCRIBED:
        told.pop()
    more = f"; and {len(rows) - len(told)} more" if len(told) < len(rows) else ""
    return f"{described} {'; '.join(told)}{more}."
