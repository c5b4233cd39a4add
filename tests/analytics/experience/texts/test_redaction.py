from __future__ import annotations

import re
import unicodedata
from random import Random

import pytest

from analytics import redact

FRAMES = (
    "{}",
    "Please write to {} as soon as you can.",
    "Nobody answered, my contact is {}, thank you",
    "Bitte melden Sie sich: {}!",
    "({})",
    "Slow pages...{} and a long wait",
    "so {} it is",
    "\n{}\nThat is all",
)
ORDINARY = (
    "My payment failed and nobody told me why.",
    "Had to try to pay three times.",
    "In 20 minutes I was done and all went well",
    "Ten minutes of music before anyone picked up.",
    "It was fine. I was at home. Then it came.",
    "Looked at 3.5 stars, and paid 1299.00 EUR, then $ 12999, in 2025.",
    "Die Frau war nett, 10/10!",
    "Prices are all right; (a) cheaper, (b) as good.",
    "Danke! Gerne wieder",
    "Thanks for the quick delivery",
    "The app needs 3 clicks, the web 12; 50 % faster",
    "It costs 12999EUR and weighs 1500g",
)
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
ROUND = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
IBANS = (
    *("DE89370400440532013000", "GB29NWBK60161331926819", "NL91ABNA0417164300", "MT84MALT011000012345MTLCAST001S"),
    *("FR1420041010050500013M02606", "AT611904300234573201", "CH9300762011623852957", "NO9386011117947"),
)


def plain(text: str) -> str:
    """Letters and digits of any script in plain form, and nothing else."""
    return "".join(
        str(unicodedata.digit(each, "")) or unicodedata.normalize("NFKC", each).lower()
        for each in text
        if each.isalnum() or unicodedata.digit(each, None) is not None
    )


def spaced(rng: Random, text: str) -> str:
    """The text with separators, as people write them."""
    size = rng.choice((1, 2, 3, 4, 50))
    groups = [text[at : at + size] for at in range(0, len(text), size)]
    between = rng.choice(("", " ", "-", " - ", ".", "/", " / ", "\u00a0", "\u2009", "–", "_", "\u200b", "  ", ", "))
    return between.join(groups)


def digits(rng: Random, many: int) -> str:
    return str(rng.randint(1, 9)) + "".join(str(rng.randint(0, 9)) for _ in range(many - 1))


def dressed(rng: Random, text: str) -> str:
    return text.translate(rng.choice(({}, {}, WIDE, ARABIC, ROUND)))


def planted_phone(rng: Random) -> str:
    begin = rng.choice(("0", "+49 ", "+49 (0) ", "0049", "(0) ", "+1 (", "00 44 "))
    return dressed(rng, begin + digits(rng, 3) + rng.choice((" ", "/", "-", ") ", " / ")) + spaced(rng, digits(rng, 7)))


def planted_card(rng: Random) -> str:
    body = rng.choice(("4", "51", "37", "6011")) + digits(rng, 12)
    total = sum(
        sum(divmod(2 * int(each), 10)) if place % 2 == 0 else int(each) for place, each in enumerate(reversed(body))
    )
    return dressed(rng, spaced(rng, f"{body}{-total % 10}"))


def planted_iban(rng: Random) -> str:
    number = spaced(rng, rng.choice(IBANS))
    return dressed(rng, rng.choice((str.upper, str.lower))(number))


def planted_email(rng: Random) -> str:
    name = rng.choice(("ann.meyer", "bo", "j-smith+shop", "müller_7", "x1y2", "ann"))
    host = rng.choice(("mail.com", "web.de", "post.uni.example.org", "firma-nord.co.uk"))
    at = rng.choice(
        (
            "@",
            " @ ",
            "＠",
            " (at) ",
            "(at)",
            "[at]",
            " [ at ] ",
            " {at} ",
            "<at>",
            " AT ",
            " at ",
            "﹫",
            "(ät)",
            "@\u200b",
        )
    )
    dot = rng.choice((".", ".", " (dot) ", "[dot]", " dot ", " punkt ", "．", " . "))
    if at.strip().lower() == "at" and dot in (" . ", "．"):
        dot = " dot "
    wide = rng.random() < 0.1
    found = name + at + host.replace(".", dot)
    return "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in found) if wide else found


PLANTED = {"phone": planted_phone, "card": planted_card, "iban": planted_iban, "e-mail": planted_email}


@pytest.mark.parametrize("kind", PLANTED)
def test_nothing_planted_survives(kind: str) -> None:
    rng = Random(f"planted {kind}")
    for _ in range(600):
        secret = PLANTED[kind](rng)
        text = rng.choice(FRAMES).format(secret)
        told = redact(text)
        assert plain(secret) not in plain(told), text
        if kind == "e-mail":
            name, host = re.split(
                r"[@＠﹫]|\W*\b(?:at|ät)\b\W*", unicodedata.normalize("NFKC", secret), maxsplit=1, flags=re.I
            )
            words = [each for each in re.findall(r"\w{4,}", name + " " + host) if each.lower() not in ("punkt",)]
            assert not any(re.search(rf"\b{re.escape(each)}\b", told.replace("[e-mail]", "")) for each in words), (
                text,
                told,
            )
        else:
            left = re.findall(r"\d", "".join(str(unicodedata.digit(each, "")) for each in told))
            assert len(left) < 4, (text, told)


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Mr Smith helped, and Frau Dr. von Meyer", "[name] helped, and [name]"),
        ("my name is ann", "[name]"),
        ("Great help!\nBest regards,\nAnn Meyer", "Great help!\nBest [name]"),
        ("I wait in Lange Straße 12, or 5 Old Mill Road", "I wait in [address], or [address]"),
        ("born 12.3.85", "born [date]"),
        ("order 4711 and ORD-2024-00123 are late", "order [number] and [number] are late"),
        ("see https://shop.example/a?b=1 or shop.de", "see [link] or [link]"),
        ("call null eins sieben eins zwei drei", "call [number]"),
        ("O171 234 5678", "[number]"),
        ("4111x1111x1111x1111", "[number]"),
        ("1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣ now", "[number] now"),
        ("IBAN: XX11 ABCD EFGH 12 wrong", "IBAN: [number] wrong"),
        ("ask @ann_m or annATmailDOTcom", "[e-mail] or [e-mail]"),
        ("write to ann at web (dot) de, or bo at mail [.] shop [.] com", "write to [e-mail], or [e-mail]"),
        ("", ""),
    ],
)
def test_what_is_masked(text: str, told: str) -> None:
    assert redact(text) == told


def test_a_redacted_text_stays_and_hostile_ones_take_no_time() -> None:
    rng = Random("redacted")
    letters = "ab. @-_0123456789 (at)(dot)DE\u200b\n[e-mail]xX/"
    texts = ["".join(rng.choice(letters) for _ in range(rng.randint(0, 60))) for _ in range(600)]
    for text in texts:
        once = redact(text)
        assert redact(once) == once
    for text in ("a." * 5_000, "1 " * 5_000, "a@" * 5_000, "at dot " * 900, "DE12" * 2_000, "Name " * 1_000):
        redact(text)
    assert len(redact("x" * 9_000)) == 4_000
