"""What the tools answer in the mode *published*: what reports told, and nothing else.

No number is computed here, so no two answers can be subtracted to learn of fewer customers than the report tells of.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from expectations.errors import DefinitionError, JourneysError, StorageError, nearest
from journeys.reported.agents.arguments import (
    AskArguments,
    ExplainArguments,
    QualityArguments,
    SqlArguments,
    StandingArguments,
    VocabularyArguments,
    VoiceArguments,
    WhyArguments,
)
from journeys.reported.agents.budget import LONGEST_TEXT, MOST_ROWS, fitted, harmless_value
from journeys.reported.agents.card_rows import INTERVAL, ROW, card_table, numbered_rows
from journeys.reported.agents.meanings import meaning_of

if TYPE_CHECKING:
    import polars as pl

    from journeys.settings import Settings

MINE: Final = "who owns the lake starts `journeys agents --mine`"
CLAIMS: Final = ("since", "changes", "incident", "act-first", "pains", "segments")
"""Cards whose title says what moved, or where most is at stake."""
MOST_CLAIMS: Final = 8
QUALITY: Final = ("Touches", "End of data", "Newest event arrived", "Withheld", "Too few for a rate")
_SATISFIED: Final = "Satisfied at "
_WEEK: Final = re.compile(r"(\d{4})-W(\d{2})")
Answer = dict[str, Any]


class Told:
    """One report, as the lake keeps it."""

    def __init__(self, index: Mapping[str, Any]) -> None:
        self.index: Final = index
        self.run: Final = str(index["folder"]).rpartition("/")[2]

    @cached_property
    def cards(self) -> dict[str, dict[str, Any]]:
        """The cards by id."""
        return {part["id"]: part for page in self.index["pages"] for part in page["parts"]}

    @property
    def data_to(self) -> str:
        """The end of the data, as a day."""
        return str(self.index["end_of_data"] or "")[:10]

    def card(self, name: str) -> dict[str, Any]:
        """The card of this name. Raises `DefinitionError` with the nearest one where the report has none."""
        asked = name.strip().replace("_", "-").replace(" ", "-").lower()
        if asked not in self.cards:
            raise DefinitionError(
                f"The report has no card {harmless_value(name)!r}.",
                where=self.run,
                expected=f"one of {', '.join(self.cards)}",
                do=nearest(asked, self.cards) or "ask vocabulary what there is",
            )
        return self.cards[asked]

    def frame(self, card: str) -> pl.DataFrame:
        """The numbers of a card; without rows where the report has it not."""
        import polars as pl

        from reports.site.receipts.answers import frame_from_json

        part = self.cards.get(card)
        return pl.DataFrame() if part is None else frame_from_json(part["frame"], part.get("types", {}))

    def values(self, card: str, column: str) -> list[str]:
        """The different texts of a column of a card, in their order; none where there is no such."""
        frame = self.frame(card)
        if column not in frame.columns:
            return []
        found = frame[column].drop_nulls().unique(maintain_order=True)
        return [str(harmless_value(str(value))) for value in found]


class Published:
    """Answers the tools from the newest report, or one that is named."""

    mode: str = "published"

    def __init__(self, settings: Settings) -> None:
        self.settings: Final = settings
        self._tables: tuple[Any, dict[str, Any]] = (None, {})

    def warm_up(self) -> None:
        """Does in the background what the first question would wait for; what fails then is said at that question."""

        def read() -> None:
            with suppress(JourneysError):
                self.told()

        threading.Thread(target=read, daemon=True).start()

    def told(self, run: str = "") -> Told:
        """A report that the lake keeps, by default the newest.

        Raises `DefinitionError` for one that it does not keep, and `StorageError` where it keeps none.
        """
        from reports.questions.runs import told_in, told_newest

        lake = self.settings.lake
        found = told_in(lake, run) if run else told_newest(lake)
        if found is None:
            raise StorageError(
                "The lake keeps no report.", where=lake.table("reported"), do="publish one: journeys report"
            )
        return Told(found)

    def has_report(self) -> bool:
        """Whether the lake keeps a report."""
        from reports.questions.runs import told_newest

        return told_newest(self.settings.lake) is not None

    def vocabulary(self, asked: VocabularyArguments) -> Answer:
        """What can be asked, all of it in short, or one thing at length."""
        told, find = self.told(), asked.find.strip()
        if not find:
            return self._overview(told)
        if find.lower() in ("touchpoints", "groups"):
            rows = _touchpoints(told) if find.lower() == "touchpoints" else _groups(told)
            heads = ["stage", "touchpoints"] if find.lower() == "touchpoints" else ["dimension", "segments"]
            return fitted(self._headed(told, columns=heads, rows=rows), MOST_ROWS)
        card = find.replace("_", "-").replace(" ", "-").lower()
        if card in told.cards:
            frame = told.frame(card)
            part = told.cards[card]
            return self._headed(told, card=card, says=_text(part["title"]), columns=frame.columns, of_rows=frame.height)
        return fitted(self._headed(told, columns=["what", "name", "card"], rows=_found(told, find)))

    def ask(self, asked: AskArguments) -> Answer:
        """The rows of a card."""
        if asked.steps:
            raise DefinitionError(
                "Mode published has only what reports told.",
                expected="a card of the report, without steps",
                do=f"ask of=funnel, segments, moves or flow; for questions of your own {MINE}",
            )
        told = self.told(asked.report)
        part = told.card(asked.of)
        table = card_table(part["id"], told.frame(part["id"]), where=asked.where, columns=asked.columns)
        about = {"says": _text(part["title"]), "about": _text(part["subtitle"])}
        return fitted(self._of_card(told, part["id"], about | table), asked.rows)

    def why(self, asked: WhyArguments) -> Answer:
        """What the report tells of changes, by its claims and alerts, the strongest first."""
        if asked.before or asked.after:
            raise DefinitionError(
                "Mode published compares no days of yours.",
                expected="of, or week",
                do=f"leave out before and after; for other days {MINE}",
            )
        told, days = self.told(), _days(asked.week) if asked.week else None
        rows = [*_alerts(told, asked.of, days), *_moves(told, asked.of)]
        if not asked.of and not asked.week:
            rows += [[_text(told.cards[card]["title"]), card, None] for card in CLAIMS if card in told.cards]
        if not rows:
            known = ", ".join(told.values("changes", "name")) or "what the report compares"
            return self._headed(
                told,
                says=f"The report tells of nothing that moved{' in this week' if asked.week else ''} there.",
                do=f"ask why without arguments, or of one of: {known}",
            )
        return fitted(
            self._headed(told, columns=["says", "card", ROW], rows=rows[:MOST_CLAIMS], note=_COMPARED), MOST_ROWS
        )

    def standing(self, asked: StandingArguments) -> Answer:
        """The card of journeys under way."""
        if asked.by:
            raise DefinitionError(
                "The report has journeys under way by stage alone.",
                expected="standing without by",
                do=f"leave out by; to break it down {MINE}",
            )
        return self.ask(AskArguments(of="standing", rows=asked.rows))

    def voice(self, asked: VoiceArguments) -> Answer:
        """The card of themes, and satisfaction by stage."""
        told = self.told()
        where = {"group": asked.theme} if asked.theme else {}
        satisfied = {
            _text(one["measure"].removeprefix(_SATISFIED).strip("“”")): harmless_value(
                [one["value"], one["low"], one["high"]]
            )
            for one in told.index["measures"]
            if one["measure"].startswith(_SATISFIED)
        }
        if "themes" not in told.cards and not satisfied:
            raise DefinitionError(
                "The report tells nothing of what customers say.",
                expected="answers with scores, or [[voice.themes]] in journeys.toml",
                do="ask vocabulary which cards there are",
            )
        both = {f"satisfied{INTERVAL}": satisfied} if satisfied and not asked.theme else {}
        if "themes" not in told.cards:
            return self._headed(told, **both)
        part = told.card("themes")
        table = card_table("themes", told.frame("themes"), where=where)
        return fitted(self._of_card(told, "themes", {"says": _text(part["title"]), **both, **table}), asked.rows)

    def quality(self, asked: QualityArguments) -> Answer:
        """How new the data are, and what the page Trust claims and shows as not met."""
        told = self.told()
        values = {
            one["label"]: _text(f"{one['value']} ({one['detail']})")
            for one in told.index["values"]
            if one["label"] in QUALITY
        }
        claims = {
            card: _text(told.cards[card]["title"]) for card in ("checks", "linked", "refused") if card in told.cards
        }
        answer = self._headed(told, reported_at=str(told.index["built_at"])[:16], **values, **claims)
        checks = told.frame("checks")
        if checks.is_empty() or (failed := _not_met(checks)).is_empty():
            return answer
        return fitted(answer | {"not_met_in": "checks"} | card_table("checks", failed), asked.rows)

    def explain(self, asked: ExplainArguments) -> Answer:
        """What a card, a measure, a column or another tool's rules mean."""
        cards = self.told().cards if self.has_report() else {}
        return {"mode": self.mode, **meaning_of(asked.of, {card: part["subtitle"] for card, part in cards.items()})}

    def sql(self, asked: SqlArguments) -> Answer:
        """The rows of a query, or the tables and their columns."""
        from journeys.reported.sql import answered_sql, sql_schema

        tables = self.tables()
        if not asked.query.strip():
            return {"mode": self.mode, "schema": sql_schema(tables)}
        frame = answered_sql(tables, asked.query, most=MOST_ROWS + 1)
        cut = {"note": f"There are more than {MOST_ROWS} rows."} if frame.height > MOST_ROWS else {}
        rows = [[harmless_value(value, LONGEST_TEXT) for value in row] for row in frame.rows()]
        columns = [str(harmless_value(name)) for name in frame.columns]
        return fitted(self._of_query({**cut, "columns": columns, "rows": rows}), asked.rows)

    def tables(self) -> dict[str, Any]:
        """The tables that can be asked: all reports that the lake keeps, read again when one is added or withdrawn."""
        from reports.questions.runs import told_state
        from reports.site.receipts.answers import told_answers

        state = told_state(self.settings.lake)
        if self._tables[0] != state:
            self._tables = (state, dict(told_answers(self.settings.lake)))
        if not self._tables[1]:
            self.told()
        return self._tables[1]

    def _of_query(self, table: Answer) -> Answer:
        """The answer to a query, with the reports that it may have read."""
        return self._headed(self.told(), reports=len(self._tables[0][0]), **table)

    def _headed(self, told: Told, **more: Any) -> Answer:
        return {"mode": self.mode, "receipt": told.run, "data_to": told.data_to, **more}

    def _of_card(self, told: Told, card: str, more: Answer) -> Answer:
        return {"mode": self.mode, "receipt": f"{told.run}/{card}", "data_to": told.data_to, **more}

    def _overview(self, told: Told) -> Answer:
        pages = {
            page["slug"]: ", ".join(part["id"] for part in page["parts"])
            for page in told.index["pages"]
            if page["parts"]
        }
        stages = told.values("funnel", "name") or told.values("definitions", "stage")
        goals = told.values("goals", "goal") or told.values("goal-definitions", "goal")
        return self._headed(
            told,
            title=_text(told.index["title"]),
            says=_text(told.index["headline"]),
            cards=pages,
            stages=stages,
            goals=goals,
            touchpoints=len(told.values("definitions", "touchpoint")),
            groups=told.values("segments", "dimension"),
            withheld=f"counts under {told.index['k']}; rates over fewer than {told.index['least']}",
        )


_COMPARED: Final = "What moved together need not be a cause."


def _text(text: str) -> str:
    return str(harmless_value(text, LONGEST_TEXT))


def _touchpoints(told: Told) -> list[list[Any]]:
    """The touchpoints of every stage."""
    frame = told.frame("definitions")
    if not {"stage", "touchpoint"} <= {*frame.columns}:
        return []
    by: dict[str, list[str]] = {}
    for stage, touchpoint in frame.select("stage", "touchpoint").iter_rows():
        by.setdefault(str(harmless_value(stage or "in no stage")), []).append(str(harmless_value(touchpoint)))
    return [[stage, names] for stage, names in by.items()]


def _groups(told: Told) -> list[list[Any]]:
    """The groups of every column that the report is broken down by."""
    frame = told.frame("segments")
    if not {"dimension", "segment"} <= {*frame.columns}:
        return []
    by: dict[str, list[str]] = {}
    for dimension, segment in frame.select("dimension", "segment").unique(maintain_order=True).iter_rows():
        by.setdefault(str(harmless_value(dimension)), []).append(str(harmless_value(segment)))
    return [[dimension, names] for dimension, names in by.items()]


def _found(told: Told, text: str) -> list[list[str]]:
    """Where a text occurs: in names of cards and columns, in titles, among touchpoints, groups and goals."""
    wanted = text.casefold()
    hits = [["card", _text(part["title"]), card] for card, part in told.cards.items() if wanted in _words(card, part)]
    places = (
        ("touchpoint", "definitions", "touchpoint"),
        ("stage", "funnel", "name"),
        ("goal", "goals", "goal"),
        ("group", "segments", "segment"),
        ("theme", "themes", "group"),
    )
    for what, card, column in places:
        hits += [[what, name, card] for name in told.values(card, column) if wanted in name.casefold()]
    hits += [
        ["column", column, card]
        for card in told.cards
        for column in told.frame(card).columns
        if wanted in column.casefold()
    ]
    if not hits:
        names = [name for _, card, column in places for name in told.values(card, column)]
        raise DefinitionError(
            f"Nothing is called {harmless_value(text)!r} in the report.",
            expected="a card, touchpoint, stage, goal, group or column",
            do=nearest(text, [*told.cards, *names]) or "ask vocabulary without find",
        )
    return hits


def _words(card: str, part: Mapping[str, Any]) -> str:
    return f"{card} {card.replace('-', '_')} {part['title']}".casefold()


def _alerts(told: Told, of: str, days: tuple[date, date] | None) -> Iterator[list[Any]]:
    """The alerts of some days, or of a name; without either the newest."""
    frame = told.frame("alerts")
    if frame.is_empty():
        return
    for number, row in enumerate(frame.iter_rows(named=True), 1):
        if days is not None and not (row["first"] <= days[1] and row["last"] >= days[0]):
            continue
        if of and of.casefold() not in f"{row['sentence']} {row['stage'] or ''}".casefold():
            continue
        yield [_text(f"{row['sentence']} ({row['status']})"), "alerts", number]
        if number >= MOST_CLAIMS // 2 and days is None and not of:
            return


def _moves(told: Told, of: str) -> Iterator[list[Any]]:
    """How the steps of this name changed from period to period, and the report from the one before."""
    if not of:
        return
    changes = told.frame("changes")
    for number, row in enumerate(changes.iter_rows(named=True), 1):
        if row["name"].casefold() == of.casefold() and row["previous_difference"] is not None:
            low, high, change = row["previous_low"], row["previous_high"], row["previous_difference"]
            yield [
                f"Share going on to it: {_points(change)} points against the period before (95 %: {_points(low)} to "
                f"{_points(high)}), {'beyond its interval' if low > 0 or high < 0 else 'not clear'}",
                "changes",
                number,
            ]
    since = told.frame("since")
    for number, row in enumerate(since.iter_rows(named=True), 1):
        if of.casefold() in row["measure"].casefold() and row["difference"] is not None and row["clear"] is not None:
            said = f"moved clearly ({row['cause']})" if row["clear"] else "has not clearly moved"
            yield [_text(f"{row['measure']}: {said} since the last report"), "since", number]


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _days(week: str) -> tuple[date, date]:
    """The first and the last day of a week."""
    found = _WEEK.fullmatch(week)
    try:
        if found is None:
            raise ValueError
        monday = date.fromisocalendar(int(found[1]), int(found[2]), 1)
    except ValueError:
        raise DefinitionError(
            "A week cannot be read.", where="week", expected="a year and its week, such as 2026-W09", found=week
        ) from None
    return monday, monday + timedelta(days=6)


def _not_met(checks: pl.DataFrame) -> pl.DataFrame:
    """The beliefs of a day that were not met, with their row; of a suite only its beliefs."""
    import polars as pl

    return (
        numbered_rows(checks)
        .filter(pl.col("belief").is_not_null(), pl.col("met") < pl.col("of"))
        .sort("severity", "day", descending=[False, True])
    )
