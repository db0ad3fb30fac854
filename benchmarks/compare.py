"""How long the numbers of a comparison take, for a box that is dragged and for whole images."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmarks.timing import Row, best_of
from napari_w2s._types import Level
from napari_w2s.app.comparing.comparison import Box, Comparison
from napari_w2s.app.comparing.numbers import measure
from napari_w2s.app.comparing.select import levels_of
from napari_w2s.app.restore import result_geometry
from napari_w2s.data.image import METADATA_KEY, Image
from napari_w2s.data.simulate import simulated_images

_SIDE = 256
_ROUNDS = 7


def numbers() -> list[Row]:
    """Time seven levels and two results; and the same scores by scikit-image, tile by tile, on pixels cut before."""
    whole = _comparison()
    scale = whole.tiles[0].image.scale[-1]
    first = 100 * scale
    box = whole.replace(box=Box(first, first, first + _SIDE * scale, first + _SIDE * scale))
    works = {
        "box": partial(measure, box),
        "whole": partial(measure, whole),
        "scikit-image": partial(_by_scikit_image, box),
    }
    seconds = best_of(works, _ROUNDS)
    what = f"Numbers of a {_SIDE} × {_SIDE} box, all ten of nine tiles"
    return [
        (f"{what} (ms)", 1000 * seconds["box"], "under 150"),
        (f"{what}, against those of the whole images", seconds["box"] / seconds["whole"], "under 0.4"),
        (f"{what}, against PSNR and SSIM by scikit-image", seconds["box"] / seconds["scikit-image"], "under 2"),
    ]


def _by_scikit_image(comparison: Comparison) -> None:
    reference, *others = (np.asarray(tile.image.data)[:_SIDE, :_SIDE].astype(float) for tile in comparison.tiles)
    for image in others:
        slope, offset = np.polyfit(image.ravel(), reference.ravel(), 1)
        for seen in (image, slope * image + offset):
            peak_signal_noise_ratio(reference, seen, data_range=255)
            structural_similarity(reference, seen, data_range=255)


def field_of_view() -> dict[str, Image]:
    """Return the seven images of a simulated field of view, by level, as if they had been opened."""
    images = {str(image.w2s["level"]): image for image in simulated_images(0, (0,), 512)}
    images = {level: image.replace(data=np.asarray(image.data)) for level, image in images.items()}
    # An opened field of view is known by its number.
    return {level: _known(image, release="8bit", fov=50, channel=0) for level, image in images.items()}


def _comparison() -> Comparison:
    images = field_of_view()
    noisy = images[Level.AVG1]
    smooth = gaussian_filter(noisy.data.astype(np.float32), 1.0)
    for scale in (1, 2):
        steps, origin = result_geometry(noisy, scale)
        stage = {"name": "smooth", "weights_sha256": None}
        made = {"models": [stage], "scale": scale, "is_estimate": scale > 1, "date": "", "settings": {}}
        data = np.kron(smooth, np.ones((scale, scale), np.float32))
        images[f"result {scale}"] = _known(noisy.replace(data=data, scale=steps, translate=origin), restoration=made)
    return levels_of(images)


def _known(image: Image, **facts: object) -> Image:
    return image.replace(metadata={**image.metadata, METADATA_KEY: {**image.w2s, **facts}})


if __name__ == "__main__":
    for what, figure, target in numbers():
        print(f"{what}: {figure:.2f} ({target})")
