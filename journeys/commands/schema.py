"""`journeys schema`: the columns of every answer, for programs that read them."""

from __future__ import annotations

from typing import Annotated

import typer

from journeys import terminal
from journeys.app import AsCsv, AsJson, app, printed_as


@app.command()
def schema(
    measure: Annotated[str | None, typer.Argument(help="Only this measure.", show_default=False)] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List the columns of the answer of every measure, with their types."""
    from analytics import known_value, measure_columns

    columns = measure_columns()
    if measure is not None:
        columns = columns.filter(measure=known_value(columns["measure"].unique(), measure, "measure"))
    terminal.show(columns, printed_as(json=as_json, csv=as_csv))
