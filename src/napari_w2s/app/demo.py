"""The main job on the sample image: simulate a field of view, restore it, compare it with the truth."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from napari_w2s._types import Level, ProgressFn, StopFn
from napari_w2s.app.comparing.comparison import Box
from napari_w2s.app.figure import Panel, draw_panels
from napari_w2s.app.figure_file import save_figure as save
from napari_w2s.app.figure_layout import Zoom
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.data.image import Image

FIGURE_NAME = "demo.png"


@dataclass(frozen=True)
class Demo:
    """A simulated image before and after its restoration, and what it should look like.

    Attributes
    ----------
    noisy : Image
        One widefield frame (avg1), ``(H, W)``.
    result : Image
        The restored image, ``(2 H, 2 W)``.
    reference : Image
        The same widefield image without noise, ``(H, W)``.
    sim : Image
        The SIM-like target of the simulation, ``(2 H, 2 W)``.
    psnr_noisy, psnr_result : float
        In dB, over the whole image, the range being that of the truth; the noisy image is enlarged by bicubic
        interpolation first. The truth is `reference`, enlarged likewise; or `sim` for models that have learned from SIM
        images, and then brightness is matched first.
    truth : str
        What it is, in words.
    models : str
        Names of the models.
    seconds : float
        What the restoration took.
    """

    noisy: Image
    result: Image
    reference: Image
    sim: Image
    psnr_noisy: float
    psnr_result: float
    truth: str
    models: str
    seconds: float


def run_demo(
    models: tuple[str, ...] | None = None,
    *,
    seed: int = 0,
    channel: int = 1,
    size: int = 512,
    progress: ProgressFn | None = None,
    should_stop: StopFn | None = None,
) -> Demo:
    """Restore a simulated field of view; needs no file and no network.

    Parameters
    ----------
    models : tuple of str or None
        A chain that enlarges by 2; None for the built-in default.
    seed, channel, size : int
        See `napari_w2s.data.simulate.simulate_fov`.
    progress, should_stop : callable or None

    Returns
    -------
    Demo

    Raises
    ------
    Cancelled
        If `should_stop` returned True.
    """
    from napari_w2s.app.restore import load_pipeline, restore_image
    from napari_w2s.data.simulate import simulate_fov, simulated_images
    from napari_w2s.models.builtin import DEFAULT_MODELS

    settings = RestoreSettings(models=models or tuple(DEFAULT_MODELS))
    by_level = {image.w2s["level"]: image for image in simulated_images(seed, (channel,), size)}
    noisy, mean, sim = (_computed(by_level[level]) for level in (Level.AVG1, Level.AVG400, Level.SIM))
    reference = mean.replace(data=simulate_fov(seed, channel, size).clean, name=f"{noisy.name} without noise")
    begin = time.perf_counter()
    pipeline = load_pipeline(settings, should_stop=should_stop)
    result = restore_image(noisy, settings, pipeline=pipeline, progress=progress, should_stop=should_stop)
    seconds = time.perf_counter() - begin
    enlarge = RestoreSettings(models=("bicubic",))
    large, before = (restore_image(image, enlarge, should_stop=should_stop) for image in (reference, noisy))
    # What enlarges images and has weights learned from SIM images; another shows the widefield image on more pixels.
    learned = any(stage.scale > 1 and stage.descriptor.weights is not None for stage in pipeline.stages)
    compare = _psnr_matched if learned else _psnr
    truth = sim if learned else large
    return Demo(
        noisy=noisy,
        result=result,
        reference=reference,
        sim=sim,
        psnr_noisy=compare(truth, before),
        psnr_result=compare(truth, result),
        truth="what SIM would show, the brightness matched" if learned else "the image without noise",
        models=settings.model,
        seconds=seconds,
    )


def save_figure(demo: Demo, folder: str | Path) -> Path:
    """Draw input, result and reference side by side into `folder` and return the file.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    area = _area(demo.noisy)
    height, width = area.bottom - area.top, area.right - area.left
    part = Box(
        top=area.top + 0.31 * height,
        left=area.left + 0.55 * width,
        bottom=area.top + 0.53 * height,
        right=area.left + 0.77 * width,
    )
    figure = draw_panels(
        [
            _panel(demo.noisy, "Input: one frame", f"PSNR {demo.psnr_noisy:.1f} dB"),
            _panel(demo.result, f"Restored: {demo.models} (estimate)", f"PSNR {demo.psnr_result:.1f} dB"),
            _panel(demo.reference, "Reference: widefield without noise"),
            _panel(demo.sim, "What SIM would show"),
        ],
        area=area,
        unit=demo.noisy.units[-1],
        enlarge=part,
        zoom=Zoom.BELOW,
        heading="A simulated field of view",
        notes=f"All images are simulated. PSNR: whole image against {demo.truth}, and its range; widefield images are "
        "enlarged bicubically for it.",
    )
    return save(figure, Path(folder) / FIGURE_NAME)


def _panel(image: Image, title: str, *lines: str) -> Panel:
    return Panel(pixels=np.asarray(image.data), place=_area(image), title=title, lines=lines)


def _area(image: Image) -> Box:
    """Return the outer edges of an image's pixels."""
    (height, width), (down, across), (y, x) = image.data.shape, image.scale, image.translate
    top, left = y - down / 2, x - across / 2
    return Box(top=top, left=left, bottom=top + height * down, right=left + width * across)


def save_images(demo: Demo, folder: str | Path) -> list[Path]:
    """Write the images as OME-TIFF into `folder`, the bottom layer first, and return the files.

    Raises
    ------
    OutputError
        If one cannot be written.
    """
    from napari_w2s.data.ometiff import write_ome_tiff

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    named = {"sim": demo.sim, "reference": demo.reference, "input": demo.noisy, "restored": demo.result}
    return [write_ome_tiff([image], folder / f"demo_{name}.ome.tif", overwrite=True) for name, image in named.items()]


def _computed(image: Image) -> Image:
    return image.replace(data=np.asarray(image.data))


def _psnr(reference: Image, image: Image) -> float:
    from napari_w2s.metrics.reference import psnr

    truth = np.asarray(reference.data)
    return psnr(truth, np.asarray(image.data), data_range=float(np.ptp(truth)))


def _psnr_matched(reference: Image, image: Image) -> float:
    from napari_w2s.metrics.reference import match_affine

    return _psnr(reference, image.replace(data=match_affine(np.asarray(image.data), np.asarray(reference.data))))
