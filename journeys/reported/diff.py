"""`journeys diff`: what moved between two reports, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from journeys import terminal
from journeys.app import DEFAULT, AsCsv, AsJson, Config, app, failures_of, printed_as, settings_of

if TYPE_CHECKING:
    import polars as pl

    from analytics import KeptRun
    from journeys.settings import Settings

FAILURES: Final = ("restated",)
NOTE: Final = "Counts and causes are in steps of {k}; smaller causes, and causes of fewer customers, are together."


@app.command()
def diff(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN] [RUN]", help="Reports, the earlier one first; default: last two."),
    ] = None,
    fail_on: Annotated[
        str, typer.Option(metavar="restated", help="End with exit code 1 when a number was restated.")
    ] = "",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
    config: Config = DEFAULT,
) -> None:
    """Show what moved between two reports, and why: causes add up to the difference.

    The causes are changed definitions, deleted customers, customers joined or parted, events that arrived late, and new
    days. A number of a week that was over is restated when it moved by more than 0.5 %. The lake keeps what every
    report told, also when the site keeps it no more.

    Example: journeys diff --fail-on restated
    """
    settings, failures = settings_of(config), failures_of(fail_on, FAILURES)
    before, now, frame = _moved(settings, *_two(runs or []))
    how = printed_as(json=as_json, csv=as_csv)
    if how is terminal.As.table:
        _tell(settings, before, now, frame)
    else:
        terminal.show(frame, how)
    if failures and frame["restated"].any():
        raise typer.Exit(1)


def _two(runs: list[str]) -> tuple[str | None, str | None]:
    from expectations.errors import DefinitionError

    if len(runs) > 2:
        raise DefinitionError("Two reports are compared.", expected="at most two names", found=", ".join(runs))
    first, second = [*runs, None, None][:2]
    return first, second


def _moved(settings: Settings, run: str | None, other: str | None) -> tuple[KeptRun, KeptRun, pl.DataFrame]:
    """The two reports, and what moved as it may be published."""
    from analytics import DIFF_CAUSES, compared_runs, run_difference
    from reports.privacy.differences import publishable_differences

    before, now = compared_runs(settings.lake, run, other)
    with terminal.step("Making paths as they were known then"):
        found = run_difference(settings.lake, before, now)
    return before, now, publishable_differences(found, DIFF_CAUSES, settings.report.k, settings.report.timezone)


def _tell(settings: Settings, before: KeptRun, now: KeptRun, frame: pl.DataFrame) -> None:
    from reports.words.differences import cause_sentence, cell_words, shown, signed
    from reports.words.numbers import moment

    zone = settings.report.zone
    for run in (before, now):
        text = f"{run.run}  data to {moment(run.end_of_data.astimezone(zone))}"
        terminal.out.print(terminal.harmless(text), style="bold", markup=False, soft_wrap=True)
    if frame.is_empty():
        terminal.out.print("Nothing moved.")
        return
    import polars as pl

    rows: list[dict[str, Any]] = [
        {
            "number": cell_words(row),
            "then": shown(row["then"]),
            "now": shown(row["now"]),
            "moved": "–" if row["difference"] is None else signed(row["difference"]),
            "why": cause_sentence(row),
            "": "restated" if row["restated"] else row["state"] if row["state"] != "both" else "",
        }
        for row in frame.iter_rows(named=True)
    ]
    terminal.show(pl.DataFrame(rows), terminal.As.table)
    terminal.out.print(NOTE.format(k=settings.report.k), style="dim", markup=False)
