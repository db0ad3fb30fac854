"""Names of physical units, brought to the three that this package uses: ``"um"``, ``"s"`` and ``"pixel"``."""

from __future__ import annotations

_LENGTHS_UM = {
    "pm": 1e-6,
    "angstrom": 1e-4,
    "nm": 1e-3,
    "um": 1.0,
    "micron": 1.0,
    "mm": 1e3,
    "cm": 1e4,
    "m": 1e6,
    "inch": 25400.0,
}
_TIMES_S = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "sec": 1.0, "min": 60.0, "h": 3600.0}
_SYNONYMS = {
    "picometer": "pm",
    "å": "angstrom",
    "\u212b": "angstrom",
    "nanometer": "nm",
    "micrometer": "um",
    "millimeter": "mm",
    "centimeter": "cm",
    "meter": "m",
    "in": "inch",
    "nanosecond": "ns",
    "microsecond": "us",
    "millisecond": "ms",
    "second": "s",
    "minute": "min",
    "hour": "h",
}


def canonical_unit(unit: object) -> tuple[str, float]:
    """Return the unit that this package uses for another, and the factor between them.

    Parameters
    ----------
    unit : str or pint.Unit or None
        Name, abbreviation or symbol, singular or plural, in British or American spelling.

    Returns
    -------
    name : str
        ``"um"``, ``"s"``, or ``"pixel"`` for anything that is neither a length nor a time.
    factor : float
        How many of `name` one `unit` is.

    Examples
    --------
    >>> canonical_unit("nm")
    ('um', 0.001)
    """
    name = str(unit or "").strip().replace("\\u00B5", "u").replace("\\u00b5", "u")
    name = name.replace("\u00b5", "u").replace("\u03bc", "u").lower().replace("metre", "meter")
    for candidate in (name, name.removesuffix("s"), name.removesuffix("es")):
        key = _SYNONYMS.get(candidate, candidate)
        if key in _LENGTHS_UM:
            return "um", _LENGTHS_UM[key]
        if key in _TIMES_S:
            return "s", _TIMES_S[key]
    return "pixel", 1.0
