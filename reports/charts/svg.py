"""Draws charts without a browser, as SVG or PNG: charts of the report, and a single funnel for other documents."""

from __future__ import annotations

import re

import polars as pl
import vl_convert

from expectations.hidden import without_hidden
from reports.charts import fonts
from reports.charts.theme import VEGA_LITE, Spec, config, specification
from reports.privacy.stages import publishable_stages


def drawing(spec: Spec, name: str = "") -> str:
    """The chart as SVG, with clip paths and gradients numbered from 0, so that equal charts give equal bytes.

    Charts on one page need a `name` each, because these ids must be unique on the page.
    """
    fonts.register_fonts()
    drawn = without_hidden(vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE))
    numbers: dict[str, str] = {}
    return re.sub(
        r"\b(clip|gradient)_?(\d+)\b", lambda m: numbers.setdefault(m[0], f"{m[1]}_{name}{len(numbers)}"), drawn
    )


def picture(spec: Spec, scale: float) -> bytes:
    """The chart as PNG, `scale` pixels a point."""
    fonts.register_fonts()
    drawn: bytes = vl_convert.vegalite_to_png(spec, vl_version=VEGA_LITE, scale=scale)
    return drawn


def funnel_svg(table: pl.DataFrame, *, least_customers: int = 0, least: int = 30) -> str:
    """Draws the total rows of a table of `analytics.funnel` as SVG.

    Counts below `least_customers` are withheld; rates over fewer than `least` customers are not shown. A title marks
    shares that are estimates (maturity survival).
    """
    from reports.charts.stages.funnel import stage_funnel

    shown = publishable_stages(table.filter("is_total"), least_customers, least)
    title = {"title": "Shares are estimates (Kaplan-Meier)"} if "at_risk" in table.columns else {}
    return drawing(specification(stage_funnel(shown, None)) | title | {"config": config("light")})
