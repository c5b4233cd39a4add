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
from tests.audit.__main__ import audited, truth_of
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


CHANGES = {
    "a count of the funnel": in_index(one_more("funnel", "reached")),
    "a count of the flow": in_index(one_more("flow", "units")),
    "a share of the positions": in_index(one_more("positions", "share")),
    "zero for what has no value": in_index(withheld_as_zero),
    "a digit of a file": in_file("data/segments.csv", lambda text: text.replace(",0.", ",0.9", 1)),
    "a word of the headline": in_file("index.html", replaced("most stop at", "the weakest step is")),
    "a stage of a title": in_file("index.html", replaced("between “Interest”", "between “Awareness”")),
    "a number of the lede": in_file(
        "index.html", replaced("went through all stages in order", "went through all stages")
    ),
    "a word below a title": in_file("routes.html", replaced("customers take", "shoppers take")),
    "a word of an alternative text": in_file("index.html", replaced("did not go on to it", "went on to it")),
    "a word of a value card": in_file(
        "index.html", replaced("from their first touch; one in ten", "from their first touch; one in two")
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_change_of_the_site_is_noticed(
    shop: Path, truth: Truth, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    copy = tmp_path / "site"
    shutil.copytree(shop / "site", copy)
    change(copy)
    assert audited(site.read(copy), truth).differences != []
