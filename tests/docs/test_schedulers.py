"""The commands of the examples for schedulers, run as they stand: exit codes and log lines are what schedulers read."""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.analytics.monitoring.runs.histories import History

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "own_tools.md").read_text(encoding="utf-8").partition("## Schedulers")[2]
EXAMPLES = {
    name: block
    for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    if (name := block.split()[1].rstrip(","))
}
TOML = """
[lake]
address = "lake"
[[ingest.files]]
match = ["*.csv"]
kind = "clickstream"
channel = "web"
[paths]
goal = ["buy"]
[report]
window = "7d"
pages = ["trust"]
"""


def command_of(example: str) -> str:
    """The command of an example: its only text that begins with the name of the command."""
    texts = [node.value for node in ast.walk(ast.parse(example)) if isinstance(node, ast.Constant)]
    [command] = [text for text in texts if isinstance(text, str) and text.startswith("journeys run")]
    return command


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    words = [sys.executable, "-m", *shlex.split(command)]
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300)


def test_each_scheduler_has_an_example() -> None:
    assert set(EXAMPLES) == {"Airflow", "Dagster", "Prefect"}


@pytest.mark.parametrize("command", sorted(set(map(command_of, EXAMPLES.values()))))
def test_their_command_runs_and_logs_a_line_per_step(command: str, tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text(TOML)
    History(tmp_path / "lake").land(
        *((name, number % 20, f"c{number}", None) for number in range(60) for name in ("look", "buy"))
    )
    done = run(tmp_path, command)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    steps = {line["step"]: line["status"] for line in lines if "step" in line}
    assert steps["stitch"] == steps["report"] == "done" and (tmp_path / "site" / "index.html").exists()


def test_their_command_fails_with_the_exit_code_of_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "journeys.toml").write_text(TOML.replace("window", "windw"))
    for command in set(map(command_of, EXAMPLES.values())):
        assert run(tmp_path, command).returncode == 2
