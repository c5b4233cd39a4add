"""`[[segments]]` and `[personas]` of journeys.toml for the verbs that ask paths.

Where a column is named, `segment:NAME` is the segment, `persona` the personas, and `persona:NAME` one of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import ConfigurationError, DefinitionError, InputError, StorageError, nearest
from journeys import terminal
from journeys.app import paths_on

if TYPE_CHECKING:
    import polars as pl

    from analytics import Funnel, Observation, Paths, PersonaFit, PersonaRules, Segment
    from journeys.settings import Settings
    from reports.questions.ask import PeopleSettings
    from reports.questions.people.asked import Believed, Spoken
    from reports.settings import ReportSettings

PREFIX: Final = "segment:"
"""How a segment is written where columns are named."""
PERSONA: Final = "persona"
OF_PERSONA: Final = f"{PERSONA}:"
"""How one persona is written where columns are named; the column with all of them is `PERSONA`."""
PREVIOUS: Final = "previous"
"""The group of those who enter in a period, against those of as long before."""
VERSIONS: Final = "segments.json"
"""The file of the lake with the digest of every version of a segment that has been checked."""
Only = Annotated[
    list[str] | None,
    typer.Option("--segment", metavar="NAME", help="Only those who begin as members of this segment; repeatable."),
]


def segments_in(settings: Settings) -> dict[str, Segment]:
    """The segments of the configuration by name, with the customers of their lists."""
    from analytics import segments_of
    from reports.questions.money import amount_of

    return segments_of(
        settings.segments, lambda name: listed(settings, name)[0], lambda v: amount_of(settings.report, v)
    )


def segment_named(settings: Settings, name: str) -> Segment:
    """The segment of this name. Raises `DefinitionError` with the nearest name where there is none."""
    segments = segments_in(settings)
    if name not in segments:
        expected = f"one of {', '.join(segments)}" if segments else "a segment of [[segments]] in journeys.toml"
        raise DefinitionError(f"There is no segment {name!r}.", expected=expected, do=nearest(name, segments))
    return segments[name]


def columns_of(words: Iterable[str]) -> list[str]:
    """The names of the columns that words stand for.

    >>> columns_of(["device", "segment:Lapsed gold", "persona", "persona:App people"])
    ['device', 'Lapsed gold', 'persona', 'App people']
    """
    return [word.removeprefix(PREFIX).removeprefix(OF_PERSONA) for word in words]


def is_group(word: str) -> bool:
    """Whether a word is a group of customers by name: a segment, or one persona.

    >>> is_group("segment:Lapsed gold"), is_group("persona:App people"), is_group("device")
    (True, True, False)
    """
    return word.startswith((PREFIX, OF_PERSONA))


def observation_in(settings: Settings) -> Observation:
    """How customers are observed: without the touches of the main goal, and those after it."""
    left_out = [*settings.main_goal.steps, *(settings.paths.after or ()), *(settings.report.returns or ())]
    return settings.personas.observed(left_out)


def personas_in(settings: Settings, paths: Paths) -> PersonaRules | PersonaFit:
    """The personas of the configuration: by rules, or the fit in force, with the names that people gave.

    Raises `DefinitionError` where there is no fit, and for one made from other features, stages or touchpoint rules.
    """
    from analytics import PersonaFit, fit_in_force

    configured, observation = settings.personas, observation_in(settings)
    fit = None if configured.by_rules else fit_in_force(settings.lake)
    segments = segments_in(settings) if configured.by_rules and settings.segments else {}
    found = configured.portfolio(observation, segments, fit)
    if found is None:
        raise DefinitionError("There are no personas yet.", do="find them: journeys personas fit")
    if isinstance(found, PersonaFit):
        found.check(paths, features=configured.features, observation=observation, zone=settings.report.timezone)
    return found


def _with_personas_of(settings: Settings, paths: Paths, words: Iterable[str]) -> Paths:
    """The paths with a column for each of the words that is a persona, or all of them."""
    asked = [word for word in dict.fromkeys(words) if word.startswith(OF_PERSONA) or word == PERSONA]
    if not asked or (asked == [PERSONA] and PERSONA in paths.schema):
        return paths
    portfolio = personas_in(settings, paths)
    for word in asked:
        paths = paths.with_personas(portfolio, None if word == PERSONA else word.removeprefix(OF_PERSONA))
    return paths


def grouped_by(settings: Settings, words: Sequence[str], on: str | None = None) -> tuple[Paths, list[str]]:
    """The paths of the lake, counted by the cluster `on` this address where there is one, and the columns that words
    name: those of segments and personas are added.
    """
    paths = paths_on(settings, on).require_touches()
    return with_segments_of(settings, paths, words), columns_of(words)


def with_segments_of(settings: Settings, paths: Paths, words: Iterable[str]) -> Paths:
    """The paths with a column for each of the words that is a segment or a persona.

    The words of touches that segments name are checked.
    """
    from analytics import check_segment_words

    words = list(words)
    paths = _with_personas_of(settings, paths, words)
    names = dict.fromkeys(word.removeprefix(PREFIX) for word in words if word.startswith(PREFIX))
    if not names:
        return paths
    segments = [segment_named(settings, name) for name in names]
    for segment in segments:
        check_segment_words(paths, segment)
    return paths.with_segments(segments)


def members_only(settings: Settings, paths: Paths, names: Iterable[str], unit: Any) -> Paths:
    """Only the units that begin while their customer is a member of all these segments."""
    chosen = list(names)
    paths = with_segments_of(settings, paths, [PREFIX + name for name in chosen])
    for name in chosen:
        paths = paths.begun_with(name, "in", unit=unit)
    return paths


def funnel_of(settings: Settings, paths: Paths, definition: Funnel, only: Iterable[str] = ()) -> tuple[Paths, Funnel]:
    """The paths with the segments that a funnel is broken down by, and the funnel of those who enter as members."""
    import polars as pl

    from analytics import Step

    chosen = list(only)
    paths = with_segments_of(settings, paths, [*definition.by, *(PREFIX + name for name in chosen)])
    definition = replace(definition, by=tuple(columns_of(definition.by)))
    if not chosen:
        return paths, definition
    first, *later = definition.steps
    conditions = [pl.col(name) == "in" for name in chosen] + ([] if first.where is None else [first.where])
    entry = Step(
        first.any_of,
        pl.all_horizontal(conditions),
        on=first.on,
        name=first.name,
        optional=first.optional,
        within=first.within,
        first_time=first.first_time,
    )
    return paths, replace(definition, steps=(entry, *later))


def compared(settings: Settings, paths: Paths, definition: Funnel, groups: Sequence[str]) -> pl.DataFrame:
    """The steps of a funnel in two groups of those who enter it, as `analytics.compare` has them.

    `groups` are one group against all others, or two against each other: `COLUMN=VALUE`, `segment:NAME`,
    `persona:NAME`; who is in both is in neither. The one group `PREVIOUS` are the entries from `start` to `end` of the
    funnel against as long before (`analytics.compare_periods`). Raises `DefinitionError` for another group.
    """
    import polars as pl

    from analytics import compare, compare_periods

    if PREVIOUS in groups:
        if len(groups) > 1 or definition.start is None or definition.end is None:
            raise DefinitionError(
                "A period is compared with as long before.", expected="a start, an end, and no other group"
            )
        start, end = definition.start, definition.end
        asked = replace(definition, start=None, end=None)
        return compare_periods(paths, asked, before=(start - (end - start), start), after=(start, end))
    if not 1 <= len(groups) <= 2:
        raise DefinitionError("Two groups are compared.", expected="one or two groups", found=str(len(groups)))
    paths = with_segments_of(settings, paths, groups)
    one, *others = (group_of(paths, word) for word in groups)
    if others:
        other = others[0]
        one = pl.when(one & other.not_()).then(statement=True).when(other & one.not_()).then(statement=False)
    return compare(paths, definition, group=one)


def group_of(paths: Paths, text: str) -> pl.Expr:
    """The condition for `COLUMN=VALUE`, or for the members of `segment:NAME`. Raises `DefinitionError` for another."""
    import polars as pl

    from analytics import known_value

    if is_group(text):
        return pl.col(columns_of([text])[0]) == "in"
    column, sign, value = text.partition("=")
    if not sign:
        raise DefinitionError(
            "The group of --compare is invalid.", expected="COLUMN=VALUE, segment:NAME or persona:NAME", found=text
        )
    return pl.col(column) == known_value(paths.values_of(column), value, column)


def people_of_report(settings: Settings) -> PeopleSettings:
    """What the report says of customers: segments, personas with their profile and the texts of people, contacts and
    moments, each where the configuration has it.

    Personas that were made from other rules than the present ones are left out, with a note: the report is not about
    them alone.
    """
    from analytics import known_texts
    from reports.questions.ask import PeopleSettings

    found = PeopleSettings(
        segments=tuple(segments_in(settings).values()) if settings.segments else (),
        contacts=settings.contacts if settings.contacts.touchpoints else None,
        moments=settings.moments if settings.file.data.get("moments", {}).get("intents") else None,
        spoken=_spoken(settings) if settings.voice.themes else None,
        believed=_believed(settings) if settings.voice.questions else None,
    )
    if not settings.personas.by_rules and not _is_fitted(settings):
        return found
    try:
        personas = _personas_of_report(settings)
    except DefinitionError as error:
        terminal.err.print(f"  without personas: {terminal.harmless(str(error))}", markup=False, soft_wrap=True)
        return found
    columns = settings.personas.profile
    names = [name.rpartition(".")[2] for name in settings.paths.attributes] if columns is None else columns
    texts = settings.personas.texts
    written = known_texts(settings.lake, texts)
    return replace(found, personas=personas, profile=tuple(names), texts=texts, written=written)


def _spoken(settings: Settings) -> Spoken:
    """The codebook with the texts of the lake, and the quotes that the user's file approves."""
    from analytics import approved_ids, landed_texts
    from reports.questions.people.asked import Spoken

    rules = settings.voice
    ids = approved_ids(Path(settings.beside(rules.approved_file))) if rules.quotes == "approved" else []
    return Spoken(rules.themes, landed_texts(settings.lake), ids)


def _believed(settings: Settings) -> Believed:
    """The questions with coded answers, and the answers of the lake."""
    from analytics import landed_answers
    from reports.questions.people.asked import Believed

    questions = settings.voice.questions
    return Believed(questions, landed_answers(settings.lake, questions))


def _is_fitted(settings: Settings) -> bool:
    from analytics import fit_in_force

    return fit_in_force(settings.lake) is not None


def report_of(
    settings: Settings, report: ReportSettings, also: Iterable[str] = ()
) -> tuple[ReportSettings, list[Segment], PersonaRules | PersonaFit | None]:
    """The report's settings with the columns of segments in its breakdowns, these segments, and the personas.

    `also` are words that the report names elsewhere: their segments, and the personas, are among those.
    Raises `DefinitionError` for one persona among the breakdowns: `persona` has all of them.
    """
    words = dict.fromkeys([*report.segments, *report.explore, *also])
    if alone := [word for word in words if word.startswith(OF_PERSONA)]:
        raise DefinitionError("A report is broken down by all personas.", expected=PERSONA, found=alone[0])
    personas = _personas_of_report(settings) if PERSONA in words else None
    names = columns_of(word for word in words if word.startswith(PREFIX))
    if not names:
        return report, [], personas
    columns = {name: tuple(columns_of(getattr(report, name))) for name in ("segments", "explore")}
    shown = {"segment_names": {**{name: name for name in names}, **report.segment_names}}
    return report.model_copy(update=columns | shown), [segment_named(settings, name) for name in names], personas


def _personas_of_report(settings: Settings) -> PersonaRules | PersonaFit | None:
    """The personas of the configuration; none where the store has a column of that name, or holds nothing."""
    from analytics import Paths

    try:
        paths = Paths.open(settings.lake)
    except StorageError:  # not stitched yet: the report says so
        return None
    return None if PERSONA in paths.schema or not len(paths) else personas_in(settings, paths)


def listed(settings: Settings, name: str) -> tuple[pl.DataFrame, int]:
    """The customers of a file that a segment lists, and how many of its rows name no customer.

    A CSV or Parquet file has the columns `identity` (kind:value) or `customer` (a key), and `valid_from` if wanted; any
    other file has an identity a line. Raises `InputError` for a file that cannot be read, or that names no customer.
    """
    import polars as pl

    from analytics import Paths, customers_named
    from journeys.settings import identities_in

    file = Path(settings.beside(name))
    table = _table(file) if file.suffix in (".csv", ".parquet") else pl.DataFrame({"identity": identities_in(file)})
    if "identity" in table.columns:
        known = customers_named(settings.lake, settings.paths, table["identity"].drop_nulls().to_list())
        table = table.join(known, left_on="identity", right_on="listed", how="left", maintain_order="left")
    elif "customer" not in table.columns:
        expected, found = "a column identity (kind:value) or customer (a key)", ", ".join(table.columns)
        raise InputError("A list of customers has no column of them.", where=str(file), expected=expected, found=found)
    else:
        keys = [part.keys().cast(pl.String) for part in Paths.open(settings.lake).parts]
        there = pl.col("customer").is_in(pl.concat(keys).implode()) if keys else pl.lit(value=False)
        table = table.with_columns(pl.when(there).then(pl.col("customer")))
    rows = table.drop_nulls("customer")
    if rows.is_empty():
        found = f"{len(table):,} rows, of which none names a customer"
        raise InputError(
            "A list names no known customer.", where=str(file), expected="identities of events", found=found
        )
    since = ["valid_from"] if "valid_from" in rows.columns else []
    return rows.select("customer", *since), len(table) - len(rows)


def _table(file: Path) -> pl.DataFrame:
    """A CSV or Parquet file, with text customers and times."""
    import polars as pl

    try:
        table = pl.read_parquet(file) if file.suffix == ".parquet" else pl.read_csv(file, infer_schema=False)
        text = [pl.col(name).cast(pl.String) for name in ("identity", "customer") if name in table.columns]
        if table.schema.get("valid_from") == pl.String:
            text.append(pl.col("valid_from").str.to_datetime(time_unit="us", time_zone="UTC"))
        return table.with_columns(text)
    except (OSError, pl.exceptions.PolarsError) as error:
        found = str(error).splitlines()[0][:200]
        raise InputError("A list of customers cannot be read.", where=str(file), found=found) from None


def check_versions(settings: Settings) -> None:
    """Keeps the digest of every version of a segment in the lake.

    Raises `ConfigurationError` for a definition that is no longer that of its version.
    """
    import polars as pl

    from analytics import segments_of

    nobody = pl.DataFrame(schema={"customer": pl.String})
    segments = segments_of(settings.segments, lambda _: nobody) if settings.segments else {}
    keep_versions(settings, "segments", VERSIONS, [(name, one.version, one.hash) for name, one in segments.items()])


def keep_versions(settings: Settings, table: str, file: str, versions: Sequence[tuple[str, int, str]]) -> None:
    """Keeps the digest of every version of the definitions of a table of the configuration in a file of the lake.

    `versions` are name, version and digest, in the order of the file. Raises `ConfigurationError` for a definition that
    is no longer that of its version.
    """
    from expectations.lake import files

    if not versions:
        return
    address = settings.lake.table(file)
    kept: dict[str, Mapping[str, str]] = json.loads(files.read(address) or b"{}")
    now = dict(kept)
    for index, (name, number, digest) in enumerate(versions):
        known, version = kept.get(name, {}), str(number)
        if known.get(version, digest) != digest:
            raise ConfigurationError(
                f"{table.removesuffix('s').capitalize()} {name!r} is defined otherwise than its version {version} was.",
                where=settings.place(table, index, "version" if number > 1 else "name"),
                expected=f"the definition with digest {known[version]}",
                found=digest,
                do=f"raise its version to {max(map(int, known)) + 1}, or restore the definition",
            )
        now[name] = {**known, version: digest}
    if now != kept:
        files.write(address, json.dumps(now, indent=1, sort_keys=True).encode())
