"""Warns of a group that is chosen by what is measured: by touches that count as reaching a step, or the goal."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from analytics.engine.notices.unknown_words import levels_to_caller
from analytics.store.paths import Paths


class ChosenByOutcomeWarning(UserWarning):
    """The members of a segment are chosen by what is measured of them. The question is answered as asked."""


def warn_of_outcome(paths: Paths, columns: Iterable[str], outcome: Iterable[str]) -> None:
    """A `ChosenByOutcomeWarning` for each segment among the columns that counts touches of the outcome.

    The outcome are touchpoints, stages written `stage:NAME`, and the goal that ends journeys.
    """
    measured = {*outcome, *(paths.definition.goal if paths.definition else ())}
    for name in dict.fromkeys(columns):
        column = paths.derived.get(name)
        if column is not None and (shared := sorted(column.touchpoints & measured)):
            text = (
                f"Segment {name!r} counts {', '.join(map(repr, shared))}, which is what is measured: "
                "its members are chosen by their outcome. Take the value at the entry."
            )
            warnings.warn(text, ChosenByOutcomeWarning, stacklevel=levels_to_caller())
