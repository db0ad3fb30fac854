"""The Average panel: one image from the frames of a burst, with the benchmark's own frames or any number of them."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from magicgui.widgets import ComboBox, Container, Label, PushButton, SpinBox

from napari_w2s._types import Level, StopFn, W2SError
from napari_w2s.data.average import average_image
from napari_w2s.data.image import Image
from napari_w2s.data.protocol import FRAME_INDICES
from napari_w2s.gui import bridge
from napari_w2s.gui.at_end import AtEnd
from napari_w2s.gui.layers import image_to_layer_data
from napari_w2s.gui.worker import Job

if TYPE_CHECKING:
    import napari
    from napari.layers import Layer

_BY_NUMBER = "first frames"
_NO_BURST = "Open a burst first: an image layer with the axes frame, y and x."
_EAGER_BYTES = 2**30
"""Averages up to this size are computed at once; larger ones (of many fields of view) when they are looked at."""


class AverageWidget(Container[Any]):
    """A panel that averages the frames of a burst layer into a new layer.

    Parameters
    ----------
    napari_viewer : napari.Viewer
    """

    def __init__(self, napari_viewer: napari.Viewer) -> None:
        self._viewer = napari_viewer
        self._job: Job[Image] | None = None
        self.burst = ComboBox(
            label="Burst", choices=self._bursts, nullable=False, tooltip="Image layers with frames along an axis."
        )
        self.frames = ComboBox(
            label="Average",
            choices=[*map(str, FRAME_INDICES), _BY_NUMBER],
            value=str(Level.AVG16),
            tooltip="The benchmark's own frames: avg1 is frame 249, avg16 the mean of frames 0 to 15. Or any number.",
        )
        self.number = SpinBox(
            label="Frames", min=1, max=1_000_000, value=16, tooltip="How many frames, counted from the first."
        )
        self.run = PushButton(text="Average")
        self.message = Label(value="")
        self.message.native.setWordWrap(True)
        super().__init__(widgets=[self.burst, self.frames, self.number, self.run, self.message])
        self.frames.changed.connect(self._show)
        self.burst.changed.connect(self._show)
        self.run.clicked.connect(self.average)
        for event in (napari_viewer.layers.events.inserted, napari_viewer.layers.events.removed):
            event.connect(self._on_layers)
        self._at_end = AtEnd(self.native, partial(_let_go, weakref.ref(self)))
        self._on_layers()

    def close_down(self) -> None:
        """Wait for the thread and let go of the viewer; the panel is dead afterwards."""
        self._at_end()

    def let_go(self) -> None:
        """Do what `close_down` does; see `AtEnd`."""
        if self._job is not None:
            self._job.abandon()
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            event.disconnect(self._on_layers)

    def average(self) -> None:
        """Average the chosen burst in a thread; the new layer appears when it is done."""
        layer = self.burst.value
        if layer is None or self._job is not None:
            return
        by_number = self.frames.value == _BY_NUMBER
        frames = int(self.number.value) if by_number else Level(self.frames.value)
        try:
            image = bridge.snapshot_of(layer).image
        except W2SError as error:
            self.message.value = str(error)
            return
        self._job = Job(partial(_average, image, frames), on_done=self._add, on_error=self._explain, on_end=self._end)
        self.message.value = f"Averaging {layer.name} …"
        self._show()
        self._job.start()

    def _bursts(self, _widget: object = None) -> list[Layer]:
        return [layer for layer in self._viewer.layers if bridge.is_image(layer) and _has_frames(layer)]

    def _on_layers(self, _event: object = None) -> None:
        self.burst.reset_choices()
        if self.message.value == _NO_BURST:
            self.message.value = ""
        if not self._bursts():
            self.message.value = _NO_BURST
        self._show()

    def _show(self, _value: object = None) -> None:
        self.number.enabled = self.frames.value == _BY_NUMBER
        layer = self.burst.value
        if layer is not None:
            self.number.max = max(1, layer.data[0].shape[-3] if layer.multiscale else layer.data.shape[-3])
        self.run.enabled = layer is not None and self._job is None

    def _add(self, image: Image) -> None:
        from napari.layers import Layer

        data, look, kind = image_to_layer_data(image)
        # It lies on the burst that it is made of; added to it, neither could be seen.
        layer = Layer.create(data, {**look, "blending": "translucent_no_depth"}, kind)
        bridge.keep_selection(self._viewer.layers, lambda: self._viewer.layers.append(layer))
        self.message.value = f"Made {image.name}."

    def _explain(self, error: Exception) -> None:
        self.message.value = str(error) if isinstance(error, W2SError) else f"It failed: {error}"

    def _end(self) -> None:
        self._job = None
        self._show()


def _has_frames(layer: Layer) -> bool:
    """Tell whether an image layer has frames of one scene. A slider over fields of view has a scene for each index."""
    return not layer.rgb and layer.ndim > 2 and layer.axis_labels[-3] != "fov"


def _average(image: Image, frames: int | Level, _report: object, _should_stop: StopFn) -> Image:
    averaged = average_image(image, frames)
    if averaged.data.size * averaged.data.dtype.itemsize > _EAGER_BYTES:
        return averaged
    return averaged.replace(data=np.asarray(averaged.data))


def _let_go(panel: weakref.ref[AverageWidget]) -> None:
    alive = panel()
    if alive is not None:
        alive.let_go()
