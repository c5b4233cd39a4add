"""Erasing a customer goes through who was in which persona, and through nothing else."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from analytics.stitching.privacy.kept.persona_members import forget_members, member_files, members_named
from expectations.lake.layout import PERSONAS, Lake


def kept(folder: Path, **files: dict[str, str]) -> Lake:
    """A lake with members of personas, by file."""
    lake = Lake(str(folder))
    place = Path(lake.table(PERSONAS))
    place.mkdir(parents=True)
    for name, members in files.items():
        table = pl.DataFrame({"customer": list(members), "persona": list(members.values())})
        table.write_parquet(place / f"members-{name.removeprefix('fit')}.parquet")
    (place / "fit-0002.json").write_text("{}", encoding="utf-8")
    return lake


def test_rows_of_a_customer_are_removed_from_every_fit_that_has_them(tmp_path: Path) -> None:
    lake = kept(tmp_path, fit0001={"ann": "p1", "bo": "p2"}, fit0002={"bo": "p2", "cy": "p1", "dee": "p1"})
    told = forget_members(lake, ["bo", "dee", "nobody"])
    assert (told.table, told.before, told.after, told.rewritten) == ("personas", 5, 2, 2)
    left = [pl.read_parquet(Path(lake.table(PERSONAS)) / name)["customer"].to_list() for name in member_files(lake)]
    assert left == [["ann"], ["cy"]] and members_named(lake, ["bo", "dee"]).is_empty()


def test_files_without_the_customer_stay_byte_for_byte(tmp_path: Path) -> None:
    lake = kept(tmp_path, fit0001={"ann": "p1"})
    (name,) = member_files(lake)
    before = (Path(lake.table(PERSONAS)) / name).read_bytes()
    told = forget_members(lake, ["bo"])
    assert (told.before, told.after, told.rewritten) == (1, 1, 0)
    assert (Path(lake.table(PERSONAS)) / name).read_bytes() == before


def test_a_lake_without_personas_has_nothing_to_forget(tmp_path: Path) -> None:
    told = forget_members(Lake(str(tmp_path)), ["ann"])
    assert (told.before, told.after) == (0, 0)
