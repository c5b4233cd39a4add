"""Which themes do customers write of, and what do they say, as far as it may be published?"""

from __future__ import annotations

from typing import Final

import polars as pl

from analytics import Paths, quotes, themes
from reports.privacy.people.themes import QUOTED, publishable_themes
from reports.privacy.steps import Steps
from reports.questions.people.asked import Spoken
from reports.questions.people.help import SHARES
from reports.settings import ReportSettings

SAID: Final = pl.Schema({**SHARES, **dict.fromkeys(QUOTED, pl.String())})


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
