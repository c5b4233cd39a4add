"""`journeys sql`: SQL over what reports told, and on the machine of the lake over touches."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Final, TypeAlias

import typer

from expectations.errors import DefinitionError, StorageError
from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, printed_as, settings_of, touches_out

if TYPE_CHECKING:
    import duckdb
    import polars as pl

    from journeys.settings import Settings

    Table: TypeAlias = pl.DataFrame | pl.LazyFrame

_CLOSED: Final = ("enable_external_access", "python_enable_replacements")
"""What could read files, or variables of this process."""
_TOLD: Final = ("report", "report_at", "report_definitions", "report_row")
EVERY: Final = "(every card)"
"""Stands for all cards in the list of tables."""
LIMIT_SECONDS: Final = 30.0
"""The longest time of a query that a program thinks of."""


@app.command()
def sql(
    query: Annotated[str | None, typer.Argument(help="A query; without one, the tables are listed.")] = None,
    mine: Annotated[
        bool, typer.Option("--mine", help="Also table touches, a row per touch, for eyes that may see the lake.")
    ] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Ask the numbers that reports told, in SQL (DuckDB).

    Every card of a report is a table with the rows of all reports that the lake keeps: report, report_at,
    report_definitions, report_row, then the columns of its CSV. Small counts are withheld in them as they are in the
    reports. Nothing is written, and no file is read.

    Example: journeys sql "select report_at, goal, goal_rate from goals order by report_at"
    """
    settings = settings_of(config)
    tables = _tables(settings, mine=mine)
    how = printed_as(json=as_json, csv=as_csv)
    if query is None:
        terminal.show(_listed(tables), how)
        return
    terminal.show(answered_sql(tables, query), how)
    if how is terminal.As.table:
        note = (
            "mine: touches are no published numbers"
            if mine
            else f"published: counts under {settings.report.k} withheld"
        )
        terminal.err.print(f"  {note}", style="dim", markup=False)


def _tables(settings: Settings, *, mine: bool) -> dict[str, Table]:
    from reports.site.receipts.answers import told_answers

    tables: dict[str, Table] = dict(told_answers(settings.lake))
    if mine:
        tables["touches"] = touches_out(settings)
    if not tables:
        raise StorageError("The lake keeps no report.", where=settings.lake.table("reported"), do="journeys report")
    return tables


def _listed(tables: Mapping[str, Table]) -> pl.DataFrame:
    import polars as pl

    rows = list(sql_schema(tables).items())
    return pl.DataFrame(rows, schema={"table": pl.String, "columns": pl.String}, orient="row")


def sql_schema(tables: Mapping[str, Table]) -> dict[str, str]:
    """The columns of every table by its name, in short: what all cards have stands once, under `EVERY`, and `share±`
    is `share`, `share_low` and `share_high`.
    """
    schema = {name: frame.lazy().collect_schema().names() for name, frame in sorted(tables.items())}
    told = [name for name, columns in schema.items() if columns[: len(_TOLD)] == list(_TOLD)]
    every = {EVERY: ", ".join(_TOLD)} if told else {}
    return every | {name: _in_short(schema[name][len(_TOLD) if name in told else 0 :]) for name in schema}


def _in_short(columns: Sequence[str]) -> str:
    ends = {name: (f"{name}_low", f"{name}_high") for name in columns}
    whole = {name: pair for name, pair in ends.items() if set(pair) <= {*columns}}
    taken = {end for pair in whole.values() for end in pair}
    return ", ".join(f"{name}±" if name in whole else name for name in columns if name not in taken)


def answered_sql(tables: Mapping[str, Table], query: str, most: int | None = None) -> pl.DataFrame:
    """The rows that one query gives over these tables, on a connection that reads and writes nothing else.

    `most` is for queries that a program thinks of: no more rows than that, and no longer than `LIMIT_SECONDS`. Raises
    `DefinitionError` for a query that is none, does more than to ask, or takes longer.
    """
    import duckdb
    import polars as pl
    from arro3.core import Table as ArrowTable

    try:
        with duckdb.connect(
            config={"enable_external_access": False, "python_enable_replacements": False}
        ) as connection:
            statements = connection.extract_statements(query)
            if [each.type for each in statements] != [duckdb.StatementType.SELECT]:
                kinds = ", ".join(each.type.name for each in statements) or "nothing"
                raise DefinitionError("Only one query can be asked.", expected="select ...", found=kinds)
            for name, frame in tables.items():
                connection.register(name, frame)
            connection.execute("set lock_configuration = true")
            answer = connection.sql(query)
            answer = answer if most is None else answer.limit(most)
            twice = sorted({name for name in answer.columns if answer.columns.count(name) > 1})
            if twice:
                raise DefinitionError("Two columns have one name.", found=", ".join(twice), do="name one: ... as other")
            with _stopped_in_time(connection, most is not None):
                return pl.DataFrame(ArrowTable.from_arrow(answer))  # polars alone would keep objects of DuckDB
    except duckdb.InterruptException:
        raise DefinitionError(
            f"The query took longer than {LIMIT_SECONDS:.0f} seconds.", do="ask fewer rows, or join fewer tables"
        ) from None
    except duckdb.Error as error:
        said, *_ = str(error).split("\n\n")
        names = ", ".join(sorted(tables))
        raise DefinitionError(
            "The query cannot be answered.", expected=f"DuckDB's SQL over {names}", found=" ".join(said.split())
        ) from None


@contextmanager
def _stopped_in_time(connection: duckdb.DuckDBPyConnection, is_limited: bool) -> Iterator[None]:
    """Interrupts a limited query that takes too long."""
    timer = threading.Timer(LIMIT_SECONDS, connection.interrupt)
    timer.daemon = True
    if is_limited:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()
