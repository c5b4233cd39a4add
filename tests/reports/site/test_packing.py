from __future__ import annotations

import json
from typing import Any

from reports.settings import ReportSettings
from reports.site.packing import Columns, columns_of, indexes_of, packed, unpacked
from reports.site.site import build_site
from tests.reports import fixtures


def test_packed_specifications_unpack_to_the_originals() -> None:
    built = build_site(fixtures.answers(), ReportSettings(segments=("device",)), fixtures.BUILT_AT, "runs/x")
    parts = [part for page in built.pages for part in page.parts if part.spec is not None]
    travels = packed(parts, Columns())
    for part in parts:
        chart = travels["charts"][part.id]
        for name, spec in (("wide", part.spec), ("narrow", part.narrow)):
            if spec is None:
                continue
            whole = unpacked(chart[name], travels["shared"])
            shape = {key: value for key, value in spec.items() if key not in ("datasets", "$schema")}
            assert _without_names(whole) == _without_names(shape)
            assert len(json.dumps(chart[name])) <= len(json.dumps(shape))


def _without_names(value: object) -> object:
    """A page gives datasets short names."""
    if isinstance(value, list):
        return [_without_names(one) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"name"}:
        return "named"
    return {key: _without_names(one) for key, one in value.items()}


def test_columns_unpack_to_the_original_rows() -> None:
    """Unpacked as the page's script does."""
    built = build_site(fixtures.answers(), ReportSettings(segments=("device",)), fixtures.BUILT_AT, "runs/x")
    parts = [part for page in built.pages for part in page.parts if part.spec is not None]
    likened = 0
    for part in parts:
        for rows in (part.spec or {}).get("datasets", {}).values():
            columns = columns_of(rows)
            likened += sum("like" in column for column in columns.values() if isinstance(column, dict))
            names = dict.fromkeys(name for row in rows for name in row)
            again = {name: _read(columns, name, len(rows)) for name in names}
            assert again == {name: [row.get(name) for row in rows] for name in names}
    assert likened > 10


def test_texts_contained_in_two_columns_or_in_themselves_are_unpacked() -> None:
    rows = [{"a": "ten", "b": "ten ten", "c": f"{n}: ten ten, ten", "d": ["ten"]} for n in range(9)] + [{"a": "ten"}]
    columns = columns_of(rows)
    for name in "abcd":
        assert _read(columns, name, len(rows)) == [row.get(name) for row in rows]


def _read(columns: dict[str, Any], name: str, rows: int) -> list[Any]:
    column = columns[name]
    if isinstance(column, list):
        return column
    if "times" in column:
        return [value for value, times in zip(column["of"], column["times"], strict=True) for _ in range(times)]
    if "of" in column:
        return [column["of"][place] for place in indexes_of(column["at"])]
    others = {piece[0] for like in column["like"] for piece in like if isinstance(piece, list)}
    known = {other: _read(columns, other, rows) for other in others}
    return [
        "".join(known[piece[0]][row] if isinstance(piece, list) else piece for piece in column["like"][place])
        for row, place in enumerate(indexes_of(column["at"]))
    ]
