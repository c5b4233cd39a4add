"""Checks that everything on a chart is readable, by drawing it without a browser and inspecting its texts.

Findings: overlapping texts, a text that is cut off, wider than its box, too small, or with too little contrast to its
background, a chart wider than its card, a chart without a description for screen readers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

import vl_convert

from reports.charts import fonts
from reports.charts.theme import TOKENS, VEGA_LITE, Mode, Spec, config

CARD_WIDTH: Final = {12: 1114, 8: 736, 6: 524}
PHONE_WIDTH: Final = 321
"""Width left for a chart on a screen of 375 pixels."""
MIN_CONTRAST: Final = 4.5
MIN_SIZE: Final = 10.5
CUT: Final = ("…", "...")


@dataclass(frozen=True)
class Text:
    """A drawn text and its bounding box; halos under texts are ignored."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    colour: str
    size: float

    def covers(self, other: Text) -> bool:
        """Whether two texts overlap by more than a rounding error."""
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > 1.5 and down > 2


@dataclass(frozen=True)
class TextBox:
    """A drawn rectangle of one colour."""

    left: float
    top: float
    right: float
    bottom: float
    colour: str

    def holds(self, text: Text) -> bool:
        """Whether the middle of a text lies in the box."""
        across, down = (text.left + text.right) / 2, (text.top + text.bottom) / 2
        return self.left <= across <= self.right and self.top <= down <= self.bottom


def findings(spec: Spec, mode: Mode = "light", room: float = CARD_WIDTH[12]) -> list[str]:
    """Everything wrong with a chart drawn in `mode` within `room` pixels; an empty list for a good chart."""
    fonts.register_fonts()
    drawn = vl_convert.vegalite_to_scenegraph(spec | {"config": config(mode)}, vl_version=VEGA_LITE)
    problems = [] if spec.get("description") else ["no description"]
    width = drawn["width"]
    if width > room:
        problems.append(f"too wide: {width:.0f} of {room:.0f} px")
    texts = list(_texts(drawn["scenegraph"]))
    problems += [f"cut off: {text.text}" for text in texts if text.text.endswith(CUT)]
    problems += [f"too small: {text.text}" for text in texts if text.size < MIN_SIZE]
    problems += [f"{a.text!r} over {b.text!r}" for a, b in combinations(texts, 2) if a.covers(b)]
    boxes = list(_boxes(drawn["scenegraph"], TOKENS[mode]["surface"]))
    for text in texts:
        under = [box for box in boxes if box.holds(text)][-1:]
        problems += [
            f"wider than its box: {text.text}" for box in under if text.left < box.left and text.right > box.right
        ]
        contrast = contrast_of(text.colour, under[0].colour if under else TOKENS[mode]["surface"])
        if contrast < MIN_CONTRAST:
            problems.append(f"contrast {contrast:.1f}: {text.text}")
    return problems


def contrast_of(colour: str, other: str) -> float:
    """Contrast of two colours by WCAG 2.

    >>> round(contrast_of("#000000", "#FFFFFF"), 1)
    21.0
    """
    light, dark = sorted((_luminance(colour), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    channels = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _texts(mark: dict[str, Any], left: float = 0, top: float = 0) -> Iterator[Text]:
    for item in mark.get("items", []):
        if mark.get("marktype") == "group":
            for child in item.get("items", []):
                yield from _texts(child, left + item.get("x", 0), top + item.get("y", 0))
        elif mark.get("marktype") == "text" and _is_read(item):
            yield _boxed(item, left, top)


def _is_read(item: dict[str, Any]) -> bool:
    upright = not item.get("angle") and not item.get("stroke")
    return upright and item.get("text") not in (None, "", []) and bool(item.get("opacity", 1))


def _boxed(item: dict[str, Any], left: float, top: float) -> Text:
    lines = item["text"] if isinstance(item["text"], list) else [str(item["text"])]
    size, weight = item.get("fontSize", 11), int(item.get("fontWeight", 400))
    wide = max(fonts.width(str(line), size, weight) for line in lines)
    high = size * 0.9 + (item.get("lineHeight", size + 2)) * (len(lines) - 1)
    x, y = left + item.get("x", 0) + item.get("dx", 0), top + item.get("y", 0) + item.get("dy", 0)
    x -= {"right": wide, "center": wide / 2}.get(item.get("align", "left"), 0)
    y -= {"bottom": high, "middle": size * 0.45, "top": 0}.get(item.get("baseline", "alphabetic"), size * 0.78)
    return Text(" ".join(map(str, lines)), x, y, x + wide, y + high, item.get("fill", "#000000"), size)


def _boxes(mark: dict[str, Any], surface: str, left: float = 0, top: float = 0) -> Iterator[TextBox]:
    for item in mark.get("items", []):
        x, y = left + item.get("x", 0), top + item.get("y", 0)
        if mark.get("marktype") == "group":
            for child in item.get("items", []):
                yield from _boxes(child, surface, x, y)
        elif mark.get("marktype") == "rect" and _is_filled(item):
            share = item.get("opacity", 1) * item.get("fillOpacity", 1)
            right, bottom = x + item.get("width", 0), y + item.get("height", 0)
            yield TextBox(x, y, right, bottom, _mixed(item["fill"], surface, share))


def _is_filled(item: dict[str, Any]) -> bool:
    fill = item.get("fill")
    return isinstance(fill, str) and fill not in ("transparent", "none") and bool(item.get("opacity", 1))


def _mixed(colour: str, under: str, share: float) -> str:
    """The colour `colour` blended over `under` with opacity `share`."""
    above, below = ([int(c[at : at + 2], 16) for at in (1, 3, 5)] for c in (_hex(colour), under))
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in zip(above, below, strict=True))


def _hex(colour: str) -> str:
    """A colour of the drawing (`#rgb`, `#rrggbb` or `rgb(r, g, b)`) as `#rrggbb`."""
    if colour.startswith("#"):
        return colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:4])
    return "#" + "".join(f"{int(part):02x}" for part in colour[colour.index("(") + 1 : -1].split(",")[:3])
