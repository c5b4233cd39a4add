"""Draws marks at computed pixels, for charts whose layout is not a scale of the data.

Every row of data carries its pixels (`x`, `y`, `x2`, `y2`); a chart of such marks is one view, quick to build and to
draw. Free shapes (ribbons, arrows) are points of size 4, at which one unit of an SVG path is one pixel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import altair as alt

NARROW: Final = 316
"""Width of a chart on a phone, in pixels: a screen of 375 without its margins."""
PAPER: Final = 702
"""Width of a chart on an A4 sheet, in pixels of 96 an inch: 210 mm without its margins."""
Row = Mapping[str, Any]


class Layers(alt.TopLevelMixin, alt.TopLevelLayerSpec):
    """Charts over one another in one view. Unlike `alt.LayerChart` it takes the charts as they are, without copies."""


class Below(alt.TopLevelMixin, alt.TopLevelVConcatSpec):
    """Charts below one another, taken as they are."""


class Beside(alt.TopLevelMixin, alt.TopLevelHConcatSpec):
    """Charts beside one another, taken as they are."""


Align = Literal["left", "center", "right"]


def chart_of(rows: Iterable[Row]) -> alt.Chart:
    """A chart over inline rows; a tuple, because lists are copied whenever charts are combined."""
    return alt.Chart(alt.InlineData(values=tuple(dict(row) for row in rows)))


def tips(**titles: str) -> list[alt.Tooltip]:
    """A tooltip from field names and their titles; every field is already text."""
    return [alt.Tooltip(f"{field}:N", title=title) for field, title in titles.items()]


def only(rows: Iterable[Row], *fields: str, tooltip: Any = None) -> list[dict[str, Any]]:
    """The rows reduced to these fields and those of the tooltip, so that unused fields stay out of the page."""
    names = dict.fromkeys([*fields, *(str(tip["shorthand"]).removesuffix(":N") for tip in tooltip or ())])
    return [{name: _pixel(row[name]) for name in names if name in row} for row in rows]


def _pixel(value: Any) -> Any:
    """A number rounded to a tenth of a pixel."""
    return round(value, 1) if isinstance(value, float) else value


@dataclass(frozen=True)
class Canvas:
    """An area of `width` times `height` pixels; y runs down."""

    width: float
    height: float

    def x(self, field: str = "x") -> alt.X:
        """Position across."""
        return alt.X(f"{field}:Q", axis=None, scale=alt.Scale(domain=[0, self.width], nice=False, zero=False))

    def y(self, field: str = "y") -> alt.Y:
        """Position down."""
        return alt.Y(f"{field}:Q", axis=None, scale=alt.Scale(domain=[self.height, 0], nice=False, zero=False))

    def texts(self, rows: Sequence[Row], style: str, align: Align = "left", **mark: Any) -> alt.Chart:
        """The text `t` of every row at its `x` and `y`."""
        mark = {"baseline": "middle", "aria": False, **mark}
        marked = chart_of(only(rows, "x", "y", "t")).mark_text(style=style, align=align, **mark)
        return cast("alt.Chart", marked.encode(self.x(), self.y(), alt.Text("t:N")))

    def rects(self, rows: Sequence[Row], style: str, tooltip: Any = None, **mark: Any) -> alt.Chart:
        """A rectangle from (`x`, `y`) to (`x2`, `y2`); described to a screen reader by `d` when it has a tooltip."""
        kept = only(rows, "x", "x2", "y", "y2", *(["d"] if tooltip else []), tooltip=tooltip)
        marked = chart_of(kept).mark_rect(style=style, opacity=1, aria=tooltip is not None, **mark)
        encoded = marked.encode(self.x(), self.y(), alt.X2("x2:Q"), alt.Y2("y2:Q"))
        return cast(
            "alt.Chart",
            encoded if tooltip is None else encoded.encode(tooltip=tooltip, description=alt.Description("d:N")),
        )

    def lines(self, rows: Sequence[Row], style: str, **mark: Any) -> alt.Chart:
        """A straight line from (`x`, `y`) to (`x2`, `y2`)."""
        marked = chart_of(only(rows, "x", "x2", "y", "y2")).mark_rule(style=style, aria=False, **mark)
        return cast("alt.Chart", marked.encode(self.x(), self.y(), alt.X2("x2:Q"), alt.Y2("y2:Q")))

    def dots(self, rows: Sequence[Row], style: str, shape: str, tooltip: Any, size: float = 70) -> alt.Chart:
        """A symbol at (`x`, `y`), described by `d`."""
        kept = only(rows, "x", "y", "d", tooltip=tooltip)
        marked = chart_of(kept).mark_point(style=style, shape=shape, size=size, filled=True, opacity=1)
        return cast("alt.Chart", marked.encode(self.x(), self.y(), tooltip=tooltip, description=alt.Description("d:N")))

    def layered(self, layers: Sequence[alt.Chart], description: str) -> Layers:
        """All marks as one chart, with its description for screen readers."""
        return Layers(
            layer=list(layers),
            width=self.width,
            height=self.height,
            description=description,
            resolve=alt.Resolve(scale=alt.ScaleResolveMap(fill="independent")),
        )
