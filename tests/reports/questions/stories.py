"""Does the Summary name what went wrong, and nothing else? `python -m tests.reports.questions.stories --seeds 20`.

For every seed the shop is simulated with random stories and without them, landed and stitched; *Where to act first* is
asked of both worlds, and of the first one with its groups shuffled. A story counts when it cost 50 goals or more; its
standard errors are those of its own cell: the journeys of its group at its step that began in its days, in both worlds.
A claim has a story behind it when the share that it names is lower in the world with the stories than in the twin by a
quarter of what is claimed at least, or when the shop is built so: the group is below all others in the other seeds'
worlds without stories. Fails when fewer than 90 % of the stories of 6 standard errors are named, fewer than half of
those of 4, when more than one claim in twenty has no story, or more than one shuffled world in twenty has a claim.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from math import sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from analytics import PathRules, Paths, build_paths, stage_funnel, stage_groups
from ingest.files.load import load_profiles
from ingest.samples.shop.twins import StoryTruth
from ingest.samples.simulator import Simulation, Which, simulate
from journeys import start
from journeys.settings import Settings, template
from reports.questions.ask import problems_of
from reports.settings import ReportSettings

MIN_GOALS: Final = 50
BEHIND: Final = 0.25
"""The least share of what is claimed that the stories must have taken."""
BUILT: Final = -1.64
"""Standard errors below all others, in other worlds, of a group that the shop is built to be weak in."""
KEYS: Final = ("dimension", "segment", "step")


@dataclass(frozen=True)
class World:
    """A world as the report sees it: the claims of the Summary, and the counts to judge them by.

    `cells` are `KEYS`, `day`, `previous`, `reached` of journeys by the day on which they begin; `groups` the same over
    all days, of mature journeys, with the `others_previous`, `others_reached`.
    """

    claims: list[dict[str, Any]]
    cells: pl.DataFrame
    groups: pl.DataFrame
    shuffled: list[dict[str, Any]]


@dataclass
class Score:
    """What has been found over seeds: per story its standard errors and whether it was named, and the claims."""

    stories: list[tuple[int, StoryTruth, float, bool]] = field(default_factory=list)
    claims: list[tuple[int, str, dict[str, Any], bool]] = field(default_factory=list)
    shuffled: list[int] = field(default_factory=list)

    def share_named(self, errors: float) -> tuple[int, int]:
        """How many stories of so many standard errors or more are named, and how many there are."""
        large = [named for _, story, z, named in self.stories if story.goals_lost >= MIN_GOALS and z >= errors]
        return sum(large), len(large)

    @property
    def unfounded(self) -> tuple[int, int]:
        """How many claims have no story behind them, and how many there are."""
        return sum(not founded for *_, founded in self.claims), len(self.claims)

    @property
    def is_met(self) -> bool:
        """Whether all aims are met."""
        aims = ((6.0, 0.9), (4.0, 0.5))
        named = all(hits >= aim * count for errors, aim in aims for hits, count in [self.share_named(errors)])
        without, claims = self.unfounded
        return named and without <= 0.05 * claims and sum(map(bool, self.shuffled)) <= max(1, 0.05 * len(self.shuffled))

    def lines(self) -> Iterator[str]:
        """The score in words."""
        for seed, story, z, named in self.stories:
            group = f"{story.dimension} {story.value}"
            yield (
                f"seed {seed}: {story.kind}, {group}, to {story.stage}, {story.since:%d %b} to "
                f"{'the end' if story.until is None else format(story.until, '%d %b')}: {story.goals_lost} goals, "
                f"{z:.1f} standard errors, {'named' if named else 'not named'}"
            )
        for seed, world, claim, founded in self.claims:
            if not founded:
                yield f"seed {seed}, {world}: nothing behind {claim}"
        for errors in (6.0, 4.0):
            hits, count = self.share_named(errors)
            yield f"stories of {MIN_GOALS} goals and {errors:.0f} standard errors or more: {hits} of {count} named"
        without, claims = self.unfounded
        yield f"claims without a story behind them: {without} of {claims}"
        yield f"shuffled worlds with a claim: {sum(map(bool, self.shuffled))} of {len(self.shuffled)}"


def played(seed: int, stories: Which, customers: int, *, shuffle: bool) -> tuple[World, tuple[StoryTruth, ...]]:
    """Simulates a world, lands it, stitches it, and asks."""
    with tempfile.TemporaryDirectory() as folder:
        simulation = simulate(customers=customers, seed=seed, stories=stories)
        settings = stitched(folder, simulation)
        paths = Paths.open(settings.lake)
        return asked(paths, settings.report, settings.paths, seed if shuffle else None), simulation.stories or ()


def stitched(folder: str | Path, simulation: Simulation) -> Settings:
    """Lands a world and stitches it; the settings are those of the demo."""
    settings, data = _settings(folder), Path(folder) / "data"
    simulation.write(data)
    with contextlib.redirect_stdout(io.StringIO()):
        for stream in settings.ingest.streams:
            start.land_files(settings, [str(data / f"{stream.topic}.ndjson")], stream.kind)
    load_profiles(simulation.profiles, settings.lake)
    build_paths(settings.lake, settings.paths)
    return settings


def _settings(folder: str | Path) -> Settings:
    config = Path(folder) / "journeys.toml"
    config.write_text(template("shop"), encoding="utf-8")
    return Settings(config)


def asked(paths: Paths, settings: ReportSettings, rules: PathRules, shuffle: int | None) -> World:
    """What the Summary claims of these paths, and the counts behind it."""
    by_lot = [] if shuffle is None else _claims(shuffled(paths, settings, rules, shuffle), settings, rules)
    return World(_claims(paths, settings, rules), _cells(paths, settings), _groups(paths, settings), by_lot)


def _claims(paths: Paths, settings: ReportSettings, rules: PathRules) -> list[dict[str, Any]]:
    """What the Summary says of groups and days; trouble that journeys met is held against those alike, not a twin."""
    found = problems_of(paths, settings, rules)
    return [] if found is None else found.filter(pl.col("kind") != "pain").to_dicts()


def shuffled(paths: Paths, settings: ReportSettings, rules: PathRules, seed: int) -> Paths:
    """The same touches, with a random group of every column for every customer: as common as the groups are."""
    touches = paths.touches.collect()
    draw = np.random.default_rng(seed)
    customers = touches["customer"].unique(maintain_order=True)
    for column in settings.segments:
        values = touches[column].cast(pl.String)
        one = values.sample(len(customers), with_replacement=True, seed=int(draw.integers(1 << 31)))
        touches = touches.with_columns(touches["customer"].replace_strict(customers, one).alias(column))
    kept = touches.select("customer", "at", "touchpoint", "session", *settings.segments)
    return Paths.from_frame(kept.rename({"session": "session_id"}), end_of_data=paths.end_of_data, rules=rules)


def _cells(paths: Paths, settings: ReportSettings) -> pl.DataFrame:
    frames = []
    for column in (None, *settings.segments):
        found = stage_funnel(paths, window=settings.trend_window, by=column or (), period="day")
        rows = found.filter(pl.col("is_total") if column is None else ~pl.col("is_total"))
        frames.append(
            rows.sort("period", "step").select(
                pl.lit(column and settings.name_of(column), pl.String).alias("dimension"),
                pl.lit(None, pl.String).alias("segment")
                if column is None
                else pl.col(column).cast(pl.String).alias("segment"),
                "step",
                pl.col("period").dt.date().alias("day"),
                "reached",
            )
        )
    table = pl.concat(frames)
    before = table.with_columns(pl.col("step") + 1).rename({"reached": "previous"})
    return table.join(before, on=[*KEYS, "day"], nulls_equal=True)


def _groups(paths: Paths, settings: ReportSettings) -> pl.DataFrame:
    frames = []
    for column in settings.segments:
        found = stage_groups(paths, column, window=settings.window).filter(
            ~pl.col("is_total"), pl.col(column).is_not_null()
        )
        frames.append(
            found.select(
                pl.lit(settings.name_of(column)).alias("dimension"),
                pl.col(column).cast(pl.String).alias("segment"),
                *("step", "previous", "reached"),
            )
        )
    both = ("previous", "reached")
    return pl.concat(frames).with_columns(
        (pl.col(name).sum().over("dimension", "step") - pl.col(name)).alias(f"others_{name}") for name in both
    )


def score(worlds: Sequence[tuple[int, World, World, tuple[StoryTruth, ...]]], settings: ReportSettings) -> Score:
    """Judges the claims of pairs of worlds: (seed, with the stories, without them, the stories)."""
    result = Score()
    for seed, world, twin, stories in worlds:
        built = _built([other.groups for number, _, other, _ in worlds if number != seed] or [twin.groups])
        for story in stories:
            named = any(_names(claim, story, settings) for claim in world.claims)
            result.stories.append((seed, story, _errors(story, world, twin, settings), named))
        for claim in world.claims:
            founded = _is_built(claim, built) or _is_behind(claim, world, twin)
            result.claims.append((seed, "with stories", claim, founded))
        result.claims += [(seed, "twin", claim, _is_built(claim, built)) for claim in twin.claims]
        result.shuffled.append(sum(claim["dimension"] is not None for claim in world.shuffled))
    return result


def _built(groups: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """How far each group is below all others in worlds without stories, in standard errors: column `z`."""
    sums = pl.concat(groups).group_by(KEYS).agg(pl.all().sum())
    share, others = pl.col("reached") / pl.col("previous"), pl.col("others_reached") / pl.col("others_previous")
    pooled = (pl.col("reached") + pl.col("others_reached")) / (pl.col("previous") + pl.col("others_previous"))
    error = (pooled * (1 - pooled) * (1 / pl.col("previous") + 1 / pl.col("others_previous"))).sqrt()
    return sums.select(*KEYS, z=(share - others) / error)


def _is_built(claim: dict[str, Any], built: pl.DataFrame) -> bool:
    """Whether the shop is built so that the group is always below the others."""
    if claim["first"] is not None or claim["dimension"] is None:
        return False
    return bool((built.filter(pl.col(key) == claim[key] for key in KEYS)["z"] < BUILT).any())


def _is_behind(claim: dict[str, Any], world: World, twin: World) -> bool:
    """Whether the stories took a quarter of what is claimed."""
    first, last = claim["first"] or date.min, claim["last"] or date.max
    (share, _), (usual, _) = (_share(each.cells, claim, first, last) for each in (world, twin))
    return usual - share >= BEHIND * (claim["usual"] - claim["share"]) > 0


def _share(cells: pl.DataFrame, cell: dict[str, Any], first: date, last: date) -> tuple[float, int]:
    """The share that goes on, of the journeys of a cell that begin on these days, and their number."""
    rows = cells.filter(
        pl.col("day").is_between(first, last), *(pl.col(key).eq_missing(pl.lit(cell[key])) for key in KEYS)
    )
    previous, reached = int(rows["previous"].sum()), int(rows["reached"].sum())
    return (reached / previous if previous else 0.0), previous


def _cell(story: StoryTruth, settings: ReportSettings) -> dict[str, Any]:
    step = {"Interest": 2, "Desire": 3, "Action": 4}[story.stage]
    return {"dimension": story.dimension and settings.name_of(story.dimension), "segment": story.value, "step": step}


def _errors(story: StoryTruth, world: World, twin: World, settings: ReportSettings) -> float:
    """How many standard errors of its own cell a story moved it."""
    last = date.max if story.until is None else (story.until - timedelta(seconds=1)).date()
    asked_of = (_cell(story, settings), story.since.date(), last)
    (share, n), (usual, _) = _share(world.cells, *asked_of), _share(twin.cells, *asked_of)
    return (usual - share) / sqrt(usual * (1 - usual) / n) if n and 0 < usual < 1 else 0.0


def _names(claim: dict[str, Any], story: StoryTruth, settings: ReportSettings) -> bool:
    """Whether a claim names the group and the step of a story, and days of it; a weakness has no days."""
    if any(claim[key] != value for key, value in _cell(story, settings).items()):
        return False
    if claim["first"] is None:
        return story.kind == "weakness"
    return bool(story.since.date() <= claim["last"]) and (story.until is None or claim["first"] < story.until.date())


def run(seeds: Sequence[int], customers: int) -> Score:
    """Plays every seed with and without its stories, and scores both."""
    worlds = []
    for seed in seeds:
        world, stories = played(seed, "random", customers, shuffle=True)
        twin, _ = played(seed, "none", customers, shuffle=False)
        worlds.append((seed, world, twin, stories))
        sys.stderr.write(f"seed {seed} played\n")
    with tempfile.TemporaryDirectory() as folder:
        return score(worlds, _settings(folder).report)


def main() -> None:
    """Prints the score over seeds; exit code 1 when an aim is missed."""
    parser = argparse.ArgumentParser(description="Which stories does the Summary name?")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--customers", type=int, default=20_000)
    options = parser.parse_args()
    found = run(range(options.first, options.first + options.seeds), options.customers)
    sys.stdout.write("\n".join([*found.lines(), ""]))
    sys.exit(not found.is_met)


if __name__ == "__main__":
    main()
