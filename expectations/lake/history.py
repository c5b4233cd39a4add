"""Keeps rows that belong to runs in a Delta table outside the lake, for the tools that read their history there."""

from __future__ import annotations

import polars as pl
from deltalake.exceptions import CommitFailedError, DeltaError

from expectations.errors import StorageError, said
from expectations.lake import files
from expectations.lake.tables import open_delta_if_any, scan_table
from expectations.retries import retrying


def keep_history(address: str, rows: pl.DataFrame, run: str = "report") -> int:
    """Makes a Delta table hold these rows, each of which belongs to a `run`; how many rows were written.

    Rows of runs that the table has already are not written again, and columns that are new are added. Where the table
    holds a run that is not among the rows, or a column has another type now, it is written anew, without versions of
    before: so what is withdrawn is in no file of the table.

    Raises `StorageError` where the folder holds something else, or cannot be written.
    """
    try:
        table = open_delta_if_any(address)
        if table is None:
            if files.names(address):
                raise _foreign(address)
            retrying(CommitFailedError)(rows.write_delta, address, mode="error")
            return len(rows)
        stored = scan_table(table)
        schema = stored.collect_schema()
        if run not in schema:
            raise _foreign(address)
        known = stored.select(pl.col(run).unique()).collect().to_series()
        is_gone = not known.is_in(rows[run].unique().implode()).all()
        if is_gone or any(schema.get(name, dtype) != dtype for name, dtype in rows.schema.items()):
            files.remove(address)
            retrying(CommitFailedError)(rows.write_delta, address, mode="error")
            return len(rows)
        new = rows.filter(~pl.col(run).is_in(known.implode()))
        if not new.is_empty():
            merged = {"schema_mode": "merge"}
            retrying(CommitFailedError)(new.write_delta, address, mode="append", delta_write_options=merged)
        return len(new)
    except (DeltaError, OSError) as error:
        raise StorageError("The table cannot be written.", where=address, found=said(error)) from error


def _foreign(address: str) -> StorageError:
    return StorageError(
        "The folder holds something else.",
        where=address,
        expected="no such folder, or one that this command wrote",
        do="name another folder with --to",
    )
