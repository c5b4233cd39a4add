"""Tables on a narrow terminal: names are cut, columns left out where that is allowed, and numbers are whole."""

from __future__ import annotations

from io import StringIO

import polars as pl
import pytest

from journeys import terminal

NUMBERS = {"before": "1,234,567", "after": "7,654,321", "95 %": "-13.3 to -8.4"}
ROWS = [{"step": "A rather long name of a step", **NUMBERS}]


@pytest.fixture(params=[20, 40, 80])
def printed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> StringIO:
    file = StringIO()
    monkeypatch.setattr(terminal, "out", type(terminal.out)(file=file, width=request.param, highlight=False))
    return file


def test_a_number_is_never_cut(printed: StringIO) -> None:
    terminal.print_columns(ROWS, 30)
    table = pl.DataFrame(
        {"customers": [1234567], "path": [["A", "long", "path"]], "median wait": ["text to be wrapped"]}
    )
    terminal.show(table.with_columns(pl.lit(2468024).alias(name) for name in "abc"), terminal.As.table)
    text = printed.getvalue()
    assert all(number in text for number in NUMBERS.values())
    assert text.count("2,468,024") == 3


def test_columns_that_may_be_left_out_make_room_for_the_others(printed: StringIO) -> None:
    terminal.print_columns(ROWS, 30, ("after", "before"))
    shown = [name for name in NUMBERS if NUMBERS[name] in printed.getvalue()]
    assert shown == {20: ["95 %"], 40: ["before", "95 %"], 80: list(NUMBERS)}[terminal.out.width]
