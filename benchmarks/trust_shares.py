"""Measure how much of a super-resolved image, and of the real SIM image, contradicts the widefield image.

``python -m benchmarks.trust_shares W2S_ROOT`` restores avg1 of two places and of FOVs 047-056 (three channels each, 30
images, which the model did not learn from) with ``w2s-jdsr``, makes the trust maps as the Compare panel does, and
writes the shares of the area that is not supported to docs/trust-table.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from statistics import median

from napari_w2s._types import Level
from napari_w2s.app.comparing.open import Opening
from napari_w2s.app.comparing.trust import trust
from napari_w2s.app.restore import restore_image
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.data.stacks import open_images

TABLE = Path(__file__).parents[1] / "docs" / "trust-table.md"
MODEL = "w2s-jdsr"
PLACES = ((2, 1), (50, 0))
"""Field and channel of a place with much light from out of focus, and of one with little."""
HELD_OUT = tuple((fov, channel) for fov in range(47, 57) for channel in range(3))

Shares = tuple[float, float]
"""Of the result and of the SIM image, in percent."""


def shares(root: Path, fov: int, channel: int) -> Shares:
    """Return how much of the area is not supported by avg1."""
    given, sim = (root / "data/train" / level / f"{fov:03d}_{channel}.png" for level in (Level.AVG1, Level.SIM))
    (noisy,) = open_images(given)
    result = restore_image(noisy, RestoreSettings(models=(MODEL,), precision="float32"))
    opening = Opening()
    for image in (given, sim, result):
        opening.add(image)
    comparison, key = opening.comparison(), opening.key_of(given)
    made, real = (100 * trust(comparison, opening.key_of(of), given=key).map.share for of in (result, sim))
    return made, real


def write(places: Iterable[tuple[int, int, Shares]], held_out: Iterable[Shares]) -> str:
    """Return the table as Markdown."""
    lines = [f"| not supported by avg1 | `{MODEL}` | real SIM image |", "|---|---:|---:|"]
    lines += [
        f"| field {fov:03d}, channel {channel} | {made:.2f} % | {real:.2f} % |" for fov, channel, (made, real) in places
    ]
    columns = list(zip(*held_out, strict=True))
    for name, of in (("median", median), ("least", min), ("greatest", max)):
        lines.append(f"| fields 047-056, {name} | {' | '.join(f'{of(column):.2f} %' for column in columns)} |")
    source = "Shares of the area; 8-bit release, 30 images of fields 047-056, made by"
    return "\n".join([*lines, "", f"{source} `python -m benchmarks.trust_shares W2S_ROOT`."]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder with data/train")
    root = parser.parse_args().root
    found: dict[tuple[int, int], Shares] = {}
    for place in dict.fromkeys((*PLACES, *HELD_OUT)):
        found[place] = shares(root, *place)
        print(*place, *(f"{share:.2f} %" for share in found[place]), flush=True)
    places = [(*place, found[place]) for place in PLACES]
    TABLE.write_text(write(places, [found[place] for place in HELD_OUT]))


if __name__ == "__main__":
    main()
