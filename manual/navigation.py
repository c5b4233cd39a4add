"""Which pages the site has, in which order, and what llms.txt says of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

Entries: TypeAlias = "list[dict[str, str | Entries]]"
REFERENCE: Final = "reference"
"""The folder of the pages that are written from the code."""

GUIDES: Final[Mapping[str, Mapping[str, str]]] = {
    "Start": {
        "What Journeys is": "README.md",
        "Ten minutes": "docs/start.md",
        "Words": "docs/glossary.md",
    },
    "Guides": {
        "For analysts": "docs/guides/analyst.md",
        "For data engineers": "docs/guides/data_engineer.md",
        "For CX leads": "docs/guides/cx_lead.md",
        "Paths": "docs/paths.md",
        "Segments and personas": "docs/segments.md",
        "The explorer": "docs/explorer.md",
        "The report": "docs/report.md",
        "Your own tools": "docs/own_tools.md",
        "Agents": "docs/agents.md",
    },
    "Questions": {"What others ask their tool for": "docs/questions.md"},
    "How numbers are made": {
        "Every measure": "docs/numbers.md",
        "Stitching": "docs/stitching.md",
        "How fast it is": "docs/speed.md",
    },
    "Data and operation": {
        "What a message is": "docs/formats.md",
        "Asking customers": "docs/asking.md",
        "Sources": "docs/sources.md",
        "Expectations": "docs/expectations.md",
        "Production": "docs/production.md",
        "When things go wrong": "docs/when_things_go_wrong.md",
        "How landing is proven": "docs/landing.md",
        "Past one machine": "docs/past_one_machine.md",
        "Security and privacy": "docs/security.md",
    },
}
"""Pages that people write, by the heading under which they stand."""

PROJECT: Final[Mapping[str, str]] = {
    "Architecture": "ARCHITECTURE.md",
    "Contributing": "CONTRIBUTING.md",
    "Reporting a weakness": "SECURITY.md",
    "Changelog": "CHANGELOG.md",
}


def entries(references: Mapping[str, Mapping[str, str]], decisions: Mapping[str, str]) -> Entries:
    """The menu: guides, then the references that were written, then the project with its decisions."""
    made: Entries = [{heading: _listed(pages)} for heading, pages in GUIDES.items()]
    made.append(
        {
            "Reference": [
                {heading: next(iter(pages.values())) if len(pages) == 1 else _listed(pages)}
                for heading, pages in references.items()
            ]
        }
    )
    made.append({"Project": [*_listed(PROJECT), {"Decisions": _listed(decisions)}]})
    return made


def _listed(pages: Mapping[str, str]) -> Entries:
    return [{title: page} for title, page in pages.items()]


def pages_of(menu: Entries, heading: str = "") -> Iterator[tuple[str, str, str]]:
    """Every page of a menu: the outermost heading, its title, its path.

    >>> list(pages_of([{"Guides": [{"Paths": "paths.md"}]}]))
    [('Guides', 'Paths', 'paths.md')]
    """
    for entry in menu:
        for title, below in entry.items():
            if isinstance(below, str):
                yield heading, title, below
            else:
                yield from pages_of(below, heading or title)


def as_toml(menu: str | Entries) -> str:
    """A menu as the generator's configuration writes it.

    >>> as_toml([{"Start": "README.md"}])
    '[{"Start" = "README.md"}]'
    """
    if isinstance(menu, str):
        return '"' + menu.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return (
        "["
        + ", ".join(f"{{{as_toml(title)} = {as_toml(below)}}}" for one in menu for title, below in one.items())
        + "]"
    )
