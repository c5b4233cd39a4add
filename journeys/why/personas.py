"""`journeys personas`: groups of customers who move alike, told as cards; and how new ones are found."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from expectations.errors import DefinitionError, nearest
from expectations.hidden import escaped
from journeys import terminal
from journeys.app import DEFAULT, AsJson, Config, On, app, paths_on, printed_as, settings_of
from journeys.segmented import observation_in, personas_in

if TYPE_CHECKING:
    import polars as pl

    from analytics import Paths, PersonaFit, PersonaRules
    from journeys.settings import Settings
    from reports.questions.ask import PeopleSettings

    Portfolio = PersonaRules | PersonaFit

FIT: Final = "fit"
MIN_PLACED: Final = 500
WORDS: Final = {"share": "size", "goal_rate": "the goal rate"}
_TABLES: Final = (
    ("What distinguishes them", "traits", ("family", "feature", "mean", "mean_others", "standard_deviations")),
    ("Who is among them", "attributes", ("column", "value", "customers", "share", "share_others", "p_corrected")),
    ("Where they go on less often", "pains", ("name", "previous", "share_of_previous", "difference")),
)
"""The tables of a card: title, what it shows, and its columns."""


@app.command()
def personas(
    name: Annotated[
        str | None, typer.Argument(help="A persona, by name or id, for its card; `fit` finds new personas.")
    ] = None,
    k: Annotated[int | None, typer.Option("--k", help="With fit: so many personas, whether stable or not.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="With fit: show what would change, and keep nothing.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With fit: do not ask for confirmation.")] = False,
    as_json: AsJson = False,
    on: On = None,
    config: Config = DEFAULT,
) -> None:
    """Show the personas: size, goal rate, share of goals and of value; one of them as a card; or find new ones.

    Example: journeys personas fit --dry-run
    """
    settings, how = settings_of(config), printed_as(json=as_json)
    if name == FIT:
        show_fit(settings, how, k=k, dry_run=dry_run, yes=yes, on=on)
        return
    given = [option for option, value in (("--k", k is not None), ("--dry-run", dry_run), ("--yes", yes)) if value]
    if given:
        raise DefinitionError("This option is for finding personas.", expected="journeys personas fit", found=given[0])
    show_personas(settings, name, how, on)


def show_personas(settings: Settings, name: str | None, how: terminal.As, on: str | None = None) -> None:
    """Print the personas as a table, or one of them as a card."""
    import analytics

    paths = paths_on(settings, on).require_touches()
    portfolio = personas_in(settings, paths)
    asked: dict[str, Any] = {"goal": settings.main_goal, "window": settings.report.window, "money": money_of(settings)}
    if name is not None:
        known = [*portfolio.names, *portfolio.ids]
        if name not in known:
            expected = f"one of {', '.join(portfolio.names)}" if known else "personas, and the fit has none"
            raise DefinitionError(f"There is no persona {name!r}.", expected=expected, do=nearest(name, known))
        cards = analytics.persona_cards(paths, portfolio, by=profile_columns(settings, paths), **asked)
        _print_card(settings, portfolio, next(card for card in cards if name in (card["persona"], card["id"])), how)
        return
    rows = analytics.personas(paths, portfolio, **asked)
    if how is terminal.As.table:
        _print_personas(settings, portfolio, rows)
    else:
        terminal.show(rows, how)


def money_of(settings: Settings) -> list[Any]:
    """The amounts of money that the main goal is worth, as the report converts them."""
    from analytics import Money
    from reports.questions.money import amount_of

    value = settings.main_goal.value
    amount = amount_of(settings.report, value) if isinstance(value, str) else None
    return [amount] if isinstance(amount, Money) else []


def profile_columns(settings: Settings, paths: Paths) -> list[str]:
    """The columns that describe personas: those of the configuration, else the attributes that the paths have."""
    if settings.personas.profile is not None:
        return list(settings.personas.profile)
    names = [full.rpartition(".")[2] for full in settings.paths.attributes]
    return [name for name in names if name in paths.dictionaries]


def _print_personas(settings: Settings, portfolio: Portfolio, rows: pl.DataFrame) -> None:
    """Print the table, who is in no persona, and which texts no longer fit."""
    import polars as pl

    inside = rows.filter(pl.col("persona").is_not_null())
    if inside.is_empty():
        terminal.out.print("No stable groups: customers do not fall into groups that move alike.", markup=False)
    else:
        terminal.show(_table(inside), terminal.As.table)
    apart = rows.filter(pl.col("reason").is_not_null(), pl.col("customers") > 0)
    reasons = "; ".join(f"{row['customers']:,} {row['reason']}" for row in apart.iter_rows(named=True))
    members = f"{rows['customers'][0]:,} customers are in a persona. In none: {reasons or 'nobody'}."
    terminal.out.print(f"\n{members}", markup=False, soft_wrap=True)
    _print_unfitting(settings, portfolio, inside.to_dicts())
    note = "Share: of the placed customers. Goal rate: of all their journeys; described, not caused."
    terminal.out.print(note, style="dim", markup=False)


def _table(rows: pl.DataFrame) -> pl.DataFrame:
    """The columns of the table of personas."""
    ranges = [_ends(rows, name, title) for name, title in (("share", "share 95 %"), ("goal_rate", "rate 95 %"))]
    columns = ["persona", "id", "customers", "share", "share 95 %", "goal_rate", "rate 95 %", "share_of_goals"]
    value = ["share_of_value"] if rows["share_of_value"].null_count() < len(rows) else []
    return rows.with_columns(ranges).select(*columns, *value)


def _ends(rows: pl.DataFrame, name: str, title: str) -> pl.Series:
    """The ends of intervals as text."""
    import polars as pl

    pairs = rows.select(f"{name}_low", f"{name}_high").iter_rows()
    words = ["" if None in pair else f"{pair[0] * 100:.1f}–{pair[1] * 100:.1f}" for pair in pairs]
    return pl.Series(title, words, dtype=pl.String)


def unfitting_texts(settings: Settings, portfolio: Portfolio, cards: Sequence[dict[str, Any]]) -> list[str]:
    """The texts that people wrote which no longer fit the numbers they were written for, one line each.

    A text that is new, or was changed, is kept with the numbers of now.
    """
    from analytics import no_longer_fits

    known, lines = {card["id"]: card for card in cards}, []
    for persona, written in _written(settings, portfolio, cards).items():
        changed = "; ".join(
            f"{WORDS[name]} was {terminal.text(then, name)}, is {terminal.text(now, name)}"
            for name, then, now in no_longer_fits(written["numbers"], known[persona])
        )
        if changed:
            of = "earlier" if written["fit"] is None else f"for fit {written['fit']}"
            lines.append(f"The text of {known[persona]['persona']!r} was written {of}: {changed}.")
    return lines


def _written(settings: Settings, portfolio: Portfolio, cards: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the texts of these personas were written for; those that are new, or were changed, are written for now."""
    from analytics import PersonaFit, cited_numbers, texts_written_for

    known = {card["id"]: card for card in cards}
    texts = {persona: text for persona, text in settings.personas.texts.items() if persona in known}
    numbers = {persona: cited_numbers(known[persona]) for persona in texts}
    fit = portfolio.number if isinstance(portfolio, PersonaFit) else None
    return texts_written_for(settings.lake, texts, numbers, fit)


def with_texts(settings: Settings, people: PeopleSettings, on: str | None = None) -> PeopleSettings:
    """What the report says of customers; texts that are new, or were changed, are kept as written for now."""
    from analytics import known_texts

    if people.personas is None:
        return people
    _keep_texts(settings, people.personas, on)
    return replace(people, written=known_texts(settings.lake, people.texts))


def _keep_texts(settings: Settings, portfolio: Portfolio, on: str | None) -> None:
    """Keeps what texts that are new, or were changed, are written for: the numbers of now."""
    import analytics

    texts = {persona: text for persona, text in settings.personas.texts.items() if persona in portfolio.ids}
    if len(analytics.known_texts(settings.lake, texts)) < len(texts):
        asked: dict[str, Any] = {"goal": settings.main_goal, "window": settings.report.window}
        rows = analytics.personas(paths_on(settings, on), portfolio, **asked)
        _written(settings, portfolio, rows.filter(rows["persona"].is_not_null()).to_dicts())


def _print_unfitting(settings: Settings, portfolio: Portfolio, cards: Sequence[dict[str, Any]]) -> None:
    for line in unfitting_texts(settings, portfolio, cards):
        terminal.out.print(terminal.harmless(line), markup=False, style="bold red", soft_wrap=True)


def _print_card(settings: Settings, portfolio: Portfolio, card: dict[str, Any], how: terminal.As) -> None:
    """Print a persona: the text that people wrote, or the sentences by rule; then what these stand on."""
    import polars as pl

    from analytics import vignette

    sentences = [sentence.text for sentence in vignette(card)]
    written = settings.personas.texts.get(card["id"])
    if how is not terminal.As.table:
        plain = {**card, "text": written, "vignette": sentences}
        terminal.write(sys.stdout, escaped(json.dumps(plain, ensure_ascii=False, default=str)) + "\n")
        return
    terminal.out.print(terminal.harmless(f"{card['persona']} ({card['id']})"), style="bold", markup=False)
    terminal.out.print(terminal.harmless(written or " ".join(sentences)), markup=False)
    _print_unfitting(settings, portfolio, [card])
    for title, name, columns in _TABLES:
        if card[name]:
            terminal.out.print(f"\n{title}", style="bold")
            table = pl.DataFrame(card[name], infer_schema_length=None)
            table = table.rename({"difference_sd": "standard_deviations"}, strict=False)
            terminal.show(table.select(columns), terminal.As.table)
    if card["stability"] is not None:
        note = f"\nStability: {card['stability']:.2f}; 1 is the same people every time."
        terminal.out.print(note, style="dim", markup=False)


def show_fit(
    settings: Settings, how: terminal.As, *, k: int | None, dry_run: bool, yes: bool, on: str | None = None
) -> None:
    """Find personas, show how, and what would be new or retired; after confirmation keep them."""
    import analytics

    configured = settings.personas
    if configured.by_rules:
        raise DefinitionError(
            "These personas are by rules: there is nothing to find.", do='leave out the rules, or say from = "clusters"'
        )
    erased = analytics.erasures(settings.lake)  # before the paths are opened: who is removed later may be in them
    paths = paths_on(settings, on).require_touches()
    before = analytics.fit_in_force(settings.lake)
    with terminal.step("Finding personas"):
        fit = analytics.fit_personas(
            paths,
            features=configured.features,
            never=configured.never,
            k=k,
            observation=observation_in(settings),
            zone=settings.report.timezone,
            after=before,
            members=None if before is None else analytics.kept_members(settings.lake, before),
        )
        members = analytics.persona_members(paths, fit)
    if how is terminal.As.table:
        _print_fit(fit, before, members)
    else:
        terminal.show(fit.candidates, how)
    if dry_run:
        return
    if not yes:
        typer.confirm(f"Put fit {fit.number} in force?", abort=True)
    analytics.keep_fit(settings.lake, fit, members, erased=erased)
    terminal.err.print(f"Fit {fit.number} is in force.", markup=False)


def _print_fit(fit: PersonaFit, before: PersonaFit | None, members: pl.DataFrame) -> None:
    """Print the candidates, the personas, and what becomes of those before."""
    import polars as pl

    found = f"{fit.placed:,} customers are placed; groups are found among {fit.drawn:,} of them."
    terminal.out.print(found, markup=False)
    if len(fit.candidates):
        terminal.show(fit.candidates, terminal.As.table)
    if fit.dropped:
        same = ", ".join(f"{family} {value or 'none'}" for family, value in fit.dropped)
        terminal.out.print(f"Nobody varies in: {terminal.harmless(same)}.", markup=False, soft_wrap=True)
    if not fit.personas:
        why = "" if fit.placed >= MIN_PLACED else f" It takes {MIN_PLACED} placed customers."
        terminal.out.print(f"No stable groups.{why}", markup=False)
    sizes = dict(members.group_by("persona").agg(pl.len()).iter_rows())
    names = {} if before is None else dict(zip(before.ids, before.names, strict=True))
    lines = [
        f"{persona.id}  {persona.name}: {sizes.get(persona.id, 0):,} customers, stability {persona.stability:.2f}, "
        + (f"was {names[persona.id]!r}" if persona.id in names else "new")
        for persona in fit.personas
    ]
    lines += [f"{gone}  {names[gone]}: retired" for gone in names if gone not in fit.ids]
    for line in lines:
        terminal.out.print(terminal.harmless(line), markup=False, soft_wrap=True)
