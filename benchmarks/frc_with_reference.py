"""Measure what frames that an image and its reference share do to the Fourier ring correlation between them.

``python -m benchmarks.frc_with_reference W2S_ROOT`` compares avg8 and avg16 of two places with avg400, which holds
their frames: as it is, and less these frames, as the Compare panel does. It writes the periods at which the correlation
falls to 1/7 to docs/frc-table.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from imageio.v3 import imread

from napari_w2s._types import Level
from napari_w2s.app.compare import compare
from napari_w2s.app.comparing.pixels import pixel_size
from napari_w2s.metrics.frc import two_image_frc

TABLE = Path(__file__).parents[1] / "docs" / "frc-table.md"
PLACES = ((50, 0), (47, 1))
LEVELS = (Level.AVG8, Level.AVG16)


def periods(root: Path, fov: int, channel: int, level: Level) -> tuple[float | None, float | None]:
    """Return the periods in nm against avg400 less the shared frames, and against avg400; None for no crossing."""
    image, reference = (root / "data/train" / of / f"{fov:03d}_{channel}.png" for of in (level, Level.AVG400))
    compared = compare([image, reference], reference=reference)
    size = 1000 * pixel_size(compared.comparison)
    plain = two_image_frc(imread(reference), imread(image), pixel_size=size)
    return compared.numbers.tiles[0].frc_two, plain.resolution


def row(root: Path, fov: int, channel: int, level: Level) -> str:
    """Return the row of the table for one image."""
    words = ("never" if period is None else f"{period:.0f} nm" for period in periods(root, fov, channel, level))
    return f"| field {fov:03d}, channel {channel}, {level} | {' | '.join(words)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder with data/train")
    root = parser.parse_args().root
    lines = ["| agrees down to | avg400 less the shared frames | avg400 as it is |", "|---|---:|---:|"]
    lines += [row(root, *place, level) for place in PLACES for level in LEVELS]
    lines += ["", "Threshold 1/7, 8-bit release; made by `python -m benchmarks.frc_with_reference W2S_ROOT`."]
    print("\n".join(lines))
    TABLE.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
