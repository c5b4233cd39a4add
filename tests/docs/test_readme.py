"""The README is correct: its commands, links, exit codes and names exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from typer.main import get_command

import journeys.commands.funnel
import journeys.commands.identity
import journeys.commands.lake
import journeys.commands.paths
import journeys.commands.pipeline
import journeys.commands.report
import journeys.commands.serve  # noqa: F401 - commands are registered on import
from expectations import errors
from journeys.app import EXIT_INTERRUPTED, EXIT_TARGET, app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
VERBS = get_command(app).commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("line", re.findall(r"^\$ (.+?)(?:\s+#.*)?$", README, flags=re.MULTILINE))
def test_a_command_of_the_readme_exists(line: str) -> None:
    program, name, *arguments = line.split()
    if program == "make":
        assert re.search(rf"^{name}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        return
    assert program == "journeys"
    options = {option for parameter in VERBS[name].params for option in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= options


def test_verbs_that_are_named_exist() -> None:
    named = set(re.findall(r"`journeys ([a-z]+)", README))
    assert named and named <= set(VERBS)


def test_nothing_is_installed_from_the_index_by_a_name_that_is_not_ours() -> None:
    pages = [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "docs").rglob("*.ipynb"),
    ]
    code = [
        file
        for room in ("analytics", "expectations", "ingest", "journeys", "reports")
        for file in (ROOT / room).rglob("*.*")
    ]
    named = re.compile(r"(?:pip install|uv add|uvx|pipx install)[^\n|]*\s['\"]?journeys\b(?!\[\w+\] @)")
    read = [file for file in (*pages, *code) if file.suffix in {".py", ".md", ".toml", ".ipynb"}]
    assert len(read) > 300 and [file for file in read if named.search(file.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)#:]+)\)", README))
def test_a_link_of_the_readme_leads_somewhere(target: str) -> None:
    assert (ROOT / target).exists()


def test_exit_codes_are_those_of_the_errors() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", README, flags=re.MULTILINE)}
    raised = {error.exit_code for error in errors.JourneysError.__subclasses__()}
    assert documented == raised | {0, 1, EXIT_TARGET, EXIT_INTERRUPTED}


@pytest.mark.parametrize("block", re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL))
def test_python_of_the_readme_uses_public_names(block: str) -> None:
    import analytics

    tree = ast.parse(block)
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert names and set(names) <= set(analytics.__all__)
