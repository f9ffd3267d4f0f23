"""Owns reading package sizes, such as 12 OZ, 500 g or 6 x 330 ml, into amounts that can be compared.

Written here and not taken from a library of units: those read neither capitals (OZ, LB, CT) nor packs (6 x 330 ml)
nor fractions (1/2 GAL), and would add only the factors below.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache


class Dimension(StrEnum):
    """What is measured: grams, millilitres, pieces, metres or square metres."""

    MASS = "mass"
    VOLUME = "volume"
    COUNT = "count"
    LENGTH = "length"
    AREA = "area"


@dataclass(frozen=True, slots=True)
class Size:
    """The whole package in the unit of its dimension: g, ml, pieces, m or m²."""

    amount: float
    dimension: Dimension


# Exact by definition: the international pound and the United States gallon.
_OUNCE_G = 28.349523125
_FLUID_OUNCE_ML = 29.5735295625
_MASS = {
    "g": 1.0, "gr": 1.0, "gm": 1.0, "gram": 1.0, "grams": 1.0, "克": 1.0, "kg": 1000.0, "kilo": 1000.0,
    "千克": 1000.0, "公斤": 1000.0, "斤": 500.0, "mg": 0.001, "oz": _OUNCE_G, "ounce": _OUNCE_G, "ounces": _OUNCE_G,
    "lb": 16 * _OUNCE_G, "lbs": 16 * _OUNCE_G, "pound": 16 * _OUNCE_G, "pounds": 16 * _OUNCE_G,
}  # fmt: skip
_VOLUME = {
    "ml": 1.0, "毫升": 1.0, "cl": 10.0, "dl": 100.0, "l": 1000.0, "lt": 1000.0, "ltr": 1000.0, "lit": 1000.0,
    "liter": 1000.0, "litre": 1000.0, "liters": 1000.0, "litres": 1000.0, "升": 1000.0, "fl oz": _FLUID_OUNCE_ML,
    "floz": _FLUID_OUNCE_ML, "pt": 16 * _FLUID_OUNCE_ML, "pint": 16 * _FLUID_OUNCE_ML, "qt": 32 * _FLUID_OUNCE_ML,
    "quart": 32 * _FLUID_OUNCE_ML, "gal": 128 * _FLUID_OUNCE_ML, "ga": 128 * _FLUID_OUNCE_ML,
    "gallon": 128 * _FLUID_OUNCE_ML,
}  # fmt: skip
_COUNT = {
    "ct": 1.0, "count": 1.0, "pk": 1.0, "pack": 1.0, "pc": 1.0, "pcs": 1.0, "piece": 1.0, "pieces": 1.0, "ea": 1.0,
    "each": 1.0, "roll": 1.0, "rolls": 1.0, "bag": 1.0, "bags": 1.0, "doz": 12.0, "dz": 12.0, "dozen": 12.0,
    "个": 1.0, "包": 1.0, "袋": 1.0, "瓶": 1.0, "盒": 1.0, "片": 1.0, "支": 1.0, "枚": 1.0,
}  # fmt: skip
_LENGTH = {"m": 1.0, "米": 1.0, "cm": 0.01, "ft": 0.3048, "yd": 0.9144, "in": 0.0254}
_AREA = {"sq ft": 0.3048**2, "sqft": 0.3048**2, "sf": 0.3048**2, "m2": 1.0, "sq m": 1.0}
_UNITS: dict[str, tuple[float, Dimension]] = {
    name: (factor, dimension)
    for dimension, units in (
        (Dimension.MASS, _MASS),
        (Dimension.VOLUME, _VOLUME),
        (Dimension.COUNT, _COUNT),
        (Dimension.LENGTH, _LENGTH),
        (Dimension.AREA, _AREA),
    )
    for name, factor in units.items()
}
# A fraction is of halves, thirds, quarters or eighths; any other slash parts a pack: 6/12 OZ.
_NUMBER = r"(?:\d{1,4}\s+\d{1,2}/[2348](?!\d)|\d{1,2}/[2348](?!\d)|\d{1,6}(?:[.,]\d{1,4})?|[.]\d{1,4})"
# Longer names first: "fl oz" before "fl", "ml" before "m".
_UNIT = "|".join(re.escape(name).replace(r"\ ", r"\.?\s*") for name in sorted(_UNITS, key=len, reverse=True))
_MEASURE = rf"({_NUMBER})\s*({_UNIT})\.?(?![a-z])"
_PACKED = re.compile(rf"(?:(\d{{1,4}})\s*(?:[x\u00d7*]|-?\s*pk|-?\s*pack|ct)\s*)?{_MEASURE}", re.IGNORECASE)
_PARTED = re.compile(rf"(\d{{1,4}})\s*/\s*{_MEASURE}", re.IGNORECASE)
_TEXT_MAX = 60


@lru_cache(maxsize=10_000)
def size_of(text: str | None) -> Size | None:
    """Return what a package holds, None where the text says nothing that can be measured.

    Remembered: an assortment is read anew whenever a price changes, and has some hundreds of different sizes.
    """
    start = text.strip()[:_TEXT_MAX] if text else ""
    found = _PACKED.match(start) or _PARTED.match(start)
    if found is None:
        return None
    packs, number, unit = found.groups()
    factor, dimension = _UNITS[re.sub(r"\.?\s+|\.", " ", unit.lower()).strip()]
    amount = int(packs or 1) * _number(number) * factor
    return Size(amount, dimension) if amount > 0 else None


def _number(text: str) -> float:
    """Read 12, 16.9, 16,9, 1/2 or 1 1/2; a comma before three digits parts thousands."""
    if "/" in text:
        return float(sum(Fraction(part) for part in text.split()))
    if re.fullmatch(r"\d{1,3},\d{3}", text):
        return float(text.replace(",", ""))
    return float(text.replace(",", "."))
