"""The themes of what customers wrote, word by word, the quotes that a line of the user's file approves, and what
customers believe, by the last answer of each.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from tests.audit.expected.people import shares_of
from tests.audit.expected.withholding import Allowed, Expected, exact, nothing
from tests.audit.landed.lake import Event, value_of
from tests.audit.landed.settings import DAY
from tests.audit.site import Row
from tests.audit.truth import Truth
from tests.oracles.whole_paths.themes import LOW, Coded, themes_of

SCALES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
SHARE = "theme_share"
WEEK = 7 * DAY


def themes(truth: Truth, told: list[Row]) -> Expected | None:
    """The share of texts with each theme, then that of low scores among them; `told` has the quotes to judge."""
    asked = truth.settings.tables.get("voice", {})
    book = [Coded(theme["name"], theme["any"], theme.get("none", ())) for theme in asked.get("themes", [])]
    if not book or truth.settings.days != (None, None):
        return None
    cells: dict[tuple[str, str | None], list[tuple[Any, int, int]]] = defaultdict(list)
    found: dict[str, set[str]] = {}
    written: dict[str, set[str]] = defaultdict(set)
    for touch in truth.paths.all_touches:
        text = value_of(touch.event, "feedback_text")
        if text is None or not text.strip():
            continue
        own = found.setdefault(text, themes_of(text, book))
        low = _is_low(value_of(touch.event, "survey"), value_of(touch.event, "score"))
        for theme in [*(one.name for one in book), ""]:
            has = theme in own if theme else not own
            cells[SHARE, theme].append((touch.customer, int(has), 1))
            if has and theme:
                written[theme].add(text)
                cells["low_rate", theme] += [] if low is None else [(touch.customer, int(low), 1)]
    order = {name: place for place, name in enumerate([*(one.name for one in book), ""])}
    cells = defaultdict(list, {key: _by_customer(own) for key, own in cells.items() if own})
    expected = shares_of(truth, cells, lambda key: (key[0] != SHARE, order[str(key[1])]))
    if expected is None:
        return None
    shown = {(row["measure"], row["group"]): row for row in told}
    for (measure, theme), own in expected.rows.items():
        row = own
        given = shown.get((measure, theme), {})
        if measure == "low_rate" and shown.get((SHARE, theme), {}).get("state") == "withheld":
            row |= {**dict.fromkeys(row, nothing()), "state": exact("withheld")}
        quotes = [given.get(name) for name in ("quote", "second_quote")]
        row |= _judged(quotes, _approved(truth, asked, written[str(theme)]) if measure == SHARE else [], given)
    return expected


def themes_by_stage(truth: Truth, told: list[Row]) -> Expected | None:
    """The share of texts with each theme at each stage; `told` are the themes of all stages."""
    book = [Coded(one["name"], one["any"], one.get("none", ())) for one in truth.settings.tables["voice"]["themes"]]
    names = truth.settings.stage_names
    cells: dict[tuple[str, str | None], list[tuple[Any, int, int]]] = defaultdict(list)
    for who, own in truth.paths.touches.items():
        for place, touch in enumerate(own):
            text = _text_of(touch.event)
            if text is None:
                continue
            before = [
                other.stage
                for other in own[:place]
                if other.at < touch.at <= other.at + WEEK
                and other.stage is not None
                and _text_of(other.event) is None
                and _is_low(value_of(other.event, "survey"), value_of(other.event, "score")) is None
            ]
            found = themes_of(text, book)
            for theme in (one.name for one in book):
                for stage in (None, names[before[-1]] if before else ""):
                    cells[theme, stage].append((who, int(theme in found), 1))
    order = {name: place for place, name in enumerate([*names, ""])}
    themes_in_order = {one.name: place for place, one in enumerate(book)}
    cells = defaultdict(list, {key: _by_customer(own) for key, own in cells.items()})
    expected = shares_of(
        truth, cells, lambda key: (order[key[1]] if key[1] is not None else -1, themes_in_order[key[0]])
    )
    if expected is None:
        return None
    hidden = {row["group"] for row in told if row["measure"] == SHARE and row["state"] == "withheld"}
    rows = {key: row for key, row in expected.rows.items() if key[1] is not None}
    for (theme, _), row in rows.items():
        if theme in hidden:
            row |= {**dict.fromkeys(row, nothing()), "state": exact("withheld")}
    return Expected(("theme", "stage"), rows, in_order=True)


def _text_of(event: Event) -> str | None:
    text = value_of(event, "feedback_text")
    return text if text is not None and text.strip() else None


def beliefs(truth: Truth) -> Expected | None:
    """The share of customers whose last answer at a stage is a wished one, by stage and question."""
    asked = {
        one["code"]: one
        for one in truth.settings.tables.get("voice", {}).get("questions", [])
        if one.get("kind", "belief") == "belief" and one.get("wish")
    }
    names = truth.settings.stage_names
    if not asked or not names or truth.settings.days != (None, None):
        return None
    told = _told(truth, asked)
    last: dict[tuple[str, str, Any], str] = {}
    for who, own in truth.paths.touches.items():
        for place, touch in enumerate(own):
            for code, answer in told.get(touch.event.id, {}).items():
                stage = asked[code].get("stage")
                before = [
                    other.stage
                    for other in own[:place]
                    if other.at < touch.at <= other.at + WEEK
                    and other.stage is not None
                    and not told.get(other.event.id)
                    and _is_low(value_of(other.event, "survey"), value_of(other.event, "score")) is None
                ]
                if stage or before:
                    last[code, stage or names[before[-1]], who] = answer
    cells: dict[tuple[str, str | None], list[tuple[Any, int, int]]] = defaultdict(list)
    for (code, stage, who), answer in last.items():
        cells[code, stage].append((who, int(answer in _wished(asked[code])), 1))
    order = {name: place for place, name in enumerate(names)}
    found = shares_of(truth, cells, lambda key: order[str(key[1])])
    if found is None:
        return None
    rows = {(stage, code): row for (code, stage), row in found.rows.items()}
    for (_, code), row in rows.items():
        one = asked[str(code)]
        wished = " or ".join(says for name, says in one["answers"].items() if name in _wished(one))
        row |= {"says": exact(one["text"]), "wished": exact(wished)}
    return Expected(("stage", "question"), rows)


def _wished(question: dict[str, Any]) -> list[str]:
    return [question["wish"]] if isinstance(question["wish"], str) else list(question["wish"])


def _told(truth: Truth, asked: Iterable[str]) -> dict[str, dict[str, str]]:
    """The answers of every event; two different ones to a question under one id are none."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for touch in truth.paths.all_touches:
        for code, answer in _answers_of(touch.event, asked):
            found[touch.event.id][code].add(answer)
    return {
        event: {code: next(iter(own)) for code, own in answers.items() if len(own) == 1}
        for event, answers in found.items()
    }


def _answers_of(event: Event, asked: Iterable[str]) -> Iterator[tuple[str, str]]:
    for code in asked:
        answer = value_of(event, f"properties.answers.{code}")
        if answer is not None and answer != "null":
            yield code, answer
        if value_of(event, "properties.question") == code and (answer := value_of(event, "properties.answer")):
            yield code, answer


def _by_customer(units: list[tuple[Any, int, int]]) -> list[tuple[Any, int, int]]:
    """One row per customer: the units that count, and all."""
    sums: dict[Any, list[int]] = defaultdict(lambda: [0, 0])
    for who, part, whole in units:
        sums[who][0] += part
        sums[who][1] += whole
    return [(who, part, whole) for who, (part, whole) in sums.items()]


def _is_low(survey: str | None, score: str | None) -> bool | None:
    lowest, highest = SCALES.get(survey or "", (1, 0))
    if score is None or not lowest <= float(score) <= highest:
        return None
    return float(score) <= LOW[survey or ""]


def _approved(truth: Truth, asked: dict[str, Any], texts: set[str]) -> list[str]:
    """The second halves of the ids of approved quotes of these texts, in the order of the file."""
    file = truth.settings.folder / asked.get("approved_file", "quotes.txt")
    if asked.get("quotes", "approved") == "none" or not file.exists():
        return []
    words = [line.split()[0] for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    halves = {hashlib.sha256(text.encode()).hexdigest()[:8] for text in texts}
    return [word[8:] for word in words if word[0] != "#" and word[:8] in halves]


def _judged(quotes: list[Any], approved: list[str], row: Row) -> dict[str, Allowed]:
    """A quote is one that is approved, in the order of the file; a theme that is withheld has none."""
    judged = {}
    for place, name in enumerate(("quote", "second_quote")):
        wanted = approved[place] if place < len(approved) and row.get("state") != "withheld" else None
        is_it = quotes[place] is not None and hashlib.sha256(quotes[place].encode()).hexdigest()[:8] == wanted
        judged[name] = exact(quotes[place]) if is_it else nothing("not approved" if wanted is None else "another quote")
    return judged
