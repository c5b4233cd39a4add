"""Runs verbs of the command line in this process, on a shape written to files."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import polars as pl
import zstandard

from journeys import main
from tests.journeys.shapes.generate import Event, Shape

TABLES = (".csv", ".tsv", ".parquet")


class Said(NamedTuple):
    """What a command printed, and its exit code."""

    out: str
    err: str
    code: int

    @property
    def text(self) -> str:
        """All of it, for messages of tests."""
        return f"{self.out}\n{self.err}\nexit {self.code}"


def run(*words: str) -> Said:
    """`python -m journeys` with these words. A traceback fails the test, as any exception but the exit does."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with patch.object(sys, "argv", ["journeys", *words]), redirect_stdout(out), redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    said = Said(out.getvalue(), err.getvalue(), code)
    assert "Traceback" not in said.text, said.text
    return said


def rows(*words: str, config: Path) -> list[dict[str, Any]]:
    """The rows that a verb prints as JSON."""
    said = run(*words, "--json", "--config", str(config))
    assert said.code == 0, f"journeys {' '.join(words)}\n{said.text}"
    found: list[dict[str, Any]] = json.loads(said.out)
    return found


class Chain:
    """A folder with the configuration and the files of a shape, and the verbs on it."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        self.shape, self.folder = shape, folder / shape.folder
        self.folder.mkdir()
        self.config = self.folder / "journeys.toml"
        self.config.write_text(configuration(shape), encoding="utf-8")
        self.site = self.folder / "site"

    def __call__(self, verb: str, *words: str, codes: Sequence[int] = (0,)) -> Said:
        """A verb with options; fails unless its exit code is one of `codes`."""
        said = run(verb, *words, "--config", str(self.config))
        assert said.code in codes, f"journeys {verb} {' '.join(words)}\n{said.text}"
        return said

    def rows(self, *words: str) -> list[dict[str, Any]]:
        """The rows of a verb as JSON."""
        return rows(*words, config=self.config)

    def load(self, events: Sequence[Event], name: str) -> Said:
        """Write the events to a file, and load it."""
        file = self.folder / f"{name}{self.shape.ending}"
        write([event.written for event in events], file)
        stream = ("--stream", "web") if "[[ingest.streams]]" in self.shape.ingest else ()
        return self("load", str(file), *stream)


def configuration(shape: Shape) -> str:
    """The file journeys.toml of a shape."""
    lines = ["[lake]", 'address = "lake"', shape.ingest, "[paths]", f"goal = {text(shape.goal)}", shape.paths]
    lines += ['after = ["survey"]'] + ([] if shape.stages else ["stages = []"])
    lines += ["[paths.identities]", shape.identities] if shape.identities else []
    for name, touchpoints in shape.stages.items():
        lines += ["[[paths.stages]]", f"name = {text(name)}", f"touchpoints = {text(touchpoints)}"]
    lines += ["[report]", f"segments = {text(shape.segments)}"]
    return "\n".join(lines) + "\n"


def text(value: Any) -> str:
    """A text, or a list of texts, in TOML."""
    return json.dumps(list(value) if isinstance(value, tuple) else value)


def write(messages: list[dict[str, Any]], file: Path) -> None:
    """Write messages in the format of the file's ending."""
    first = "." + file.name.split(".", 1)[1]
    if first.startswith((".csv", ".tsv")):
        content = table(messages, "\t" if first.startswith(".tsv") else ",").encode()
    elif first == ".json":
        content = json.dumps(messages, indent=1, ensure_ascii=False).encode()
    elif first == ".parquet":
        pl.DataFrame(messages, infer_schema_length=None).write_parquet(file)
        return
    else:
        content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in messages).encode()
    packed = {".gz": partial(gzip.compress, mtime=0), ".zst": zstandard.compress}.get(file.suffix, bytes)
    file.write_bytes(packed(content))


def table(messages: list[dict[str, Any]], separator: str) -> str:
    """The messages as rows below a header; nested values as JSON."""
    names = list(dict.fromkeys(name for row in messages for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, names, delimiter=separator, lineterminator="\n")
    writer.writeheader()
    for row in messages:
        writer.writerow({k: json.dumps(v) if isinstance(v, dict) else v for k, v in row.items()})
    return out.getvalue()
