"""Charts as SVG, drawn without a browser: those of the report, and one funnel of its own for a document."""

from __future__ import annotations

import re

import polars as pl
import vl_convert

from reports.charts import fonts
from reports.charts.theme import VEGA_LITE, Spec, config
from reports.privacy.stages import stages


def drawing(spec: Spec, name: str = "") -> str:
    """The chart as SVG. What the drawing library numbers through all charts of a process is numbered from 0 here.

    Charts of one page need a `name` each, because what is numbered is found by its number all over the page.
    """
    fonts.register_fonts()
    drawn: str = vl_convert.vegalite_to_svg(spec, vl_version=VEGA_LITE)
    numbers: dict[str, str] = {}
    return re.sub(
        r"\b(clip|gradient)_?(\d+)\b", lambda m: numbers.setdefault(m[0], f"{m[1]}_{name}{len(numbers)}"), drawn
    )


def funnel_svg(table: pl.DataFrame, *, least_customers: int = 0, least: int = 30) -> str:
    """The rows over all groups of `analytics.funnel`, drawn.

    Counts below `least_customers` are withheld; rates of fewer than `least` are not shown. Shares that are estimates
    (maturity survival) are called so above the bars.
    """
    from reports.charts.stages.funnel import stage_funnel

    shown = stages(table.filter("is_total"), least_customers, least)
    chart = stage_funnel(shown, None)
    told = {"title": "Shares are estimates (Kaplan-Meier)"} if "at_risk" in table.columns else {}
    return drawing(chart.to_dict() | told | {"config": config("light")})
