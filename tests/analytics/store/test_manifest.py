"""Of several processes that replace a path store at once one does it; the others change nothing and say so."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from analytics import Paths
from analytics.store import manifest as manifests
from analytics.store.manifest import PathsReplacedError, current_generation, generations
from analytics.store.writer import StoreWriter
from expectations.lake import files

ANN, BOB = Paths.from_text({"ann": "visit@0m pay@9m"}), Paths.from_text({"bob": "visit@0m pay@9m"})

_SAVES = """
import sys
from analytics import Paths, StoreWriter
from analytics.store.manifest import PathsReplacedError
touches = Paths.from_text({sys.argv[2]: "visit@0m pay@9m"}).touches.collect()
try:
    with StoreWriter(sys.argv[1]) as writer:
        writer.add(touches)
        print("filled", flush=True)
        sys.stdin.readline()
        writer.finish()
except PathsReplacedError as error:
    print(error.message)
    raise SystemExit(error.exit_code)
"""


def begin(folder: Path, customer: str) -> subprocess.Popen[str]:
    """A process that has filled a generation and waits for a line before it publishes."""
    process = subprocess.Popen(
        [sys.executable, "-c", _SAVES, str(folder), customer], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout and process.stdout.readline() == "filled\n"
    return process


def customers(folder: Path) -> list[str]:
    return Paths.open(folder).touches.collect()["customer"].unique().to_list()


@pytest.mark.parametrize("is_first", [True, False])
def test_of_two_processes_that_write_at_once_the_first_to_publish_wins(tmp_path: Path, is_first: bool) -> None:
    if not is_first:
        ANN.save(tmp_path)
    one, other = begin(tmp_path, "one"), begin(tmp_path, "other")
    assert one.communicate("\n")[0] == "" and one.returncode == 0
    said, _ = other.communicate("\n")
    assert other.returncode == 5 and "replaced by another process" in said
    assert customers(tmp_path) == ["one"]
    BOB.save(tmp_path)
    assert customers(tmp_path) == ["bob"] and len(generations(str(tmp_path))) == 2


def test_of_many_that_publish_at_the_same_time_one_does(tmp_path: Path) -> None:
    ANN.save(tmp_path)
    together, published = threading.Barrier(6), list[str]()
    base = current_generation(tmp_path)

    def publish(name: str) -> None:
        together.wait()
        if manifests.publish(str(tmp_path), base, {"generation": name}):
            published.append(name)

    threads = [threading.Thread(target=publish, args=[f"generation-{number}"]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [current_generation(tmp_path)] == published


def test_a_generation_that_is_being_filled_from_the_current_one_stays(tmp_path: Path) -> None:
    ANN.save(tmp_path)
    with StoreWriter(tmp_path) as writer:
        BOB.save(tmp_path)
        with StoreWriter(tmp_path) as later:
            later.add(ANN.touches.collect())
            writer.add(BOB.touches.collect())
            with pytest.raises(PathsReplacedError):
                writer.finish()
            later.finish()
    assert customers(tmp_path) == ["ann"]


def test_a_process_killed_while_publishing_has_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ANN.save(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(files, "write", killed)
        with StoreWriter(tmp_path) as writer:
            writer.add(BOB.touches.collect())
            writer.finish()
    assert customers(tmp_path) == ["bob"]
    ANN.save(tmp_path)
    assert customers(tmp_path) == ["ann"]


def test_a_manifest_that_is_replaced_too_late_is_not_read(tmp_path: Path) -> None:
    ANN.save(tmp_path)
    late = (tmp_path / "manifest.json").read_bytes()
    BOB.save(tmp_path)
    files.write(str(tmp_path / "manifest.json"), late)
    assert customers(tmp_path) == ["bob"]


@pytest.mark.parametrize("moment", ["before it is created", "before the manifest is replaced"])
def test_a_writer_that_stopped_while_two_others_published_does_not(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ANN.save(tmp_path)
    base, create = current_generation(tmp_path), files.create

    def others_first(address: str, content: bytes) -> bool:
        monkeypatch.setattr(files, "create", create)
        created = moment != "before it is created" and create(address, content)
        for paths in (BOB, ANN, BOB):
            paths.save(tmp_path)
        return created or create(address, content)

    monkeypatch.setattr(files, "create", others_first)
    assert not manifests.publish(str(tmp_path), base, {"generation": "generation-late"})
    assert customers(tmp_path) == ["bob"]


def test_one_that_publishes_leaves_the_file_that_another_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ANN.save(tmp_path)
    base, linked = current_generation(tmp_path), files._linked

    def other_first(draft: Path, target: Path) -> bool:
        monkeypatch.setattr(files, "_linked", linked)
        BOB.save(tmp_path)
        return linked(draft, target)

    monkeypatch.setattr(files, "_linked", other_first)
    assert not manifests.publish(str(tmp_path), base, {"generation": "generation-late"})
    assert customers(tmp_path) == ["bob"]


def test_a_damaged_manifest_is_replaced_each_time(tmp_path: Path) -> None:
    ANN.save(tmp_path)
    for _ in range(2):
        (tmp_path / "manifest.json").write_text("damaged")
        BOB.save(tmp_path)
        assert customers(tmp_path) == ["bob"]
    assert json.loads((tmp_path / "manifest.json").read_text())["generation"] == current_generation(tmp_path)
