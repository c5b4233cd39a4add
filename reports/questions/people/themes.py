"""Which themes do customers write of, and what do they say, as far as it may be published?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from analytics import Paths, quotes, themes
from reports.privacy.people.themes import QUOTED, publishable_at_stages, publishable_themes
from reports.privacy.steps import Steps
from reports.questions.people.asked import Spoken
from reports.questions.people.help import NO_STAGE, SHARES
from reports.settings import ReportSettings

SAID: Final = pl.Schema({**SHARES, **dict.fromkeys(QUOTED, pl.String())})
AT_STAGES: Final = pl.Schema(
    {
        **dict.fromkeys(("theme", "stage"), pl.String()),
        **{name: kind for name, kind in SHARES.items() if name not in ("measure", "group")},
    }
)


def what_they_said(paths: Paths, settings: ReportSettings, spoken: Spoken | None, steps: Steps) -> pl.DataFrame | None:
    """The share of texts with each theme, then that of low scores among them; null without a codebook or any text.

    Columns: `measure` (theme_share, low_rate), `group` (the theme; empty: no theme), `part`, `whole`, `share` with its
    interval, `state`, `quote`, `second_quote` (approved and redacted, of theme_share).
    """
    if spoken is None or not spoken.codebook:
        return None
    rows = themes(paths, spoken.codebook, spoken.texts).to_dicts()
    if not rows[0]["texts"]:
        return None
    order = {name: place for place, name in enumerate(spoken.approved)}
    said = quotes(paths, spoken.codebook, spoken.texts, only=spoken.approved).to_dicts()
    said.sort(key=lambda row: order[row["id"]])
    published = publishable_themes(rows, said, settings.k, settings.least, steps)
    frame = pl.DataFrame([{name: row[name] for name in SAID} for row in published], schema=SAID)
    return frame.with_columns(pl.col(pl.Float64).round(4))


def where_they_said_it(
    paths: Paths, settings: ReportSettings, spoken: Spoken | None, steps: Steps
) -> pl.DataFrame | None:
    """The share of the texts at each stage with each theme; null without a codebook, stages or any text.

    The stage is that of the touch before the text. Columns: `theme`, `stage` (empty: none is known), `part`, `whole`
    (all texts at the stage), `share` with its interval, `state`.
    """
    known = list(paths.definition.stages) if paths.definition is not None else []
    if spoken is None or not spoken.codebook or not known or "stage" not in paths.dictionaries:
        return None
    order = {name: place for place, name in enumerate(known)}
    rows = themes(paths, spoken.codebook, spoken.texts, by="stage").to_dicts()
    rows.sort(key=lambda row: order.get(row["stage"], len(order)))
    published = publishable_at_stages(_named(rows), settings.k, settings.least, steps)
    table = [{name: row[name] for name in AT_STAGES} for row in published]
    return pl.DataFrame(table, schema=AT_STAGES).with_columns(pl.col(pl.Float64).round(4)) if table else None


def _named(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows with a text, in which a stage that is not known is the empty one; that of all stages has None."""
    return [{**row, "stage": None if row["is_total"] else row["stage"] or NO_STAGE} for row in rows if row["texts"]]
