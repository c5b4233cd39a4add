"""`[releases]` of journeys.toml: what was released when, as the report marks it and `journeys why` tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytics import ReleaseSettings
    from journeys.settings import Settings


def releases_in(settings: Settings) -> ReleaseSettings:
    """`[releases]` with the rows of its file among its marks.

    Raises `ConfigurationError` for a column that touches cannot have, and `InputError` for a file that cannot be read.
    """
    import polars as pl

    from analytics import noted_releases, touch_schema

    written = settings.releases
    known = [name for name, dtype in touch_schema(settings.paths).items() if isinstance(dtype, pl.String)]
    settings.check_known(("releases", "columns"), "column of text of touches", written.columns or (), known)
    file = written.file
    noted = () if file is None else settings.read_rows(file, noted_releases, "releases", "on and name")
    return written.model_copy(update={"marks": (*written.marks, *noted), "file": None})
