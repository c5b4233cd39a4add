"""Who installs the wheel, and nothing else, can run every example of a docstring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
EXAMPLES = """
import doctest, importlib, pkgutil, sys

failed = attempted = 0
for room in ("analytics", "expectations", "explorer", "ingest", "journeys", "reports"):
    package = importlib.import_module(room)
    assert package.__file__.startswith(sys.prefix), package.__file__
    for module in pkgutil.walk_packages(package.__path__, f"{room}."):
        if not module.name.endswith("__main__"):
            found = doctest.testmod(importlib.import_module(module.name))
            failed, attempted = failed + found.failed, attempted + found.attempted
print(failed, attempted)
"""


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-2_000:]}\n{done.stderr[-2_000:]}"
    return done.stdout


@pytest.mark.wheel
def test_examples_run_for_somebody_who_has_only_the_wheel(tmp_path: Path) -> None:
    run(UV, "build", "--quiet", "--wheel", "--out-dir", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    run(UV, "venv", "--quiet", "--python", sys.executable, tmp_path / "empty")
    python = tmp_path / "empty" / "bin" / "python"
    source = f"journeys[demo] @ {wheel}"
    run(UV, "pip", "install", "--quiet", "--python", python, "-c", ROOT / "constraints.txt", source)
    output = run(python, "-c", EXAMPLES, cwd=tmp_path)
    failed, attempted = output.splitlines()[-1].split()
    assert int(failed) == 0, output
    assert int(attempted) > 250, "examples are found"
