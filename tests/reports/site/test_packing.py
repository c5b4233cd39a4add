from __future__ import annotations

import json
from typing import Any

from reports.settings import ReportSettings
from reports.site.packing import MIN_SHARED_LENGTH, Columns, columns_of, indexes_of, packed, unpacked, unshared
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
        stored = [unshared(columns, travels["shared"]) for columns in chart["data"].values()]
        for rows in (rows for spec in (part.spec, part.narrow) if spec for rows in spec["datasets"].values()):
            assert columns_of(rows) in stored


def test_a_column_that_repeats_is_stored_once() -> None:
    built = build_site(fixtures.answers(), ReportSettings(segments=("device",)), fixtures.BUILT_AT, "runs/x")
    parts = [part for page in built.pages for part in page.parts]
    travels = packed(parts, Columns(), paper={part.id for part in parts})
    datasets = [columns for chart in travels["charts"].values() for columns in chart["data"].values()]
    kept = [json.dumps(column, sort_keys=True, separators=(",", ":")) for own in datasets for column in own.values()]
    long = [text for text in kept if len(text) >= MIN_SHARED_LENGTH]
    assert len(long) == len(set(long)) and sum('{"$":' in text for text in kept) > 100


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
