"""One funnel as a picture of its own, for a document: the chart of the report as SVG."""

from __future__ import annotations

import polars as pl

from reports import fonts
from reports.published import stages
from reports.theme import VEGA_LITE, config


def funnel_svg(table: pl.DataFrame, *, least_customers: int = 0, least: int = 30) -> str:
    """The rows over all groups of `analytics.funnel`, drawn.

    Counts below `least_customers` are withheld; rates of fewer than `least` are not shown. Shares that are estimates
    (maturity survival) are called so above the bars.
    """
    import vl_convert

    from reports.charts.funnel import stage_funnel

    fonts.register_fonts()
    shown = stages(table.filter("is_total"), least_customers, least)
    chart = stage_funnel(shown, None)
    told = {"title": "Shares are estimates (Kaplan-Meier)"} if "at_risk" in table.columns else {}
    svg: str = vl_convert.vegalite_to_svg(chart.to_dict() | told | {"config": config("light")}, vl_version=VEGA_LITE)
    return svg
