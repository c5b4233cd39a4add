"""Compiled code is taken from disk until a kernel file changes; where it cannot be kept, answers are the same."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from analytics.engine import kernels

NAME, SOURCE = kernels.__name__, Path(kernels.__file__).parent  # type: ignore[arg-type]
ASK = f"""
    import numpy as np
    from {NAME}.distinct_times import classify_codes
    from {NAME}.parameters import rules_of

    table = rules_of(steps=3, exclusions=1, exclude_after=[1], exclude_before=[3])
    places, _, ends = classify_codes(np.array([0, 1, 8], np.uint64), table[0])
    print(places.tolist(), ends.tolist(), sum(classify_codes.stats.cache_hits.values()))
"""
"""Asks a kernel of one file that calls kernels of another: which lengths of chains does an excluded touch end?"""
ANSWER = "[7, 1, 5] [0, 0, 3]"
ASK_LITTLE = f"""
    from {NAME}.parameters import rules_of, step_bits

    print(step_bits(rules_of(steps=3)[0]))
"""
LENGTHS = "range(rules.exclude_after[e], rules.exclude_before[e])"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of all kernels, whose path is to be imported first."""
    home = tmp_path / "copy"
    own = home.joinpath(*NAME.split("."))
    shutil.copytree(SOURCE, own, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in own.relative_to(home).parents:
        (home / folder / "__init__.py").touch()
    return home


def ask(
    copy: Path, script: str = ASK, preexec: Callable[[], None] | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """What a new process answers that has no other folder for compiled code."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_"))}
    own = kept | {"HOME": str(copy), "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"} | environment
    command = [sys.executable, "-c", dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, env=own, cwd=copy, check=False, preexec_fn=preexec)
    assert done.returncode == 0, done.stderr
    return done


def compiled_files(copy: Path) -> set[str]:
    return {file.name for file in copy.rglob("*.nbi")}


def test_a_change_in_one_kernel_file_is_seen_by_its_callers_in_others(copy: Path) -> None:
    assert ask(copy).stdout.strip() == f"{ANSWER} 0"
    before = compiled_files(copy)
    assert ask(copy).stdout.strip() == f"{ANSWER} 1", "what is compiled is taken from disk"
    rules = copy.joinpath(*NAME.split("."), "parameters.py")
    source = rules.read_text()
    assert source.count(LENGTHS) == 1
    rules.write_text(source.replace(LENGTHS, "range(rules.exclude_after[e] + 1, rules.exclude_before[e])"))
    assert ask(copy).stdout.strip() == "[7, 1, 5] [0, 0, 2] 0"
    after = compiled_files(copy)
    assert len(after) == len(before) and not after & before, "old code is removed"


def test_compiled_code_is_stored_where_the_environment_says(copy: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    assert ask(copy, ASK_LITTLE, NUMBA_CACHE_DIR=str(chosen)).stdout.strip() == "7"
    assert compiled_files(chosen) and not compiled_files(copy)


LOST = """
    import shutil
    from pathlib import Path

    folder = Path(step_bits._cache.cache_path)
    shutil.rmtree(folder)
    folder.touch()
"""


@pytest.mark.parametrize("when", ["from the beginning", "later"])
def test_without_a_writable_folder_a_process_compiles_for_itself_and_warns_once(copy: Path, when: str) -> None:
    """A file in the place of a folder cannot be written into, whoever runs it."""
    script = dedent(ASK_LITTLE)
    if when == "later":
        script = script.replace("\n\n", f"\n{dedent(LOST)}\n", 1)
        done = ask(copy, script)
    else:
        copy.joinpath(*NAME.split("."), "__pycache__").touch()
        done = ask(copy, script, HOME="/dev/null")
    assert done.stdout.strip() == "7"
    assert done.stderr.count("UncachedWarning: Scans are compiled again in each process") == 1


def without_rights_of_root() -> None:
    """In the new process, root also may not write where the modes of a folder forbid it (CAP_DAC_OVERRIDE)."""
    ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)


def test_compiled_code_is_read_from_a_folder_that_may_only_be_read(copy: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    assert ask(copy, NUMBA_CACHE_DIR=str(chosen)).stdout.strip() == f"{ANSWER} 0"
    folders = [copy, chosen, *(path for path in (*copy.rglob("*"), *chosen.rglob("*")) if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    try:
        again = ask(copy, preexec=without_rights_of_root, NUMBA_CACHE_DIR=str(chosen))
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert again.stdout.strip() == f"{ANSWER} 1" and not again.stderr
