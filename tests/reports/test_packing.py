from __future__ import annotations

import json

from reports.packing import packed, unpacked
from reports.settings import ReportSettings
from reports.site import build_site
from tests.reports import fixtures


def test_what_is_told_once_is_the_whole_specification_again() -> None:
    built = build_site(fixtures.answers(), ReportSettings(segments=("device",)), fixtures.BUILT_AT, "runs/x")
    parts = [part for page in built.pages for part in page.parts if part.spec is not None]
    travels = packed(parts)
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
    """The names of datasets are short ones in a page."""
    if isinstance(value, list):
        return [_without_names(one) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"name"}:
        return "named"
    return {key: _without_names(one) for key, one in value.items()}
