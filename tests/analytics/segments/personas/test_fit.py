"""Planted archetypes are found, and none where one is planted; personas are the same people after a refresh."""

from __future__ import annotations

import json
import pickle

import polars as pl
import pytest
from sklearn.metrics import adjusted_rand_score

from analytics import Observation, Paths, PersonaFit, fit_personas, persona_members, persona_traits, personas
from expectations.errors import DefinitionError
from tests.analytics.segments.personas.planted import planted, shop
from tests.written import in_parts

TOUCHES, TRUTH = planted(850)


@pytest.fixture(scope="module")
def early() -> tuple[Paths, PersonaFit, pl.DataFrame]:
    paths = shop(TOUCHES, 80)
    fit = fit_personas(paths, k=4)
    return paths, fit, persona_members(paths, fit)


@pytest.fixture(scope="module")
def late(early: tuple[Paths, PersonaFit, pl.DataFrame]) -> tuple[Paths, PersonaFit, pl.DataFrame]:
    paths = shop(TOUCHES)
    fit = fit_personas(paths, after=early[1], members=early[2])
    return paths, fit, persona_members(paths, fit)


def test_four_planted_archetypes_are_found_and_named_after_their_channel(
    late: tuple[Paths, PersonaFit, pl.DataFrame],
) -> None:
    paths, fit, members = late
    assert fit.candidates.filter("chosen")["k"].to_list() == [4]
    assert adjusted_rand_score([TRUTH[who] for who in members["customer"]], members["persona"].to_list()) >= 0.9
    assert sorted(name.split(",")[0] for name in fit.names) == ["app", "store", "web", "web"]
    assert len(members) == fit.placed == personas(paths, fit, "cart")["customers"][0]
    shown = persona_traits(paths, fit).filter("distinguishes")
    assert shown["difference_sd"].abs().min() >= 0.5  # type: ignore[operator]
    assert shown.group_by("persona").len()["len"].max() <= 5  # type: ignore[operator]


def test_a_refresh_keeps_the_persona_of_99_of_100(
    early: tuple[Paths, PersonaFit, pl.DataFrame], late: tuple[Paths, PersonaFit, pl.DataFrame]
) -> None:
    both = early[2].join(late[2], on="customer")
    assert len(both) > 450
    assert (both["persona"] == both["persona_right"]).mean() >= 0.99  # type: ignore[operator]
    assert set(late[1].ids) == set(early[1].ids) and not late[1].retired
    again = persona_members(late[0], early[1])  # the fit in force: whoever was placed stays
    kept = early[2].join(again, on="customer")
    assert len(kept) == len(early[2]) and (kept["persona"] == kept["persona_right"]).all()


def test_no_groups_are_found_where_everybody_moves_alike() -> None:
    fit = fit_personas(shop(planted(800, archetypes=1)[0]))
    assert fit.personas == () and len(fit.candidates) == 7 and not fit.candidates["chosen"].any()
    assert persona_members(shop(TOUCHES), fit).is_empty()


def test_the_same_groups_from_other_cuts_names_and_orders(late: tuple[Paths, PersonaFit, pl.DataFrame]) -> None:
    few, _ = planted(300)
    asked = {"features": ["channel", "device", "touchpoint"], "k": 3}
    found = fit_personas(shop(few), **asked)
    members = persona_members(shop(few), found)
    assert fit_personas(in_parts(shop(few), 90), **asked).as_plain() == found.as_plain()
    renamed = few.with_columns(pl.concat_str(pl.lit("x"), pl.col("touchpoint").str.reverse()).alias("touchpoint"))
    other = persona_members(shop(renamed), fit_personas(shop(renamed), **asked))
    assert adjusted_rand_score(members["persona"].to_list(), other["persona"].to_list()) == 1
    shuffled = shop(few.sample(fraction=1, shuffle=True, seed=1))
    assert persona_members(shuffled, fit_personas(shuffled, **asked)).equals(members)


def test_a_goal_changes_nobodys_persona(late: tuple[Paths, PersonaFit, pl.DataFrame]) -> None:
    last = TOUCHES.group_by("customer").agg(pl.all().last())
    buys = last.with_columns(touchpoint=pl.lit("order"), channel=pl.lit("app")).select(TOUCHES.columns)
    more = pl.concat([TOUCHES, buys[::2]]).sort("customer", "at")
    observation = Observation.of("order")
    plain = fit_personas(shop(TOUCHES), features=["channel"], k=2, observation=observation)
    assert persona_members(shop(more), plain).equals(persona_members(shop(TOUCHES), plain))


def test_a_fit_is_plain_data_without_customers(late: tuple[Paths, PersonaFit, pl.DataFrame]) -> None:
    paths, fit, members = late
    text = json.dumps(fit.as_plain())
    again = PersonaFit.from_plain(json.loads(text))
    assert again.as_plain() == fit.as_plain() == pickle.loads(pickle.dumps(fit)).as_plain()
    assert persona_members(paths, again).equals(members)
    assert not any(f'"{who}"' in text for who in TRUTH)


def test_who_objects_is_in_no_persona(late: tuple[Paths, PersonaFit, pl.DataFrame]) -> None:
    paths, fit, members = late
    gone = set(members["customer"].head(100))
    without = Paths(paths.parts, paths.schema, paths.dictionaries, paths.end_of_data, objected=gone)
    assert set(persona_members(without, fit)["customer"]) == set(members["customer"]) - gone
    assert fit_personas(without, features=["channel"], k=2).placed == fit.placed - 100
    column = without.with_personas(fit).touches.filter(pl.col("customer").is_in(gone)).collect()["persona"]
    assert column.null_count() == len(column) > 0


def test_what_cannot_be_meant_is_refused(late: tuple[Paths, PersonaFit, pl.DataFrame]) -> None:
    paths, fit, _ = late
    for wrong, message in (
        ({"features": ["chanel"]}, "no family"),
        ({"features": ["channel"], "never": ["channel"]}, "never be a feature"),
        ({"features": ["stage"]}, "none of the features"),
        ({"features": []}, "none of the features"),
        ({"k": 1}, "cannot be asked"),
        ({"k": 13}, "cannot be asked"),
    ):
        with pytest.raises(DefinitionError, match=message):
            fit_personas(paths, **wrong)
    with pytest.raises(DefinitionError, match="other features, stages"):
        fit.check(paths, features=["channel"])
    with pytest.raises(DefinitionError, match="no persona 'Nobody'"):
        paths.with_personas(fit, "Nobody")
    with pytest.raises(DefinitionError, match="has the id 'p9'"):
        fit.renamed({"p9": "Nine"})
    with pytest.raises(DefinitionError, match="more personas than customers"):
        fit_personas(Paths.from_text({"ann": "a@0d a@1d a@2d"}, end="60d"), k=2)


def test_few_customers_and_none_have_no_groups() -> None:
    few = shop(planted(120)[0])
    assert fit_personas(few).personas == () and fit_personas(few).candidates.is_empty()
    nobody = Paths.from_text({})
    assert fit_personas(nobody, features=["rhythm"]).placed == 0
    one = Paths.from_text({"ann": "a@0d a@0d a@0d"}, end="60d")
    assert fit_personas(one).placed == 1 and persona_members(one, fit_personas(one)).is_empty()
