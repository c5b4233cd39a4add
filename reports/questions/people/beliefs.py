"""What do customers believe at each stage, as far as it may be published?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl

from analytics import Paths, coded_answers
from reports.privacy.people.help import publishable_shares, shares_of_help_in_steps
from reports.privacy.steps import Steps
from reports.questions.intervals import share_interval
from reports.questions.people.asked import Believed
from reports.settings import ReportSettings

BELIEFS: Final = pl.Schema(
    {
        **dict.fromkeys(("stage", "question", "says", "wished"), pl.String()),
        **dict.fromkeys(("part", "whole"), pl.Int64()),
        **dict.fromkeys(("share", "share_low", "share_high"), pl.Float64()),
        "state": pl.String(),
    }
)


def what_they_believe(
    paths: Paths, settings: ReportSettings, believed: Believed | None, steps: Steps
) -> pl.DataFrame | None:
    """The share of customers who gave a wished answer, by stage and question; null without such questions and answers.

    Columns: `stage`, `question` (its code), `says` (its text), `wished` (what the wished answers mean), `part`,
    `whole` (customers who answered it at the stage), `share` with its interval, `state`.
    """
    stages = list(paths.definition.stages) if paths.definition is not None else []
    asked = [each for each in believed.questions if each.kind == "belief" and each.wished] if believed else []
    if believed is None or not asked or not stages or "stage" not in paths.dictionaries:
        return None
    rows = coded_answers(paths, asked, believed.answers).filter(~pl.col("is_total"), pl.col("stage").is_in(stages))
    shares = publishable_shares(_wished(rows.to_dicts()), settings.k, settings.least)
    order, says = {name: place for place, name in enumerate(stages)}, {each.code: each.text for each in asked}
    published = sorted(shares_of_help_in_steps(shares, steps, "beliefs"), key=lambda row: order[row["stage"]])
    table = [{name: (row | {"says": says[row["question"]]})[name] for name in BELIEFS} for row in published]
    return pl.DataFrame(table, schema=BELIEFS).with_columns(pl.col(pl.Float64).round(4)) if table else None


def _wished(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A share per stage and question: of those who answered, those with a wished answer.

    Each is a measure of its own: no total stands beside the stages, as a customer may have answered at several.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        key = (row["stage"], row["question"])
        one = found.setdefault(key, dict(zip(("stage", "question"), key, strict=True)))
        one |= {"measure": "\x1f".join(key), "group": None, "whole": row["answered"]}
        one["part"] = one.get("part", 0) + (row["customers"] if row["is_wished"] else 0)
        one["wished"] = " or ".join(filter(None, [one.get("wished"), row["says"] if row["is_wished"] else None]))
    for one in found.values():
        low, high = share_interval(one["part"], one["whole"])
        one |= {"customers_part": one["part"], "customers_rest": one["whole"] - one["part"]}
        one |= {"share": one["part"] / one["whole"], "share_low": low, "share_high": high}
    return list(found.values())
