"""What the simulated customers write in surveys, in English and German, and which themes each text has.

A text is one clause of a theme that suits the score, in one of ten two. Some words are misspelt, and about three in a
hundred texts hold an address, a phone number, an account, a card or a name, which no published quote may have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final, NamedTuple, TypeVar

MISSPELT: Final = 0.15
SECOND_THEME: Final = 0.1
PLANTED: Final = 0.03
_ENGLISH: Final = {"DE": 0.3, "AT": 0.25, "CH": 0.4}
_CHOICE: Final = re.compile(r"\{([^{}]*)\}")
_LONG: Final = re.compile(r"[^\W\d_]{5,}")

Clauses = tuple[str, ...]
T = TypeVar("T")
PAYMENT, SLOW, WAIT, SEARCH, PRICE = "payment", "slow", "wait", "search", "price"
DELIVERY, STAFF, CHOICE, EASY, NO_THEME = "delivery", "staff", "choice", "easy", "none"
CLAUSES: Final[Mapping[str, tuple[Clauses, Clauses]]] = {
    PAYMENT: (
        (
            "My {payment|card payment|credit card} {failed|was declined|was refused|did not go through}",
            "The checkout {on my phone|in the app|with PayPal} {does not work|keeps failing|hangs}",
            "Had to try to pay {two|three|four} times",
            "{Nobody told me why|No idea why} my card was {declined|refused}",
        ),
        (
            "Meine {Zahlung|Kreditkarte|Karte} {wurde abgelehnt|ging nicht durch|schlug fehl}",
            "Die Kasse {am Handy|in der App|mit PayPal} {funktioniert nicht|hängt}",
            "Musste {zwei|drei|vier} Mal versuchen zu bezahlen",
        ),
    ),
    SLOW: (
        (
            "{Pages|The pages|The garden page} {take for ever to load|load far too slowly|are far too slow}",
            "{The site is|Everything is} so slow that I nearly gave up",
            "The app takes ages to load",
        ),
        (
            "{Die Seite|Die Gartenseite|Der Shop} {lädt ewig|ist viel zu langsam|braucht ewig zum Laden}",
            "{Die Seite ist so langsam|So langsam}, dass ich fast aufgegeben hätte",
        ),
    ),
    WAIT: (
        (
            "Waited {much too long|twenty minutes|half an hour} for {somebody to answer|an answer in the chat}",
            "{Ten|Twenty|Thirty} minutes of music before anyone picked up",
            "Nobody {answered|picks up} the phone",
        ),
        (
            "{Ewig|Zwanzig Minuten|Eine halbe Stunde} in der Warteschleife",
            "Niemand {geht ans Telefon|hat abgehoben}",
            "Viel zu lange auf {eine Antwort|jemanden im Chat} gewartet",
        ),
    ),
    SEARCH: (
        (
            "Could not find {what I was looking for|the right size|the lamp I wanted}",
            "The search {shows|finds} {nothing useful|the wrong things}",
        ),
        (
            "Habe nicht gefunden, was ich {suchte|wollte}",
            "Die Suche {findet|zeigt} {nichts Passendes|das Falsche}",
        ),
    ),
    PRICE: (
        ("Too expensive for what it is", "Prices {are too high|have gone up again}", "It is cheaper elsewhere"),
        ("Zu teuer {für das, was es ist|geworden}", "Die Preise sind {zu hoch|gestiegen}", "Anderswo ist es billiger"),
    ),
    DELIVERY: (
        (
            "{Fast|Quick|Slow} delivery",
            "The parcel {arrived a day early|came the next day|came late|took two weeks}",
            "Delivery {took for ever|was on time}",
        ),
        (
            "{Schnelle|Langsame} Lieferung",
            "Das Paket kam {am nächsten Tag|zu spät|erst nach zwei Wochen}",
            "Die Lieferung {dauerte ewig|war pünktlich}",
        ),
    ),
    STAFF: (
        (
            "The people in the store were {a great help|very kind}",
            "Your staff {knows everything about lamps|took the time to explain}",
            "Very helpful advice in the store",
        ),
        (
            "Tolle Beratung im Laden",
            "Das Personal war {sehr freundlich|hilfsbereit|geduldig}",
            "{Sehr nette|Kompetente} Verkäuferin im Laden",
        ),
    ),
    CHOICE: (
        ("Lovely choice", "Great {choice|range} of {lamps|kitchen things|products}", "So many nice products"),
        ("{Tolle|Schöne|Große} Auswahl", "Großes Sortiment an {Lampen|Küchensachen}"),
    ),
    EASY: (
        ("Easy from start to finish", "{Simple|Easy} to order", "Ordering was {simple|no trouble at all}"),
        ("Einfach von Anfang bis Ende", "Ganz einfach zu bestellen", "Bestellen war {unkompliziert|kein Problem}"),
    ),
    NO_THEME: (
        ("It was fine", "As expected", "All right", "Nothing special", "{Thank you|Thanks}!", "I will be back"),
        ("War in Ordnung", "Wie erwartet", "Ganz okay", "Nichts Besonderes", "{Danke|Vielen Dank}!", "Gerne wieder"),
    ),
}
"""The clauses of each theme, in English and in German; one of what stands in braces is taken."""
PRAISE: Final = (DELIVERY, STAFF, CHOICE, EASY, NO_THEME)
NEUTRAL: Final = (NO_THEME, NO_THEME, CHOICE, PRICE)
COMPLAINTS: Final = {"payment": (PAYMENT,), "slow": (SLOW,), "wait": (WAIT,), "other": (SEARCH, PRICE, DELIVERY)}
SECRETS: Final = (
    ("Write to {}", "Meine Adresse: {}", ("ann.meyer@mail.example", "b.weber (at) post (dot) example")),
    ("Call me on {}", "Bitte anrufen: {}", ("0171 2345678", "+49 (0) 30 / 23 45 67", "0 1 6 0 - 9 8 7 6 5 4 3")),
    ("My account is {}", "Mein Konto ist {}", ("DE89 3704 0044 0532 0130 00", "at611904300234573201")),
    ("My card is {}", "Meine Karte ist {}", ("4111 1111 1111 1111", "5500-0000-0000-0004")),
    ("My name is {}", "Mein Name ist {}", ("Ann Meyer", "Jonas Weber")),
    ("Order {} is not here", "Bestellung {} fehlt", ("O00123456789", "20260131-77")),
)


class Said(NamedTuple):
    """The themes of a text, and what it holds that must not be published (empty: nothing)."""

    themes: tuple[str, ...]
    secret: str = ""


@dataclass(frozen=True, slots=True)
class Words:
    """Writes the text of one answer; `stream` makes its random numbers, `said` keeps what every text says."""

    stream: Callable[[], Random]
    said: dict[str, Said]

    def text(self, country: str, themes: tuple[str, ...]) -> str:
        """A text with one of these themes, or with two."""
        rng = self.stream()
        language = int(rng.random() >= _ENGLISH[country])
        own = [_one(rng, themes)]
        if rng.random() < SECOND_THEME:
            own.append(_one(rng, tuple(name for name in CLAUSES if name not in (*own, NO_THEME))))
        sentences = [_clause(rng, CLAUSES[name][language]) for name in own]
        if rng.random() < MISSPELT:
            sentences[0] = _misspelt(rng, sentences[0])
        secret = ""
        if rng.random() < PLANTED:
            *frames, secrets = _one(rng, SECRETS)
            secret = _one(rng, secrets)
            sentences.append(str(frames[language]).format(secret))
        text = _joined(rng, sentences)
        self.said[text] = Said(tuple(sorted(name for name in own if name != NO_THEME)), secret)
        return text


def _one(rng: Random, items: tuple[T, ...]) -> T:
    return items[int(len(items) * rng.random())]


def _clause(rng: Random, clauses: Clauses) -> str:
    return _CHOICE.sub(lambda match: _one(rng, tuple(match[1].split("|"))), _one(rng, clauses))


def _misspelt(rng: Random, text: str) -> str:
    """The text with two letters of a long word exchanged, or one of them missing."""
    words = tuple(_LONG.finditer(text))
    if not words:
        return text
    word = _one(rng, words)
    at = word.start() + 1 + int((len(word[0]) - 2) * rng.random())
    return text[:at] + (text[at + 1] + text[at] if rng.random() < 0.5 else text[at + 1]) + text[at + 2 :]


def _joined(rng: Random, sentences: list[str]) -> str:
    between, end = _one(rng, ((". ", "."), (". ", ""), ("! ", "!"), (", ", ".")))
    text = between.join(each.rstrip("!") if number else each for number, each in enumerate(sentences))
    text = text if text.endswith(("!", ".")) else text + end
    return text.lower() if rng.random() < 0.1 else text
