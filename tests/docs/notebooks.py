"""Runs a notebook cell by cell, as Jupyter does: what the last line of a cell gives is shown."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any


def shown_by(notebook: Path, changes: dict[str, str]) -> list[str]:
    """What each cell shows, as HTML, SVG or text; empty for a cell that ends with no value.

    `changes` are texts of the notebook that are replaced, such as the folder of the lake.
    """
    names: dict[str, Any] = {}
    shown = []
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] != "code":
            continue
        text = "".join(cell["source"])
        for old, new in changes.items():
            text = text.replace(old, new)
        body = ast.parse(text).body
        last = body.pop() if isinstance(body[-1], ast.Expr) else None
        exec(compile(ast.Module(body, []), str(notebook), "exec"), names)
        value = None if last is None else eval(compile(ast.Expression(last.value), str(notebook), "eval"), names)  # type: ignore[attr-defined]
        shown.append("" if value is None else _as_shown(value))
    return shown


def _as_shown(value: object) -> str:
    if hasattr(value, "_repr_mimebundle_"):
        return str(value._repr_mimebundle_()["image/svg+xml"])
    return str(value._repr_html_()) if hasattr(value, "_repr_html_") else repr(value)
