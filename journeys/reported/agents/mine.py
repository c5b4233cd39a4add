"""What the tools answer in the mode *mine*, on the machine of the lake: also questions of one's own, counted now.

Customers have pseudonyms that change with every server, and no answer has a key.
"""

from __future__ import annotations

import json
import secrets
import shlex
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from expectations.errors import DefinitionError, nearest
from journeys.app import DEFAULT
from journeys.explore import source_of
from journeys.reported.agents.arguments import AskArguments, StandingArguments, VocabularyArguments, WhyArguments
from journeys.reported.agents.budget import LONGEST_TEXT, MOST_ROWS, fitted, harmless_value
from journeys.reported.agents.card_rows import INTERVAL
from journeys.reported.agents.limits import watcher_of_call
from journeys.reported.agents.published import Answer, Published
from journeys.segmented import PREFIX

if TYPE_CHECKING:
    from analytics import Paths
    from explorer.question import Question
    from explorer.work import Opened
    from journeys.settings import Settings

NOTE: Final = "Counted now, for your eyes: nothing is withheld, so do not publish it."
STORE: Final = "store:"
"""Begins the receipt of a number that was counted now: the generation of the paths follows."""
RULES: Final = ("order", "exclude", "same", "count", "ties", "attribution", "period", "periods", "returns")
KINDS_OF_QUESTION: Final = ("funnel", "trend", "retention", "walk")
COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "funnel": ("step", "name", "entered", "reached", "open", "share_of_entered", "share_of_previous", "median_wait"),
    "trend": ("period", "entered", "reached", "open", "share_of_entered"),
    "retention": ("after", "eligible", "returned", "share"),
}
GROUP: Final = ("name", "entered", "reached", "of_entered", "of_entered_interval", "difference", "clear")
WORDS: Final = ("word", "count", "of", "text", "interval", "wait")
STANDING: Final = ("stage", "journeys", "fresh", "waiting", "late", "unknown", "median_wait", "late_after")


class Mine(Published):
    """Answers the tools from reports, and from the paths of the lake."""

    mode: str = "mine"

    def __init__(self, settings: Settings, config: Path) -> None:
        from explorer.work import Work

        super().__init__(settings)
        self._source = source_of(config)
        self._work = Work(self._source)
        self._salt = secrets.token_hex(16)

    def vocabulary(self, asked: VocabularyArguments) -> Answer:
        """That of the report; and where there is none, or of touchpoints and groups, that of the paths."""
        find = asked.find.strip().lower()
        if find not in ("touchpoints", "groups") and self.has_report():
            answer = super().vocabulary(asked)
            return answer if find else answer | {"questions": ", ".join(KINDS_OF_QUESTION), "note": NOTE}
        opened = self._work.opened()
        words = opened.vocabulary
        if find == "groups":
            rows: list[list[Any]] = [
                [one["column"], [harmless_value(value["value"]) for value in one["values"]]] for one in words.columns
            ]
            rows += [["segment", [harmless_value(name) for name in self._source.segments]]]
            return fitted(self._counted(opened, columns=["column", "values"], rows=rows), MOST_ROWS)
        named = [[word.on, harmless_value(word.word), word.customers] for word in words.words]
        return fitted(self._counted(opened, columns=["on", "name", "customers"], rows=named), MOST_ROWS)

    def ask(self, asked: AskArguments) -> Answer:
        """The rows of a card; with steps, a question of one's own."""
        if not asked.steps:
            return super().ask(asked)
        if asked.of not in KINDS_OF_QUESTION:
            raise DefinitionError(
                f"With steps no {harmless_value(asked.of)!r} can be asked.",
                expected=f"of: one of {', '.join(KINDS_OF_QUESTION)}",
                do="leave out steps to read a card of the report",
            )
        if asked.where or asked.columns or asked.report:
            raise DefinitionError(
                "where, columns and report are of cards.",
                expected="steps, window, by, segment, start, end, rules",
                do="write conditions into a step: Cart [device is phone]",
            )
        question = self._question(asked)
        try:
            answer, opened = self._answered(question)
        except DefinitionError as error:
            raise self._with_words(error, question) from None
        return fitted(self._counted(opened, **_of_kind(question, answer)), asked.rows)

    def why(self, asked: WhyArguments) -> Answer:
        """Why a goal rate or a funnel moved, counted now; without a week or days what the report tells."""
        if not (asked.week or asked.before or asked.after):
            return super().why(asked)
        from journeys.why.why import compared_spans, why_rows

        name = asked.of or self.settings.main_goal.name
        given = {key: value for key in ("week", "before", "after") if (value := getattr(asked, key))}
        spans = compared_spans(given.get("week"), given.get("before"), given.get("after"), 4)

        def made(_: Opened, paths: Paths) -> list[dict[str, Any]]:
            asked_of: dict[str, Any] = {"by": [], "window": None, "segment": []}
            return why_rows(self.settings, paths.require_touches(), [name], spans, asked_of)

        rows = self._work.answer(("why", name, spans), watcher_of_call(), made)
        table = [
            [
                _sentence(row["sentence"]),
                harmless_value(row["numbers"].get("difference")),
                harmless_value(row["interval"]),
            ]
            for row in rows
        ]
        head = {"command": self._command("why", name, **given), "columns": ["says", "difference", "interval"]}
        return fitted(self._counted(self._work.opened(), **head, rows=table), MOST_ROWS)

    def standing(self, asked: StandingArguments) -> Answer:
        """Journeys under way, counted now."""
        import polars as pl

        from journeys.why.ahead.standing import standing_of

        self._check_columns(asked.by)
        opened, least = self._work.opened(), self._source.report.least

        def made(_: Opened, paths: Paths) -> pl.DataFrame:
            return standing_of(self.settings, paths.require_touches(), asked.by, [])

        found = self._work.answer(("standing", *asked.by), watcher_of_call(), made)
        by = found.columns[: len(asked.by)]
        sizes = found.group_by("is_total", *by).agg(pl.col("customers").sum())
        few = sizes.filter(~pl.col("is_total"), pl.col("customers") < least)
        found = found.join(few, on=["is_total", *by], how="anti", nulls_equal=True, maintain_order="left")
        rows = [
            [*("all" if row["is_total"] else harmless_value(row[name]) for name in by)]
            + [harmless_value(row[name]) for name in STANDING]
            for row in found.iter_rows(named=True)
        ]
        head: Answer = {"command": self._command("standing", by=asked.by[0] if by else ""), "columns": [*by, *STANDING]}
        head |= {"groups_of_few": few.height} if by else {}
        return fitted(self._counted(opened, **head, rows=rows), asked.rows)

    def tables(self) -> dict[str, Any]:
        """The tables of the reports, if there are any, and `touches`, a row per touch."""
        from analytics import Paths, touches_to_share

        told = dict(super().tables()) if self.has_report() else {}
        return told | {"touches": touches_to_share(Paths.open(self.settings.lake), self._salt)}

    def _of_query(self, table: Answer) -> Answer:
        told = super()._of_query(table)["receipt"] if self.has_report() else ""
        opened = self._work.opened()
        return self._counted(opened, report=told, **table)

    def _question(self, asked: AskArguments) -> Question:
        """The question as the explorer reads it. Raises `DefinitionError` for what it does not answer."""
        from explorer.kinds import kind_of
        from explorer.question import Question, question_of

        parts = kind_of(asked.of).parts
        offered = {"by": "by", "segment": "only", "start": "entered", "end": "entered"}
        if wrong := [name for name, part in offered.items() if getattr(asked, name) and part not in parts]:
            raise DefinitionError(
                f"A {asked.of} has no {wrong[0]}.", do=f"leave out {wrong[0]}, or ask of=funnel with these steps"
            )
        given: dict[str, Any] = {"kind": asked.of, "steps": asked.steps, "by": asked.by, "segment": asked.segment}
        given |= {name: value for name in ("window", "start", "end") if (value := getattr(asked, name))}
        if twice := sorted({*asked.rules} & {"kind", "steps", "window", "by", "segment", "start", "end"}):
            raise DefinitionError(f"{', '.join(twice)} is no key of rules.", do="give it as an argument of its own")
        if unknown := [name for name in asked.rules if name not in Question.model_fields]:
            raise DefinitionError(
                f"A question has no rule {harmless_value(unknown[0])!r}.",
                expected=f"one of {', '.join(RULES)}",
                do=nearest(unknown[0], RULES),
            )
        question = question_of(json.dumps(given | asked.rules).encode())
        question.check(self._source.columns)
        return question

    def _answered(self, question: Question) -> tuple[dict[str, Any], Opened]:
        from explorer.kinds import kind_of

        kind = kind_of(question.kind)

        def made(opened: Opened, paths: Paths) -> dict[str, Any]:
            return kind.answer(self._source, opened.vocabulary, paths, question)

        return self._work.answer(question.model_dump_json(), watcher_of_call(), made), self._work.opened()

    def _check_columns(self, columns: list[str]) -> None:
        """Raises `DefinitionError` for a column that questions do not show, as those of keys."""
        known = (*self._source.columns, *(PREFIX + name for name in self._source.segments))
        for column in columns:
            if column not in known:
                raise DefinitionError(
                    f"Nothing is broken down by {harmless_value(column)!r}.",
                    expected=f"one of {', '.join(known)}",
                    do=nearest(column, known) or "name it in [report] segments, or under context of [paths]",
                )

    def _with_words(self, error: DefinitionError, question: Question) -> DefinitionError:
        """The error, with the nearest word for the first word of the steps that no touch has."""
        from explorer.question import ANYTHING

        for step in question.texts:
            known = [word.word for word in self._work.opened().vocabulary.words if word.on == step.on]
            for word in step.any_of:
                if word not in known and word != ANYTHING and (do := nearest(word, known)):
                    return DefinitionError(error.what, where=error.where, expected=error.expected, do=do)
        return error

    def warm_up(self) -> None:
        """That of the reports, and opens the store and compiles, in the background."""
        super().warm_up()
        self._work.pool.submit(self._work.warm_up)

    def _command(self, verb: str, *words: str, **options: str) -> str:
        """The command that counts it again."""
        if self._source.config != str(DEFAULT):
            options["config"] = self._source.config
        given = [f"--{name}={value}" for name, value in options.items() if value]
        return str(harmless_value(shlex.join(["journeys", verb, *words, *given]), LONGEST_TEXT))

    def _counted(self, opened: Opened, **more: Any) -> Answer:
        """An answer that was counted now: its receipt is the generation of the store."""
        end = opened.vocabulary.end
        day = end.astimezone(self._source.report.zone).date().isoformat() if end else ""
        return {
            "mode": self.mode,
            "receipt": f"{STORE}{opened.generation.removeprefix('generation-')[:12]}",
            "data_to": day,
            **more,
        }


def _of_kind(question: Question, answer: Mapping[str, Any]) -> Answer:
    """What an answer of the explorer says, in short, with the command that counts it again."""
    digest = sha256(question.model_dump_json().encode()).hexdigest()[:10]
    command = " ".join(answer["elsewhere"]["command"].replace("\\\n", " ").split())
    head: Answer = {"question": digest, "command": harmless_value(command, LONGEST_TEXT)}
    if answer.get("state") == "nobody":
        return head | {"says": "Nobody enters.", "columns": [], "rows": []}
    said = [answer["said"], *answer["lines"]]
    head |= {"says": [_sentence(line) for line in said], "few": answer["few"]}
    if question.kind == "walk":
        sides = [("next", row) for row in answer["next"]] + [("before", row) for row in answer["before"]]
        rows = [[side, *(harmless_value(row.get(name)) for name in WORDS)] for side, row in sides]
        return head | {"columns": ["side", *WORDS], "rows": rows}
    if groups := answer.get("groups"):
        table = [[harmless_value(row[name]) for name in GROUP] for row in groups["rows"]]
        return head | {"by": groups["label"], "columns": list(GROUP), "rows": table, "groups_of_few": groups["few"]}
    return head | _rows_of(COLUMNS[question.kind], answer["rows"])


def _rows_of(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> Answer:
    """The rows over all groups, a share with the ends of its interval."""
    total = [row for row in rows if row.get("is_total", True) and row.get("cohort") is None]
    with_ends = [name for name in columns if any(f"{name}_low" in row for row in total)]
    table = [
        [
            [harmless_value(row[f"{name}{end}"]) for end in ("", "_low", "_high")]
            if name in with_ends and row[name] is not None
            else harmless_value(row[name])
            for name in columns
        ]
        for row in total
    ]
    return {"columns": [name + INTERVAL if name in with_ends else name for name in columns], "rows": table}


def _sentence(text: str) -> str:
    return str(harmless_value(text, LONGEST_TEXT))
