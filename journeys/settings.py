"""Settings from journeys.toml: each table is read and validated when a command first uses it."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import Field

from expectations.config.file import ConfigFile, Section
from expectations.config.retention import Retention
from expectations.errors import ConfigurationError, DefinitionError, InputError, nearest, without_secrets
from expectations.lake.layout import Lake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analytics import Goal, NamedFunnel, PathRules
    from expectations.compile.compile import Compiled
    from expectations.suites.expectation import Suite
    from expectations.suites.settings import ExpectationSettings
    from ingest.settings.ingest import IngestSettings
    from reports.settings import ReportSettings

N = TypeVar("N", "Goal", "NamedFunnel")
TABLES: Final = ("lake", "ingest", "expectations", "paths", "goals", "funnels", "report", "metrics")
TEMPLATES: Final = Path(__file__).parent.parent / "expectations" / "templates"


class LakeSettings(Retention):
    """`[lake]`: where events, profiles, the path store and the report history are stored, and for how long."""

    address: str = "lake"


class MetricsSettings(Section):
    """`[metrics]`: `textfile` is the file for node_exporter's textfile collector that says how each command ended.

    The collector reads only files named `*.prom`.
    """

    textfile: str | None = Field(default=None, pattern=r"\.prom$")


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

    def _named(self, table: str, model: type[N]) -> list[N]:
        """An array of tables, each with a name of its own."""
        tables = self.file.data.get(table, [])
        if not isinstance(tables, list):
            raise ConfigurationError(
                f"{table.capitalize()} must be an array of tables.",
                where=str(self.file.path),
                expected=f"[[{table}]]",
                found=f"[{table}]",
            )
        items = [self.file.item(table, index, model) for index in range(len(tables))]
        names = [item.name for item in items]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise ConfigurationError(
                    f"Two of [[{table}]] are called {name!r}.",
                    where=self._place(table, index, "name"),
                    expected="a name of its own for each",
                )
        return items

    def _place(self, *key: str | int) -> str:
        """The file and the line of a key."""
        from expectations.config.file import line_of

        return f"{self.file.path}, line {line_of(self.file.text, key)}"

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
                where=self._place("goals", 0, "steps"),
                expected="names of touchpoints",
                found=", ".join(main.steps),
                do="name the touchpoints of the stage, or put another goal first",
            )
        if "goal" not in rules.model_fields_set:
            return rules.model_copy(update={"goal": list(main.touchpoints)})
        if {*rules.goal} != {*main.touchpoints}:
            raise ConfigurationError(
                f"The goal of [paths] and the first of [[goals]], {main.name!r}, are different.",
                where=self._place("paths", "goal"),
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
                    where=self._place("goals", index, "steps"),
                    expected=f"one of {', '.join(stages)}",
                    do=nearest(unknown[0], stages),
                )
            if isinstance(goal.value, str) and goal.value not in numbers:
                raise ConfigurationError(
                    f"The value of goal {goal.name!r} is no numeric column of a touch.",
                    where=self._place("goals", index, "value"),
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
                where=self._place(*key),
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
