"""Masks in free text what may say who wrote it, or whom it is about.

Masked are e-mail addresses, also written out or spaced, links, account and card numbers, phone-like and other long
numbers in digits or in words, references of letters and digits, dates, street addresses, and names behind a title, an
introduction or a closing. Digits and signs of any script and width are read as the plain ones. Sums of money of up to
six digits and years stay. A rule cannot know every name: a redacted text still needs a person's eye.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

MAX_TEXT: Final = 4_000
"""Characters of a text that are read; the rest is cut off."""
LONG_NUMBER: Final = 7
"""From this many digits on a number is masked, however it is spaced."""
_SHORT_NUMBER: Final = 4
_RUN: Final = 5
_IBAN_DIGITS: Final = 8
_IBAN_LENGTHS: Final = {
    country: int(length)
    for length, countries in (
        line.split(":")
        for line in (
            "15:NO",
            "16:BE",
            "18:DK FK FI FO GL NL SD",
            "19:MK SI",
            "20:AT BA EE KZ LT LU MN XK",
            "21:CH HR LI LV",
            "22:BG BH CR DE GB GE IE ME RS VA",
            "23:AE GI IL IQ OM SO TL",
            "24:AD CZ ES MD PK RO SA SE SK TN VG",
            "25:LY PT ST",
            "26:IS TR",
            "27:BI DJ FR GR IT MC MR SM",
            "28:AL AZ BY CY DO GT HU LB NI PL SV",
            "29:BR EG PS QA UA",
            "30:JO KW MU YE",
            "31:MT SC",
            "32:LC",
            "33:RU",
        )
    )
    for country in countries.split()
}
"""How long the account numbers of a country are, of the register of ISO 13616."""

_BRACKETS: Final = (r"[(\[{<*_|/~-]{1,2}", r"[)\]}>*_|/~-]{1,2}")
_DOT_WORD: Final = r"(?:dot|punkt|point)"
_DOT: Final = rf"(?:[.,]|\s+[.,]\s+|\s*{_BRACKETS[0]}\s*(?:{_DOT_WORD}|\.)\s*{_BRACKETS[1]}\s*|\s+{_DOT_WORD}\s+)"
_SURE_DOT: Final = rf"(?:\.|\s+{_DOT_WORD}\s+|\s*{_BRACKETS[0]}\s*(?:{_DOT_WORD}|\.)\s*{_BRACKETS[1]}\s*)"
_LABEL: Final = r"[^\W_](?:[\w-]{0,62})"
_LOCAL: Final = rf"[\w+%'-]{{1,64}}(?:{_DOT}[\w+%'-]{{1,64}}){{0,5}}"
_AT_WORD: Final = rf"{_BRACKETS[0]}\s*(?:at|ät|a|@)\s*{_BRACKETS[1]}"
_END: Final = rf"(?:{_DOT}{_LABEL}){{0,5}}{_DOT}[a-z]{{2,24}}"
_PROVIDER: Final = r"(?:g(?:oogle)?mail|gmx|yahoo|hotmail|outlook|icloud|proton(?:mail)?|t-online|aol)"
_EMAIL: Final = re.compile(
    rf"(?:{_LOCAL}\s*)?@\s*{_LABEL}(?:{_DOT}{_LABEL}){{0,6}}"
    rf"|{_LOCAL}\s*{_AT_WORD}\s*{_LABEL}{_END}"
    rf"|{_LOCAL}\s+(?:at|ät)\s+{_LABEL}(?:{_SURE_DOT}{_LABEL}){{0,5}}{_SURE_DOT}[a-z]{{2,24}}"
    rf"|{_LOCAL}\s*(?:\b(?:at|ät)\b|{_AT_WORD})\s*{_PROVIDER}\b(?:{_DOT}[a-z]{{2,24}})?"
    r"|[a-z0-9.+-]{1,64}[_-]{1,2}at[_-]{1,2}[a-z0-9-]{1,64}[_-]{1,2}(?:dot|punkt)[_-]{1,2}[a-z]{2,24}"
    r"|[\w.+-]{1,64}(?-i:AT)[\w-]{1,64}(?-i:DOT)[a-z]{2,24}",
    re.IGNORECASE,
)
_LINK: Final = re.compile(
    r"(?:https?|ftp)\s?:\s?/\s?/\s?\S+|\bwww\s?\.\s?\S+|\b(?:[\w-]{1,63}\.){1,6}[a-z]{2,24}/\S*"
    r"|\b(?:[\w-]{2,63}\.){1,6}(?:com|net|org|info|io|de|ch|eu|uk|fr|nl|pl|app|shop|biz|example)\b",
    re.IGNORECASE,
)
_IBAN_LIKE: Final = re.compile(
    r"(?<![^\W_])(?=([a-z][\W_]{0,3}[a-z][\W_]{0,3}\d[\W_]{0,3}\d(?:[\W_]{0,3}[a-z0-9]){11,30}))", re.IGNORECASE
)
_IBAN_NAMED: Final = re.compile(
    r"\biban\b[\W_]{0,3}(?:is|ist|lautet)?[\W_]{0,3}((?-i:[A-Z0-9]{2,34}\W?){1,8}(?-i:[A-Z0-9]{2,34}))", re.IGNORECASE
)
_DIGITS: Final = re.compile(r"\+?\(?\d(?:(?:[\W_]{0,4}|\s?x\s?)\d)*", re.IGNORECASE)
_LOOKALIKE: Final = re.compile(r"(?<![^\W_])(?=[OoIl]*\d)[\dOoIl]{2,}(?![^\W_])")
_LOOKALIKES: Final = str.maketrans("OoIl", "0011")
_CURRENCY: Final = r"(?:eur|euros?|€|usd|\$|dollars?|gbp|£|pounds?|chf|franken|francs?)"
_AFTER_MONEY: Final = re.compile(rf"\s?{_CURRENCY}(?![^\W_])", re.IGNORECASE)
_BEFORE_MONEY: Final = re.compile(rf"(?<![^\W_]){_CURRENCY}\s?$", re.IGNORECASE)
_CUE: Final = re.compile(
    r"\b(?:tele?(?:fon|phone)?|phone|fon|fax|mobile?|mobil|handy|call(?:\sme)?|ring|whatsapp|nummer|number|nr|no"
    r"|order|bestellung|bestellnummer|auftrag|kunde|kundennummer|customer|account|konto|card|karte|pin|code|ref(?:erence)?"
    r"|ticket|invoice|rechnung|iban|id)\b[\W_]{0,3}(?:(?:is|ist|lautet|number|nummer|no|nr|id|me|on|at|under|unter)\b"
    r"[\W_]{0,3}){0,2}$",
    re.IGNORECASE,
)
_SPOKEN: Final = (
    r"(?:zero|oh|null|one|eins|two|zwei|zwo|three|drei|four|vier|five|fünf|fuenf|six|sechs|seven|sieben|eight|acht"
    r"|nine|neun|double|triple|doppel)"
)
_SPOKEN_NUMBER: Final = re.compile(
    rf"(?<![^\W_])(?:{_SPOKEN}|\d+)(?:[\W_]{{0,3}}(?:{_SPOKEN}|\d+)(?![^\W_])){{4,}}", re.IGNORECASE
)
_REFERENCE: Final = re.compile(r"(?<![^\W_])[a-z0-9]+(?:[-_/.:#][a-z0-9]+)*(?![^\W_])", re.IGNORECASE)
_MEASURED: Final = re.compile(
    rf"\d[\d.,]{{0,7}}-?(?:{_CURRENCY}|er|s|th|km|kg|g|ml|l|mm|cm|m|min|h|x|k|px|mah|w|kwh|gb|mb|tb|dpi)", re.IGNORECASE
)
_DATE: Final = re.compile(r"(?<!\d)\d{1,2}\s?[./-]\s?\d{1,2}\s?[./-]\s?(?:\d{4}|\d{2})(?!\d)")
_NAME: Final = r"[^\W\d_](?:[\w'’-]*\w)?"
_PROPER: Final = r"(?-i:(?=[^\W\d_a-zß-öø-ÿ]))[^\W\d_](?:[\w'’-]*\w)?"
_PARTICLE: Final = r"(?:(?:von|van|de|der|den|zu|da|di|la|le)\s+){0,2}"
_NAMED: Final = (
    rf"\b(?:mr|mrs|ms|miss|mx|dr|prof|professor)\b\.?\s+(?:(?:dr|prof)\b\.?\s+){{0,2}}{_PARTICLE}{_NAME}"
    rf"(?:\s+{_PROPER}){{0,2}}",
    rf"\b(?:herrn?|frau|sir|madam|lord|lady|monsieur|madame|mme|mlle|señora?|signora?|hr\.|fr\.|sr\.|sra\.)\s+"
    rf"(?:(?:dr|prof)\b\.?\s+){{0,2}}{_PARTICLE}{_PROPER}(?:\s+{_PROPER}){{0,2}}",
    rf"\b(?:my\s+name\s+is|my\s+name['’]s|i\s+am\s+called|i['’]m\s+called|ich\s+hei(?:ß|ss)e|mein\s+name\s+ist"
    rf"|je\s+m['’]appelle|mein\s+name|name)\b(?:\s*[:,]\s*|\s+){_NAME}(?:\s+{_PROPER}){{0,2}}",
    rf"\b(?:regards|wishes|sincerely|yours|cheers|thanks|thank\s+you|vg|lg|mfg|gr(?:ü|ue)(?:ß|ss)en?|gru(?:ß|ss)|danke)"
    rf"\s*[,.!–—\s-]\s*{_PROPER}(?:\s+{_PROPER}){{0,2}}\s*[.!]?\s*$",
)
_INTRODUCED: Final = re.compile("|".join(_NAMED), re.IGNORECASE)
_ADDRESS: Final = re.compile(
    r"\b[^\W\d_][\w-]*(?:stra(?:ß|ss)e|str\.?|weg|gasse|platz|allee|damm|ufer)\s+\d{1,4}\s?[a-z]?\b"
    r"|(?:(?-i:[^\W\d_a-zäöü])[\w-]*\s)?\bstra(?:ß|ss)e\s+\d{1,4}\s?[a-z]?\b"
    r"|\b\d{1,5}[a-z]?\s+(?:[^\W\d_][\w'-]*\s+){1,3}(?:street|road|avenue|lane|drive|square|crescent|boulevard|st\.|rd\.|ave\.)",
    re.IGNORECASE,
)
_MASKS: Final = ("[e-mail]", "[link]", "[number]", "[date]", "[address]", "[name]")


def redact(text: str) -> str:
    """The text with a mask, such as `[e-mail]`, in the place of what may say who somebody is.

    Masks are `[e-mail]`, `[link]`, `[number]`, `[date]`, `[address]` and `[name]`. Redacting a redacted text changes
    nothing. The text is read in the composed form of Unicode (NFC), its first `MAX_TEXT` characters.

    >>> redact("Call me on ０１７１ 234-56 78, or write to ann (at) mail (dot) com. It cost 1299.00 EUR.")
    'Call me on [number], or write to [e-mail]. It cost 1299.00 EUR.'
    """
    text = unicodedata.normalize("NFC", text)[:MAX_TEXT]
    plain, places = _plain(text)
    spans = sorted(_found(plain))
    pieces, done = [], 0
    for first, last, mask in _joined(spans):
        begin, end = places[first], max(places[last - 1] + 1, places[last])
        pieces += [text[done:begin], mask]
        done = end
    return "".join([*pieces, text[done:]])


def _joined(spans: list[tuple[int, int, int]]) -> Iterator[tuple[int, int, str]]:
    """The spans with overlapping ones as one, with the mask of the first kind of them."""
    open_: tuple[int, int, int] | None = None
    for first, last, rank in spans:
        if open_ is not None and first < open_[1]:
            open_ = (open_[0], max(open_[1], last), min(open_[2], rank))
            continue
        if open_ is not None:
            yield open_[0], open_[1], _MASKS[open_[2]]
        open_ = (first, last, rank)
    if open_ is not None:
        yield open_[0], open_[1], _MASKS[open_[2]]


def _plain(text: str) -> tuple[str, list[int]]:
    """The text in plain digits, signs and blanks, and the place in the text of each of its characters and of its end.

    The masks of an earlier redaction become blanks that nothing crosses.
    """
    characters, places = [], []
    for place, character in enumerate(_without_masks(text)):
        for each in _plain_character(character):
            characters.append(each)
            places.append(place)
    return "".join(characters), [*places, len(text)]


def _without_masks(text: str) -> str:
    for mask in _MASKS:
        text = text.replace(mask, "\x00" * len(mask))
    return text


def _plain_character(character: str) -> str:
    if character.isascii():
        return " " if character.isspace() else character
    digit = unicodedata.digit(character, None)
    category = unicodedata.category(character)
    if digit is not None:
        return str(digit)
    if category in ("Cf", "Me") or "\ufe00" <= character <= "\ufe0f":
        return ""
    if category == "Pd" or character == "−":
        return "-"
    return " " if character.isspace() else unicodedata.normalize("NFKC", character).replace("。", ".")


def _found(plain: str) -> Iterator[tuple[int, int, int]]:
    """What is masked: where it begins and ends, and the number of its mask."""
    for rank, pattern in ((0, _EMAIL), (1, _LINK), (3, _DATE), (4, _ADDRESS), (5, _INTRODUCED)):
        yield from ((*match.span(), rank) for match in pattern.finditer(plain))
    yield from ((*span, 2) for span in _numbers(plain))


def _numbers(plain: str) -> Iterator[tuple[int, int]]:
    yield from _ibans(plain)
    yield from (match.span(1) for match in _IBAN_NAMED.finditer(plain))
    yield from (match.span() for match in _SPOKEN_NUMBER.finditer(plain))
    digits = _LOOKALIKE.sub(lambda match: match[0].translate(_LOOKALIKES), plain)
    for match in _DIGITS.finditer(digits):
        if _is_long(digits, *match.span()):
            yield match.span()
    for match in _REFERENCE.finditer(digits):
        count = sum(map(str.isdigit, match[0]))
        has_letters = any(map(str.isalpha, match[0]))
        if count >= _SHORT_NUMBER and has_letters and not _MEASURED.fullmatch(match[0]):
            yield match.span()


def _is_long(plain: str, first: int, last: int) -> bool:
    """Whether a number is masked: it has many digits, five or more in a row and is no sum, or a word before says so."""
    number = plain[first:last]
    count = sum(map(str.isdigit, number))
    if count >= LONG_NUMBER:
        return True
    if count >= _SHORT_NUMBER and _CUE.search(plain[max(0, first - 60) : first]):
        return True
    is_money = _AFTER_MONEY.match(plain, last) or _BEFORE_MONEY.search(plain[max(0, first - 12) : first])
    return max(map(len, re.findall(r"\d+", number))) >= _RUN and not is_money


def _ibans(plain: str) -> Iterator[tuple[int, int]]:
    """Account numbers whose check digits fit (ISO 13616: the rest of the division by 97 is 1)."""
    for match in _IBAN_LIKE.finditer(plain):
        first = match.start(1)
        places = [place for place, character in enumerate(match[1], first) if character.isalnum()]
        size = _IBAN_LENGTHS.get("".join(plain[place] for place in places[:2]).upper(), len(places) + 1)
        number = "".join(plain[place] for place in [*places[4:size], *places[:4]])
        is_long = size <= len(places) and sum(map(str.isdigit, number)) >= _IBAN_DIGITS
        if is_long and int("".join(str(int(each, 36)) for each in number)) % 97 == 1:
            yield first, places[size - 1] + 1
