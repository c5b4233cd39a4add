"""Exports the charts and their numbers: SVG and PNG pictures, and Parquet.

Charts are drawn in light mode, without a browser. Drawing takes as long as the rest of the report, so exports are made
only on request.
"""

from __future__ import annotations

import io

import polars as pl

from reports.charts.svg import drawing, picture
from reports.charts.theme import Spec, config
from reports.pages.cards import Part
from reports.words.tables import as_files


def files_of(part: Part) -> dict[str, bytes]:
    """The part as Parquet, SVG and PNG, by address."""
    files = {part.addresses["parquet"]: _parquet(part.frame)}
    if part.spec is not None:
        spec = _padded(part.spec)
        files |= {part.addresses["svg"]: drawing(spec).encode(), part.addresses["png"]: picture(spec, 2)}
    return files


def _padded(spec: Spec) -> Spec:
    """The chart with padding, which on a page comes from its card."""
    return spec | {"config": config("light") | {"padding": 16}}


def _parquet(frame: pl.DataFrame) -> bytes:
    out = io.BytesIO()
    as_files(frame).write_parquet(out)
    return out.getvalue()
