"""Run one model of a chain as a protocol says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np

from napari_w2s._types import StopFn
from napari_w2s.benchmark.pixels import EIGHT_BIT, Frame, Pixels
from napari_w2s.benchmark.protocol import Protocol, Tiles
from napari_w2s.engine.predict import predict
from napari_w2s.models.descriptor import ModelDescriptor, Normalization, RestorationModel


@dataclass(frozen=True, slots=True)
class Computing:
    """What a result is computed with.

    Attributes
    ----------
    device, precision : str
        See `napari_w2s.engine.predict.predict`.
    threads : int or None
        Threads of one process; None leaves that to PyTorch.
    """

    device: str = "auto"
    precision: str = "float32"
    threads: int | None = None


def run_stage(
    model: RestorationModel, frame: Frame, protocol: Protocol, computing: Computing, stop: StopFn | None = None
) -> Frame:
    """Restore a frame with one model.

    Returns
    -------
    Frame
        float32, on the scale of `frame`; neither clipped nor rounded.
    """
    if protocol.tiles is not None and _depends_on_tiles(model.descriptor, protocol.tiles):
        return Frame(_in_tiles(model, frame, protocol.tiles, computing, stop), *frame.range)
    return Frame(_predict(model, frame.pixels, frame, computing, stop), *frame.range)


def hand_over(frame: Frame, model: RestorationModel, protocol: Protocol) -> Frame:
    """Return a frame as the next model of a chain gets it."""
    if not protocol.eight_bit:
        return frame
    values = np.clip(frame.unit, 0, 1) * 255
    # The authors' Python cuts, and their MATLAB, in which the methods without weights ran, rounds.
    whole = np.rint(values) if model.descriptor.weights is None else np.floor(values)
    return Frame(whole.astype(np.uint8), *EIGHT_BIT)


def _depends_on_tiles(model: ModelDescriptor, tiles: Tiles) -> bool:
    """Tell whether tiles change what a super-resolution network answers, and are what it was made for."""
    fixed = model.normalization is Normalization.UNIT and model.way_back is Normalization.UNIT
    if model.scale == 1 or not fixed or model.stretch is not None or model.frame_context:
        return False
    return model.halo is None or model.halo > tiles.margin


def _predict(
    model: RestorationModel, pixels: Pixels, frame: Frame, computing: Computing, stop: StopFn | None
) -> Pixels:
    result: Pixels = predict(
        model,
        pixels,
        device=computing.device,
        precision=computing.precision,
        intensity_range=frame.range,
        should_stop=stop,
    )
    return result


def _in_tiles(model: RestorationModel, frame: Frame, tiles: Tiles, computing: Computing, stop: StopFn | None) -> Pixels:
    height, width = frame.pixels.shape
    scale = model.scale
    out = np.empty((height * scale, width * scale), np.float32)
    by_shape: dict[tuple[int, int], list[tuple[_Span, _Span]]] = {}
    for rows, columns in product(_spans(height, tiles), _spans(width, tiles)):
        by_shape.setdefault((rows.length, columns.length), []).append((rows, columns))
    for places in by_shape.values():
        stack = np.stack([frame.pixels[rows.read, columns.read] for rows, columns in places])
        results = _predict(model, stack, frame, computing, stop)
        for (rows, columns), result in zip(places, results, strict=True):
            out[rows.target(scale), columns.target(scale)] = result[rows.keep(scale), columns.keep(scale)]
    return out


@dataclass(frozen=True, slots=True)
class _Span:
    """A tile along one axis: what it sees, ``[start, stop)``, and what is kept of it, ``[first, last)``."""

    start: int
    stop: int
    first: int
    last: int

    @property
    def length(self) -> int:
        return self.stop - self.start

    @property
    def read(self) -> slice:
        return slice(self.start, self.stop)

    def target(self, scale: int) -> slice:
        return slice(self.first * scale, self.last * scale)

    def keep(self, scale: int) -> slice:
        return slice((self.first - self.start) * scale, (self.last - self.start) * scale)


def _spans(length: int, tiles: Tiles) -> Iterator[_Span]:
    """Cut an axis as the authors did: tiles start at multiples of the stride, the last ones are shorter."""
    for start in range(0, length, tiles.stride):
        first = start + tiles.margin if start else 0
        if first >= length:
            return
        following = start + tiles.stride
        last = min(length, following + tiles.margin)
        yield _Span(start, min(length, start + tiles.edge), first, last)
