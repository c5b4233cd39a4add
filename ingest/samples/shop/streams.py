"""Random numbers of every person and purpose, so that what happens to one never shifts the draws of another.

Each stream is a generator of its own, with a key of numbers: the seed, the person, the purpose, and which journey and
visit of the person. Two worlds that differ in one person or one story agree in everything that these do not touch.
"""

from __future__ import annotations

from enum import IntEnum
from random import Random
from typing import Any, Final

EVERYBODY: Final = (1 << 32) - 1
"""The number of a person in the streams of what belongs to no single one."""


class Purpose(IntEnum):
    """What random numbers are for. The values are part of the keys: a new purpose gets a new value."""

    PERSON = 0
    LIFE = 1
    JOURNEY = 2
    VISIT = 3
    STORY = 4
    SIGN_IN = 5
    KIOSK = 6
    HOME = 7
    CHAIN = 8
    SWAP = 9
    STORIES = 10
    AFTER = 11
    WORDS = 12
    BELIEFS = 13


class Draws(Random):
    """A generator that takes whole numbers as its key, without what `Random` does for other seeds."""

    def seed(self, a: Any = None, version: int = 2) -> None:  # noqa: ARG002
        """Begins again with the key `a`."""
        super(Random, self).seed(a)
        self.gauss_next = None


def stream(seed: int, person: int, purpose: Purpose, first: int = 0, second: int = 0) -> Random:
    """The random numbers of one key; `first` and `second` count within the purpose.

    >>> stream(7, 1, Purpose.LIFE).random() == stream(7, 1, Purpose.LIFE).random()
    True
    >>> stream(7, 1, Purpose.LIFE).random() == stream(7, 2, Purpose.LIFE).random()
    False
    """
    key = seed & 0xFFFF_FFFF_FFFF_FFFF
    for number in (person, purpose, first, second):
        key = key << 32 | number
    return Draws(key)
