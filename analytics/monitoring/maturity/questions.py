"""The fifteen questions in five domains, with what answers 1, 3 and 5 mean, and what of the product helps next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class MaturityQuestion:
    """One question. `low`, `middle` and `high` say what answers 1, 3 and 5 mean; `help` is what serves it here."""

    number: int
    domain: str
    text: str
    low: str
    middle: str
    high: str
    help: str

    def next_step(self, answer: float) -> str | None:
        """What the next described answer above this one means; null at the highest.

        >>> MATURITY_QUESTIONS[0].next_step(2.5), MATURITY_QUESTIONS[0].next_step(5.0)
        ('after the purchase, in one channel', None)
        """
        described = ((1, self.low), (3, self.middle), (5, self.high))
        return next((text for value, text in described if value > answer), None)


MATURITY_DOMAINS: Final = ("listening", "understanding", "designing", "connecting", "acting")
PER_DOMAIN: Final = 3
_WRITTEN: Final = (
    (
        "Do you ask customers at the moments that matter?",
        "a survey once a year",
        "after the purchase, in one channel",
        "at every stage, in the channel they are in",
        "the card of satisfaction on Journey: which stages have answers",
    ),
    (
        "Do you know what those who do not answer think?",
        "nobody asks",
        "we know how many answer",
        "we compare those who answer with those who do not, and correct for it",
        "the response rate on Journey",
    ),
    (
        "How soon does a complaint reach somebody who can act?",
        "when it reaches the press",
        "with a monthly report",
        "the same day, and the customer hears back",
        "[watch]: alerts to a command of yours, journeys run --every 1d",
    ),
    (
        "Can you tell your kinds of customers by what they do?",
        "one average customer",
        "segments by age or revenue",
        "personas from behaviour, checked every quarter",
        "journeys personas fit, journeys segments",
    ),
    (
        "Do you know why they come: motives, hopes, doubts?",
        "we guess",
        "a study, some years old",
        "asked continually, by kind of customer",
        "answers of surveys as events of kind feedback",
    ),
    (
        "Does everyone use the same words for customers and stages?",
        "every team its own",
        "written down, and not used",
        "one file that all reports read",
        "owner, reviewed and says in journeys.toml",
    ),
    (
        "Is the path that you want written down, with an owner?",
        "no",
        "a picture on a wall",
        "a definition that is measured",
        "[[journeys]] with designed",
    ),
    (
        "Is each journey judged by the goal of the customer?",
        "by our sales",
        "both exist",
        "value for the customer and for us, side by side",
        "for_customer in [[goals]]",
    ),
    (
        "Do you remove effort before you add offers?",
        "nobody knows",
        "when it is cheap",
        "ranked by what is at stake, and done first",
        "journeys pains, and the card Where to act first",
    ),
    (
        "Do you see one person across channels?",
        "every channel for itself",
        "web and shop matched by mail",
        "all channels, with known coverage and a way to undo a link",
        "[paths.identities], journeys identity",
    ),
    (
        "Does what is known travel with the customer?",
        "everything starts anew each time",
        "within a channel",
        "the next touch knows the last",
        "journeys contacts: who had to ask again",
    ),
    (
        "Can you trust the data?",
        "nobody checks",
        "checked by hand",
        "a contract at the door, audited, erasable",
        "journeys check, the page Trust",
    ),
    (
        "Does a finding have a date and a name?",
        "a slide",
        "a list",
        "owner, target and status in the report",
        "[[journeys.targets]] with by, journeys products",
    ),
    (
        "Do you know whether a change worked?",
        "it felt so",
        "before and after",
        "with intervals or a control group, in writing",
        "[[journeys.changes]], [[experiments]]",
    ),
    (
        "How fast does a signal become a change of the journey?",
        "a year",
        "a quarter",
        "days, and some by themselves",
        "journeys run --every 1d, journeys why",
    ),
)
MATURITY_QUESTIONS: Final = tuple(
    MaturityQuestion(number, MATURITY_DOMAINS[(number - 1) // PER_DOMAIN], *texts)
    for number, texts in enumerate(_WRITTEN, 1)
)
"""The questions, numbered from 1; three to a domain, in the order of `MATURITY_DOMAINS`."""
