"""The live preview of a training: the pinned patch, the network's answer and the target, side by side in the viewer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_w2s.gui import bridge
from napari_w2s.training.report import PreviewReport

if TYPE_CHECKING:
    from napari.components import ViewerModel

Float = npt.NDArray[np.float32]

NAMES = ("training input", "training prediction", "training target")
_GAP = 0.06
_MARGIN = 0.95
_PERCENTILES = (1.0, 99.8)


@dataclass
class _Shown:
    """A layer of the preview: its identity, and the pixels that it shows, which are overwritten."""

    layer: str
    pixels: Float


class TrainPreview:
    """Up to three layers of one viewer, made once in a run and filled anew with each report. For the main thread.

    They lie side by side around the middle of what is on screen; a patch keeps its size in the world whatever its
    pixels. Layers that the user deletes stay deleted, and nothing but their pixels is ever changed again.

    Parameters
    ----------
    viewer : napari.Viewer

    Attributes
    ----------
    pixel : tuple of float and str, or None
        Size and unit of an input pixel, where they are known.
    """

    def __init__(self, viewer: ViewerModel) -> None:
        self._viewer = viewer
        self._shown: dict[str, _Shown] = {}
        self._made = False
        self.pixel: tuple[float, str] | None = None

    @property
    def own_layers(self) -> frozenset[str]:
        """Identities of the layers that are there."""
        here = {bridge.layer_id(layer) for layer in self._viewer.layers}
        return frozenset(one.layer for one in self._shown.values()) & here

    def begin(self, pixel: tuple[float, str] | None = None) -> None:
        """Prepare for a new run: what an earlier one left is removed.

        Parameters
        ----------
        pixel : tuple of float and str, optional
            Size and unit of an input pixel, where they are known.
        """
        self.remove()
        self._made = False
        self.pixel = pixel

    def show(self, report: PreviewReport) -> None:
        """Show a patch as it is by now."""
        parts = _parts(report)
        if not self._made:
            self._make(report, parts)
            return
        for name, pixels in parts.items():
            shown = self._shown.get(name)
            layer = None if shown is None else bridge.find_layer(self._viewer.layers, shown.layer)
            if shown is None or layer is None or shown.pixels.shape != pixels.shape:
                continue
            shown.pixels[...] = pixels
            layer.refresh(highlight=False, extent=False)

    def remove(self) -> None:
        """Remove the layers that are still there."""
        layers = self._viewer.layers
        for one in self._shown.values():
            layer = bridge.find_layer(layers, one.layer)
            if layer is not None:
                bridge.keep_selection(layers, partial(layers.remove, layer))
        self._shown = {}

    def fit(self) -> None:
        """Bring the layers into view, because the user asked for it."""
        here = [layer for layer in self._viewer.layers if bridge.layer_id(layer) in self.own_layers]
        if not here:
            return
        # The extent is that of the pixels' centres.
        edges = np.array([layer.extent.world + np.outer((-0.5, 0.5), layer.scale) for layer in here])
        low, high = edges.min((0, 1)), edges.max((0, 1))
        camera = self._viewer.scene.camera
        camera.center = (0.0, *(float(value) for value in (low + high) / 2))
        camera.zoom = _MARGIN * float(np.min(np.array(self._viewer.canvas.size) / (high - low)))

    def _make(self, report: PreviewReport, parts: dict[str, Float]) -> None:
        self._made = True
        empty = not self._viewer.layers
        height, width = report.noisy.shape
        step, unit = _world_step(self._viewer, self.pixel)
        strip = width * (len(parts) + _GAP * (len(parts) - 1))
        middle = (height * step / 2, strip * step / 2) if empty else _middle(self._viewer)
        top, left = middle[0] - height * step / 2, middle[1] - strip * step / 2
        limits = _limits(parts)
        for i, (name, pixels) in enumerate(parts.items()):
            own = pixels.copy()
            fine = step * height / own.shape[0]
            # Of the centre of the first pixel: the corners of all parts are in line, whatever their pixels.
            origin = (top + fine / 2, left + i * width * (1 + _GAP) * step + fine / 2)
            self._shown[name] = _Shown(self._add(own, name, fine, origin, unit, limits[name]), own)
        if empty:
            self._viewer.reset_view()

    def _add(
        self, pixels: Float, name: str, step: float, origin: tuple[float, float], unit: str, limits: tuple[float, float]
    ) -> str:
        def add() -> Any:
            return self._viewer.add_image(
                pixels,
                name=name,
                scale=(step, step),
                translate=origin,
                units=(unit, unit),
                axis_labels=("y", "x"),
                contrast_limits=limits,
                blending="translucent_no_depth",
                metadata={bridge.PREVIEW_KEY: True},
            )

        return bridge.layer_id(bridge.keep_selection(self._viewer.layers, add))


def _parts(report: PreviewReport) -> dict[str, Float]:
    """Return what to show by the layers' names: of several answers the finest, and the target if there is one."""
    output = max(report.answers, key=lambda name: report.answers[name].size)
    found = {NAMES[0]: report.noisy, NAMES[1]: report.answers[output]}
    if output in report.targets:
        found[NAMES[2]] = report.targets[output]
    return found


def _limits(parts: dict[str, Float]) -> dict[str, tuple[float, float]]:
    """Return display ranges: a first answer is still a poor one, so it takes that of what it should become."""
    goal = parts.get(NAMES[2], parts[NAMES[0]])
    alike = goal.shape == parts[NAMES[0]].shape
    return {name: _range(parts[name] if name == NAMES[0] and not alike else goal) for name in parts}


def _range(pixels: Float) -> tuple[float, float]:
    values = pixels[np.isfinite(pixels)]
    if not values.size:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(values, _PERCENTILES))
    return (low, high) if high > low else (low, low + 1.0)


def _world_step(viewer: ViewerModel, pixel: tuple[float, str] | None) -> tuple[float, str]:
    """Return the size of an input pixel in the world and its unit: one that the other layers go with."""
    images = [layer for layer in viewer.layers if bridge.is_image(layer)]
    if pixel is not None and (not images or any(str(layer.units[-1]) == pixel[1] for layer in images)):
        return pixel
    if not images:
        return 1.0, "pixel"
    coarsest = max(images, key=lambda layer: abs(float(layer.scale[-1])))
    return abs(float(coarsest.scale[-1])) or 1.0, str(coarsest.units[-1])


def _middle(viewer: ViewerModel) -> tuple[float, float]:
    """Return the world's y and x at the middle of the canvas."""
    center = viewer.scene.camera.center
    return float(center[-2]), float(center[-1])
