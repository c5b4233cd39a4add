"""The pages of the API: the public names of `analytics` with their signatures and docstrings, by subject."""

from __future__ import annotations

import ast
import inspect
from collections import defaultdict
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from itertools import pairwise
from types import ModuleType
from typing import Any, Final

from pydantic import BaseModel

import analytics
import reports.notebook
from manual.settings import keys_table
from manual.text import as_markdown, cell, described, table

SUBJECTS: Final[Mapping[str, str]] = {
    "store": "Paths",
    "touches": "Touches and rules",
    "stitching": "Stitching",
    "identity": "Identity",
    "funnels": "Funnels",
    "paths": "Ways",
    "goals": "Goals",
    "experience": "Experience and voice",
    "segments": "Segments and personas",
    "monitoring": "Changes and targets",
    "statistics": "Statistics",
    "engine": "Questions",
}
"""The packages of `analytics` in the order of their pages, with the title of each."""
NOTEBOOK: Final = "notebook"
"""The page of `reports.notebook`, whose names are beside those of `analytics`."""


def public() -> dict[str, list[str]]:
    """The public names by the package of `analytics` that defines them."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(analytics.__all__, key=lambda name: (name[0].isupper(), name.lower())):
        room, package, *_ = _homes()[name].split(".")
        found[package if room == "analytics" else "engine"].append(name)
    return found


@cache
def _homes() -> Mapping[str, str]:
    """The module from which the door of `analytics` takes each name, by its own text."""
    tree = ast.parse(inspect.getsource(analytics))
    return {
        alias.asname or alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }


def api_pages() -> dict[str, str]:
    """The pages by name: one per package, and `index` with all names."""
    names = public()
    pages = {
        package: _page(package, names[package])
        for package in [*SUBJECTS, *sorted(set(names) - set(SUBJECTS))]
        if package in names
    }
    rows = [(f"[`{name}`]({package}.md#{name})", cell(_first(name))) for package in pages for name in names[package]]
    index = f"# Python\n\n{_ABOUT}\n\n{table(('name', 'what it is'), rows)}\n"
    return {"index": index, **pages, NOTEBOOK: _page_of(reports.notebook, title(NOTEBOOK), ["draw", "show"])}


_ABOUT: Final = """`from analytics import ...`: these names are the public interface; what lies in the modules below
may change at any time. All frames are polars; docstrings say columns, units, edge cases and errors, and their
examples run as run as tests. In notebooks `reports.notebook` [draws and shows](notebook.md) answers. Errors are
[those of the command](../errors.md). What numbers mean: [measures](../../docs/numbers.md)."""


def title(package: str) -> str:
    """The title of the page of a package."""
    return SUBJECTS.get(package, package.capitalize())


def _page(package: str, names: list[str]) -> str:
    return _page_of(analytics, title(package), names, described(import_module(f"analytics.{package}")))


def _page_of(door: ModuleType, heading: str, names: list[str], text: str = "") -> str:
    """A page of names that are imported from one module; without a text it begins with that of the module."""
    parts = [f"# {heading}\n", text or described(door), ""]
    for name in names:
        parts += [f"## {name} {{ #{name} }}\n", *_shown(name, getattr(door, name))]
    return "\n".join(parts)


def _shown(name: str, thing: Any) -> list[str]:
    """A name with its signature, its text, and of a class what can be done with it."""
    if not (inspect.isclass(thing) or inspect.isroutine(thing)):
        return [f"```python\n{name}: {type(thing).__name__}\n```\n", _of_constant(name), ""]
    if inspect.isclass(thing) and issubclass(thing, BaseModel):
        return [described(thing), "", keys_table(thing), "", *_members(name, thing)]
    lines = [_signature(name, thing), described(thing), ""]
    if inspect.isclass(thing):
        lines += _members(name, thing)
    return lines


def _signature(name: str, thing: Any) -> str:
    """How a thing is called, a line for each argument where one line is too long."""
    try:
        signature = _bare(inspect.signature(thing))
    except ValueError:  # a class of the interpreter's own says nothing of its arguments
        return ""
    short = f"{name}{signature}"
    if len(short) <= 100:
        return f"```python\n{short}\n```\n"
    arguments: list[str] = []
    is_keyword = False
    for each in signature.parameters.values():
        if each.kind is each.KEYWORD_ONLY and not is_keyword:
            is_keyword = True
            if not any(one.startswith("*") for one in arguments):
                arguments.append("*")
        arguments.append(str(each))
    returned = "" if signature.return_annotation is signature.empty else f" -> {signature.return_annotation!r}"
    inside = "".join(f"    {one},\n" for one in arguments)
    return f"```python\n{name}(\n{inside}){returned}\n```\n"


class _Bare:
    """An annotation that is shown as it is written, without quotes."""

    def __init__(self, annotation: Any) -> None:
        self._text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)

    def __repr__(self) -> str:
        return self._text


def _bare(signature: inspect.Signature) -> inspect.Signature:
    """The signature with its annotations as they are written."""
    arguments = [
        each if each.annotation is each.empty else each.replace(annotation=_Bare(each.annotation))
        for each in signature.parameters.values()
        if each.name != "self"
    ]
    returned = signature.return_annotation
    is_said = returned is not signature.empty
    return signature.replace(parameters=arguments, return_annotation=_Bare(returned) if is_said else returned)


def _members(name: str, thing: type) -> list[str]:
    """The public methods and properties of a class that have a text of their own."""
    inherited = set(dir(BaseModel)) | set(dir(Exception)) | set(dir(tuple))
    lines: list[str] = []
    for key, raw in vars(thing).items():
        value = raw.__func__ if isinstance(raw, classmethod | staticmethod) else raw
        if (
            key.startswith("_")
            or key in inherited
            or not (inspect.isfunction(value) or _is_property(value))
            or not value.__doc__
        ):
            continue
        lines.append(f"### {name}.{key} {{ #{name}.{key} }}\n")
        if inspect.isfunction(value):
            lines.append(_signature(key, getattr(thing, key)))
        lines += [described(value), ""]
    return lines


def _is_property(value: object) -> bool:
    return isinstance(value, property) or type(value).__name__ == "cached_property"


def _of_constant(name: str) -> str:
    """The text below a constant where it is defined."""
    body = ast.parse(inspect.getsource(import_module(_homes()[name]))).body
    for node, after in pairwise(body):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if not any(isinstance(target, ast.Name) and target.id == name for target in targets):
            continue
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
            return as_markdown(inspect.cleandoc(after.value.value))
    return ""


def _first(name: str) -> str:
    thing = getattr(analytics, name)
    text = (thing.__doc__ or "") if inspect.isclass(thing) or inspect.isroutine(thing) else _of_constant(name)
    return " ".join(text.split("\n\n")[0].split())
