"""Retries commits that lost to another writer: a few times, with pauses that double.

A thin layer over tenacity that raises the last error.
"""

from __future__ import annotations

from typing import Final

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

TRIES: Final = 6
PAUSE_SECONDS: Final = 0.05


def retrying(*errors: type[Exception]) -> Retrying:
    """Call a function again when it raises one of these errors: at most six times in total, over about 1.5 seconds.

    >>> numbers = iter([0, 2])
    >>> retrying(ZeroDivisionError)(lambda: 6 // next(numbers))
    3
    """
    return Retrying(
        retry=retry_if_exception_type(errors),
        stop=stop_after_attempt(TRIES),
        wait=wait_exponential(multiplier=PAUSE_SECONDS),
        reraise=True,
    )
