"""Defines the colours and type of all charts, as Vega-Lite configuration.

A chart holds no colours, only names of styles; light, dark and print draw the same chart with another configuration.
Contrasts (on the surface of their mode): ink at least 16:1, second ink 7.7, third ink 4.9; categories at least 3:1 and
distinguishable with any colour vision.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, Literal

import altair as alt
from altair.utils.schemapi import debug_mode

from expectations.hidden import shown_throughout
from reports.charts.fonts import FAMILY

Spec = dict[str, Any]


Mode = Literal["light", "dark"]
MODES: Final[tuple[Mode, ...]] = ("light", "dark")
VEGA_LITE: Final = "6.4"

TOKENS: Final[dict[Mode, dict[str, str]]] = {
    "light": {
        "page": "#F5F6F8",
        "surface": "#FFFFFF",
        "ink": "#17202E",
        "ink2": "#47536A",
        "ink3": "#667287",
        "grid": "#E7EAF0",
        "axis": "#BCC5D2",
        "ghost": "#E9EDF4",
        "ghostline": "#C5CEDC",
        "primary": "#1F4E9E",
        "accent": "#C4540A",
        "good": "#0B7A6F",
        "bad": "#AB3205",
        "muted": "#B6C2D6",
        "flow": "#8FA6CC",
        "band": "#DCE6F5",
        "onprimary": "#FFFFFF",
    },
    "dark": {
        "page": "#0F131A",
        "surface": "#171C25",
        "ink": "#EDF1F7",
        "ink2": "#BAC4D3",
        "ink3": "#93A0B4",
        "grid": "#2A3240",
        "axis": "#465266",
        "ghost": "#242C39",
        "ghostline": "#3C475A",
        "primary": "#7FB0F5",
        "accent": "#F08A45",
        "good": "#5AD8BE",
        "bad": "#F58B5C",
        "muted": "#4A5870",
        "flow": "#55719E",
        "band": "#22324C",
        "onprimary": "#0F131A",
    },
}
CATEGORIES: Final[dict[Mode, list[str]]] = {
    "light": ["#1F4E9E", "#D9630B", "#21A399", "#7E1E52", "#9469E9", "#AB3205"],
    "dark": ["#7FB0F5", "#DD611A", "#5AEAC2", "#A86495", "#6475F4", "#F8B124"],
}
SEQUENTIAL: Final[dict[Mode, list[str]]] = {
    "light": ["#F1F5FB", "#D6E2F3", "#AFC6E8", "#7FA3D8", "#4E7CC0", "#2A5AA8", "#163B7D"],
    "dark": ["#1C2431", "#213453", "#2A4B7D", "#3B67A8", "#5A8BD0", "#8AB4EE", "#C9DEFF"],
}

Style = dict[str, Any]


def config(mode: Mode) -> dict[str, Any]:
    """The Vega-Lite configuration of one mode; added to a chart when it is drawn.

    >>> config("dark")["background"]
    '#171C25'
    """
    tokens = TOKENS[mode]
    quiet = {"labelFontSize": 12, "titleFontSize": 12}
    inked = {"labelColor": tokens["ink2"], "titleColor": tokens["ink2"], "titleFontWeight": 500, "titleLimit": 400}
    return {
        "background": tokens["surface"],
        "padding": {"left": 0, "right": 0, "top": 4, "bottom": 4},
        "font": FAMILY,
        "view": {"stroke": None, "continuousWidth": 520, "continuousHeight": 280},
        "axis": {
            **quiet,
            **inked,
            "domainColor": tokens["axis"],
            "tickColor": tokens["axis"],
            "gridColor": tokens["grid"],
            "gridWidth": 1,
            "labelPadding": 6,
            "titlePadding": 10,
            "tickSize": 4,
            "labelLimit": 240,
        },
        "axisY": {"domain": False, "ticks": False},
        "axisBand": {"domain": False, "ticks": False, "grid": False},
        "axisQuantitative": {"domain": False, "ticks": False},
        "axisTemporal": {"grid": False},
        "title": {"fontSize": 13, "fontWeight": 600, "color": tokens["ink"], "anchor": "start"},
        "legend": {
            **quiet,
            **inked,
            "orient": "top",
            "direction": "horizontal",
            "titleAnchor": "start",
            "labelLimit": 220,
            "gradientLength": 160,
            "gradientThickness": 10,
        },
        "range": {
            "category": CATEGORIES[mode],
            "ordinal": SEQUENTIAL[mode],
            "heatmap": SEQUENTIAL[mode],
            "ramp": SEQUENTIAL[mode],
        },
        **_marks(tokens),
        "style": {**_text_styles(tokens), **_mark_styles(tokens)},
        "aria": True,
    }


MAX_DESCRIPTION: Final = 300
"""Characters of the description of a chart."""
REST: Final = "The rest is in the table."


def specification(chart: alt.TopLevelMixin, *, checked: bool = False) -> dict[str, Any]:
    """The chart as a Vega-Lite specification without configuration, which is added when it is drawn.

    Its data are named datasets, its description has at most `MAX_DESCRIPTION` characters, and no text has a hidden
    character, such as NUL, of which the library that draws would die. `checked` validates it against the schema, which
    takes as long again.
    """
    with alt.theme.enable("none"):
        spec: dict[str, Any] = chart.to_dict(validate=checked)
    spec.pop("config", None)
    for part in (spec, *spec.get("vconcat", ())):
        if "description" in part:
            part["description"] = alternative_text(part["description"])
    shown: dict[str, Any] = shown_throughout({"datasets": {}} | spec)
    return shown


def alternative_text(text: str, most: int = MAX_DESCRIPTION) -> str:
    """A description for screen readers: its first whole sentences and parts that fit, and where the rest is.

    >>> alternative_text("Funnel of 2 stages. Look: 90 journeys. Buy: 12 journeys.", 50)
    'Funnel of 2 stages. The rest is in the table.'
    """
    if len(text) <= most:
        return text
    room = most - len(REST) - 1
    ends = [found.start() + 1 for found in re.finditer(r"[;.] ", text[: room + 1])]
    kept = text[: ends[-1]].rstrip(";.") + "." if ends else text[: room - 1].rstrip() + "…"
    return f"{kept} {REST}"


@contextmanager
def unchecked() -> Iterator[None]:
    """Charts built within this block skip Altair's validation, which takes most of their building time."""
    with debug_mode(False):
        yield


def _marks(tokens: dict[str, str]) -> dict[str, Style]:
    primary = tokens["primary"]
    return {
        "bar": {"color": primary},
        "line": {"color": primary, "strokeWidth": 2.25, "strokeCap": "round", "strokeJoin": "round"},
        "point": {"color": primary, "filled": True, "size": 60},
        "area": {"color": primary, "opacity": 0.9},
        "rule": {"color": tokens["ink3"]},
        "text": {"color": tokens["ink2"]},
        "rect": {"color": primary},
    }


def _text_styles(tokens: dict[str, str]) -> dict[str, Style]:
    def text(colour: str, size: float = 12, weight: int = 400, **more: Any) -> Style:
        return {"fontSize": size, "fontWeight": weight, "color": tokens[colour], **more}

    halo: Style = {"stroke": tokens["surface"], "strokeWidth": 3.5, "strokeJoin": "round", "strokeOpacity": 0.8}
    return {
        "label": text("ink2"),
        "label-ink": text("ink"),
        "label-strong": text("ink", weight=600),
        "label-muted": text("ink3", size=11.5),
        "label-head": text("ink3", size=11, weight=500),
        "label-bad": text("bad", weight=600),
        "label-on": text("onprimary", weight=600),
        "label-title": text("ink", size=14, weight=600),
        "halo": text("surface", **halo),
        "halo-strong": text("surface", weight=600, **halo),
    }


def _groups(tokens: dict[str, str]) -> dict[str, Style]:
    """Lines, bands and dots of the second to fourth group of a chart with several."""
    mode: Mode = "light" if tokens is TOKENS["light"] else "dark"
    styles: dict[str, Style] = {"area-primary": {"color": tokens["primary"]}}
    for number, colour in enumerate(CATEGORIES[mode][1:4], 2):
        styles[f"line-{number}"] = {"color": colour, "strokeWidth": 2.25}
        styles[f"area-{number}"] = {"color": colour}
        styles[f"dot-{number}"] = {"color": colour, "stroke": tokens["surface"], "strokeWidth": 1.5}
    return styles


def _mark_styles(tokens: dict[str, str]) -> dict[str, Style]:
    ring = {"stroke": tokens["surface"], "strokeWidth": 1.5}
    return {
        "bar-primary": {"color": tokens["primary"]},
        "bar-muted": {"color": tokens["muted"]},
        "bar-bad": {"color": tokens["bad"]},
        "ghost": {"color": tokens["ghost"], "stroke": tokens["ghostline"], "strokeWidth": 1},
        "ghost-soft": {"color": tokens["ghost"]},
        "band": {"color": tokens["band"]},
        "ci": {"color": tokens["ink"], "strokeWidth": 1.5},
        "ci-soft": {"color": tokens["ink3"], "strokeWidth": 1.5},
        "ref": {"color": tokens["ink3"], "strokeWidth": 1.25, "strokeDash": [4, 3]},
        "sep": {"color": tokens["grid"], "strokeWidth": 1},
        "dot": {"color": tokens["primary"], **ring},
        "dot-bad": {"color": tokens["bad"], **ring},
        "dot-open": {"color": tokens["surface"], "stroke": tokens["ink3"], "strokeWidth": 1.5},
        "flow": {"color": tokens["flow"]},
        "flow-hi": {"color": tokens["accent"]},
        "edge": {"color": tokens["flow"]},
        "node": {"color": tokens["primary"]},
        "node-exit": {"color": tokens["ink3"]},
        "node-goal": {"color": tokens["good"]},
        **_groups(tokens),
        "tick-all": {"color": tokens["ink"]},
        "line-primary": {"color": tokens["primary"], "strokeWidth": 2.25},
    }
