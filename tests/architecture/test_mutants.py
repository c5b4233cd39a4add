"""`benchmarks/mutants.py` makes changes that are real, and tells what the tests notice from what they do not."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from benchmarks.mutants import ROOMS, ROOT, Change, Copy, changes, drawn


def change(room: str, before: str, after: str) -> Change:
    return next(one for one in changes(room) if (one.before, one.after) == (before, after))


def test_every_change_is_another_program_and_every_draw_the_same() -> None:
    found = drawn(130, list(ROOMS), 7)
    assert len({(one.file, one.source) for one in found}) == 130
    assert drawn(9, ["commit"], 7) == drawn(9, ["commit"], 7) != drawn(9, ["commit"], 8)
    assert {one.room for one in found} == set(ROOMS)
    for one in found:
        original = ast.dump(ast.parse((ROOT / one.file).read_bytes()))
        assert ast.dump(ast.parse(one.source)) != original, one


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy(tmp_path_factory.mktemp("copy"))


def test_a_wrong_number_is_noticed_and_a_change_without_effect_is_not(
    place: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = (("analytics/statistics/intervals.py",), ("tests/analytics/statistics/test_intervals.py",))
    monkeypatch.setitem(ROOMS, "intervals", own)
    wrong = change("intervals", "k / n", "k * n")
    equivalent = replace(wrong, source=(ROOT / wrong.file).read_bytes() + b"\n")
    assert place.is_noticed(wrong) and not place.is_noticed(equivalent)
    assert (place.folder / wrong.file).read_bytes() == (ROOT / wrong.file).read_bytes()


def test_the_tests_of_statistics_notice_nine_of_ten_changes(place: Copy) -> None:
    """A short run of `make long`, which draws from all rooms."""
    unnoticed = [str(one) for one in drawn(20, ["statistics"], 7) if not place.is_noticed(one)]
    assert len(unnoticed) <= 2, unnoticed
