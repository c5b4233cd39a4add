"""Settings from journeys.toml: each table is read and validated when a command first uses it."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import Field

from expectations.config.durations import Duration
from expectations.config.file import ConfigFile, Section
from expectations.config.retention import Retention
from expectations.errors import ConfigurationError, DefinitionError, InputError, nearest, said, without_secrets
from expectations.lake.layout import Lake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import polars as pl

    from analytics import (
        ContactSettings,
        Goal,
        MomentSettings,
        NamedExperiment,
        NamedFunnel,
        NamedJourney,
        NamedSegment,
        NamedWatch,
        PathRules,
        PersonaSettings,
        Prediction,
        ReleaseSettings,
        VoiceSettings,
    )
    from expectations.compile.compile import Compiled
    from expectations.suites.expectation import Suite
    from expectations.suites.settings import ExpectationSettings
    from explorer.proxy.settings import ExploreSettings
    from ingest.settings.ingest import IngestSettings
    from reports.settings import ReportSettings

S = TypeVar("S", bound=Section)
T = TypeVar("T")
N = TypeVar(
    "N", "Goal", "NamedExperiment", "NamedFunnel", "NamedJourney", "NamedSegment", "NamedWatch", "SegmentExport"
)
TABLES: Final = (
    "lake",
    "ingest",
    "expectations",
    "paths",
    "goals",
    "funnels",
    "segments",
    "exports",
    "experiments",
    "costs",
    "moments",
    "contacts",
    "voice",
    "journeys",
    "watches",
    "watch",
    "releases",
    "personas",
    "prediction",
    "report",
    "brief",
    "explore",
    "metrics",
)
TEMPLATES: Final = Path(__file__).parent.parent / "expectations" / "templates"


class LakeSettings(Retention):
    """`[lake]`: where events, profiles, the path store and the report history are stored, and for how long."""

    address: str = Field(default="lake", description="a folder, or an address in an object store")


class MetricsSettings(Section):
    """`[metrics]`: `textfile` is the file for node_exporter's textfile collector that says how each command ended.

    The collector reads only files named `*.prom`.
    """

    textfile: str | None = Field(default=None, pattern=r"\.prom$", description="file for node_exporter, *.prom")


class WatchSettings(Section):
    """`[watch]`: who is told of alerts that are new, or closed.

    `command` gets each as JSON on standard input; in the folder `files` each is written for chat and for mail.
    """

    command: tuple[str, ...] = Field(default=(), description="command that gets each alert as JSON")
    files: str | None = Field(default=None, description="folder where each alert is written for chat and mail")

    @property
    def is_asked(self) -> bool:
        """Whether anybody is told."""
        return bool(self.command) or self.files is not None


class SegmentExport(Section):
    """One of `[[exports]]`: for what a program gets the members of a segment, by their identities of one kind."""

    name: str = Field(min_length=1, description="the purpose")
    segment: str = Field(min_length=1, description="a segment of [[segments]]")
    keys: str = Field(min_length=1, description="the kind of identity")


class BriefSettings(Section):
    """`[brief]`: the `command` that gets the page on standard input, from `journeys run` no more often than `every`."""

    command: tuple[str, ...] = Field(default=(), description="command that gets the page on standard input")
    every: Duration | None = Field(default=None, description="the least time between two briefs of `journeys run`")


class Settings:
    """One journeys.toml. Relative folders in it start from the folder that contains the file."""

    def __init__(self, path: Path, brokers: list[str] | None = None) -> None:
        self.file = ConfigFile.open(path, TABLES)
        self._brokers = brokers

    @cached_property
    def lake(self) -> Lake:
        """`[lake]`."""
        return Lake(self.beside(self._lake.address))

    @property
    def retention(self) -> Retention:
        """How long the lake keeps events and texts."""
        return self._lake

    @cached_property
    def _lake(self) -> LakeSettings:
        return self.file.section("lake", LakeSettings)

    @cached_property
    def textfile(self) -> str | None:
        """`textfile` of `[metrics]`; a relative one lies beside the configuration file."""
        named = self.file.section("metrics", MetricsSettings).textfile
        return None if named is None else self.beside(named)

    @cached_property
    def ingest(self) -> IngestSettings:
        """`[ingest]`."""
        from ingest.settings.ingest import IngestSettings

        read = self.file.section("ingest", IngestSettings).beside(self.beside)
        return read.model_copy(update={"brokers": self._brokers}) if self._brokers else read

    @cached_property
    def explore(self) -> ExploreSettings:
        """`[explore]`."""
        from explorer.proxy.settings import ExploreSettings

        return self.file.section("explore", ExploreSettings)

    @cached_property
    def expectations(self) -> ExpectationSettings:
        """`[expectations]`."""
        from expectations.suites.settings import ExpectationSettings

        return self.file.section("expectations", ExpectationSettings)

    @cached_property
    def suites(self) -> list[Suite]:
        """The user's own suites of expectations; each expectation knows the file and line that define it."""
        from expectations.config.file import line_of

        def location(number: int) -> str:
            return f"{self.file.path}, line {line_of(self.file.text, ('expectations', 'rules', number))}"

        return self.expectations.own_suites(self.folder, location)

    @cached_property
    def compiled(self) -> Compiled:
        """The gate's rules besides the contract's, and the expectations that only the audit can evaluate."""
        from expectations.compile.compile import compile_own
        from expectations.contract import TOUCHES

        if not any(suite.table == "touches" for suite in self.suites):
            return compile_own(self.suites, TOUCHES)
        from analytics import touch_schema

        return compile_own(self.suites, touch_schema(self.paths))

    @cached_property
    def paths(self) -> PathRules:
        """`[paths]`; the goal is that of the first of `[[goals]]`, where there is one."""
        from analytics import PathRules

        rules = self._with_goal(self.file.section("paths", PathRules))
        if rules.objected_file is not None:
            listed = identities_in(Path(self.beside(rules.objected_file)))
            rules = rules.model_copy(update={"objected": [*rules.objected, *listed]})
        mapped = self._mapped_kinds() - rules.identities.known_kinds
        if not mapped:
            return rules
        kinds = [*rules.identities.kinds, *sorted(mapped)]
        return rules.model_copy(update={"identities": rules.identities.model_copy(update={"kinds": kinds})})

    def _mapped_kinds(self) -> set[str]:
        """The kinds of identity that mappings of `[ingest]` set, in fields named `identities.<kind>`.

        The table is not validated here: questions need no valid `[ingest]`.
        """
        prefix = "identities."
        return {key.removeprefix(prefix) for key in _keys(self.file.data.get("ingest")) if key.startswith(prefix)}

    @cached_property
    def funnels(self) -> dict[str, NamedFunnel]:
        """`[[funnels]]`, by name."""
        from analytics import NamedFunnel

        return {funnel.name: funnel for funnel in self._named("funnels", NamedFunnel)}

    @cached_property
    def segments(self) -> list[NamedSegment]:
        """`[[segments]]` as written."""
        from analytics import NamedSegment

        return self._named("segments", NamedSegment)

    @cached_property
    def exports(self) -> dict[str, SegmentExport]:
        """`[[exports]]`, by name."""
        return {export.name: export for export in self._named("exports", SegmentExport)}

    @cached_property
    def moments(self) -> MomentSettings:
        """`[moments]`, with at least one intent."""
        from analytics import MomentSettings

        read = self.file.section("moments", MomentSettings)
        if not read.intents:
            raise ConfigurationError(
                "No intent is named.",
                where=str(self.file.path),
                expected="[[moments.intents]] with a name and touchpoints",
                do='add one, such as name = "know", touchpoints = ["Search", "Product viewed"]',
            )
        return read

    @cached_property
    def contacts(self) -> ContactSettings:
        """`[contacts]`."""
        from analytics import ContactSettings

        return self.file.section("contacts", ContactSettings)

    @cached_property
    def voice(self) -> VoiceSettings:
        """`[voice]`."""
        from analytics import VoiceSettings

        return self.file.section("voice", VoiceSettings)

    @cached_property
    def journeys(self) -> list[NamedJourney]:
        """`[[journeys]]` as written."""
        from analytics import NamedJourney

        return self._named("journeys", NamedJourney)

    @cached_property
    def watches(self) -> list[NamedWatch]:
        """`[[watches]]` as written."""
        from analytics import NamedWatch

        return self._named("watches", NamedWatch)

    @cached_property
    def watch(self) -> WatchSettings:
        """`[watch]`."""
        return self.file.section("watch", WatchSettings)

    @cached_property
    def brief(self) -> BriefSettings:
        """`[brief]`."""
        return self.file.section("brief", BriefSettings)

    @cached_property
    def releases(self) -> ReleaseSettings:
        """`[releases]`."""
        from analytics import ReleaseSettings

        return self.file.section("releases", ReleaseSettings)

    @cached_property
    def personas(self) -> PersonaSettings:
        """`[personas]`."""
        from analytics import PersonaSettings

        return self.file.section("personas", PersonaSettings)

    def costs_on(self, column: str) -> pl.DataFrame | None:
        """The costs of the values of a column, of `[[costs]]`; null where none are of it.

        Raises `InputError` for a file that cannot be read, or has a wrong row.
        """
        from analytics import NamedCosts, joined_costs

        own = [item for item in self._listed("costs", NamedCosts) if item.on == column]
        if not own:
            return None
        return joined_costs(item.rows() if item.file is None else self._costs_in(item.file) for item in own)

    def _costs_in(self, file: str) -> pl.DataFrame:
        """The costs of a CSV file."""
        from analytics import joined_costs

        return self.read_rows(file, lambda rows: joined_costs([rows]), "costs", "day, credited and amount")

    def read_rows(self, file: str, made: Callable[[pl.DataFrame], T], what: str, columns: str) -> T:
        """What is `made` of the rows, as text, of a CSV file of the user's, which holds `what`.

        Raises `InputError` for a file that cannot be read, and, with the row, for one that `made` refuses.
        """
        import polars as pl

        place = self.beside(file)
        try:
            return made(pl.read_csv(Path(place).read_bytes(), infer_schema=False))
        except (OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as error:
            raise InputError(
                f"The file of {what} cannot be read.",
                where=place,
                expected=f"a CSV file with the columns {columns}",
                found=said(error),
            ) from None
        except DefinitionError as error:
            where = f"{place}, {error.where} below its header" if error.where else place
            raise InputError(error.what, where=where, expected=error.expected, found=error.found) from None

    def prediction(self, goal: str | None = None) -> Prediction:
        """`[prediction]`, of the goal of this name; by default of its own goal, or of the main one.

        Raises `DefinitionError` with the nearest name for a goal that is not there.
        """
        from analytics import PredictionSettings

        asked = self.file.section("prediction", PredictionSettings)
        name = goal or asked.goal
        return asked.definition(self.main_goal if name is None else self.goal(name))

    def experiment(self, name: str) -> NamedExperiment:
        """The one of `[[experiments]]` of this name. Raises `DefinitionError` with the nearest name without one."""
        from analytics import NamedExperiment

        known = {each.name: each for each in self._named("experiments", NamedExperiment)}
        if name not in known:
            expected = f"one of {', '.join(known)}" if known else "[[experiments]] in journeys.toml, which has none"
            raise DefinitionError(f"There is no experiment {name!r}.", expected=expected, do=nearest(name, known))
        return known[name]

    def _named(self, table: str, model: type[N]) -> list[N]:
        """An array of tables, each with a name of its own."""
        items = self._listed(table, model)
        names = [item.name for item in items]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise ConfigurationError(
                    f"Two of [[{table}]] are called {name!r}.",
                    where=self.place(table, index, "name"),
                    expected="a name of its own for each",
                )
        return items

    def _listed(self, table: str, model: type[S]) -> list[S]:
        """An array of tables."""
        tables = self.file.data.get(table, [])
        if not isinstance(tables, list):
            raise ConfigurationError(
                f"{table.capitalize()} must be an array of tables.",
                where=str(self.file.path),
                expected=f"[[{table}]]",
                found=f"[{table}]",
            )
        return [self.file.item(table, index, model) for index in range(len(tables))]

    def place(self, *key: str | int) -> str:
        """The file and the line of a key."""
        from expectations.config.file import line_of

        return f"{self.file.path}, line {line_of(self.file.text, key)}"

    def check_known(self, key: tuple[str | int, ...], what: str, words: Sequence[str], known: Sequence[str]) -> None:
        """Raises `ConfigurationError` at a key for a word of it that is not known, with the nearest that is."""
        for word in words:
            if word not in known:
                raise ConfigurationError(
                    f"There is no {what} {word!r}.",
                    where=self.place(*key),
                    expected=f"one of {', '.join(known)}" if known else f"a {what} in journeys.toml, which has none",
                    do=nearest(word, known),
                )

    @cached_property
    def _goals(self) -> list[Goal]:
        """`[[goals]]` as written."""
        from analytics import Goal

        return self._named("goals", Goal)

    def _with_goal(self, rules: PathRules) -> PathRules:
        """The rules with the steps of the first of `[[goals]]` as the goal that ends a journey."""
        if not self._goals:
            return rules
        main = self._goals[0]
        if main.stages:
            raise ConfigurationError(
                "The first goal ends a journey, and is of touchpoints.",
                where=self.place("goals", 0, "steps"),
                expected="names of touchpoints",
                found=", ".join(main.steps),
                do="name the touchpoints of the stage, or put another goal first",
            )
        if "goal" not in rules.model_fields_set:
            return rules.model_copy(update={"goal": list(main.touchpoints)})
        if {*rules.goal} != {*main.touchpoints}:
            raise ConfigurationError(
                f"The goal of [paths] and the first of [[goals]], {main.name!r}, are different.",
                where=self.place("paths", "goal"),
                expected=", ".join(main.touchpoints),
                found=", ".join(rules.goal),
                do="leave goal out of [paths], or put the goal that ends a journey first",
            )
        return rules

    @cached_property
    def goals(self) -> tuple[Goal, ...]:
        """`[[goals]]`, the main one first, each with its horizon where it or the report has one; none where the file
        has none.
        """
        from analytics import touch_schema
        from expectations.config.durations import duration

        window, columns = self._report.window, touch_schema(self.paths)
        stages = list(dict.fromkeys(stage.name for stage in self.paths.stages))
        numbers = [name for name, dtype in columns.items() if dtype.is_numeric()]
        found = []
        for index, goal in enumerate(self._goals):
            if unknown := [stage for stage in goal.stages if stage not in stages]:
                raise ConfigurationError(
                    f"Goal {goal.name!r} names a stage that [[paths.stages]] has not: {unknown[0]!r}.",
                    where=self.place("goals", index, "steps"),
                    expected=f"one of {', '.join(stages)}",
                    do=nearest(unknown[0], stages),
                )
            if isinstance(goal.value, str) and goal.value not in numbers:
                raise ConfigurationError(
                    f"The value of goal {goal.name!r} is no numeric column of a touch.",
                    where=self.place("goals", index, "value"),
                    expected=f"an amount, or one of {', '.join(numbers)}",
                    found=goal.value,
                    do=nearest(goal.value, numbers) or "add the column to values of [paths]",
                )
            if goal.horizon is not None:
                self._within_gap(
                    f"horizon of goal {goal.name!r}", "the horizon", goal.horizon, "goals", index, "horizon"
                )
            horizon = goal.horizon if goal.horizon is not None or window is None else duration(window)
            found.append(goal.model_copy(update={"horizon": horizon}))
        return tuple(found)

    @property
    def main_goal(self) -> Goal:
        """The goal that ends a journey: the first of `[[goals]]`, or that of `[paths]`, named after its touchpoints."""
        from analytics import main_goal

        return self.goals[0] if self.goals else main_goal(self.paths.goal)

    def goal(self, name: str) -> Goal:
        """The goal of this name. Raises `DefinitionError` with the nearest name where there is none."""
        goals = {goal.name: goal for goal in self.goals or (self.main_goal,)}
        if name not in goals:
            expected = f"one of {', '.join(goals)}"
            raise DefinitionError(f"There is no goal {name!r}.", expected=expected, do=nearest(name, goals))
        return goals[name]

    def _within_gap(self, what: str, shorten: str, window: timedelta, *key: str | int) -> None:
        """Raises `ConfigurationError` for a window that is longer than the journey gap."""
        gap = self.paths.journey_gap
        if window > gap:
            raise ConfigurationError(
                f"The {what} is longer than the journey gap.",
                where=self.place(*key),
                expected=f"at most {gap / timedelta(days=1):g} days",
                found=f"{window / timedelta(days=1):g} days",
                do=f"raise journey_gap in [paths], or shorten {shorten}",
            )

    @cached_property
    def report(self) -> ReportSettings:
        """`[report]`; its window is the horizon of the main goal, where that has one."""
        from expectations.config.durations import as_text

        horizon = self.main_goal.horizon
        return self._report if horizon is None else self._report.model_copy(update={"window": as_text(horizon)})

    @cached_property
    def _report(self) -> ReportSettings:
        """`[report]` as written. Its windows are no longer than the journey gap: a later goal is of another journey."""
        from expectations.config.durations import as_text, duration
        from reports.settings import ReportSettings

        read, gap = self.file.section("report", ReportSettings), self.paths.journey_gap
        if "trend_window" not in read.model_fields_set and duration(read.trend_window) > gap:
            read = read.model_copy(update={"trend_window": as_text(gap)})
        if read.rates is not None:
            read = read.model_copy(update={"rates": self.beside(read.rates)})
        for name, window in (("window", read.window), ("trend_window", read.trend_window)):
            if window is not None:
                self._within_gap(f"{name} of the report", name, duration(window), "report", name)
        return read

    @property
    def folder(self) -> Path:
        """The folder that contains the file."""
        return self.file.path.parent

    def beside(self, address: str) -> str:
        """Resolve an address: relative folders start from the file's folder, other addresses stay as they are.

        Raises:
            ConfigurationError: the address of a store contains a login or a signature, which would be seen wherever the
                address is shown.
        """
        if "://" in address and without_secrets(address) != address:
            raise ConfigurationError(
                "An address contains a login or a query.",
                where=f"{self.file.path}, or the environment",
                expected="s3://bucket/folder, with endpoint and keys in variables such as AWS_ACCESS_KEY_ID",
                found=address,
            )
        return address if "://" in address else str(self.folder / address)


def identities_in(file: Path) -> list[str]:
    """The identities in a file, one a line; blank lines and lines that begin with # are skipped.

    Raises:
        InputError: the file cannot be read, or a line is not written kind:value.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("The file of identities cannot be read.", where=str(file), found=str(error)) from error
    numbered = {number: line for number, line in enumerate(lines, 1) if line and not line.startswith("#")}
    if wrong := [number for number, line in numbered.items() if not all(line.partition(":"))]:
        expected = "an identity as kind:value, such as customer_id:c123"
        raise InputError("A line of the file is no identity.", where=f"{file}, line {wrong[0]}", expected=expected)
    return list(numbered.values())


def _keys(table: object) -> Iterator[str]:
    """All keys of a table and of the tables in it."""
    if isinstance(table, dict):
        yield from table
    for each in table.values() if isinstance(table, dict) else table if isinstance(table, list) else ():
        yield from _keys(each)


def template(name: str) -> str:
    """The text of a commented journeys.toml: `shop` or `completejourney`.

    Raises:
        ConfigurationError: no template has this name.
    """
    known = sorted(file.stem for file in TEMPLATES.glob("*.toml"))
    if name not in known:
        raise ConfigurationError("There is no such template.", expected=" or ".join(known), found=name)
    return (TEMPLATES / f"{name}.toml").read_text(encoding="utf-8")
