"""Judges every computed text of a site: a text must be made of sentences that a rule knows, each of them true.

A rule is a pattern with a judge, which gets what the truth claims, the text, and the parts of the pattern, and returns
whether the sentence is true. A text that no rule can read to its end is *not judged*, which counts as a difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from tests.audit.certainty import Share, difference, quantile, wilson
from tests.audit.claims import Claims
from tests.audit.expected import groups, periods, problems
from tests.audit.expected.routes import ShareText, flow_rounds, leaving, share_text
from tests.audit.expected.since import changed
from tests.audit.expected.stages import bin_name, bins_of, curve_column, people
from tests.audit.expected.withholding import small
from tests.audit.outcome import Outcome
from tests.audit.site import Row, Site, Text
from tests.audit.truth import Truth
from tests.audit.words import (
    MONTHS,
    NUMBER,
    PERCENT,
    QUOTED,
    WAIT,
    agrees,
    day,
    days_of,
    length,
    minute,
    number,
    percent,
    period,
    plain,
    shown,
    wait,
)

Judge = Callable[..., bool]
RULES: list[tuple[re.Pattern[str], Judge]] = []
MOST_CHARACTERS = 300
"""Of an alternative text."""
FRACTIONS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
INTERVAL = rf"({NUMBER})–({NUMBER})"
LENGTH = r"(\d+ (?:day|hour|minute)s?)"
DATES = r"(\d{1,2}(?: [A-Z][a-z]{2})?(?: \d{4})?(?: – \d{1,2} [A-Z][a-z]{2} \d{4})?)"
WAYS = {"by a login": "login", "by a device they logged in on": "device", "by the session": "session",
        "as an unknown visitor": "anonymous"}  # fmt: skip


def rule(pattern: str) -> Callable[[Judge], Judge]:
    """Registers the judge of sentences with this pattern."""

    def register(judge: Judge) -> Judge:
        RULES.append((re.compile(pattern), judge))
        return judge

    return register


def judge(outcome: Outcome, site: Site, truth: Truth) -> None:
    """Judges all texts of the site, each wording at a place once."""
    claims, seen = Claims(truth, site), set()
    for text in site.texts:
        words = plain(text.words)
        known = (text.place, text.card, words)
        if not words or text.place == "value label" or known in seen:
            continue
        seen.add(known)
        where = f"{text.page}: {text.place}{f' of {text.card}' if text.card else ''}"
        if text.place == "alternative text" and len(words) > MOST_CHARACTERS:
            outcome.differs(where, f"{len(words)} characters, where {MOST_CHARACTERS} are allowed: {words[:60]!r} ..")
        for problem in _problems(claims, text, words):
            outcome.differs(where, problem)
        outcome.sentences[f"{text.place}"] += 1


def _problems(claims: Claims, text: Text, words: str) -> list[str]:
    place, problems = 0, []
    while place < len(words):
        found = [(match, judge_) for pattern, judge_ in RULES if (match := pattern.match(words, place)) and match[0]]
        if not found:
            return [*problems, f"not judged, as no rule of the audit reads it: {words[place:]!r}"]
        verdicts = []
        for match, judge_ in found:
            try:
                verdicts.append((judge_(claims, text, *match.groups()), match))
            except (KeyError, ValueError, AttributeError, TypeError, IndexError, StopIteration):
                verdicts.append((False, match))
        right = [match for is_true, match in verdicts if is_true]
        match = max(right or [match for _, match in verdicts], key=lambda match: match.end())
        if not right:
            problems.append(f"not true: {match[0]!r} in {words!r}")
        place = match.end() + (words[match.end() : match.end() + 1] == " ")
    return problems


def _ends(low: str, high: str, share: Share | None) -> bool:
    return share is not None and share.ends is not None and percent(low, share.ends[0]) and percent(high, share.ends[1])


def _step(claims: Claims, before: str, name: str) -> int | None:
    steps = [shown(step) for step in claims.truth.settings.steps]
    found = [i + 1 for i in range(1, len(steps)) if steps[i] == name and before in ("", steps[i - 1])]
    return found[0] if found else None


def _is_goal(claims: Claims, name: str) -> bool:
    return name == shown(claims.truth.settings.goal)


# The headline


@rule(rf"{PERCENT} of journeys reach {QUOTED}")
def _(c: Claims, _: Text, rate: str, goal: str) -> bool:
    return _is_goal(c, goal) and percent(rate, c.goal_rate.value)


@rule(rf"(Half|(?:About )?([Oo]ne|two|three) in (\w+)) (?:of the )?journeys reach(?:es)? {QUOTED}")
def _(c: Claims, _: Text, whole: str, above: str | None, below: str | None, goal: str) -> bool:
    said = 0.5 if whole == "Half" else (FRACTIONS.index((above or "").lower()) + 1) / (FRACTIONS.index(below or "") + 1)
    share, close = c.goal_rate.value or 0.0, 0.04 if whole.startswith("About") else 0.0101
    return _is_goal(c, goal) and abs(share / said - 1) < close


@rule(rf"Between (\d+) % and (\d+) % of journeys reach {QUOTED}")
def _(c: Claims, _: Text, low: str, high: str, goal: str) -> bool:
    ends = c.goal_rate.ends or (0.0, 0.0)
    return _is_goal(c, goal) and 0 <= ends[0] * 100 - number(low) < 1 and 0 <= number(high) - ends[1] * 100 < 1


@rule(rf"(Every|Nearly every) journey reaches {QUOTED}")
def _(c: Claims, _: Text, how: str, goal: str) -> bool:
    share = c.goal_rate.value or 0.0
    return _is_goal(c, goal) and (share == 1.0 if how == "Every" else 0.9995 <= share < 1.0)


@rule(r"Too few journeys so far to say how many reach the goal")
def _(c: Claims, _: Text) -> bool:
    return c.site.frames["funnel"][-1]["share_of_entered"] is None


@rule(rf"No journey has reached {QUOTED} within its window yet")
def _(c: Claims, _: Text, goal: str) -> bool:
    return _is_goal(c, goal) and not c.truth.funnel[-1].reached


@rule(rf"; most stop at {QUOTED} → {QUOTED}")
def _(c: Claims, _: Text, before: str, name: str) -> bool:
    return c.weakest == c.largest_loss == _step(c, before, name)


@rule(rf"; the weakest step is {QUOTED} → {QUOTED}")
def _(c: Claims, _: Text, before: str, name: str) -> bool:
    return c.weakest is not None and c.weakest == _step(c, before, name)


@rule(rf"By any route, within {LENGTH} of their beginning: ({NUMBER}) of ({NUMBER}) journeys \(95 %: {INTERVAL}\)\.")
def _(c: Claims, _: Text, within: str, part: str, whole: str, low: str, high: str) -> bool:
    rate = c.goal_rate
    counts = agrees(part, rate.part) and agrees(whole, rate.whole)
    return counts and within == length(c.truth.settings.window) and _ends(low, high, rate)


@rule(rf"A rate within {LENGTH} needs more mature journeys: (?:fewer than (\d+)|({NUMBER})) so far\.")
def _(c: Claims, _: Text, within: str, fewer: str | None, many: str | None) -> bool:
    whole = len(c.truth.mature)
    right = agrees(many, whole) if many else small(people(c.truth.mature), c.k) and fewer == str(c.k)
    return right and within == length(c.truth.settings.window)


@rule(rf"{PERCENT} went through all stages in order\.")
def _(c: Claims, _: Text, rate: str) -> bool:
    return percent(rate, sum(walk.all_stages for walk in c.truth.mature) / len(c.truth.mature))


@rule(rf"({NUMBER}) journeys are younger than {LENGTH} and not counted yet\.")
def _(c: Claims, _: Text, many: str, within: str) -> bool:
    return agrees(many, _young(c)) and within == length(c.truth.settings.window)


def _young(c: Claims) -> int:
    return sum(not walk.mature and walk.depth >= 0 for walk in c.truth.walks)


@rule(rf"({NUMBER}) more are direct: the goal without another stage before it\.")
def _(c: Claims, _: Text, many: str) -> bool:
    return agrees(many, len(c.truth.direct))


# Value cards: labels have been read as the card


@rule(rf"({NUMBER})$")
def _(c: Claims, text: Text, many: str) -> bool:
    if text.place != "value value":
        return False
    counts = {"Mature journeys": len(c.truth.mature), "Touches": len(c.truth.paths.landed.events)}
    counts["Touches"] = sum(map(len, c.truth.paths.touches.values()))
    return agrees(many, counts[text.card])


@rule(rf"{PERCENT}$")
def _(c: Claims, text: Text, rate: str) -> bool:
    if text.place != "value value":
        return False
    hidden, few, cells = c.withheld
    if text.card.startswith("Reach "):
        return percent(rate, c.goal_rate.value) and plain(text.card) == f"Reach “{shown(c.truth.settings.goal)}”"
    if text.card.startswith("Satisfied at "):
        lowest = c.lowest_satisfaction()
        stage = lowest[0] if lowest else ""
        return text.card == f"Satisfied at “{shown(stage)}”" and percent(rate, c.satisfaction[stage].value)
    if text.card in ("Weakest step", "Lowest step, not clearly the weakest"):
        lowest_step = min(c.rated, key=lambda step: c.rated[step].value or 0.0)
        return percent(rate, c.rated[lowest_step].value) and (text.card == "Weakest step") == (c.weakest is not None)
    return percent(rate, {"Withheld": hidden / cells, "Too few for a rate": few / cells}[text.card])


@rule(rf"{WAIT}$")
def _(c: Claims, text: Text, shown_wait: str) -> bool:
    is_card = text.card == f"Median time to “{shown(c.truth.settings.goal)}”"
    return text.place == "value value" and is_card and wait(shown_wait, quantile(c.truth.times, 0.5))


@rule(r"–$")
def _(c: Claims, text: Text) -> bool:
    too_few = len(c.truth.times) < c.least if text.card.startswith("Median time") else not c.rated
    return text.place == "value value" and too_few


@rule(r"fewer than (\d+) (?:journeys reached it|customers at every stage)")
def _(c: Claims, text: Text, least: str) -> bool:
    too_few = len(c.truth.times) < c.least if text.card.startswith("Median time") else not c.rated
    return int(least) == c.least and too_few


@rule(r"a rate needs at least (\d+) customers|fewer than (\d+) customers in a cell: withheld")
def _(c: Claims, _: Text, least: str | None, few: str | None) -> bool:
    last = c.site.frames["funnel"][-1]
    return (
        least == str(c.least) and last["share_of_entered"] is None
        if least
        else few == str(c.k) and last["reached"] is None
    )


@rule(r"under (\d+) or withheld$")
def _(c: Claims, _: Text, k: str) -> bool:
    return int(k) == c.k and c.site.frames["funnel"][-1]["reached"] is None


@rule(rf"of (under \d+ or withheld|{NUMBER}) in all; the others are younger, or direct")
def _(c: Claims, _: Text, journeys: str) -> bool:
    return _counted(c, journeys, len(c.truth.paths.journeys))


def _counted(c: Claims, text: str, count: int) -> bool:
    return small(count, c.k) if text.startswith("under") else agrees(text, count)


@rule(rf"({NUMBER}) journeys, within {LENGTH} \(95 %: {INTERVAL}\)")
def _(c: Claims, _: Text, many: str, within: str, low: str, high: str) -> bool:
    right = agrees(many, c.goal_rate.part) and within == length(c.truth.settings.window)
    return right and _ends(low, high, c.goal_rate)


@rule(rf"{QUOTED} → {QUOTED} \(95 %: {INTERVAL}\)")
def _(c: Claims, _: Text, before: str, name: str, low: str, high: str) -> bool:
    step = min(c.rated, key=lambda step: c.rated[step].value or 0.0)
    return step == _step(c, before, name) and _ends(low, high, c.rated[step])


@rule(rf"of ({NUMBER}) journeys, from their first touch; one in ten takes over {WAIT}")
def _(c: Claims, _: Text, many: str, ninety: str) -> bool:
    return agrees(many, len(c.truth.times)) and wait(ninety, quantile(c.truth.times, 0.9))


@rule(rf"gave 4 or 5 of 5, (clearly the lowest|lowest) of (\d+) stages; ({NUMBER}) answers \(95 %: {INTERVAL}\)")
def _(c: Claims, _: Text, how: str, stages: str, many: str, low: str, high: str) -> bool:
    lowest = c.lowest_satisfaction()
    if lowest is None:
        return False
    share = c.satisfaction[lowest[0]]
    right = (how == "clearly the lowest") == lowest[1] and int(stages) == len(c.satisfaction)
    return right and agrees(many, share.whole) and _ends(low, high, share)


@rule(
    rf"(Begun|Answers) {DATES}: (.+?) (?:against|times as many as in) the {LENGTH} before "
    r"\(95 %: (.+?)( times)?(, not clear)?\)"
)
def _(
    c: Claims,
    text: Text,
    what: str,
    when: str,
    size: str,
    before: str,
    ends: str,
    times: str | None,
    unclear: str | None,
) -> bool:
    lengths = [] if what == "Answers" else [c.window]
    if when != days_of(c.before_end(*lengths, c.compare), c.before_end(*lengths)) or before != length(
        c.truth.settings.compare
    ):
        return False
    gap = _change_of(c, text.card)
    if gap is None:
        return False
    if (gap[1] > 0 or gap[2] < 0) == bool(unclear):
        return False
    if text.card == "Mature journeys" and (times or not size.endswith("%")):
        shown_ones = [size, *ends.split("–")] if times else [size, *ends.split(" to ")]
        values = [x + 1 if times or x is gap[0] else x * 100 for x in gap]
        return all(agrees(word.split()[0], value) for word, value in zip(shown_ones, values, strict=True))
    parts = [size, *ends.split(" to ")]
    if text.card.startswith("Median time"):
        return all(_signed_wait(part, value) for part, value in zip(parts, gap, strict=True))
    return all(percent(part.split()[0], value) for part, value in zip(parts, gap, strict=True))


def _change_of(c: Claims, card: str) -> tuple[float, float, float] | None:
    sides = periods.compared(c.truth)
    if card.startswith("Satisfied at "):
        lowest = c.lowest_satisfaction()
        return periods.voice_shift(c.truth, lowest[0]) if lowest else None
    if card.startswith("Median time"):
        return periods.pace_shift(c.truth)
    if sides is None:
        return None
    earlier, later = sides
    if card == "Mature journeys":
        low, high = (end / (1 - end) for end in wilson(len(later), len(later) + len(earlier)))
        return len(later) / len(earlier) - 1, low - 1, high - 1
    then, now = c.truth.steps(earlier), c.truth.steps(later)
    if card.startswith("Reach "):
        shares = [Share.of((w.customer for w in s), (w.customer for w in s if w.reached)) for s in (later, earlier)]
        return difference(*shares)
    step = min(c.rated, key=lambda step: c.rated[step].value or 0.0) - 1
    return difference(now[step].share, then[step].share)


def _signed_wait(text: str, days: float) -> bool:
    sign = {"+": 1, "−": -1, "±": 0}[text[0]]
    micros = abs(days) * 86_400e6
    shown_one, unit = text[1:].rsplit(" ", 1)
    size = {"s": 1e6, "min": 60e6, "h": 3600e6, "d": 86_400e6}[unit]
    slack = 0.002 * 30 * 86_400e6 / size  # medians are right to one in a thousand, and so is their difference
    return (sign * days > 0 or sign == 0) and agrees(shown_one, micros / size, slack)


@rule(rf"({NUMBER}) customers$")
def _(c: Claims, _: Text, many: str) -> bool:
    return agrees(many, c.customers)


@rule(r"(\d{1,2} \w{3} \d{4})$")
def _(c: Claims, text: Text, when: str) -> bool:
    arrived = c.truth.calendar.moment(c.truth.paths.landed.arrived)
    return text.place == "value value" and when == day(
        {"End of data": c.end, "Newest event arrived": arrived}[text.card]
    )


@rule(r"(\d{1,2} \w{3} \d{4} \d\d:\d\d [^\s;.]+); first touch (\d{1,2} \w{3} \d{4})")
def _(c: Claims, _: Text, end: str, first: str) -> bool:
    return end == minute(c.end) and first == day(c.first_at)


@rule(rf"(\d{{1,2}} \w{{3}} \d{{4}} \d\d:\d\d [^\s;.]+)(?:; {PERCENT} of events arrived more than a day late)?")
def _(c: Claims, text: Text, when: str, late: str | None) -> bool:
    landed = c.truth.paths.landed
    told = late is None if small(landed.late_rows, c.k) or landed.late is None else percent(late or "", landed.late)
    return text.place == "value detail" and when == minute(c.truth.calendar.moment(landed.arrived)) and told


@rule(r"(\d+) of (\d+) cells: fewer than (\d+) customers")
def _(c: Claims, _: Text, hidden: str, cells: str, k: str) -> bool:
    return (int(hidden), int(cells), int(k)) == (c.withheld[0], c.withheld[2], c.k)


@rule(r"(\d+) cells: fewer than (\d+) customers")
def _(c: Claims, _: Text, few: str, least: str) -> bool:
    return (int(few), int(least)) == (c.withheld[1], c.least)


# Who is counted


@rule(rf"({NUMBER}) journeys begun {DATES}(?:\.|, from their first touch\.)")
def _(c: Claims, _: Text, many: str, when: str) -> bool:
    return agrees(many, len(c.truth.mature)) and when == _entry_dates(c)


def _entry_dates(c: Claims) -> str:
    return period(c.first_at, max(c.first_at, c.before_end(c.window)))


@rule(rf"{PERCENT} reach the goal by any route, {PERCENT} through all stages in order\.")
def _(c: Claims, _: Text, rate: str, in_order: str) -> bool:
    every = sum(walk.all_stages for walk in c.truth.mature) / len(c.truth.mature)
    return percent(rate, c.goal_rate.value) and percent(in_order, every)


@rule(
    rf"A journey begins with a touch of a stage up to the goal's and is counted once, if it began at least {LENGTH} before "
    rf"the end of the data\. It has reached a stage when it has, within {LENGTH} of its beginning, a touch of that stage "
    r"or a later one, or the goal\."
)
def _(c: Claims, _: Text, *lengths: str) -> bool:
    return set(lengths) == {length(c.truth.settings.window)}


@rule(rf"({NUMBER}) younger journeys are not counted\.")
def _(c: Claims, _: Text, many: str) -> bool:
    return agrees(many, _young(c))


@rule(rf"({NUMBER}) direct journeys, with the goal alone, are in no row\.")
def _(c: Claims, _: Text, many: str) -> bool:
    return agrees(many, len(c.truth.direct))


@rule(rf"({NUMBER}) reached the goal later than {LENGTH}\.")
def _(c: Claims, _: Text, many: str, within: str) -> bool:
    return agrees(many, len(c.truth.late)) and within == length(c.truth.settings.window)


@rule(
    r"(\d+) of (\d+) (rates are given as bounds \(▷ over, ◁ under, ◇ between\): fewer than|cells are withheld: they would reveal groups of fewer than) (\d+) customers(?: are on one side)?\."
)
def _(c: Claims, text: Text, some: str, cells: str, what: str, k: str) -> bool:
    card = "segments" if text.card == "segments" else "funnel"
    states = [row["state"] for row in c.site.frames[card]]
    return (int(some), int(cells), int(k)) == (
        states.count("bounded" if "bounds" in what else "withheld"),
        len(states),
        c.k,
    )


# Summary


@rule(r"How far journeys get, stage by stage")
def _(c: Claims, text: Text) -> bool:
    return text.card == "funnel" and (c.weakest is None or c.truth.funnel[0].people < c.least)


@rule(rf"Most journeys stop between {QUOTED} and {QUOTED}")
def _(c: Claims, _: Text, before: str, name: str) -> bool:
    return c.weakest == c.largest_loss == _step(c, before, name)


@rule(rf"The weakest step is between {QUOTED} and {QUOTED}")
def _(c: Claims, _: Text, before: str, name: str) -> bool:
    return c.weakest is not None and c.weakest == _step(c, before, name)


@rule(rf"Act first on (?:(all journeys)|([^“]+) {QUOTED}) going on to {QUOTED}")
def _(c: Claims, _: Text, everyone: str | None, dimension: str | None, segment: str | None, name: str) -> bool:
    row = c.site.frames["act-first"][0]
    if row["dimension"] is None:
        return everyone is not None and name == shown(row["name"])
    who = (dimension or "").lower() == row["dimension"].lower() and segment == shown(row["segment"])
    return who and name == shown(row["name"])


@rule(rf"Act first on (a slow page|{QUOTED}) at {QUOTED}")
def _(c: Claims, _: Text, what: str, *__: str) -> bool:
    row = c.site.frames["act-first"][0]
    return row["kind"] == "pain" and what == _pain(row)


@rule(rf"(A slow page|{QUOTED}) at {QUOTED} goes with fewer goals: ({NUMBER}) goals at stake \({INTERVAL}\)\.")
def _(c: Claims, _: Text, what: str, __: str | None, stage: str, many: str, low: str, high: str) -> bool:
    return any(
        row["kind"] == "pain"
        and (what[0].lower() + what[1:], stage) == (_pain(row), shown(row["name"]))
        and all(agrees(text, row[key]) for text, key in ((many, "at_stake"), (low, "low"), (high, "high")))
        for row in c.site.frames["act-first"]
    )


def _pain(row: Row) -> str:
    return "a slow page" if row["pain"] == "slow" else f"“{shown(row['touchpoint'])}”"


@rule(
    rf"{QUOTED} that would have come at the usual rate, ranked by the lower end of the interval\. A comparison, no proof; problems overlap and do not add up\."
)
def _(c: Claims, _: Text, goal: str) -> bool:
    return _is_goal(c, goal)


WHAT = rf"(?:{QUOTED} → {QUOTED}|(?:Low answers to |Channel )?{QUOTED}|Errors|Slow pages|The goal)"
DAY = r"\d{1,2} [A-Z][a-z]{2}"
WHEN = rf"(?:since {DAY}(?:, which is usual now)?|{DAY}(?: to {DAY})?)"
SEEN = rf"(?:few|{NUMBER}(?: %)?)"
ALERT = (
    rf"(?:Data of channel {QUOTED} are missing or late|{WHAT}(?:, [^“;:,]+ {QUOTED})?)(?::| has fallen silent:| is new:| has tripled or more:)? "
    rf"(?:no touch )?(?:{WHEN}: )?(?:{SEEN}(?: touches)?(?: instead of {SEEN}| on {DAY})?(?:, )?)?(?:{WHEN})?"
    rf"(?:; {NUMBER} goals at stake \({NUMBER}–{NUMBER}\))?(?: \(watch {QUOTED}(?:, owner {QUOTED})?\))?"
)
ROSE = r"With it rose (?:[^.]|\.\d)+"


def _short(day_: str) -> str:
    found = date.fromisoformat(day_)
    return f"{found.day} {MONTHS[found.month - 1][:3]}"


def _when(row: Any) -> str:
    first, last = _short(row["first"]), _short(row["last"])
    if row["is_new_usual"]:
        return f"since {first}, which is usual now"
    if row["status"] == "open":
        return f"since {first}"
    return first if first == last else f"{first} to {last}"


def _whom_and_what(row: Any) -> str:
    """What an alert is about, and for whom, in the words of the site."""
    is_main = row["measure"] == "goal" and row["name"] == "goal rate"
    what = "The goal" if is_main else {"errors": "Errors", "slow pages": "Slow pages"}.get(row["measure"])
    named = {"survey": "Low answers to ", "channel": "Channel "}.get(row["measure"], "")
    is_pair = row["source"] is not None and row["target"] is not None
    if is_pair:
        what = f"“{shown(row['source'])}” → “{shown(row['target'])}”"
    if row["measure"] in ("stage", "funnel") and not is_pair:
        what = " → ".join(f"“{shown(name)}”" for name in row["name"].split(" -> "))
    group = "" if row["dimension"] is None else f", {_small(row['dimension'])} “{shown(row['segment'])}”"
    return (what or f"{named}“{shown(row['name'])}”") + group


def _small(name: str) -> str:
    return f"{name[:1].lower()}{name[1:]}"


def _said(row: Any) -> str:
    """The sentence of an alert, with the watch that tells it and its owner."""
    owner = "" if row["owner"] is None else f", owner “{shown(row['owner'])}”"
    return _said_alone(row) + ("" if row["watch"] is None else f" (watch “{shown(row['watch'])}”{owner})")


def _said_alone(row: Any) -> str:
    """The sentence of an alert, from its numbers, which are judged by the landed events."""
    seen = "few" if row["seen"] is None else f"{row['seen']:,}"
    usual = "" if row["expected"] is None else f"{round(row['expected']):,}"
    subject, when = _whom_and_what(row), _when(row)
    if row["rule"] == "silent":
        return f"{subject} has fallen silent: no touch {when}"
    if row["rule"] == "tripled":
        return f"{subject} has tripled or more: {seen} touches instead of {usual}, {when}"
    if row["rule"] == "unheard":
        return f"{subject} is new: {seen} touches on {when}"
    if row["rule"] == "missing":
        start = f"Data of channel “{shown(row['name'])}” are missing or late {when}"
        return f"{start}: {seen} touches instead of {usual}"
    if row["of"] is None:
        return f"{subject}: {seen} touches instead of {usual}, {when}"
    share = "few" if row["share"] is None else f"{row['share'] * 100:.0f} %"
    if row["rule"].endswith(" target"):
        side = row["rule"].replace(" ", " its ")
        return f"{subject}: {share}, {side} of {row['expected'] * 100:.0f} %, {when}"
    text = f"{subject}: {share} instead of {row['expected'] * 100:.0f} %, {when}"
    if row["goals"] is None or row["low"] < 1:
        return text
    return f"{text}; {row['goals']:,.0f} goals at stake ({row['low']:,.0f}–{row['high']:,.0f})"


@rule(rf"◆ ({ALERT})\. See Change\.")
def _(c: Claims, _: Text, said: str, *__: str | None) -> bool:
    return said in [plain(_said(row)) for row in c.costly[:3]]


@rule(rf"Fewer than 30 cases in most periods of watch ({QUOTED}(?:, {QUOTED})*): watch longer periods, or more\.")
def _(c: Claims, _: Text, named: str, *__: str | None) -> bool:
    return {*re.findall("“([^”]*)”", named)} <= {shown(each["name"]) for each in c.truth.settings.watches}


@rule(r"◆ And (\d+) more\. See Change\.")
def _(c: Claims, _: Text, many: str) -> bool:
    return int(many) == len(c.costly) - 3


@rule(rf"({ALERT})\. (?:({ROSE})\. )?Shaded: the days of the incident\.")
def _(c: Claims, _: Text, said: str, *others: str | None) -> bool:
    row = c.costly[0]
    return said == plain(_said(row)) and (others[-1] or "") == plain(row["rose_with"])


@rule(rf"({WHAT}(?:, [^“;:,]+ {QUOTED})?), ({WHEN})$")
def _(c: Claims, _: Text, what: str, *others: str | None) -> bool:
    return (what, others[-1]) == (plain(_whom_and_what(c.costly[0])), _when(c.costly[0]))


@rule(rf"({WHAT}(?:, [^“;:,]+ {QUOTED})?), by day: lowest {PERCENT} on ({DAY})\.")
def _(c: Claims, _: Text, what: str, *others: str | None) -> bool:
    alert = c.costly[0]
    first, last = (date.fromisoformat(alert[name]) for name in ("first", "last"))
    around = timedelta(days=28)
    rows = [row for row in c.site.frames["incident"] if row["share"] is not None]
    rows = [row for row in rows if first - around <= date.fromisoformat(row["day"]) <= last + around]
    lowest = min(row["share"] for row in rows)
    on = [_short(row["day"]) for row in rows if row["share"] == lowest]
    return what == plain(_whom_and_what(alert)) and percent(others[-2] or "", lowest) and others[-1] in on


@rule(r"(\d+) alerts?, (?:(over|all over)|(still open)|(\d+) of them open)")
def _(c: Claims, _: Text, many: str, over: str | None, still: str | None, some: str | None) -> bool:
    rows = c.site.frames["alerts"]
    count = sum(row["status"] == "open" for row in rows)
    return int(many) == len(rows) and count == (0 if over else 1 if still else int(some or 0))


@rule(
    r"What has become unusual, unasked: for whom, on which days, and what it costs\.|Everything that the watch has found in "
    r"the days of this report, the newest first, one alert per incident\. An alert closes by itself\."
)
def _(c: Claims, text: Text) -> bool:
    return text.card == "alerts" or "change" in text.page or bool(c.site.frames)


@rule(r"(\d+) problems by the goals at stake\.")
def _(c: Claims, _: Text, many: str) -> bool:
    return int(many) == len(c.site.frames["act-first"]) <= problems.MOST


@rule(
    rf"(?:{QUOTED}|All journeys) (goes on|went on|go on) to {QUOTED} less often: ({NUMBER}) goals at stake \({INTERVAL}\)\."
)
def _(c: Claims, _: Text, segment: str | None, verb: str, name: str, many: str, low: str, high: str) -> bool:
    return any(
        (segment or None) == (None if row["segment"] is None else shown(row["segment"]))
        and name == shown(row["name"])
        and (verb == "went on") == (row["first"] is not None and not row["is_lasting"])
        and all(agrees(text, row[key]) for text, key in ((many, "at_stake"), (low, "low"), (high, "high")))
        for row in c.site.frames["act-first"]
    )


@rule(r"Funnel of (\d+) stages\.")
def _(c: Claims, _: Text, many: str) -> bool:
    return int(many) == c.truth.rows


@rule(
    rf"([^:.]+): (withheld|{NUMBER}) journeys, (–|{NUMBER} %) of all(?:, (–|[^,(]+ %) of the stage before \(95 % interval "
    rf"(–|{INTERVAL})\))?(?:, ({NUMBER}) did not go on to it)?\."
)
def _(
    c: Claims,
    _: Text,
    name: str,
    many: str,
    of_all: str,
    rate: str | None,
    ends: str | None,
    low: str,
    high: str,
    lost: str | None,
) -> bool:
    steps = [shown(step) for step in c.truth.settings.steps]
    i = steps.index(name)
    row, step = c.site.frames["funnel"][i], c.truth.funnel[i]
    right = many == "withheld" if row["reached"] is None else agrees(many, len(step.reached))
    right &= (
        of_all == "–"
        if row["share_of_entered"] is None
        else percent(of_all[:-2], len(step.reached) / len(c.truth.mature))
    )
    if i and row["share_of_previous"] is not None:
        right &= rate is not None and percent(rate[:-2], step.share.value) and _ends(low, high, step.share)
    elif i:
        right &= ends == "–"
    if lost is not None:
        right &= agrees(lost, len(step.previous) - len(step.reached))
    return bool(right)


# Journey


@rule(r"The journey, stage by stage")
def _(c: Claims, _: Text) -> bool:
    lowest = c.lowest_satisfaction()
    return c.weakest is None and (lowest is None or not lowest[1])


@rule(rf"[Ss]atisfaction is lowest at {QUOTED}(?: of (\d+) stages with enough answers)?(?:; |$)")
def _(c: Claims, _: Text, stage: str, many: str | None) -> bool:
    lowest, all_ = c.lowest_satisfaction(), len(c.truth.answers())
    complete = len(c.satisfaction) == all_
    right = complete if many is None else int(many) == len(c.satisfaction) and not complete
    return lowest is not None and lowest[1] and shown(lowest[0]) == stage and right


@rule(rf"[Tt]he largest share leaves after {QUOTED}")
def _(c: Claims, _: Text, name: str) -> bool:
    return c.weakest is not None and shown(c.name(c.weakest - 1)) == name


@rule(rf"Half of the journeys to {QUOTED} took up to {WAIT}")
def _(c: Claims, _: Text, goal: str, half: str) -> bool:
    return _is_goal(c, goal) and wait(half, quantile(c.truth.times, 0.5))


@rule(
    rf"The ({NUMBER}) journeys that reached {QUOTED} within {LENGTH}, by the time from their first touch; one in ten took over {WAIT}\."
)
def _(c: Claims, _: Text, many: str, goal: str, within: str, ninety: str) -> bool:
    right = agrees(many, len(c.truth.times)) and _is_goal(c, goal) and within == length(c.truth.settings.window)
    return right and wait(ninety, quantile(c.truth.times, 0.9))


@rule(r"Time to the goal:")
def _(c: Claims, _: Text) -> bool:
    return True


@rule(rf"((?:under |over )?[\d–]+(?: (?:min|h|d|wk|mo))?(?:–\d+ (?:min|h|d|wk|mo))?): {PERCENT}[;.]")
def _(c: Claims, _: Text, name: str, share: str) -> bool:
    found = {bin_name(first, last): count for first, last, count, _ in bins_of(c.truth)}
    return percent(share, found[name] / len(c.truth.times))


@rule(r"Journey map\.")
def _(c: Claims, _: Text) -> bool:
    return True


@rule(rf"([^:.]+): (–|{NUMBER}) journeys, (–|{NUMBER} %) leave here\.")
def _(c: Claims, _: Text, name: str, many: str, leave: str) -> bool:
    i = [shown(step) for step in c.truth.settings.steps].index(name)
    row = c.site.frames["funnel"]
    right = many == "–" if row[i]["reached"] is None else agrees(many, len(c.truth.funnel[i].reached))
    if i + 1 == len(row) or row[i + 1]["share_of_previous"] is None:
        return right and leave == "–"
    return right and percent(leave[:-2], 1 - (c.truth.funnel[i + 1].share.value or 0.0))


# Customers


@rule(r"From stage to stage, by group")
def _(c: Claims, _: Text) -> bool:
    return all(row["verdict"] is None for row in c.site.frames["segments"])


@rule(r"No group( of which enough is known)? differs clearly from the others")
def _(c: Claims, _: Text, enough: str | None) -> bool:
    complete = all(row["state"] == "shown" for row in c.site.frames["segments"] if row["segment"] != "unknown")
    return c.most_different() is None and complete == (enough is None)


@rule(rf"([^“;:.]+) {QUOTED} goes on to {QUOTED} (less|more) often")
def _(c: Claims, _: Text, dimension: str, segment: str, name: str, how: str) -> bool:
    found = c.most_different()
    assert found is not None
    side = "less" if found.verdict == "below" else "more"
    return (dimension, segment, name, how) == (found.dimension, shown(found.segment), shown(c.name(found.step)), side)


@rule(rf"{PERCENT} go on, ({NUMBER}) pp \({INTERVAL}\) (below|above) the others\.")
def _(c: Claims, _: Text, share: str, size: str, low: str, high: str, side: str) -> bool:
    found = c.most_different()
    assert found is not None
    gap = sorted(map(abs, difference(found.share, found.others)[1:]))
    right = percent(share, found.share.value) and percent(size, abs(difference(found.share, found.others)[0]))
    return right and percent(low, gap[0]) and percent(high, gap[1]) and side == found.verdict


@rule(r"Conversion of (\d+) groups at (\d+) steps\. Clearly different from the others:")
def _(c: Claims, _: Text, many: str, steps: str) -> bool:
    named = {(group.dimension, group.segment) for group in groups.groups_of(c.truth)}
    return (int(many), int(steps)) == (len(named), c.truth.rows - 1)


@rule(r"none\.")
def _(c: Claims, text: Text) -> bool:
    return text.card == "segments" and not any(
        row["verdict"] in ("above", "below") for row in c.site.frames["segments"]
    )


@rule(r"Conversion of groups at (\d+) steps, in turn\.")
def _(c: Claims, _: Text, steps: str) -> bool:
    return int(steps) == c.truth.rows - 1


@rule(
    rf"([^;]+?) → ([^:;]+): {PERCENT} of (–|{NUMBER}) journeys(?:, ({NUMBER}) pp \(({NUMBER}) to ({NUMBER})\) from the rest)?[;.]"
)
def _(
    c: Claims, text: Text, segment: str, name: str, share: str, many: str, gap: str | None, low: str, high: str
) -> bool:
    if text.card != "segments":
        return False
    for group in groups.groups_of(c.truth):
        if (shown(group.segment), shown(c.name(group.step))) == (segment, name):
            gaps = difference(group.share, group.others)
            right = (
                percent(share, group.share.value) and (many == "–" or agrees(many, group.share.whole)) and group.clear
            )
            if right and (gap is None or all(map(percent, (gap, low, high), gaps))):
                return True
    return False


@rule(r"How many journeys have reached the goal by which day")
def _(c: Claims, _: Text) -> bool:
    return len({row["group"] for row in c.site.frames["by-day"]}) < 2


def _curve_ends(c: Claims) -> dict[str, dict[str, Any]]:
    return {row["group"]: row for row in c.site.frames["by-day"]}


@rule(
    rf"(?:([^“;:.]+) {QUOTED} (gets furthest|falls behind) within|No group of (.+) is clearly ahead after) (\d+) days"
)
def _(
    c: Claims, _: Text, dimension: str | None, group: str | None, verb: str | None, of: str | None, days: str
) -> bool:
    column, ends = curve_column(c.truth), _curve_ends(c)
    if (dimension or of) != c.truth.settings.name_of(column or "") or int(days) * 86_400e6 != c.truth.settings.window:
        return False
    ahead = [name for name, row in ends.items() if all(row["low"] > o["high"] for n, o in ends.items() if n != name)]
    behind = [name for name, row in ends.items() if all(row["high"] < o["low"] for n, o in ends.items() if n != name)]
    if verb is None:
        return not ahead and not behind
    found = ahead if verb == "gets furthest" else behind if not ahead else []
    return [shown(name) for name in found] == [group]


@rule(
    rf"Share of ({NUMBER}) of the (under \d+ or withheld|{NUMBER}) journeys(?:, those of the (?:(\d+) largest groups|largest group) by (.+?),)? that have reached the goal by day since their first touch\."
)
def _(c: Claims, _: Text, some: str, all_: str, many: str | None, column: str | None) -> bool:
    ends = _curve_ends(c)
    name = curve_column(c.truth)
    right = column == (None if name is None else c.truth.settings.name_of(name))
    right &= number(some) == sum(row["journeys"] for row in ends.values())
    return right and _counted(c, all_, len(c.truth.paths.journeys)) and (many is None or int(many) == len(ends))


@rule(r"Share that has reached the goal after (\d+) days:")
def _(c: Claims, _: Text, days: str) -> bool:
    return int(days) * 86_400e6 == c.truth.settings.window


@rule(rf"([^;:]+?) {PERCENT}[;.]")
def _(c: Claims, text: Text, group: str, share: str) -> bool:
    ends = {shown(name) if name is not None else "all": row["share"] for name, row in _curve_ends(c).items()}
    return text.card == "by-day" and percent(share, ends[group])


# Routes


@rule(r"The routes customers take")
def _(c: Claims, text: Text) -> bool:
    return text.place == "h1" or c.first_move() is None


@rule(rf"The commonest start is {QUOTED} then (?:{QUOTED}|another touchpoint)")
def _(c: Claims, _: Text, source: str, target: str | None) -> bool:
    found = c.first_move()
    return found is not None and (source, target) == (shown(found[0]), None if found[1] == "other" else shown(found[1]))


@rule(rf"{PERCENT} of journeys start so(?:; ((?:under |over )?{NUMBER} %) of these reach the goal within {LENGTH})?\.")
def _(c: Claims, _: Text, share: str, rate: str | None, within: str | None) -> bool:
    found = c.first_move()
    assert found is not None
    walks = c.truth.flow.links[1, found[0], found[1]]
    right = share_text(walks, [walk for walk in walks if walk.reached], c.k, rounds=flow_rounds(c.truth)).test(
        rate or "–"
    )
    slack = 0.5 / 10 ** len(share.partition(".")[2]) / 100
    right &= abs(number(share) / 100 - found[2] / c.truth.flow.units) <= slack + 5 / c.truth.flow.units
    return right and within in (None, length(c.truth.settings.window))


@rule(r"The rest is in the table\.")
def _(_: Claims, text: Text) -> bool:
    return text.place == "alternative text" and len(text.words) > MOST_CHARACTERS / 2


@rule(rf"Colour: share that reaches the goal within {LENGTH}\.")
def _(c: Claims, _: Text, within: str) -> bool:
    return within == length(c.truth.settings.window)


@rule(r"Moves of fewer than (\d+) customers are left out and counts are rounded to tens\.")
def _(c: Claims, text: Text, k: str) -> bool:
    counts = {"flow": "units", "moves": "transitions"}
    return int(k) == c.k and all(row[counts[text.card]] % 10 == 0 for row in c.site.frames[text.card])


@rule(rf"Flow of ({NUMBER}) journeys over (\d+) positions\.")
def _(c: Claims, _: Text, many: str, positions: str) -> bool:
    return agrees(many, c.truth.flow.units) and int(positions) <= max(p for p, _ in c.truth.flow.nodes)


@rule(
    rf"Position (\d+), ([^:]+): ({NUMBER})(?:, (–|(?:under |over |about )?{NUMBER} %) leave here)?, (–|(?:under |over |about )?{NUMBER} %) reach the goal within the window[;.]"
)
def _(c: Claims, _: Text, position: str, name: str, many: str, left: str | None, rate: str) -> bool:
    nodes = {
        (p, "Other" if touchpoint == "other" else shown(touchpoint)): own
        for (p, touchpoint), own in c.truth.flow.nodes.items()
    }
    candidates = [nodes.get((int(position), name), [])]
    if name == "Other":
        candidates.append(_smaller_other(c, int(position)))
    for own in filter(None, candidates):
        walks, here = [walk for walk, _ in own], flow_rounds(c.truth)
        reached = share_text(walks, [walk for walk in walks if walk.reached], c.k, rounds=here)
        gone = share_text(
            walks, [walk for walk, ends in own if ends and walk.journey.outcome == "abandoned"], c.k, rounds=here
        )
        if name == "Other":  # a phone's chart joins several, each rounded
            right = abs(number(many) - len(own)) <= 60
            right &= left is None or _near(left, gone)
            if right and _near(rate, reached):
                return True
        elif abs(number(many) - len(own)) <= 5 and reached.test(rate) and (left is None or leaving(left, gone)):
            return True
    return False


def _smaller_other(c: Claims, position: int, most: int = 3) -> list[Any]:
    """What a phone's chart shows as other: all but the largest touchpoints of a position and the goals."""
    named = {t: own for (p, t), own in c.truth.flow.nodes.items() if p == position}
    shown_ones = [t for t in named if t not in c.truth.goals and t != "other"]
    rounding = flow_rounds(c.truth)
    sizes = {t: round(len(own), -1) if rounding else len(own) for t, own in named.items()}
    kept = {*sorted(shown_ones, key=lambda t: (-sizes[t], t))[:most], *c.truth.goals}
    return [one for t, own in named.items() if t not in kept for one in own]


def _near(text: str, allowed: ShareText) -> bool:
    """Whether a share of several touchpoints that are drawn as one agrees: each of them is rounded, or a bound."""
    if text == "–":
        return True
    return abs(number(text.removeprefix("about ").split()[-2]) / 100 - allowed.true) <= max(0.02, allowed.step)


@rule(
    r"The commonest path (to|without) the goal is (?:“([^”]*)” alone|(“[^”]*”(?: → “[^”]*”)+)|(\d+) touches long, from “([^”]*)” to “([^”]*)”)$"
)
def _(
    c: Claims, _: Text, which: str, alone: str | None, path: str | None, many: str | None, first: str, last: str
) -> bool:
    _, route = c.commonest("reached" if which == "to" else "abandoned")[0]
    names = [shown(name) for name in route.split(" → ")]
    if alone is not None:
        return names == [alone]
    if path is not None:
        return names == re.findall(QUOTED, path)
    return (int(many or 0), first, last) == (len(names), names[0], names[-1])


@rule(r"The commonest complete paths$")
def _(c: Claims, _: Text) -> bool:
    return True  # no claim


@rule(
    rf"Whole mature journeys, first touch to last, begun {DATES}: with the goal within {LENGTH}, and without it\. All paths that are not listed are {PERCENT}\."
)
def _(c: Claims, _: Text, when: str, within: str, rest: str) -> bool:
    listed = sum(units for ending in ("reached", "abandoned") for units, _ in c.commonest(ending))
    right = when == _entry_dates(c) and within == length(c.truth.settings.window)
    return right and abs(number(rest) / 100 - (1 - listed / len(c.truth.mature))) <= 0.0011


@rule(r"The (\d+) commonest complete paths\.")
def _(c: Claims, _: Text, many: str) -> bool:
    return int(many) == len(c.site.frames["commonest"])


@rule(rf"([^:;]+?)( → left)?: ({NUMBER}) journeys[;.]")
def _(c: Claims, text: Text, path: str, left: str | None, many: str) -> bool:
    if text.card != "commonest":
        return False
    for route, walks in c.truth.whole_paths.items():
        if " → ".join(map(shown, route)) == path:
            return agrees(many, sum(walk.reached is (left is None) for walk in walks))
    return False


# The routes to the goal


@rule(rf"By which routes journeys reach the goal$|{PERCENT} of goals come (?:by “(.+?)”|with no touch before them)$")
def _(c: Claims, text: Text, share: str | None, name: str | None) -> bool:
    first = c.site.frames["families"][0]
    if not first["share_of_goals"]:
        return share is None and text.place == "title"
    name = "direct" if name is None else name
    return text.place == "title" and shown(first["family"]) == name and percent(share or "", first["share_of_goals"])


@rule(
    rf"All routes to {QUOTED}, of journeys begun {DATES}, by their touches before it\. A higher rate is no reason to lead customers there\."
)
def _(c: Claims, text: Text, goal: str, when: str) -> bool:
    return text.card == "families" and _is_goal(c, goal) and when == _entry_dates(c)


@rule(rf"Dashed: all, {PERCENT}\.")
def _(c: Claims, text: Text, rate: str) -> bool:
    return text.card == "families" and percent(rate, c.goal_rate.value)


@rule(r"Satisfied: CSAT 4 or 5, up to 7 days after the goal\.")
def _(c: Claims, text: Text) -> bool:
    return text.card == "families" and any(row["csat"] is not None for row in c.site.frames["families"])


@rule(
    rf"A journey belongs to the first family that fits; “direct” ones have nothing but the goal, and no rate\. Goal rate: of mature journeys, within {LENGTH}; 95 % \(Wilson, judged by customers\)\. Of journeys with the goal: time and touches are medians, hand-offs(, effort and value| and effort) are means\. Effort: repeats, back-tracks, hand-offs and errors\."
)
def _(c: Claims, text: Text, within: str, means: str) -> bool:
    has_value = any(row["value_per_goal"] is not None for row in c.site.frames["families"])
    right = within == length(c.truth.settings.window) and ("value" in means) is has_value
    return right and text.card == "families"


@rule(
    r"Nearly there: the share of its journeys that had been in the last stage before the goal’s; from 90 % on its rate says little, and is not compared\."
)
def _(c: Claims, text: Text) -> bool:
    return text.card == "families" and any(row["late_share"] is not None for row in c.site.frames["families"])


@rule(
    r"▾ is clearly below all routes; where a dashed line stands for these, ○ is not clearly apart from them\. Families of fewer than (\d+) customers are left out; shares are rounded so that they cover (\d+) customers or more\."
)
def _(c: Claims, _: Text, fewer: str, k: str) -> bool:
    return int(fewer) == c.least and int(k) == c.k


@rule(r"(\d+) families of routes by share of goals, with their goal rates\.")
def _(c: Claims, text: Text, many: str) -> bool:
    return text.card == "families" and int(many) == len(c.site.frames["families"])


# The credit


@rule(r"Which channels get the credit for the goals$|“(.+?)”(?: and “(.+?)”)? helps? more than the last touch shows$")
def _(c: Claims, text: Text, first: str | None, second: str | None) -> bool:
    rows = [row for row in c.site.frames["credit"] if None not in (row["markov_low"], row["effect_low"])]
    more = [row for row in rows if row["markov_low"] > row["last"] and row["effect_low"] > 0]
    more.sort(key=lambda row: (row["last"] - row["markov"], row["channel"]))
    named = [shown(row["channel"]) for row in more[:2]]
    return text.place == "title" and named == [name for name in (first, second) if name]


@rule(r"Credit and effect part at ((?:.+? \(credit .+?, effect .+?\)(?:; )?)+)\.")
def _(c: Claims, _: Text, listed: str) -> bool:
    rows = {shown(row["channel"]): row for row in c.site.frames["credit"] if row["part"]}
    parts = re.findall(rf"(?:^|; )(.+?) \(credit {PERCENT}, effect ({NUMBER}) to ({NUMBER}) %\)", listed)
    far = sorted((abs(row["effect"] - row["markov"]) for row in rows.values()), reverse=True)[:2]
    told = [abs(rows[name]["effect"] - rows[name]["markov"]) for name, *_ in parts]
    return (
        len(parts) == min(2, len(rows))
        and all(abs(a - b) < 1e-9 for a, b in zip(told, far, strict=True))
        and all(
            percent(share, rows[name]["markov"])
            and abs(number(low) / 100 - rows[name]["effect_low"]) < 0.0006
            and abs(number(high) / 100 - rows[name]["effect_high"]) < 0.0006
            for name, share, low, high in parts
        )
    )


@rule(
    r"Credit shares out what happened\. It does not say what would have happened without the channel; an experiment does\."
)
def _(c: Claims, text: Text) -> bool:
    return text.card == "credit" and text.place == "first line"


@rule(
    rf"As shares of the goals: ○ last touch before the goal, ● what would be lost without the channel \(Markov\), ◆ goals more on paths with it\. Touches within {LENGTH} before each goal earn its credit; Markov, of order 1, also reads the paths without a goal\. The effect compares paths that are followed for {LENGTH} from their first touch, with the channel and without it, times the paths with it: customers choose what they meet, so it is no proof either\. Its line is the 95 % interval\. Credit and effect part where their intervals have nothing in common\. Shares are rounded so that they cover (\d+) customers or more\."
)
def _(c: Claims, _: Text, before: str, after: str, k: str) -> bool:
    return before == after == length(c.truth.settings.window) and int(k) == c.k


@rule(
    r"Costs are those of all days of the data; a channel without one for each day has none\. Cost a goal: by the credit of Markov(; a return of 2 brings back twice the cost)?\."
)
def _(c: Claims, text: Text, back: str | None) -> bool:
    rows, has = c.site.frames["credit"], lambda name: any(row[name] is not None for row in rows)
    return text.card == "credit" and has("cost") and bool(back) is has("return_on_cost")


@rule(r"Credit of (\d+) channels: (.+)\.$")
def _(c: Claims, _: Text, many: str, listed: str) -> bool:
    rows = c.site.frames["credit"]
    told = [f"{shown(row['channel']) if row['channel'] else '(no touch before)'} " for row in rows[:4]]
    parts = listed.split("; ")
    return (
        int(many) == len(rows)
        and len(parts) == len(told)
        and all(
            part.startswith(name)
            and percent(part.removeprefix(name).removesuffix(" by Markov").removesuffix(" %"), row["markov"])
            for part, name, row in zip(parts, told, rows, strict=False)
        )
    )


@rule(
    r"Where customers are at each step$|Moves between touchpoints$|The journey on one page$|What counts as which stage$|Can these numbers be trusted\?$|Choose journeys, see how far they get$"
)
def _(c: Claims, text: Text) -> bool:
    return text.place in ("h1", "title")


@rule(
    rf"Share of all journeys \(%\), {DATES}\. Blank: nobody, or fewer than (\d+); <1: under one percent\. The lower rows accumulate the journeys that have ended, or are still open, by then\."
)
def _(c: Claims, _: Text, when: str, k: str) -> bool:
    return when == period(c.first_at, c.end) and int(k) == c.k


@rule(r"Share of journeys at (\d+) touchpoints over (\d+) positions\.")
def _(c: Claims, _: Text, many: str, positions: str) -> bool:
    rows = c.site.frames["positions"]
    return (int(many), int(positions)) == (len({r["touchpoint"] for r in rows}), max(r["position"] for r in rows))


@rule(
    rf"Moves within journeys, {DATES}\. Circle area: visits\. Arrow width: moves; moves rarer than 1\.5 % of journeys and repeats of one touchpoint are not drawn\. Stages run from left to right: arrows that bend up go forward, arrows that bend down go back\."
)
def _(c: Claims, _: Text, when: str) -> bool:
    return when == period(c.first_at, c.end)


@rule(r"(\d+) touchpoints and moves\.")
def _(c: Claims, _: Text, many: str) -> bool:
    return 0 < int(many) <= len({name for move in c.truth.moves for name in move})


@rule(rf"([^:;]+?) → ([^:;]+): ({NUMBER}) moves[;.]")
def _(c: Claims, _: Text, source: str, target: str, many: str) -> bool:
    found = {(shown(a), shown(b)): len(who) for (a, b), who in c.truth.moves.items()}
    return abs(found[source, target] - number(many)) <= 5


# Change


@rule(r"How conversion moves$")
def _(c: Claims, _: Text) -> bool:
    return not c.costly


@rule(r"Conversion week by week(?:, with (?:an alert|alerts) before (.+))?$")
def _(c: Claims, _: Text, names: str | None) -> bool:
    rows = c.site.frames["trend"]
    steps = sorted({(row["step"], row["name"]) for row in rows if row["unusual"]})
    said = [f"“{shown(name)}”" for _, name in steps]
    return (names or "") == " and ".join(filter(None, [", ".join(said[:-1]), *said[-1:]]))


@rule(
    rf"All journeys by the week in which they begin, within {LENGTH}\. ◆ week with a day of an alert\. ○ open week, whose "
    r"journeys are still within their window\."
)
def _(c: Claims, _: Text, within: str) -> bool:
    return within == length(c.truth.settings.trend_window)


@rule(r"Weekly conversion of (\d+) steps over (\d+) weeks:")
def _(c: Claims, text: Text, steps: str, weeks: str) -> bool:
    rows = c.site.frames[text.card]
    return (int(steps), int(weeks)) == (len({r["step"] for r in rows}), len({r["week"] for r in rows}))


def _marked(c: Claims, card: str) -> list[str]:
    """The days of releases on a chart over time."""
    rows = c.site.frames.get("releases", [])
    if card == "trend":
        weeks = sorted(date.fromisoformat(row["week"]) for row in c.site.frames["trend"])
        return periods.marked(rows, weeks[0], weeks[-1] + timedelta(days=6))
    first, last = (date.fromisoformat(c.costly[0][name]) for name in ("first", "last"))
    around = timedelta(days=28)
    days = [date.fromisoformat(row["day"]) for row in c.site.frames["incident"]]
    days = [day_ for day_ in days if first - around <= day_ <= last + around]
    return periods.marked(rows, min(days), max(days))


@rule(r"▽ release\.")
def _(c: Claims, text: Text) -> bool:
    return text.card in ("trend", "incident") and bool(_marked(c, text.card))


@rule(r"(\d+) release (day|days), last (\d{1,2} [A-Z][a-z]{2})\.")
def _(c: Claims, text: Text, many: str, days: str, last: str) -> bool:
    found = _marked(c, text.card or "")
    return int(many) == len(found) and (days == "day") == (len(found) == 1) and last == _short(found[-1])


@rule(r"(\d+) (releases?) in the days of this report$")
def _(c: Claims, _: Text, many: str, word: str) -> bool:
    count = len(c.site.frames["releases"])
    return int(many) == count and (word == "release") == (count == 1)


@rule(r"no week with an alert\.")
def _(c: Claims, text: Text) -> bool:
    return not any(row["unusual"] for row in c.site.frames[text.card])


@rule(rf"→ ([^:;]+?), week of (\d+ \w+ \d+): {PERCENT} \({INTERVAL}\)[;.]")
def _(c: Claims, text: Text, name: str, week: str, share: str, low: str, high: str) -> bool:
    for row in c.site.frames[text.card]:
        day_ = date.fromisoformat(row["week"])
        if row["unusual"] and (shown(row["name"]), f"{day_.day} {MONTHS[day_.month - 1][:3]} {day_.year}") == (
            name,
            week,
        ):
            return percent(share, row["share"]) and percent(low, row["low"]) and percent(high, row["high"])
    return False


@rule(r"No step has clearly changed")
def _(c: Claims, _: Text) -> bool:
    return c.changed() is None


@rule(rf"Going on to {QUOTED} (rose|fell) clearly")
def _(c: Claims, _: Text, name: str, verb: str) -> bool:
    found = c.changed()
    return found is not None and (name, verb) == (shown(found[0]), "rose" if found[1] > 0 else "fell")


@rule(rf"Journeys begun {DATES} against the {LENGTH} before, each with {LENGTH} to reach the goal\.")
def _(c: Claims, _: Text, when: str, before: str, within: str) -> bool:
    asked, days = c.truth.settings, days_of(c.before_end(c.window, c.compare), c.before_end(c.window))
    return when == days and (before, within) == (length(asked.compare), length(asked.window))


# Trust and the foot


@rule(rf"{PERCENT} of touches are linked to a known customer or device")
def _(c: Claims, _: Text, share: str) -> bool:
    return percent(share, 1 - c.truth.linked["anonymous"] / c.truth.linked.total())


@rule(rf"{PERCENT} of touches (by a login|by a device they logged in on|by the session|as an unknown visitor)[;.]")
def _(c: Claims, _: Text, share: str, way: str) -> bool:
    return percent(share, c.truth.linked[WAYS[way]] / c.truth.linked.total())


@rule(
    rf"({NUMBER}) touches by the strongest evidence that links them to a customer\. Paths of unknown visitors are correct, but may be part of a longer path\."
)
def _(c: Claims, _: Text, many: str) -> bool:
    return agrees(many, c.truth.linked.total())


@rule(rf"({NUMBER}) messages are in quarantine$")
def _(c: Claims, _: Text, many: str) -> bool:
    return agrees(many, sum(count for count in c.truth.paths.landed.refused.values() if not small(count, c.k)))


@rule(r"Few messages are in quarantine$")
def _(c: Claims, _: Text) -> bool:
    return all(small(count, c.k) for count in c.truth.paths.landed.refused.values())


def _missed(c: Claims, severity: str) -> int:
    rows = c.site.frames["checks"]
    return len(
        {
            (r["suite"], r["belief"])
            for r in rows
            if r["belief"] and r["met"] < r["of"] and (r["severity"] == "refuse") == (severity == "refuse")
        }
    )


@rule(
    r"(?:(\d+) critical expectations? (?:was|were) not met|Every critical expectation was met; (\d+) others? (?:was|were) not, on some days|Every expectation was met on every day)$"
)
def _(c: Claims, _: Text, critical: str | None, warned: str | None) -> bool:
    found = (_missed(c, "refuse"), _missed(c, "warn"))
    if critical is not None:
        return int(critical) == found[0]
    return found == (0, int(warned or 0))


@rule(
    r"The newest (\d+) days with data, by suite of expectations; below each suite, its expectations that were not met\. ✓ met, ✗ not met with the share of the day's rows, blank: nothing to check\. Dark: critical; light: a warning\. The data docs list every expectation by day\."
)
def _(c: Claims, _: Text, days: str) -> bool:
    return int(days) == len({row["day"] for row in c.site.frames["checks"]})


@rule(r"(\d+) checks on (\d+) days; (\d+) cells with something not met\.")
def _(c: Claims, _: Text, checks: str, days: str, missed: str) -> bool:
    rows = c.site.frames["checks"]
    counts = (
        len({(r["suite"], r["belief"]) for r in rows}),
        len({r["day"] for r in rows}),
        sum(r["met"] < r["of"] for r in rows),
    )
    return (int(checks), int(days), int(missed)) == counts


@rule(rf"Built (.+?) from ({NUMBER}) touches(?: of ({NUMBER}) events)?\.")
def _(c: Claims, _: Text, built: str, touches: str, events: str | None) -> bool:
    from datetime import datetime

    at = datetime.fromisoformat(c.site.index["built_at"]).astimezone(c.truth.calendar.zone)
    right = built == minute(at) and agrees(touches, c.truth.linked.total())
    return right and (events is None or agrees(events, c.truth.paths.landed.rows))


@rule(r"Definitions (\w+)(?:; ([^.]+))?\.")
def _(c: Claims, _: Text, digest: str, versions: str | None) -> bool:
    told = ", ".join(f"{name} {version}" for name, version in sorted(c.site.index["versions"].items()))
    return digest == c.site.index["definitions"] and (versions or "") == told


@rule(r"Receipt (\S+): “journeys verify” computes every number of it again\.")
def _(c: Claims, _: Text, run: str) -> bool:
    return f"runs/{run}" == c.site.index["folder"]


@rule(rf"{PERCENT} of ({NUMBER}) cells of the stages and their groups are withheld\.")
def _(c: Claims, _: Text, share: str, cells: str) -> bool:
    return agrees(cells, c.withheld[2]) and percent(share, c.withheld[0] / c.withheld[2])


@rule(
    r"Counts of 1 to (\d+) customers are withheld, as are counts that would reveal them\. Rates over fewer than (\d+) customers are not shown\. Ranges in brackets are 95 % intervals\."
)
def _(c: Claims, _: Text, below: str, least: str) -> bool:
    return (int(below), int(least)) == (c.k - 1, c.least)


@rule(r"The data end (\d+) days before this report was built: (.+? \d\d:\d\d [^\s;.]+)\.")
def _(c: Claims, _: Text, days: str, end: str) -> bool:
    from datetime import datetime

    built = datetime.fromisoformat(c.site.index["built_at"])
    return end == minute(c.end) and int(days) == round((built - c.end) / timedelta(days=1))


# What the goals bring


@rule(rf"({NUMBER})(?: ([A-Z]{{3}}))?$")
def _(c: Claims, text: Text, amount: str, code: str | None) -> bool:
    value = c.site.frames["funnel"][-1]["value"]
    right = text.card == f"Value of “{shown(c.truth.settings.goal)}”" and text.place == "value value"
    return right and agrees(amount, value) and code in (c.truth.settings.report.get("currency"), *c.truth.money.codes)


@rule(
    rf"of ({NUMBER}) journeys that reached it within {LENGTH}(?:; ({NUMBER})(?: [A-Z]{{3}})? after ({NUMBER}) returns)?"
    rf"(?:; (fewer than \d+|{NUMBER}) amounts cannot be converted and are left out)?$"
)
def _(c: Claims, text: Text, many: str, within: str, net: str | None, returns: str | None, left: str | None) -> bool:
    row = c.site.frames["funnel"][-1]
    right = text.place == "value detail" and agrees(many, row["reached"]) and within == length(c.truth.settings.window)
    right &= (
        row["net_value"] is None
        if net is None
        else agrees(net, row["net_value"]) and agrees(returns or "", row["returns"])
    )
    if row["value_left_out"] is None:
        return right and left == f"fewer than {c.k}"
    return right and (left is None if row["value_left_out"] == 0 else agrees(left or "", row["value_left_out"]))


# Since the last report


@rule(r"The last report counts by another definition")
def _(c: Claims, _: Text) -> bool:
    return c.site.earlier is not None and changed(c.site.index, c.site.earlier) != []


@rule(
    r"Since the report of (.+? \d\d:\d\d [^\s;.]+)\. The definition changed(?: \(([^)]+)\))?: the numbers are not compared\."
)
def _(c: Claims, _: Text, at: str, names: str | None) -> bool:
    assert c.site.earlier is not None
    return at == _built(c, c.site.earlier) and (names or "").split(", ") == changed(c.site.index, c.site.earlier)


@rule(
    r"This report beside that of (.+? \d\d:\d\d [^\s;,]+), by the same definitions\. Cause period: the data end later; late "
    r"data: weeks that were over have other counts; customers: identities were joined or parted\."
)
def _(c: Claims, _: Text, at: str) -> bool:
    earlier = c.site.earlier
    return earlier is not None and at == _built(c, earlier) and changed(c.site.index, earlier) == []


def _built(c: Claims, index: dict[str, Any]) -> str:
    from datetime import datetime

    return minute(datetime.fromisoformat(index["built_at"]).astimezone(c.truth.calendar.zone))


@rule(r"Nothing has clearly changed since the last report")
def _(c: Claims, _: Text) -> bool:
    return not any(row["clear"] for row in c.site.frames["since"])


@rule(rf"(.+?): ({NUMBER}) pp since the last report")
def _(c: Claims, _: Text, measure: str, moved: str) -> bool:
    clear = [row for row in c.site.frames["since"] if row["clear"]]
    largest = max(clear, key=lambda row: abs(row["difference"]))
    return measure == plain(largest["measure"]) and agrees(moved, largest["difference"] * 100, 0.0051)


@rule(
    r"Intervals: as if the two reports had no journeys in common, so too wide rather than too narrow \(Newcombe, 95 %\)\. "
    r"Counts change in steps of (\d+) from report to report\."
)
def _(c: Claims, text: Text, k: str) -> bool:
    return text.card == "since" and int(k) == c.k


@rule(r"(1 number|({NUMBER}) numbers) of earlier reports (was|were) restated".replace("{NUMBER}", NUMBER))
def _(c: Claims, text: Text, _: str, many: str | None, verb: str) -> bool:
    rows = len(c.site.frames["restated"])
    return (
        text.card == "restated"
        and (rows == 1 if many is None else agrees(many, rows))
        and (verb == "was") is (rows == 1)
    )


@rule(
    r"Numbers of weeks that were over and had arrived, and that a later report told otherwise by more than 0\.5 %\. "
    r"Counts and causes are in steps of (\d+)\."
)
def _(c: Claims, text: Text, k: str) -> bool:
    return text.card == "restated" and int(k) == c.k


@rule(
    r"A week is over once its journeys had their time to the goal and its slowest channel has arrived\. The causes of a "
    r"difference add up to it\. Causes of fewer customers than a published count needs are together\."
)
def _(_: Claims, text: Text) -> bool:
    return text.card == "restated"


@rule(r"Filtered report: ((?:--\S+ [^-]\S*(?:, \S+)* ?)+)\. Journeys are chosen by when they begin\.")
def _(c: Claims, text: Text, options: str) -> bool:
    return text.place == "notice" and options == c.site.filter


# The goals


@rule(r"What share of journeys reaches each goal$|What the goals mean$")
def _(_: Claims, text: Text) -> bool:
    return text.place == "title"


@rule(
    rf"Of the journeys that began at least a goal's time before the end of the data, those that reached it in that time\. The first goal, {QUOTED}, ends a journey; the others are counted in journeys and after them\."
)
def _(c: Claims, _: Text, goal: str) -> bool:
    return _is_goal(c, goal)


@rule(
    r"A journey begins once and counts once for each goal\. Rates over fewer than (\d+) customers are not shown; counts of 1 to (\d+) customers, counts that would reveal them, and sums of which one customer brings more than half are withheld\. Later: mature journeys with the goal after its time\. Direct: journeys of the goal alone, in no rate\. Trust says what each goal means\."
)
def _(c: Claims, _: Text, least: str, below: str) -> bool:
    return (int(least), int(below)) == (c.least, c.k - 1)


@rule(r"A journey reaches a goal with any of its steps, within its time after the journey begins\.")
def _(_: Claims, text: Text) -> bool:
    return text.card == "goal-definitions"


@rule(r"(\d+) of (\d+) (has|have) no date of review\.")
def _(c: Claims, _: Text, some: str, all_: str, verb: str) -> bool:
    named = c.truth.settings.named_goals or [{}]
    missing = sum(not goal.get("reviewed") for goal in named)
    return (int(some), int(all_), verb) == (missing, len(named), "has" if missing == 1 else "have")


# The targets of journeys

MEASURES = {"Goal rate": "goal_rate", "Median time to the goal": "median_time", "Satisfied (CSAT)": "csat"}


@rule(r"(\d+) of (\d+) targets (?:is|are) (missed|met)$")
def _(c: Claims, text: Text, some: str, all_: str, word: str) -> bool:
    told = [row["status"] for row in c.site.frames["targets"]]
    return (text.place, text.card) == ("title", "targets") and (int(some), int(all_)) == (told.count(word), len(told))


@rule(
    r"(The only target is|All (\d+) targets are|None of (\d+) targets is) (missed|met|not clear|not judged yet|clearly met or missed|judged yet)$"
)
def _(c: Claims, text: Text, _: str, all_: str | None, none: str | None, word: str) -> bool:
    told = [row["status"] for row in c.site.frames["targets"]]
    if len(told) != int(all_ or none or 1) or text.card != "targets":
        return False
    if word in ("missed", "met"):
        return set(told) == {word}
    judged = not {"missed", "met"} & set(told)
    return judged and ("not clear" in told) == (word in ("not clear", "clearly met or missed"))


@rule(
    r"Each target is judged by its newest cohort that is over\. Dot: value with its 95 % interval; ring: the cohort before; tick: target\."
)
def _(_: Claims, text: Text) -> bool:
    return text.card == "targets"


@rule(r"The targets of the journeys, cohort by cohort$")
def _(c: Claims, text: Text) -> bool:
    return text.card == "target-cohorts" and not any(row["restated_from"] for row in c.site.frames["target-cohorts"])


@rule(r"(\d+) cohorts? (?:was|were) restated since the last report$")
def _(c: Claims, text: Text, many: str) -> bool:
    known = [row for row in c.site.frames["target-cohorts"] if row["restated_from"] is not None]
    return text.card == "target-cohorts" and int(many) == len(known)


@rule(r"Journeys by when they begin, the newest first\. Open: not every journey has had its time\.")
def _(_: Claims, text: Text) -> bool:
    return text.card == "target-cohorts"


@rule(
    r"Met: the whole 95 % interval is on the right side of the target; missed: on the wrong one; not clear: it holds the "
    r"target; too early: fewer customers than a rate needs\. A cohort is the journeys that begin in one period; it is over "
    r"once every one of them has been seen for the time of its goal\. On course: a line through the last six cohorts that "
    r"are over \(weighted least squares\) reaches the target by its date within its 95 % band\. No value of fewer than "
    r"(\d+) customers; a cohort of 1 to (\d+) customers, or in which so few did or did not, is withheld\."
)
def _(c: Claims, text: Text, least: str, below: str) -> bool:
    return text.card in ("targets", "target-cohorts") and (int(least), int(below)) == (c.least, c.k - 1)


@rule(r"(\d+) targets of journeys\.")
def _(c: Claims, text: Text, many: str) -> bool:
    return text.place == "alternative text" and int(many) == len(c.site.frames["targets"])


@rule(
    rf"([^:]+), ([^:,]+): (–|{NUMBER} (?:%|s|min|h|d)) \(([^)]*)\), at (least|most) ({NUMBER} (?:%|s|min|h|d)), (met|missed|not clear|too early|withheld)(, o(?:n|ff) course)?(, overdue)?\."
)
def _(
    c: Claims, _: Text, journey: str, measure: str, value: str, ends: str, way: str, target: str, word: str,
    course: str | None, overdue: str | None,
) -> bool:  # fmt: skip
    said = {None: None, ", on course": True, ", off course": False}[course]
    for row in c.site.frames["targets"]:
        if shown(row["journey"]) != journey or row["measure"] != MEASURES[measure] or row["status"] != word:
            continue
        low, _, high = ends.partition("–")
        values = [(value, row["value"]), (target, row["target"])] + (
            [(low, row["low"]), (high, row["high"])] if high else []
        )
        right = all(_is_measured(text, number_, row["unit"]) for text, number_ in values)
        if (
            right
            and row["direction"] == f"at_{way}"
            and (row["on_course"], bool(row["overdue"])) == (said, bool(overdue))
        ):
            return True
    return False


def _is_measured(text: str, value: float | None, unit: str) -> bool:
    if text == "–" or value is None:
        return text == "–" and value is None
    if unit == "share":
        return percent(text.removesuffix(" %"), value)
    return wait(text, value * 1e6)


@rule(
    rf"No journey clearly moved as a whole; parts of it did$|{QUOTED}: (fewer|more) reach the goal than the cohort before$"
)
def _(c: Claims, text: Text, journey: str | None, word: str | None) -> bool:
    whole = [row for row in c.site.frames["target-causes"] if row["effect"] == "total"]
    if journey is None or not whole:
        return text.card == "target-causes" and not whole and journey is None
    largest = max(whole, key=lambda row: abs(row["contribution"]))
    return shown(largest["journey"]) == journey and (largest["contribution"] < 0) == (word == "fewer")


@rule(
    r"The newest cohort that is over against the one before: the change of the goal rate, and what adds most to it, each "
    r"beyond its 95 % interval\."
)
def _(_: Claims, text: Text) -> bool:
    return text.card == "target-causes"


@rule(
    r"Mix: a group's share of the journeys changed; rate: its own goal rate did; at a stage: the share that went on\. Parts "
    r"of one breakdown add up to the change\. Intervals: replicates of customers\. Shares of groups are rounded, so that no "
    r"step is of fewer than (\d+) customers; rows of fewer than (\d+) customers are left out\."
)
def _(c: Claims, text: Text, k: str, least: str) -> bool:
    return text.card == "target-causes" and (int(k), int(least)) == (c.k, c.least)


@rule(
    r"What differs after changes of the journeys$|The last cohort before a change against the first after it: after it, "
    r"which is not because of it\.|Intervals: by square-and-add of those of both cohorts\. Clear: the interval leaves out zero\."
)
def _(_: Claims, text: Text) -> bool:
    return text.card == "target-changes"


@rule(
    r"Who is responsible for which definition$|The segments that this report names, the journeys with targets, and the "
    r"funnels that are watched\."
    r"(?: (\d+) of (\d+) ha(?:s|ve) no date of review\.)?"
)
def _(c: Claims, text: Text, some: str | None, all_: str | None) -> bool:
    rows = c.site.frames["owned-definitions"]
    missing = sum(row["reviewed"] is None for row in rows)
    said = (0, len(rows)) if some is None else (int(some), int(all_ or 0))
    return text.card == "owned-definitions" and (text.place == "title" or said == (missing, len(rows)))


@rule(
    r"How mature the work on journeys is, by its own account$|By its own account, work on journeys is “([a-z ]+)”: (\d\.\d) of 5$"
)
def _(c: Claims, text: Text, level: str | None, value: str | None) -> bool:
    whole = c.site.frames["maturity"][-1]
    right = whole["level"] == level and (value is None or agrees(value, whole["value"]))
    return right and (whole["value"] is None) is (value is None)


@rule(
    r"● the mean of a domain's answers, from 1 to 5, with the lowest and the highest(\.|; ○ the last time\.)(?: Begin with (\w+)\. (.+?\?) Next step: (.+)\.)?$"
)
def _(c: Claims, text: Text, last: str, domain: str | None, asked: str | None, step: str | None) -> bool:
    rows = c.site.frames["maturity"]
    begun = [row for row in rows if row["number"] is not None and row["value"] is not None]
    least = min(begun, key=lambda row: row["value"], default={"domain": None, "question": None, "next_step": None})
    right = (last == ".") is all(row["last"] is None for row in rows)
    return right and (domain, asked, step) == (least["domain"], least["question"], least["next_step"])


@rule(
    r"A question has the median of the newest answers of every person, a domain the mean of its questions, of two at least; all is the mean of the domains, where each has one\. Under 1\.8: by chance; under 2\.6: started; under 3\.4: repeatable; under 4\.2: managed; else a habit\. An own account: journeys maturity has what is measured beside it\."
)
def _(_: Claims, text: Text) -> bool:
    return text.card == "maturity"


@rule(r"([A-Z][a-z]+): (?:(\d\.\d), ([a-z ]+)|too few answers)[;.](?= |$)")
def _(c: Claims, text: Text, domain: str, value: str | None, level: str | None) -> bool:
    (row,) = [row for row in c.site.frames["maturity"] if row["domain"] == domain.lower()]
    right = row["value"] is None if value is None else agrees(value, row["value"]) and row["level"] == level
    return text.card == "maturity" and right


# Explore


@rule(r"How far journeys get, by (.+)$")
def _(c: Claims, text: Text, by: str) -> bool:
    found = groups.cube_of(c.truth)
    names = [c.truth.settings.name_of(column) for column in found.columns] if found else []
    return text.card == "explorer" and by == " and ".join(name.lower() for name in names)


@rule(
    rf"The same journeys as on the Summary, by the week in which they begin\. Counts of all, or of one group, match the other pages; a narrower choice adds up cells rounded to (\d+)s(?:; {PERCENT} of journeys, in cells of fewer than (\d+) customers, are left out of them)?\. Whiskers: 95 % \(Wilson\)\."
)
def _(c: Claims, _: Text, k: str, left_out: str | None, fewer: str | None) -> bool:
    found = groups.cube_of(c.truth)
    assert found is not None
    right = percent(left_out, found.left_out) if left_out else found.left_out < 0.00005
    return right and int(k) == c.k and fewer in (None, str(c.k))


@rule(r"Conversion by (.+) and time; choose groups and weeks to see the funnel of a selection\.")
def _(c: Claims, _: Text, by: str) -> bool:
    found = groups.cube_of(c.truth)
    return found is not None and by == " and ".join(map(c.truth.settings.name_of, found.columns))


# Sentences without a number of the data


STILL = (
    "What customers use, how they feel, how many leave and how long it takes, stage by stage.",
    "Where the numbers come from, how touches were linked to customers, and what is not shown.",
    "How journeys go on from stage to stage, by the week in which they begin, with unusual weeks marked.",
    "All filters work inside this page, without a server.",
    "Journeys step by step across channels: from the first touch to the goal, or to where they are abandoned.",
    "Consecutive repeats of a touchpoint are merged.",
    "Touchpoints of every stage, by the share of the stage's customers who used them.",
    "Share of the journeys at one stage that go on to the next. ▲ clearly above and ▼ clearly below the others, ○ no clear "
    "difference, □ unknown.",
    "Messages that are not valid events, by reason; no number of this report includes them. They can be replayed once the "
    "rule is fixed.",
    "Point at a touchpoint to follow everyone who passed through it.",
    "Point at a touchpoint to see only its moves.",
    "Click bars to choose groups, drag over the weeks to choose a period; click again, or beside them, to clear.",
    "Solid: share of all journeys that reached the stage. Dashed: did not go on from the stage before. Time: median from the "
    "first touch of the nearest earlier stage to the first touch of this one, of the same journeys.",
    "Of an incident: cases less than expected by its past on its days, in tens of journeys, times the goals of one that "
    "goes on. Of a group: the journeys that reach the stage before, times how much less often they go on than all other "
    "known groups of the same value in another breakdown, the one that leaves least of the difference, times the share of "
    "those who reach the stage that reach the goal. Of trouble that journeys met: the goals that are missing against those "
    "alike, as on the page Journey. Only what is clear (Benjamini–Hochberg, 5 %). A row of which more than half of the lost "
    "journeys lie in another is named with it.",
    "Line: share by day, in steps that cover as many journeys as a published count needs. Band: 95 % of what its past leads "
    "to expect, by weekday. Second line, where most days have it: all others. A day on which few journeys went on, or few did not, is left out.",
    "Watched by day: pairs of touchpoints, stages, the goal, touches, errors, slow pages and low "
    "answers, in all and by group, once a day is over and has arrived. All tests of a day are corrected together "
    "(Benjamini–Hochberg, 1 %). Counts are in tens.",
    "Band: 95 % interval of the week's share (Wilson, judged by customers). Alerts are those of the watch.",
    "Marked ▽ on the charts over time. A release beside a change is no proof of a cause.",
    "A version is released on the day of its first touch; one that was there in the first seven days of its column is not "
    "shown, nor one of fewer customers than a published count needs. Others are noted in journeys.toml.",
    "Circle area: share of the customers with a touch of these journeys in the stage who used the touchpoint, if it is 2 % or "
    "more. Drop-off: "
    "share of the journeys that reached the stage and did not reach the next. Satisfied: 4 or 5 of 5 (CSAT), of answers. "
    "What they meet: of the journeys with a touch at the stage, the three that most meet; dark red where it clearly costs goals.",
    "Only mature journeys, whose whole window lies before the end of the data: among younger ones only the quick have "
    "reached the goal. Bins grow with time; the dark bar contains the median.",
    "Groups are of the journey's first touch. Whiskers: 95 % (Wilson, judged by customers). Dashed: all journeys. A group is "
    "set against all other known groups; journeys without a value are a group of their own, which is not compared. Clear: "
    "Benjamini–Hochberg over all dots, 5 %. An association, not proof of a cause.",
    "‹ › beyond the scale of its column.",
    "Grey: abandoned there; a journey still under way is not counted as left.",
    "Intervals of the differences: Newcombe, 95 %, judged by customers. Clear: the interval leaves out zero.",
    "Charts are drawn by a script in this page; the tables hold the same numbers.",
)
"""What stands on every site, whatever the data."""
for sentence in STILL:
    rule(re.escape(sentence))(lambda *_: True)


@rule(r"Counts below (\d+) are withheld\.")
def _(c: Claims, _: Text, k: str) -> bool:
    return int(k) == c.k


@rule(r"Groups of journeys by their value at the beginning, each with at least (\d+) customers\.")
def _(c: Claims, _: Text, least: str) -> bool:
    return int(least) == c.least


@rule(r"The (\d+) largest touchpoints per step, the rest as “Other”\.")
def _(c: Claims, _: Text, top: str) -> bool:
    return int(top) == c.truth.settings.report.get("flow_top", 6)


@rule(r"Only paths of up to 10 touches that at least (\d+) journeys took are listed, up to six of a kind\.")
def _(c: Claims, _: Text, least: str) -> bool:
    return int(least) == c.least


@rule(
    r"Kaplan–Meier with its 95 % band: an open journey counts as long as it has been observed, an abandoned one never reaches the goal, direct journeys are left out\. Journeys in tens; no step of fewer than (\d+) customers\."
)
def _(c: Claims, _: Text, k: str) -> bool:
    return int(k) == c.k
