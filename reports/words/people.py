"""What the cards of customers say: titles, first lines and tables of personas, segments, open journeys and help."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Protocol

import polars as pl

from reports.privacy.stages import FEW, WITHHELD
from reports.questions.answers import Outlook, PersonaNote
from reports.settings import ReportSettings
from reports.words.numbers import (
    MISSING,
    NARROW,
    count,
    day,
    interval,
    length,
    percent,
    quoted,
    shown_name,
    wait,
    whole_interval,
)
from reports.words.tables import Table


class ContactWords(Protocol):
    """What contacts are (`[contacts]`)."""

    @property
    def touchpoints(self) -> Sequence[str]:
        """What a contact is."""

    @property
    def reason(self) -> str | None:
        """The column of the reason."""

    @property
    def repeat(self) -> timedelta:
        """How soon another contact is a repeat."""

    @property
    def before(self) -> timedelta:
        """How long before a contact the web counts."""

    @property
    def contained(self) -> timedelta:
        """How long after a chat no contact may follow."""


class MomentWords(Protocol):
    """What moments are (`[moments]`)."""

    @property
    def longest(self) -> timedelta:
        """How long a moment is at most."""


def note_of(row: Mapping[str, Any]) -> str:
    """What stands in the place of a number that is not told."""
    return {FEW: "too few", WITHHELD: "withheld"}.get(row["state"], MISSING)


def standing_at(stage: str | None) -> str:
    """The stage that journeys stand at, as it is shown."""
    return "No stage yet" if stage is None else shown_name(stage)


def personas_headline(frame: pl.DataFrame) -> str:
    """The title of the personas: which of them reaches the goal least often, or most often, where that is clear.

    >>> rates = {"persona": ["App", "Store"], "goal_rate": [0.2, 0.4], "goal_rate_low": [0.1, 0.35]}
    >>> personas_headline(pl.DataFrame({**rates, "goal_rate_high": [0.3, 0.45]}))
    'Persona “App” reaches the goal least often'
    """
    named = frame.filter(pl.col("persona").is_not_null())
    rated = named.drop_nulls("goal_rate").sort("goal_rate")
    if rated.height == named.height > 1:
        lows, highs = rated["goal_rate_low"].to_list(), rated["goal_rate_high"].to_list()
        if highs[0] < min(lows[1:]):
            return f"Persona {quoted(rated['persona'][0])} reaches the goal least often"
        if lows[-1] > max(highs[:-1]):
            return f"Persona {quoted(rated['persona'][-1])} reaches the goal most often"
    if named.height == 1:
        return f"One persona: {quoted(named['persona'][0])}"
    return f"{named.height} personas, by how customers move"


def personas_detail(frame: pl.DataFrame, note: PersonaNote) -> str:
    """The first line of the personas: who is counted, and who is in none."""
    inside = frame.filter(pl.col("persona").is_not_null())["customers"]
    placed = "Customers" if inside.null_count() else f"{count(int(inside.sum()))} customers"
    text = f"{placed} by how they moved in their first {length(note.observed)}; described, not caused."
    apart = frame.filter(pl.col("reason").is_not_null())
    reasons = [
        f"{'few' if row['customers'] is None else count(row['customers'])} {row['reason']}"
        for row in apart.iter_rows(named=True)
    ]
    return text + (f" In none: {', '.join(reasons)}." if reasons else "")


def personas_method(note: PersonaNote, settings: ReportSettings, within: str) -> str:
    """How personas are counted."""
    how = (
        "Personas are by rules: a customer is in the first that fits."
        if note.fit is None
        else f"Personas were found as groups of real paths (fit {note.fit}); a customer is in the nearest."
    )
    return (
        f"{how} Placed: observed for {length(note.observed)}, with {note.least} touches or more. Share: of the placed "
        f"customers. Goal rate: of all mature journeys of its customers, within {within}; 95 % (Wilson, judged by "
        "customers). Goals and value: of those of all personas. A sentence stands where its numbers are clear. "
        f"Of a persona of fewer than {10 * settings.k} customers, or of 1 %, only the size is told."
    )


def unfit_of(row: Mapping[str, Any]) -> str:
    """What a text of a person was written for, and is no longer so; empty where it fits.

    >>> from reports.words.numbers import NARROW
    >>> row = {"written_for": 3, "share": 0.38, "share_then": 0.46, "goal_rate": 0.2, "goal_rate_then": None}
    >>> unfit_of(row).replace(NARROW, " ")
    'Written for fit 3: size was 46.0 %, is 38.0 %.'
    """
    moved = [
        f"{what} was {percent(row[f'{name}_then'])}, is {percent(row[name])}"
        for name, what in (("share", "size"), ("goal_rate", "goal rate"))
        if row[f"{name}_then"] is not None
    ]
    when = "Written earlier" if row["written_for"] is None else f"Written for fit {row['written_for']}"
    return f"{when}: {'; '.join(moved)}." if moved else ""


def persona_words(row: Mapping[str, Any]) -> str:
    """What is said of a persona, and how a text of a person no longer fits."""
    return " ".join(filter(None, [row["text"], unfit_of(row)]))


def personas_table(frame: pl.DataFrame) -> Table:
    """The personas, then who is in none."""
    rows = [
        (
            shown_name(r["persona"]) if r["reason"] is None else f"In none: {r['reason']}",
            note_of(r) if r["customers"] is None else count(r["customers"]),
            percent(r["share"]),
            interval(r["share_low"], r["share_high"]),
            percent(r["goal_rate"]) if r["goal_rate"] is not None or r["reason"] is not None else note_of(r),
            interval(r["goal_rate_low"], r["goal_rate_high"]),
            count(r["mature"]),
            percent(r["share_of_goals"]),
            percent(r["share_of_value"]),
            persona_words(r) or MISSING,
        )
        for r in frame.iter_rows(named=True)
    ]
    heads = ("Persona", "Customers", "Of the placed", "95 % interval", "Goal rate", "95 % interval", "Mature journeys")
    return Table((*heads, "Of goals", "Of value", "In words"), tuple(rows), words=(0, 9))


def sizes_headline(frame: pl.DataFrame) -> str:
    """The title of the segments: the largest of those that are told."""
    told = frame.drop_nulls("members").sort("members", descending=True, maintain_order=True)
    if told.height > 1:
        return f"Segment {quoted(told['segment'][0])} has the most members"
    return "How many customers are in each segment"


def sizes_table(frame: pl.DataFrame) -> Table:
    """The sizes of the segments."""
    rows = [
        (
            shown_name(r["segment"]),
            note_of(r) if r["members"] is None else count(r["members"]),
            percent(r["share_of_known"]),
            interval(r["share_of_known_low"], r["share_of_known_high"]),
            count(r["known"]),
            count(r["joined"]),
            count(r["left"]),
            r["says"] or MISSING,
        )
        for r in frame.iter_rows(named=True)
    ]
    heads = ("Segment", "Members", "Of the known", "95 % interval", "Known", "Joined", "Left", "In words")
    return Table(heads, tuple(rows), words=(0, 7))


def standing_headline(frame: pl.DataFrame) -> str:
    """The title of where journeys stand: how many wait longer than is usual, where all stages tell.

    >>> standing_headline(pl.DataFrame({"journeys": [40, 60], "late": [10, 20]}))
    '30 of 100 journeys under way wait longer than usual'
    """
    if frame["journeys"].null_count() or frame["late"].null_count():
        return "Where the journeys under way stand"
    late, whole = (count(int(frame[name].sum())) for name in ("late", "journeys"))
    return f"{late} of {whole} journeys under way wait longer than usual"


def standing_table(frame: pl.DataFrame) -> Table:
    """Where journeys stand, and for how long."""
    rows = [
        (
            standing_at(r["stage"]),
            note_of(r) if r["journeys"] is None else count(r["journeys"]),
            percent(r["share_of_journeys"]),
            *(note_of(r) if r[age] is None else count(r[age]) for age in ("fresh", "waiting", "late")),
            percent(r["share_late"]),
            *(wait(r[name]) for name in ("median_wait", "usual_wait", "late_after")),
        )
        for r in frame.iter_rows(named=True)
    ]
    heads = ("Stage", "Journeys", "Of all under way", "Usual wait so far", "Longer", "Late", "Share late")
    return Table((*heads, "Median wait so far", "Usual wait", "Late after"), tuple(rows))


def outlook_headline(found: Outlook) -> str:
    """The title of the outlook: how many of the journeys under way should reach the goal, in two digits."""
    goals = int(found.frame["expected_goals"][0])
    how = f"should reach {quoted(found.goal)} within {length(found.horizon)}"
    if not goals:
        return f"Hardly any journey under way {how}"
    return f"About {count(round(goals, 2 - len(str(goals))) if goals > 99 else goals)} journeys under way {how}"


def outlook_detail(found: Outlook) -> str:
    """The first line of the outlook: who is counted, how sure it is, and what stands beside it."""
    whole = found.frame.row(0, named=True)
    ends = whole_interval(whole["expected_low"], whole["expected_high"])
    return (
        f"{count(whole['customers'])} customers with a journey under way on {day(found.at)}, by their chance "
        f"(expected: {ends}, 95 %, if the chances hold). ○ expected and ● seen: customers with these chances on "
        f"{day(found.tested)}."
    )


def outlook_method(found: Outlook, settings: ReportSettings) -> str:
    """How chances are made and tested."""
    why = (
        "The hazard model, which was surely better there than a logistic baseline of recency and visits"
        if found.model == "hazard"
        else "A logistic baseline of recency and visits, which was surely better there than one share for all; the "
        "hazard model was not good enough"
    )
    dates = "1 earlier date" if found.learned == 1 else f"{found.learned} earlier dates"
    return (
        f"{why}. Tested on what was known on {day(found.tested)} and came within {length(found.horizon)}; learned from "
        f"what was known on {dates}, and nothing later. Expected: the sum, or the mean, of chances; the interval "
        "of their sum is that of independent events. Bands begin at the 50, 80 and 95 % points of the tested chances. "
        "Whiskers: 95 % (Wilson). Customers under way are in tens, without those who object to profiling; counts "
        f"that would reveal fewer than {settings.k} are withheld. A chance is no cause."
    )


def chance_band(row: Mapping[str, Any]) -> str:
    """The chances of a band of the outlook.

    >>> from reports.words.numbers import NARROW
    >>> ends = ((None, 0.0, 1.0), (1, 0.0, 0.05), (2, 0.05, 0.1), (4, 0.1, 1.0))
    >>> rows = [dict(zip(("band", "chance_from", "chance_to"), each)) for each in ends]
    >>> [chance_band(row).replace(NARROW, " ") for row in rows]
    ['All', 'under 5.0 %', '5.0–10.0 %', '10.0 % and more']
    """
    if row["band"] is None:
        return "All"
    if row["chance_from"] == 0.0:
        return f"under {percent(row['chance_to'])}"
    if row["chance_to"] == 1.0:
        return f"{percent(row['chance_from'])} and more"
    return f"{interval(row['chance_from'], row['chance_to'])}{NARROW}%"


def counted(row: Mapping[str, Any], name: str) -> str:
    """A count of a row, or that it is withheld."""
    return "withheld" if row[name] is None else count(row[name])


def outlook_table(frame: pl.DataFrame) -> Table:
    """The bands of chance, and what came of such chances before."""
    rows = [
        (
            chance_band(r),
            counted(r, "customers"),
            counted(r, "expected_goals"),
            MISSING if r["expected_low"] is None else whole_interval(r["expected_low"], r["expected_high"]),
            counted(r, "tested"),
            percent(r["expected"]),
            percent(r["seen"]) if r["seen"] is not None else note_of(r),
            interval(r["seen_low"], r["seen_high"]),
        )
        for r in frame.iter_rows(named=True)
    ]
    heads = (
        "Chance",
        "Customers",
        "Expected",
        "95 % interval",
        "Tested",
        "Expected then",
        "Seen then",
        "95 % interval",
    )
    return Table(heads, tuple(rows))


LONGEST_QUOTE: Final = 280
NAMES: Final = {
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
"""Each share in words."""


def share_name(row: Mapping[str, Any]) -> str:
    """A share of contacts or of moments in words.

    >>> [share_name({"measure": m, "group": g}) for m, g in (("contact_rate", "Interest"), ("quick_rate", "go"))]
    ['begun at “Interest”', '“go”: quick']
    """
    if row["group"] is None:
        return NAMES[row["measure"]]
    if row["measure"] == "theme_share":
        return quoted(row["group"]) if row["group"] else "No theme"
    group = quoted(row["group"])
    if row["measure"] == "contact_rate":
        return f"begun at {group}" if row["group"] else "begun without a stage"
    return f"{group}: {NAMES[row['measure']]}"


def contacts_headline(frame: pl.DataFrame) -> str:
    """The title of the contacts: the share of journeys that needs one.

    >>> contacts_headline(pl.DataFrame({"group": [None], "share": [0.061]})).replace(chr(0x202f), " ")
    '6.1 % of journeys need a contact'
    """
    first = frame.row(0, named=True)
    return "Help that was needed" if first["share"] is None else f"{percent(first['share'])} of journeys need a contact"


def contacts_method(asked: ContactWords, within: str) -> str:
    """How contacts are counted."""
    reason = f", of the same {asked.reason.replace('_', ' ')} where both have one" if asked.reason else ""
    return (
        f"Contacts: {' or '.join(quoted(name) for name in asked.touchpoints)}. Of journeys: those that began at least "
        f"{within} before the end of the data, with a contact within {within}, also after the goal; by the stage of "
        f"the first touch. Repeated: another contact of the customer within {length(asked.repeat)}, in any "
        f"channel{reason}. Follow the web: a touch there within {length(asked.before)} before, in the same journey. "
        "Passed on: the session goes on as another kind of contact. Chats: no other contact within "
        f"{length(asked.contained)}. Shares are of contacts that have been followed for so long; 95 % (Wilson, judged "
        "by customers)."
    )


def moments_method(asked: MomentWords) -> str:
    """How moments are counted."""
    return (
        "A moment: a session on a device held in the hand, of two touches or more and at most "
        f"{length(asked.longest)}. What it wants: the first intent of which it has a touchpoint. Found a page: it "
        "began with a search, an ad or a link, and met no error. Useful: as the intent says. Quick: no page took more "
        "than 3 seconds. Shares are of moments that have been followed for long enough; 95 % (Wilson, judged by "
        "customers)."
    )


def said_headline(frame: pl.DataFrame) -> str:
    """The title of what customers said: the theme of most texts, where all are told.

    >>> rows = {"measure": ["theme_share"] * 2, "group": ["Price", ""], "part": [40, 60]}
    >>> said_headline(pl.DataFrame(rows))
    'Customers write of “Price” most often'
    """
    named = frame.filter(pl.col("measure") == "theme_share", pl.col("group") != "")
    if named["part"].null_count() or len(named) < 1:
        return "What they said"
    most = named.sort("part", descending=True, maintain_order=True)
    if len(most) > 1 and most["part"][0] == most["part"][1]:
        return "What they said"
    return f"Customers write of {quoted(most['group'][0])} most often"


def said_method(settings: ReportSettings) -> str:
    """How themes are counted."""
    return (
        "Themes are lists of words that a person wrote; a text may have several. Share: of all texts; low scores: NPS "
        "up to 6, CSAT up to 2 or CES up to 3, of the texts with a score. 95 % (Wilson, judged by customers). Quotes "
        "are redacted, and each was approved by a person. Of a theme of fewer "
        f"than {settings.k} customers nothing is told."
    )


def said_at_name(row: Mapping[str, Any]) -> str:
    """A theme, and the stage at which customers wrote of it.

    >>> [said_at_name({"theme": "Price", "stage": stage}) for stage in ("Desire", "")]
    ['“Price” at “Desire”', '“Price” without a stage']
    """
    return f"{quoted(row['theme'])} " + (f"at {quoted(row['stage'])}" if row["stage"] else "without a stage")


def said_at_method(settings: ReportSettings) -> str:
    """How themes are counted stage by stage."""
    return (
        "Of all texts at the stage: those with the theme; a text may have several. The stage is that of the last touch "
        "in the 7 days before the text. 95 % (Wilson, judged by customers). Shares that would reveal fewer than "
        f"{settings.k} customers are withheld."
    )


def said_at_table(frame: pl.DataFrame) -> Table:
    """The shares of themes, stage by stage."""
    rows = [
        (
            said_at_name(r),
            note_of(r) if r["part"] is None else count(r["part"]),
            note_of(r) if r["whole"] is None else count(r["whole"]),
            percent(r["share"]) if r["share"] is not None else note_of(r),
            interval(r["share_low"], r["share_high"]),
        )
        for r in frame.iter_rows(named=True)
    ]
    return Table(("Theme", "With it", "Texts", "Share", "95 % interval"), tuple(rows))


def told_quotes(row: Mapping[str, Any]) -> str:
    """The quotes of a theme, each in quotation marks.

    >>> told_quotes({"quote": "So slow!", "second_quote": None})
    '“So slow!”'
    """
    found = [row[name] for name in ("quote", "second_quote") if row[name] is not None]
    return " ".join(f"“{shown_name(one, LONGEST_QUOTE)}”" for one in found)


def belief_name(row: Mapping[str, Any]) -> str:
    """What customers are asked, and where.

    >>> belief_name({"says": "The price is fair", "stage": "Desire"})
    '“The price is fair” at “Desire”'
    """
    return f"{quoted(row['says'])} at {quoted(row['stage'])}"


def beliefs_method(settings: ReportSettings) -> str:
    """How beliefs are counted."""
    return (
        "Of the customers who answered the question at the stage, by the last answer of each: those who gave a wished "
        "answer. The stage is that of the last touch before the answer, unless the question names its own. "
        f"95 % (Wilson). Shares that would reveal fewer than {settings.k} customers are withheld."
    )


def beliefs_table(frame: pl.DataFrame) -> Table:
    """What customers believe, stage by stage."""
    rows = [
        (
            shown_name(r["stage"]),
            shown_name(r["says"], LONGEST_QUOTE),
            shown_name(r["wished"], LONGEST_QUOTE),
            note_of(r) if r["part"] is None else count(r["part"]),
            note_of(r) if r["whole"] is None else count(r["whole"]),
            percent(r["share"]) if r["share"] is not None else note_of(r),
            interval(r["share_low"], r["share_high"]),
        )
        for r in frame.iter_rows(named=True)
    ]
    heads = ("Stage", "Question", "Wished answer", "Gave it", "Answered", "Share", "95 % interval")
    return Table(heads, tuple(rows), words=(0, 1, 2))


def texts_told(frame: pl.DataFrame) -> str:
    """How many texts there are.

    >>> texts_told(pl.DataFrame({"whole": [None, 1200]}))
    '1,200 texts'
    """
    known = frame["whole"].drop_nulls()
    return f"{count(known[0])} texts" if len(known) else "texts"


def low_told(row: Mapping[str, Any] | None) -> str:
    """The share of low scores, or what stands in its place."""
    if row is None:
        return MISSING
    return note_of(row) if row["share"] is None else percent(row["share"])


def said_table(frame: pl.DataFrame) -> Table:
    """The shares of themes, with quotes."""
    plain = shares_table(frame)
    said = [told_quotes(row) or MISSING for row in frame.iter_rows(named=True)]
    rows = tuple((*row, text) for row, text in zip(plain.rows, said, strict=True))
    return Table((*plain.heads, "In their words"), rows, words=(0, 5))


def shares_table(frame: pl.DataFrame) -> Table:
    """Shares of contacts, or of moments."""
    rows = [
        (
            share_name(r),
            note_of(r) if r["part"] is None else count(r["part"]),
            note_of(r) if r["whole"] is None else count(r["whole"]),
            percent(r["share"]) if r["share"] is not None else note_of(r),
            interval(r["share_low"], r["share_high"]),
        )
        for r in frame.iter_rows(named=True)
    ]
    return Table(("What", "Of them", "Of all", "Share", "95 % interval"), tuple(rows))
