"""How long an answer is: counted in tokens, cut where it would be too long, and what is left out is said.

A token is what a language model reads at once. Every model counts its own; here a run of at most six letters or of at
most three digits is one, and so is any other character but a blank. That is no fewer than models count of such answers.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from expectations.hidden import escaped, without_hidden

AIM: Final = 400
"""Tokens that an answer has at most, unless more rows are asked for."""
MOST_TOKENS: Final = 3_600
"""Tokens that an answer has at most, whatever is asked."""
MOST_ROWS: Final = 200
LONGEST_NAME: Final = 80
"""Characters of a name."""
LONGEST_TEXT: Final = 300
"""Characters of a sentence."""
_TOKEN: Final = re.compile(r"[A-Za-z]{1,6}|\d{1,3}|[^\sA-Za-z\d]")
_PLACES: Final = 4


def tokens_of(text: str) -> int:
    """About how many tokens a text has.

    >>> tokens_of('{"reached":18562}'), tokens_of("Product page")
    (9, 3)
    """
    return sum(1 for _ in _TOKEN.finditer(text))


def as_line(answer: Mapping[str, Any]) -> str:
    """An answer as JSON in one line, in which no character acts."""
    return escaped(json.dumps(answer, ensure_ascii=False, separators=(",", ":")))


def harmless_value(value: Any, longest: int = LONGEST_NAME) -> Any:
    """A value as JSON has it: a number with four digits, a time as text, a text without hidden characters and cut.

    >>> harmless_value(0.268882), harmless_value(1131527.06), harmless_value(timedelta(minutes=2))
    (0.2689, 1131527, 120)
    """
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        rounded = float(f"{value:.{_PLACES}g}") if abs(value) < 10**_PLACES else round(value)
        return int(rounded) if rounded == int(rounded) else rounded
    if isinstance(value, list | tuple):
        return [harmless_value(one, longest) for one in value]
    shown = value.isoformat() if isinstance(value, datetime | date) else str(value)
    text = " ".join(without_hidden(shown).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def fitted(answer: dict[str, Any], most: int | None = None, key: str = "rows") -> dict[str, Any]:
    """The answer with as many of its rows as fit; `left_out` says how many do not.

    Without a number of rows asked for (`most`) it is kept short. One row is there, if it fits at all.
    """
    rows, limit = list(answer.get(key, ())), AIM if most is None else MOST_TOKENS
    room = limit - tokens_of(as_line(answer | {key: [], "left_out": len(rows)}))
    kept: list[Any] = []
    for row in rows[: MOST_ROWS if most is None else min(most, MOST_ROWS)]:
        room -= tokens_of(as_line({"": row})) - 4
        if room < 0 and (kept or limit == MOST_TOKENS):
            break
        kept.append(row)
    if key not in answer or len(kept) == len(rows):
        return answer
    return {**answer, key: kept, "left_out": len(rows) - len(kept)}
