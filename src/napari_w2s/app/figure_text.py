"""Words that fit into a figure: broken into lines by their width in print."""

from __future__ import annotations

from functools import lru_cache

from napari_w2s.app.figure_file import quiet_fonts

POINTS = 72.0
"""Points per inch."""

HARD_SPACE = "\N{NO-BREAK SPACE}"
SEPARATOR = " ·"
"""What stands between the parts of a line, and at the end of none."""


def fit(text: str, width: float, size: float, lines: int | None = None, *, bold: bool = False) -> list[str]:
    """Break text into lines that are no wider than `width`.

    Parameters
    ----------
    text : str
        Its own line breaks stay. Words with a no-break space between them stay together.
    width : float
        In inches.
    size : float
        Of the font, in points.
    lines : int, optional
        At most so many; what is left over becomes an ellipsis.
    bold : bool

    Returns
    -------
    list of str
        At least one line, which may be empty.
    """
    points = width * POINTS
    paragraphs = text.splitlines() or [""]
    made = [line.replace(HARD_SPACE, " ") for one in paragraphs for line in _broken(one, points, size, bold)]
    if lines is None or len(made) <= lines:
        return made
    return [*made[: lines - 1], _cut(made[lines - 1] + " …", points, size, bold)]


def text_width(text: str, size: float, *, bold: bool = False) -> float:
    """Width in print of one line, in inches."""
    return _width(text, size, bold) / POINTS


def _broken(text: str, points: float, size: float, bold: bool) -> list[str]:
    made, line = [], ""
    for word in filter(None, text.split(" ")):
        longer = f"{line} {word}" if line else word
        if _width(longer, size, bold) <= points:
            line = longer
            continue
        if line:
            made.append(line.removesuffix(SEPARATOR))
        while len(word) > 1 and _width(word, size, bold) > points:
            head = _head(word, points, size, bold)
            made.append(head)
            word = word[len(head) :]
        line = word
    return [*made, line]


def _head(word: str, points: float, size: float, bold: bool) -> str:
    """Return the longest beginning of a word that fits, one letter at least."""
    count = len(word)
    while count > 1 and _width(word[:count], size, bold) > points:
        count -= 1
    return word[:count]


def _cut(text: str, points: float, size: float, bold: bool) -> str:
    """Shorten text that ends with an ellipsis until it fits."""
    words = text.removesuffix(" …")
    while words and _width(f"{words} …", size, bold) > points:
        words = words[:-1].rstrip()
    return f"{words} …"


@lru_cache(maxsize=4096)
def _width(text: str, size: float, bold: bool) -> float:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="sans-serif", size=size, weight="bold" if bold else "normal")
    with quiet_fonts():
        return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])
