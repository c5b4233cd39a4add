"""The sites of both examples are true to the last number and word; one that is not is noticed."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit import site
from tests.audit.__main__ import audited, main, truth_of
from tests.audit.truth import Truth

FOLDER = Path(__file__).parent


def built(folder: Path, *options: str) -> Path:
    done = subprocess.run(
        [sys.executable, "-m", "journeys", "demo", "--folder", str(folder), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("audit") / "shop", "--customers", "2000")


@pytest.fixture(scope="module")
def truth(shop: Path) -> Truth:
    return truth_of(site.read(shop / "site"), str(shop / "lake"), shop / "journeys.toml")


def test_the_audit_imports_nothing_of_the_product() -> None:
    for file in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            rooms = {name.partition(".")[0] for name in names}
            assert not rooms & {"analytics", "reports", "expectations", "ingest", "journeys"}, file


def test_every_number_and_sentence_of_the_shop_is_true(shop: Path, truth: Truth) -> None:
    outcome = audited(site.read(shop / "site"), truth)
    assert outcome.differences == []
    assert sum(outcome.numbers.values()) > 5_000 and sum(outcome.sentences.values()) > 90


def test_every_number_and_sentence_of_completejourney_is_true(tmp_path: Path) -> None:
    folder = built(tmp_path / "completejourney", "--data", "completejourney")
    done = subprocess.run(
        [sys.executable, "-m", "tests.audit", str(folder / "site"), str(folder / "lake")],
        capture_output=True,
        text=True,
        check=False,
        cwd=FOLDER.parents[1],
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr


def in_index(change: Callable[[str], str]) -> Callable[[Path], None]:
    return in_file("site.json", change)


def in_file(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def changed(copy: Path) -> None:
        index = json.loads((copy / "site.json").read_text(encoding="utf-8"))
        for file in (
            {copy / name, copy / index["folder"] / name} if name == "site.json" else {copy / index["folder"] / name}
        ):
            text = file.read_text(encoding="utf-8")
            assert change(text) != text
            file.write_text(change(text), encoding="utf-8")

    return changed


def one_more(card: str, column: str) -> Callable[[str], str]:
    """Adds one to the last number of a column of a card's frame."""

    def changed(text: str) -> str:
        index = json.loads(text)
        frame = next(part["frame"] for page in index["pages"] for part in page["parts"] if part["id"] == card)
        frame[column][-1] += 1
        return json.dumps(index)

    return changed


def withheld_as_zero(text: str) -> str:
    """Shows a rate of the funnel that no row before its first can have."""
    index = json.loads(text)
    frame = next(part["frame"] for page in index["pages"] for part in page["parts"] if part["id"] == "funnel")
    frame["share_of_previous"][0] = 0.0
    return json.dumps(index)


def replaced(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


CHANGES = (
    ("funnel: reached of", in_index(one_more("funnel", "reached"))),
    ("flow: units of", in_index(one_more("flow", "units"))),
    ("positions: share of", in_index(one_more("positions", "share"))),
    ("funnel: share_of_previous of step 1: 0.0", in_index(withheld_as_zero)),
    ("data/segments.csv: row 1, share", in_file("data/segments.csv", replaced(",0.", ",0.9"))),
    ("isn’t", in_file("index.html", replaced("; most stop at", "; the weakest step isn’t"))),
    ("shoppers take", in_file("routes.html", replaced("customers take", "shoppers take"))),
    ("followed it", in_file("routes.html", replaced("leave here", "followed it"))),
    ("one in two takes", in_file("index.html", replaced("one in ten takes", "one in two takes"))),
    ("between “Awareness” and “Desire”", in_file("index.html", replaced("between “Interest”", "between “Awareness”"))),
    ("reach the goal by some route", in_file("index.html", replaced("by any route", "by some route"))),
    ("at most 31 days", in_file("index.html", replaced("at least 30 days", "at most 31 days"))),
)
"""A change of a site, and what the audit must say of it."""


def test_changes_of_numbers_and_words_are_noticed(shop: Path, truth: Truth, tmp_path: Path) -> None:
    copy = tmp_path / "site"
    shutil.copytree(shop / "site", copy)
    for _, change in CHANGES:
        change(copy)
    said = "\n".join(f"{where}: {what}" for where, what in audited(site.read(copy), truth).differences)
    assert [words for words, _ in CHANGES if words not in said] == []


def test_a_site_that_differs_ends_with_1(shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "site"
    shutil.copytree(shop / "site", copy)
    in_index(one_more("funnel", "reached"))(copy)
    config = str(shop / "journeys.toml")
    for built_site, code in ((shop / "site", 0), (copy, 1)):
        monkeypatch.setattr(sys, "argv", ["audit", str(built_site), str(shop / "lake"), "--config", config])
        assert main() == code
