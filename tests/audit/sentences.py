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
from tests.audit.expected import groups, periods
from tests.audit.expected.routes import ShareText, flow_rounds, leaving, share_text
from tests.audit.expected.since import changed
from tests.audit.expected.stages import bin_name, bins_of, curve_column, people
from tests.audit.expected.withholding import small
from tests.audit.outcome import Outcome
from tests.audit.site import Site, Text
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


def _first_problem(c: Claims) -> list[groups.Problem]:
    """The problems that may come first: those whose lower ends are as good as equal."""
    found = groups.problems_of(c.truth)
    floor = max((one.low - one.slack for one in found if one.certain), default=0.0)
    return [one for one in found if one.low + one.slack >= floor]


def _whom(text: str | None, name: str | None, one: Any) -> bool:
    if one.dimension is None:
        return text == "all journeys"
    return name == shown(one.segment) and (text or "").lower() == one.dimension.lower()


@rule(rf"Act first on (?:(all journeys)|([^“]+) {QUOTED}) going on to {QUOTED}")
def _(c: Claims, _: Text, everyone: str | None, dimension: str | None, segment: str | None, name: str) -> bool:
    row = c.site.frames["act-first"][0]
    if row["first"] and row["dimension"]:
        who = (dimension or "").lower() == row["dimension"].lower() and segment == shown(row["segment"])
        return who and name == shown(row["name"])
    return any(
        _whom(everyone or dimension, segment, one) and shown(c.name(one.step)) == name for one in _first_problem(c)
    )


@rule(
    rf"{QUOTED} that would have come at the usual rate, ranked by the lower end of the interval\. A comparison, no proof; problems overlap and do not add up\."
)
def _(c: Claims, _: Text, goal: str) -> bool:
    return _is_goal(c, goal)


@rule(
    rf"◆ (?:([^“]+) {QUOTED}|All journeys): going on to {QUOTED} (is|was) ({NUMBER}) pp below usual, (since )?(\d+ \w{{3}})(?: to (\d+ \w{{3}}))?\. See Change\."
)
def _(
    c: Claims,
    _: Text,
    dimension: str | None,
    segment: str | None,
    name: str,
    verb: str,
    size: str,
    since: str | None,
    first: str,
    last: str | None,
) -> bool:
    row = next(row for row in c.site.frames["act-first"] if row["first"])
    who = (dimension, segment) == (row["dimension"], None if row["segment"] is None else shown(row["segment"]))
    days = [_short(row["first"]), None if since or row["first"] == row["last"] else _short(row["last"])]
    right = who and name == shown(row["name"]) and (verb == "is") == bool(since) == row["is_lasting"]
    return right and [first, last] == days and percent(size, row["usual"] - row["share"])


def _short(day_: str) -> str:
    found = date.fromisoformat(day_)
    return f"{found.day} {MONTHS[found.month - 1][:3]}"


@rule(r"(\d+) problems by the goals at stake\.")
def _(c: Claims, _: Text, many: str) -> bool:
    return int(many) == len(c.site.frames["act-first"]) <= groups.MOST


@rule(
    rf"(?:{QUOTED}|All journeys) (goes on|went on|go on) to {QUOTED} less often: ({NUMBER}) goals at stake \({INTERVAL}\)\."
)
def _(c: Claims, _: Text, segment: str | None, verb: str, name: str, many: str, low: str, high: str) -> bool:
    def fits(one: groups.Problem) -> bool:
        who = segment is None if one.segment is None else segment == shown(one.segment)
        values = ((many, one.at_stake), (low, one.low), (high, one.high))
        return (
            who
            and name == shown(c.name(one.step))
            and (verb == "went on") == (one.first is not None)
            and all(agrees(text, value, one.slack) for text, value in values)
        )

    return any(map(fits, groups.problems_of(c.truth))) or any(
        (segment, name) == (shown(row["segment"]), shown(row["name"]))
        and (verb == "went on") != row["is_lasting"]
        and all(agrees(text, row[key]) for text, key in ((many, "at_stake"), (low, "low"), (high, "high")))
        for row in c.truth.known.get("falls", [])
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


@rule(
    rf"(?:◆ )?(?:([^“;:]+) {QUOTED}: )?[Gg]oing on to {QUOTED} was ({NUMBER}) pp (below|above) usual in the weeks? of (\d+) (\w+)(?: to (\d+) (\w+))?(?:: see Change\.|\. See Change\.|$)"
)
def _(
    c: Claims,
    text: Text,
    dimension: str | None,
    segment: str | None,
    name: str,
    size: str,
    side: str,
    *days: str | None,
) -> bool:
    runs = periods.runs_of(c.truth)
    if text.place == "notice":
        candidates = c.alerts()
    elif text.card:
        candidates = [run for run in [c.run(text.card)] if run is not None]
    else:
        candidates = [c.run("trend") or runs[0]]

    def fits(run: periods.Run) -> bool:
        first, last = run.weeks[0].week, run.weeks[-1].week
        weeks = list(days) == [*_week(first), *(_week(last) if last != first else (None, None))]
        who = (dimension, segment) == (run.dimension, None if run.segment is None else shown(run.segment))
        right = who and weeks and name == shown(c.name(run.step)) and side == ("below" if run.gap < 0 else "above")
        slack = 0.021 if any(week.at_risk for week in run.weeks) else 0.0
        return right and (percent(size, abs(run.gap)) or abs(number(size) / 100 - abs(run.gap)) <= slack)

    return any(map(fits, candidates))


def _week(day_: date) -> tuple[str, str]:
    return str(day_.day), MONTHS[day_.month - 1]


@rule(r"No week outside its expected range$|Conversion week by week$|How conversion moves$")
def _(c: Claims, text: Text) -> bool:
    return c.run(text.card) is None if text.card else not periods.runs_of(c.truth)


@rule(
    rf"(All journeys|Journeys of this group) by the week in which they begin, within {LENGTH}\. ◆ unusual week\. ○ open week, whose journeys are still within their window\."
)
def _(c: Claims, text: Text, whom: str, within: str) -> bool:
    return within == length(c.truth.settings.trend_window) and (text.card == "trend") == (whom == "All journeys")


@rule(r"Weekly conversion of (\d+) steps over (\d+) weeks:")
def _(c: Claims, text: Text, steps: str, weeks: str) -> bool:
    rows = c.site.frames[text.card]
    return (int(steps), int(weeks)) == (len({r["step"] for r in rows}), len({r["week"] for r in rows}))


@rule(r"no week outside its expected range\.")
def _(c: Claims, text: Text) -> bool:
    return not any(row["unusual"] for row in c.site.frames[text.card])


@rule(rf"→ ([^:;]+?), week of (\d+ \w+ \d+): {PERCENT}, expected {INTERVAL}[;.]")
def _(c: Claims, text: Text, name: str, week: str, share: str, low: str, high: str) -> bool:
    run = c.run(text.card)
    own = (None, None) if text.card == "trend" or run is None else (run.dimension, run.segment)
    for (dimension, segment, step), weeks in periods.series_of(c.truth).items():
        for one in weeks if (dimension, segment) == own and shown(c.name(step)) == name else ():
            if f"{one.week.day} {MONTHS[one.week.month - 1][:3]} {one.week.year}" == week and one.unusual:
                return percent(share, one.share) and percent(low, one.low) and percent(high, one.high)
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
    "Of a group: the journeys that reach the stage before, times how much less often they go on than all other known "
    "groups, times the share of those who reach the stage that reach the goal. Of a fall: the same against the group's own "
    "share before, moved as the others moved since; on the days on which it was lowest, in tens of journeys. Of unusual "
    "weeks of all journeys: against the usual share of the weeks before. Only differences (Benjamini–Hochberg, 5 %) and "
    "falls (2 %) that are clear, and weeks outside their band.",
    "Circle area: share of the customers with a touch of these journeys in the stage who used the touchpoint, if it is 2 % or "
    "more. Drop-off: "
    "share of the journeys that reached the stage and did not reach the next. Satisfied: 4 or 5 of 5 (CSAT), of answers.",
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
    r"Band: range expected from up to 8 ordinary weeks before, at least 4 \(median ± (4|4\.5) robust standard errors\)\. Open weeks are not compared\."
)
def _(c: Claims, text: Text, spreads: str) -> bool:
    return float(spreads) == (periods.SPREADS if text.card == "trend" else periods.SPREADS_OF_GROUPS)


@rule(
    r"Kaplan–Meier with its 95 % band: an open journey counts as long as it has been observed, an abandoned one never reaches the goal, direct journeys are left out\. Journeys in tens; no step of fewer than (\d+) customers\."
)
def _(c: Claims, _: Text, k: str) -> bool:
    return int(k) == c.k
