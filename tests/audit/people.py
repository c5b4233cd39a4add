"""Judges what a site says of customers: personas, segments, where everybody stands, and the help that was needed."""

from __future__ import annotations

import re

from tests.audit.claims import Claims
from tests.audit.expected.people import LENGTHS, portfolio_of
from tests.audit.landed.settings import microseconds
from tests.audit.sentences import LENGTH, judge, rule
from tests.audit.site import Row, Site, Text
from tests.audit.words import NUMBER, PERCENT, QUOTED, agrees, day, length, number, percent, plain, shown

SHARES = {
    "personas": "goal_rate",
    "sizes": "share_of_known",
    "families": "goal_rate",
    "pains": "goal_rate",
    "contacts": "share",
    "moments": "share",
    "themes": "share",
    "themes-by-stage": "share",
    "beliefs": "share",
    "outlook": "seen",
}
"""The cards with a share per row, and its column."""
WORDS = {
    "contact_rate": "Journeys with a contact",
    "repeat_rate": "Contacts that are repeated",
    "web_then_call_rate": "Contacts outside the web that follow it",
    "transfer_rate": "Contacts that are passed on",
    "containment_rate": "Chats that need no other contact",
    "there_rate": "found a page",
    "useful_rate": "useful",
    "quick_rate": "quick",
    "low_rate": "low scores",
}


def _named(c: Claims, card: str) -> list[Row]:
    return [row for row in c.site.frames.get(card, []) if row.get("reason") is None]


def _name(row: Row) -> str:
    """What a row is called on its card."""
    if "kind" in row:
        what = "A slow page" if row["kind"] == "slow" else f"“{shown(row['touchpoint'])}”"
        return f"{what} at “{shown(row['stage'])}”"
    if "theme" in row:
        return f"“{shown(row['theme'])}” " + (f"at “{shown(row['stage'])}”" if row["stage"] else "without a stage")
    if "question" in row:
        return f"“{shown(row['says'])}” at “{shown(row['stage'])}”"
    if "band" in row:
        return _band(row)
    if "measure" not in row:
        return shown(next(row[name] for name in ("persona", "segment", "family") if name in row))
    if row["group"] is None:
        return WORDS[row["measure"]]
    if row["measure"] == "theme_share":
        return f"“{shown(row['group'])}”" if row["group"] else "No theme"
    if row["measure"] == "contact_rate":
        return f"begun at “{shown(row['group'])}”" if row["group"] else "begun without a stage"
    return f"“{shown(row['group'])}”: {WORDS[row['measure']]}"


@rule(r"(\d+) (personas|segments) by (?:goal rate|size)\.")
def _(c: Claims, text: Text, many: str, what: str) -> bool:
    return text.card == {"personas": "personas", "segments": "sizes"}[what] and int(many) == len(_named(c, text.card))


@rule(rf"(.+?): ({NUMBER} %|too few|withheld|–)[;.](?= |$)")
def _(c: Claims, text: Text, name: str, told: str) -> bool:
    if text.card not in SHARES or text.place != "alternative text":
        return False
    return any(_name(row) == name and _is(told, row, SHARES[text.card]) for row in _named(c, text.card))


@rule(r"(?<=; )and (\d+) more\.$")
def _(c: Claims, text: Text, many: str) -> bool:
    return text.card in SHARES and text.place == "alternative text" and 0 < int(many) < len(_named(c, text.card))


@rule(r"(Contacts|Moments|Themes|Beliefs)\.(?= )")
def _(_: Claims, text: Text, what: str) -> bool:
    return text.card == what.lower() and text.place == "alternative text"


def _is(told: str, row: Row, share: str) -> bool:
    value = row[share]
    if value is not None:
        return told.endswith(" %") and percent(told[:-2], value)
    return told == {"few": "too few", "withheld": "withheld"}.get(row.get("state", ""), "–")


# What gets in the way


@rule(rf"(A slow page|{QUOTED}) at {QUOTED} puts most goals at stake")
def _(c: Claims, _: Text, what: str, *__: str) -> bool:
    return _name(c.site.frames["pains"][0]).startswith(f"{what} at ")


@rule(r"(\d+) pains? by goals at stake\.")
def _(c: Claims, text: Text, many: str) -> bool:
    return text.card == "pains" and int(many) == len(c.site.frames["pains"])


@rule(
    r"Journeys that met trouble at a stage, and how many of them reached the goal; beside them those otherwise alike\."
)
def _(_: Claims, text: Text) -> bool:
    return text.card == "pains"


@rule(
    rf"Trouble: a touchpoint with “error” or “fail” in its name, and a page that took more than 3 seconds; once per journey and stage, within {LENGTH} after its first touch and before the goal\. Alike: journeys that were at the stage and did not meet it there, had got as far, and began with the same channel and, where it is known, device\. Goals at stake: those that are missing against them; a comparison, no proof of a cause: too high where those who met it differ in more, too low where those alike had not come as near the goal\. Shown where the corrected p is below 0\.05 \(Cochran, Mantel, Haenszel; Benjamini–Hochberg\) and the lower end is one goal or more\. A journey may meet several: do not add them up\. Intervals: 95 %, judged by customers\."
)
def _(c: Claims, text: Text, within: str) -> bool:
    return text.card == "pains" and within == length(c.truth.settings.window)


@rule(
    r"What journeys meet at each stage|Trouble, slow pages, steps back and repeats, those that most journeys meet first\."
)
def _(_: Claims, text: Text) -> bool:
    return text.card == "friction"


@rule(
    r"Of the mature journeys with a touch at the stage, those that met it there once or more, before the goal\. Slow page: it took more than 3 seconds\. Step back: the next stage touched is an earlier one; counted at the stage that is left\. Three in a row: of the same touchpoint\. What few journeys met is left out\."
)
def _(_: Claims, text: Text) -> bool:
    return text.card == "friction"


# Personas


@rule(rf"Persona {QUOTED} reaches the goal (least|most) often")
def _(c: Claims, _: Text, name: str, how: str) -> bool:
    rated = sorted(_named(c, "personas"), key=lambda row: row["goal_rate"])
    first, others = (rated[0], rated[1:]) if how == "least" else (rated[-1], rated[:-1])
    ends = ("goal_rate_high", "goal_rate_low") if how == "least" else ("goal_rate_low", "goal_rate_high")
    sign = 1 if how == "least" else -1
    return shown(first["persona"]) == name and all(sign * first[ends[0]] < sign * row[ends[1]] for row in others)


@rule(rf"One persona: {QUOTED}")
def _(c: Claims, _: Text, name: str) -> bool:
    return [shown(row["persona"]) for row in _named(c, "personas")] == [name]


@rule(r"(\d+) personas, by how customers move")
def _(c: Claims, _: Text, many: str) -> bool:
    return int(many) == len(_named(c, "personas")) != 1


@rule(rf"(?:({NUMBER}) customers|Customers) by how they moved in their first {LENGTH}; described, not caused\.")
def _(c: Claims, text: Text, many: str | None, within: str) -> bool:
    found, rows = portfolio_of(c.truth), _named(c, "personas")
    assert found is not None
    is_known = all(row["customers"] is not None for row in rows)
    right = agrees(many, sum(row["customers"] for row in rows)) if many and is_known else not many and not is_known
    return text.card == "personas" and right and within == length(found.length)


@rule(rf"In none: ((?:(?:few|{NUMBER}) (?:observed still|too few touches|no rule fits)(?:, )?)+)\.")
def _(c: Claims, _: Text, told: str) -> bool:
    rows = [row for row in c.site.frames["personas"] if row["reason"] is not None]
    parts = [part.split(" ", 1) for part in told.split(", ")]
    return len(parts) == len(rows) and all(
        why == row["reason"] and (many == "few" if row["customers"] is None else agrees(many, row["customers"]))
        for (many, why), row in zip(parts, rows, strict=True)
    )


@rule(
    rf"(Personas are by rules: a customer is in the first that fits\.|Personas were found as groups of real paths \(fit \d+\); a customer is in the nearest\.) Placed: observed for {LENGTH}, with (\d+) touches or more\. Share: of the placed customers\. Goal rate: of all mature journeys of its customers, within {LENGTH}; 95 % \(Wilson, judged by customers\)\. Goals and value: of those of all personas\. A sentence stands where its numbers are clear\. Of a persona of fewer than (\d+) customers, or of 1 %, only the size is told\."
)
def _(c: Claims, _: Text, how: str, observed: str, least: str, within: str, fewer: str) -> bool:
    found = portfolio_of(c.truth)
    assert found is not None
    made = "by rules" if found.fit is None else f"(fit {found.fit['number']})"
    right = made in how and observed == length(found.length) and int(least) == found.least
    return right and within == length(c.truth.settings.window) and int(fewer) == 10 * c.k


# Segments


@rule(rf"Segment {QUOTED} has the most members")
def _(c: Claims, _: Text, name: str) -> bool:
    told = [row for row in _named(c, "sizes") if row["members"] is not None]
    return len(told) > 1 and shown(max(told, key=lambda row: row["members"])["segment"]) == name


@rule(r"How many customers are in each segment")
def _(c: Claims, _: Text) -> bool:
    return sum(row["members"] is not None for row in _named(c, "sizes")) < 2


@rule(
    r"Members at the end of the data, as a share of the customers of whom it is known; joined and left in the four weeks before\."
)
def _(_: Claims, text: Text) -> bool:
    return text.card == "sizes"


@rule(
    r"A customer who has not been seen for long enough, or lacks a value, is not known\. Interval: 95 % \(Wilson\)\. A segment of fewer than (\d+) customers, or of 1 %, is only named; one that differs from another by few customers is withheld\."
)
def _(c: Claims, text: Text, fewer: str) -> bool:
    return text.card == "sizes" and int(fewer) == 10 * c.k


# Where everybody is


@rule(rf"({NUMBER}) of ({NUMBER}) journeys under way wait longer than usual")
def _(c: Claims, _: Text, late: str, whole: str) -> bool:
    rows = c.site.frames["standing"]
    return agrees(late, sum(row["late"] for row in rows)) and agrees(whole, sum(row["journeys"] for row in rows))


@rule(r"Where the journeys under way stand")
def _(c: Claims, _: Text) -> bool:
    return any(None in (row["journeys"], row["late"]) for row in c.site.frames["standing"])


@rule(
    r"Journeys under way at the end of the data, by the furthest stage that they have reached\. Late: longer there than nine in ten of those who went on\."
)
def _(_: Claims, text: Text) -> bool:
    return text.card == "standing"


@rule(
    r"A wait begins with the first touch that brought the journey to the stage\. Usual: up to the median wait of the journeys, over or not, that went on from there; longer: up to their 90 % point\. Where fewer than 30 customers went on, what is usual is not told\. Counts that would reveal fewer than (\d+) customers are withheld\."
)
def _(c: Claims, text: Text, k: str) -> bool:
    return text.card == "standing" and int(k) == c.k


@rule(r"Journeys under way by stage\.")
def _(_: Claims, text: Text) -> bool:
    return text.card == "standing"


@rule(rf"([^;]+?): ({NUMBER}|withheld) journeys(?:, ({NUMBER}) of them late)?[;.](?= |$)")
def _(c: Claims, text: Text, name: str, many: str, late: str | None) -> bool:
    names = {"No stage yet" if row["stage"] is None else shown(row["stage"]): row for row in c.site.frames["standing"]}
    row = names[name]
    right = many == "withheld" if row["journeys"] is None else agrees(many, row["journeys"])
    return text.card == "standing" and right and (row["late"] is None if late is None else agrees(late, row["late"]))


# Help that was needed, and short visits


@rule(rf"{PERCENT} of journeys need a contact")
def _(c: Claims, _: Text, share: str) -> bool:
    first = c.site.frames["contacts"][0]
    return first["measure"] == "contact_rate" and first["group"] is None and percent(share, first["share"])


@rule(r"Help that was needed")
def _(c: Claims, _: Text) -> bool:
    return c.site.frames["contacts"][0]["share"] is None


@rule(
    r"Journeys in which customers asked for help, by the stage they began at; then how their contacts went\.|What short visits on a phone find"
)
def _(_: Claims, text: Text) -> bool:
    return text.card in ("contacts", "moments")


@rule(
    rf"Contacts: (“[^”]*”(?: or “[^”]*”)*)\. Of journeys: those that began at least {LENGTH} before the end of the data, with a contact within {LENGTH}, also after the goal; by the stage of the first touch\. Repeated: another contact of the customer within {LENGTH}, in any channel(?:, of the same (.+?) where both have one)?\. Follow the web: a touch there within {LENGTH} before, in the same journey\. Passed on: the session goes on as another kind of contact\. Chats: no other contact within {LENGTH}\. Shares are of contacts that have been followed for so long; 95 % \(Wilson, judged by customers\)\."
)
def _(c: Claims, _: Text, names: str, first: str, within: str, *told: str | None) -> bool:
    asked = c.truth.settings.tables["contacts"]
    repeat, reason, before, contained = told
    lengths = [length(microseconds(asked.get(name, usual))) for name, usual in LENGTHS.items()]
    right = names == " or ".join(f"“{shown(name)}”" for name in asked["touchpoints"])
    right &= [repeat, before, contained] == lengths and first == within == length(c.truth.settings.window)
    return right and reason == (asked.get("reason") and asked["reason"].replace("_", " "))


@rule(
    rf"Visits of at most {LENGTH} with a device in the hand, by what they want; those of a single touch are not counted\."
)
def _(c: Claims, _: Text, longest: str) -> bool:
    return longest == length(microseconds(c.truth.settings.tables["moments"].get("longest", "3m")))


@rule(
    rf"A moment: a session on a device held in the hand, of two touches or more and at most {LENGTH}\. What it wants: the first intent of which it has a touchpoint\. Found a page: it began with a search, an ad or a link, and met no error\. Useful: as the intent says\. Quick: no page took more than 3 seconds\. Shares are of moments that have been followed for long enough; 95 % \(Wilson, judged by customers\)\."
)
def _(c: Claims, _: Text, longest: str) -> bool:
    return longest == length(microseconds(c.truth.settings.tables["moments"].get("longest", "3m")))


# What they said


@rule(rf"Customers write of {QUOTED} most often")
def _(c: Claims, text: Text, name: str) -> bool:
    rows = [row for row in c.site.frames["themes"] if row["measure"] == "theme_share" and row["group"]]
    first, *others = sorted(rows, key=lambda row: -row["part"])
    return text.card == "themes" and shown(first["group"]) == name and all(r["part"] < first["part"] for r in others)


@rule(r"What they said")
def _(c: Claims, text: Text) -> bool:
    rows = [row for row in c.site.frames["themes"] if row["measure"] == "theme_share" and row["group"]]
    counts = sorted((row["part"] for row in rows if row["part"] is not None), reverse=True)
    return text.card == "themes" and (len(counts) < len(rows) or counts[:1] == counts[1:2] or not rows)


@rule(rf"Themes in (?:({NUMBER}) )?texts of customers, by the words of the codebook\.")
def _(c: Claims, text: Text, many: str | None) -> bool:
    known = [row["whole"] for row in c.site.frames["themes"] if row["whole"] is not None]
    return text.card == "themes" and (agrees(many, known[0]) if many else not known)


@rule(
    r"Themes are lists of words that a person wrote; a text may have several\. Share: of all texts; low scores: NPS up to 6, CSAT up to 2 or CES up to 3, of the texts with a score\. 95 % \(Wilson, judged by customers\)\. Quotes are redacted, and each was approved by a person\. Of a theme of fewer than (\d+) customers nothing is told\."
)
def _(c: Claims, text: Text, k: str) -> bool:
    return text.card == "themes" and int(k) == c.k


# Where they said it


@rule(r"Where they said it|Themes by the stage of the touch before the text\.|Themes by stage\.(?= )")
def _(_: Claims, text: Text) -> bool:
    return text.card == "themes-by-stage"


@rule(
    r"Of all texts at the stage: those with the theme; a text may have several\. The stage is that of the last touch in the 7 days before the text\. 95 % \(Wilson, judged by customers\)\. Shares that would reveal fewer than (\d+) customers are withheld\."
)
def _(c: Claims, text: Text, k: str) -> bool:
    return text.card == "themes-by-stage" and int(k) == c.k


# What they believe


@rule(
    r"What customers believe, stage by stage|Customers who gave the wished answer to a question of a survey, of those who answered it\."
)
def _(_: Claims, text: Text) -> bool:
    return text.card == "beliefs"


@rule(
    r"Of the customers who answered the question at the stage, by the last answer of each: those who gave a wished answer\. The stage is that of the last touch before the answer, unless the question names its own\. 95 % \(Wilson\)\. Shares that would reveal fewer than (\d+) customers are withheld\."
)
def _(c: Claims, text: Text, k: str) -> bool:
    return text.card == "beliefs" and int(k) == c.k


@rule(r"Believe: of the customers who answered, those with the wished answer\.")
def _(c: Claims, text: Text) -> bool:
    return text.card == "map" and "beliefs" in c.site.frames


@rule(r"Who the customers are, and where they stand\.")
def _(c: Claims, text: Text) -> bool:
    return text.place == "lede" and not {"segments", "by-day"} & c.site.frames.keys()


__all__ = ["judge"]


# How many of those under way should reach the goal

DATE = r"(\d{1,2} [A-Z][a-z]{2} \d{4})"


def tested_on(site: Site) -> str:
    """The day of the cutoff of the test, as the card says it."""
    texts = (plain(text.words) for text in site.texts if text.card == "outlook" and text.place == "first line")
    return next(match[1] for words in texts if (match := re.search(rf"with these chances on {DATE}\.$", words)))


def _band(row: Row) -> str:
    """The chances of a band."""
    low, high = (f"{row[name] * 100:.1f}" for name in ("chance_from", "chance_to"))
    if row["band"] is None:
        return "All"
    if row["chance_from"] == 0.0:
        return f"under {high} %"
    return f"{low} % and more" if row["chance_to"] == 1.0 else f"{low}–{high} %"


def _goal_ahead(c: Claims) -> tuple[str, str]:
    """The name of the goal that is predicted, and within which time."""
    asked = c.truth.settings.tables["prediction"]
    name = asked.get("goal") or c.truth.settings.goal
    return shown(name), length(microseconds(asked.get("horizons", ["14d"])[-1]))


@rule(rf"(?:About ({NUMBER}) journeys|(Hardly any journey)) under way should reach {QUOTED} within {LENGTH}")
def _(c: Claims, text: Text, told: str | None, _: str | None, name: str, within: str) -> bool:
    goals = c.site.frames["outlook"][0]["expected_goals"]
    digits = len(str(goals)) - 2 if goals > 99 else 0
    right = goals == 0 if told is None else goals > 0 and number(told) == round(goals, -digits)
    return text.card in ("outlook", "") and right and (name, within) == _goal_ahead(c)


@rule(
    rf"({NUMBER}) customers with a journey under way on {DATE}, by their chance \(expected: ({NUMBER})–({NUMBER}), 95 %, if the chances hold\)\. ○ expected and ● seen: customers with these chances on {DATE}\."
)
def _(c: Claims, text: Text, many: str, at: str, low: str, high: str, tested: str) -> bool:
    whole = c.site.frames["outlook"][0]
    right = agrees(many, whole["customers"]) and agrees(low, whole["expected_low"])
    right &= agrees(high, whole["expected_high"]) and at == day(c.end)
    return text.card == "outlook" and right and tested == tested_on(c.site)


@rule(
    r"(?:The hazard model, which was surely better there than a logistic baseline of recency and visits|A logistic baseline of recency and visits, which was surely better there than one share for all; the hazard model was not good enough)\.(?= Tested on )"
)
def _(_: Claims, text: Text) -> bool:
    return text.card == "outlook"


@rule(
    rf"Tested on what was known on {DATE} and came within {LENGTH}; learned from what was known on (?:1 earlier date|(\d+) earlier dates), and nothing later\. Expected: the sum, or the mean, of chances; the interval of their sum is that of independent events\. Bands begin at the 50, 80 and 95 % points of the tested chances\. Whiskers: 95 % \(Wilson\)\. Customers under way are in tens, without those who object to profiling; counts that would reveal fewer than (\d+) are withheld\. A chance is no cause\."
)
def _(c: Claims, text: Text, tested: str, within: str, dates: str | None, k: str) -> bool:
    most = c.truth.settings.tables["prediction"].get("cutoffs", 8)
    right = tested == tested_on(c.site) and within == _goal_ahead(c)[1] and int(k) == c.k
    return text.card == "outlook" and right and int(dates or 1) < most


@rule(r"Share seen, by chance\.")
def _(_: Claims, text: Text) -> bool:
    return text.card == "outlook"
