"""The site of the documentation: its references name all that there is, its menu has every page, and its check finds
what is broken."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from prometheus_client.metrics_core import Metric

import analytics
from analytics import measure_columns
from expectations.errors import JourneysError
from ingest.service.counters import Counters
from ingest.service.metrics import CountersCollector
from journeys.app import EXIT_INTERRUPTED, EXIT_TARGET
from journeys.settings import TABLES
from manual import answers, api, commands, errors, metrics, settings
from manual.built import faults
from manual.navigation import pages_of
from manual.pages import write_site

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Markdown of the whole site."""
    folder = tmp_path_factory.mktemp("site")
    write_site(folder)
    return folder


def test_every_verb_has_its_page_with_all_of_its_options() -> None:
    pages = commands.command_pages()
    assert len(commands.verbs()) > 40
    for name, verb in commands.verbs().items():
        assert f"[`journeys {name}`]({name}.md)" in pages["index"]
        below = [verb, *getattr(verb, "commands", {}).values()]
        for command in below:
            options = [each for parameter in command.params for each in parameter.opts if each.startswith("--")]
            assert [each for each in options if each not in pages[name] and each != "--help"] == [], name
        assert [one.name for one in below[1:] if f"## `journeys {name} {one.name}`" not in pages[name]] == []


def test_every_table_and_key_of_the_configuration_has_its_row() -> None:
    pages = settings.settings_pages()
    assert set(settings.MODELS) == set(TABLES) == set(pages) - {"index"}
    for name, model in settings.MODELS.items():
        keys = [field.alias or key for key, field in model.model_fields.items()]
        assert keys and [key for key in keys if f"\n| `{key}` |" not in pages[name]] == [], name
    assert "## ingest.streams.fields" in pages["ingest"] and "| `zone` |" in pages["ingest"]
    assert "| `k` | whole number | `10` | a count of 1 to k - 1 customers is withheld |" in pages["report"]


def test_every_key_of_the_configuration_says_what_it_means() -> None:
    assert settings.undescribed() == []


def test_every_error_and_exit_code_has_its_row() -> None:
    page = errors.errors_page()
    known = JourneysError.__subclasses__()
    assert [error.code for error in known if f"| `{error.code}` | {error.exit_code} | " not in page] == []
    assert {0, 1, EXIT_TARGET, EXIT_INTERRUPTED, *(error.exit_code for error in known)} == set(errors.exit_codes())


def test_every_metric_and_alert_has_its_row() -> None:
    page = metrics.metrics_page()
    families: list[Metric] = list(CountersCollector(Counters()).collect())
    assert (
        len(families) > 30
        and [one.name for one in families if not re.search(rf"\| `{one.name}(_total)?` \|", page)] == []
    )
    groups = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    rules = [rule["alert"] for group in groups for rule in group["rules"]]
    assert rules and [name for name in rules if f"| `{name}` |" not in page] == []


def test_every_public_name_and_every_column_of_an_answer_is_there() -> None:
    pages = api.api_pages()
    names = [name for names in api.public().values() for name in names]
    assert sorted(names) == sorted(analytics.__all__)
    for package, own in api.public().items():
        assert [name for name in own if f"\n## {name} {{ #{name} }}\n" not in pages[package]] == []
        assert [name for name in own if f"({package}.md#{name})" not in pages["index"]] == []
    page = answers.answers_page()
    assert [name for name in measure_columns()["measure"].unique() if f"\n## {name} {{" not in page] == []
    assert "\n## draw {" in pages["notebook"] and "\n## show {" in pages["notebook"]
    assert "'Paths'" not in pages["funnels"] and "paths: Paths" in pages["funnels"]


def test_examples_and_signs_of_docstrings_are_kept_as_they_are(written: Path) -> None:
    for page in sorted((written / "pages" / "reference" / "api").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        assert text.count("```") % 2 == 0, page.name
        outside = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        assert ">>>" not in outside, page.name
        assert re.findall(r"<[a-z]", re.sub(r"`[^`]*`", "", outside)) == [], page.name


def test_a_bar_within_code_is_shown_without_its_escape(written: Path) -> None:
    page = (written / "pages" / "docs" / "questions.md").read_text(encoding="utf-8")
    assert '"Call | Store visited"' in page and "\\|" not in page


def test_what_a_verb_below_a_verb_does_is_said_in_full() -> None:
    assert "..." not in re.findall(r"^\* `replay`: (.+)$", commands.command_pages()["quarantine"], re.MULTILINE)[0]


def test_the_menu_and_the_summary_have_every_page(written: Path) -> None:
    pages = {str(page.relative_to(written / "pages")) for page in (written / "pages").rglob("*.md")}
    menu = tomllib.loads((written / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    assert {path for _, _, path in pages_of(menu)} == pages
    summary = (written / "pages" / "llms.txt").read_text(encoding="utf-8")
    assert summary.startswith("# Journeys\n\n> ") and set(re.findall(r"\]\(([^)]+)\)", summary)) == pages


def test_a_page_that_the_menu_lacks_and_a_link_that_leads_nowhere_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("manual.pages.ROOT", tmp_path)
    monkeypatch.setattr("manual.pages.write_references", lambda _: {})
    (tmp_path / "NEWS.md").write_text("# News\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"menu of manual/navigation.py lacks: NEWS.md"):
        write_site(tmp_path / "site")
    monkeypatch.setattr("manual.navigation.GUIDES", {"Start": {"News": "README.md"}})
    monkeypatch.setattr("manual.navigation.PROJECT", {})
    (tmp_path / "NEWS.md").rename(tmp_path / "README.md")
    (tmp_path / "README.md").write_text("# News\n\nOf [this](gone.md).\n", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"README.md links to gone.md, which is not there"):
        write_site(tmp_path / "site")


GOOD = '<a href="two.html#there">two</a><link href="own.css" rel="stylesheet"><a href="https://elsewhere.example">x</a>'


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ("", None),
        ('<a href="gone.html">x</a>', "gone.html: is not there"),
        ('<a href="two.html#no">x</a>', "two.html#no: there is no such heading"),
        ('<script src="//cdn.example/a.js"></script>', "asks //cdn.example/a.js of the network"),
        ('<link rel="preconnect" href="https://fonts.example">', "asks https://fonts.example of the network"),
        ("<style>@import 'https://fonts.example/a.css'</style>", "asks https://fonts.example/a.css of the network"),
        ('<pre class="mermaid">a</pre>', "asks //mermaid of the network"),
    ],
)
def test_the_check_finds_what_is_broken(tmp_path: Path, said: str, fault: str | None) -> None:
    site, pages = tmp_path / "site", tmp_path / "pages"
    for folder in (site, pages):
        folder.mkdir()
        (folder / "one.md").write_text("[two](two.md)", encoding="utf-8")
        (folder / "two.md").write_text("# There", encoding="utf-8")
    (site / "llms.txt").write_text("- [one](one.md)", encoding="utf-8")
    (site / "own.css").write_text("a{color:red}", encoding="utf-8")
    (site / "one.html").write_text(GOOD + said, encoding="utf-8")
    (site / "two.html").write_text('<h1 id="there">There</h1>', encoding="utf-8")
    assert faults(site, pages) == ([] if fault is None else [f"one.html: {fault}"])


def test_the_check_misses_markdown_that_is_not_beside_its_page(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "one.md").write_text("# One", encoding="utf-8")
    assert faults(tmp_path / "site", tmp_path / "pages") == [
        "one.md: has no page",
        "one.md: is not beside its page",
        "llms.txt: is not there",
    ]
