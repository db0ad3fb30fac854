"""Run one loaded model over one frame on one device: in bands, in tiles with a halo, or in blended tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from napari_w2s._types import Cancelled, InputError, StopFn
from napari_w2s.engine.blending import plan_blended
from napari_w2s.engine.device import choose_device, is_fast_in_bfloat16, is_out_of_memory, memory_budget, release_cached
from napari_w2s.engine.frames import Float
from napari_w2s.engine.memory import bytes_per_pixel
from napari_w2s.engine.prepare import prepare
from napari_w2s.engine.stream import Streamer
from napari_w2s.engine.tiling import Shape, Tile, choose_size, halves, plan
from napari_w2s.models.descriptor import RestorationModel

MAX_COST_DB = 0.05
"""A lower precision is chosen by itself only if it was measured to cost at most this much PSNR."""

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_BAND_PIXELS = 32_768
_MIN_BAND_ROWS = 16
_MIN_TILE = 16
_BLEND_OVERLAP = 32
_ORIENTATIONS = tuple((turns, mirror) for mirror in (False, True) for turns in range(4))

ReadFn = Callable[[slice, slice], Float]
"""Gives the model's input for rows and columns of the frame."""

EmitFn = Callable[[tuple[slice, slice], Float], None]
"""Takes rows and columns of the result, and their values."""


def choose_precision(model: RestorationModel, device: torch.device, precision: str = "auto") -> torch.dtype:
    """Return the precision to compute in.

    ``"auto"`` is float32 unless the model's descriptor lists a measured cost of at most 0.05 dB for bfloat16 and the
    device is fast at it.
    """
    if precision != "auto":
        if precision not in _DTYPES:
            raise InputError(f"There is no precision {precision!r}. Choose one of: auto, {', '.join(_DTYPES)}.")
        return _DTYPES[precision]
    cost = model.descriptor.precision_cost_db.get("bfloat16")
    if cost is not None and cost <= MAX_COST_DB and is_fast_in_bfloat16(device):
        return torch.bfloat16
    return torch.float32


@dataclass
class _Limits:
    """How much one call of the network may take on; lowered when memory runs out."""

    max_pixels: int
    batch: int


class Runner:
    """One model, made ready for one device and precision.

    Parameters
    ----------
    model : RestorationModel
    device : str
        See `napari_w2s.engine.device.choose_device`.
    precision : str
        See `choose_precision`.
    tile : int or None
        Edge of the tiles' cores in pixels; None chooses bands or tiles by receptive field, device and memory.
    batch : int or None
        Tiles per call of the network; None chooses by memory on a GPU, and 1 on the CPU.
    flips : bool
        Take the mean over a tile's 8 orientations.
    """

    def __init__(
        self,
        model: RestorationModel,
        *,
        device: str = "auto",
        precision: str = "auto",
        tile: int | None = None,
        batch: int | None = None,
        flips: bool = False,
    ) -> None:
        self.model = model
        self.descriptor = model.descriptor
        self.device = choose_device(device, model.descriptor.devices)
        self.dtype = choose_precision(model, self.device, precision)
        self.tile = tile
        self._orientations = _ORIENTATIONS if flips else _ORIENTATIONS[:1]
        plain_torch = not self.descriptor.frame_context
        self._network = prepare(model.network, self.device, self.dtype) if plain_torch else model.network
        in_bands = self.device.type == "cpu" and tile is None and not flips and self.descriptor.size_multiple == 1
        self._streamer = Streamer.build(self._network) if in_bands else None
        per_pixel = bytes_per_pixel(self._network)
        pixels = max(_MIN_TILE**2, memory_budget(self.device) // per_pixel)
        self._limits = _Limits(pixels, batch or (1 if self.device.type == "cpu" else 16))

    @property
    def precision(self) -> str:
        """The precision that it computes in, e.g. ``"bfloat16"``."""
        return str(self.dtype).removeprefix("torch.")

    def context(self, frame: Float) -> Any:
        """Return what the network has to know of the whole frame, or None."""
        return self._network.frame_context(frame) if self.descriptor.frame_context else None  # type: ignore[operator]

    def run(self, shape: Shape, read: ReadFn, emit: EmitFn, should_stop: StopFn, context: Any = None) -> None:
        """Restore a frame.

        Parameters
        ----------
        shape : (int, int)
            Height and width of the frame, a multiple of the model's size multiple.
        read : callable
            Gives the model's input for rows and columns.
        emit : callable
            Takes finished parts of the result, each once, in whatever order.
        should_stop : callable
            Polled before every call of the network.
        context : object
            What `context` returned for this frame.

        Raises
        ------
        Cancelled
            If `should_stop` said so.
        InputError
            If memory does not suffice for the smallest tile.
        """
        halo = self.descriptor.halo
        if halo is None:
            self._run_blended(shape, read, emit, should_stop, context)
        elif self._streamer is not None:
            self._run_bands(self._streamer, shape, read, emit, should_stop, halo)
        else:
            self._run_tiles(self._plan(shape, halo), read, emit, should_stop, context, halo)

    def _plan(self, shape: Shape, halo: int) -> list[Tile]:
        multiple = self.descriptor.size_multiple
        size = (self.tile, self.tile) if self.tile else choose_size(shape, halo, self._limits.max_pixels, multiple)
        return plan(shape, size, halo, multiple)

    def _call(self, batch: npt.NDArray[np.float32], context: Any, should_stop: StopFn) -> Float:
        """Run the network on ``(N, H, W)`` and return ``(N, scale * H, scale * W)``."""

        def answer(orientation: tuple[int, bool]) -> torch.Tensor:
            _poll(should_stop)
            given = _turned(x, *orientation).contiguous(memory_format=torch.channels_last)
            y = self._network(given, context) if self.descriptor.frame_context else self._network(given)
            return _turned_back(y[:, :1].float(), *orientation)

        with torch.inference_mode():
            x = torch.from_numpy(batch[:, None]).to(self.device, memory_format=torch.channels_last)
            total = reduce(torch.add, map(answer, self._orientations))
            out: Float = (total / len(self._orientations))[:, 0].cpu().numpy()
        return out

    def _run_tiles(
        self, tiles: list[Tile], read: ReadFn, emit: EmitFn, should_stop: StopFn, context: Any, halo: int
    ) -> None:
        queue = list(tiles)
        scale = self.descriptor.scale
        while queue:
            group = _alike(queue, self._batch_size(queue[0]))
            try:
                results = self._call(
                    np.stack([read(*(slice(*s) for s in t.read)) for t in group]), context, should_stop
                )
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                results = None
            if results is None:
                queue = self._shrink(group, queue[len(group) :], halo)
                continue
            del queue[: len(group)]
            for tile, result in zip(group, results, strict=True):
                emit(tile.target(scale), result[tile.keep(scale)])

    def _batch_size(self, tile: Tile) -> int:
        height, width = tile.read_shape
        return max(1, min(self._limits.batch, self._limits.max_pixels // (height * width)))

    def _shrink(self, failed: list[Tile], rest: list[Tile], halo: int) -> list[Tile]:
        """Return the work again in smaller pieces, after memory ran out."""
        release_cached(self.device)
        if len(failed) > 1:
            self._limits.batch = max(1, len(failed) // 2)
            return failed + rest
        height, width = failed[0].read_shape
        self._refuse_below_minimum(max(stop - start for start, stop in failed[0].core))
        self._limits.max_pixels = height * width // 2
        return [piece for tile in failed + rest for piece in halves(tile, halo, self.descriptor.size_multiple)]

    def _refuse_below_minimum(self, edge: int) -> None:
        """Give up where tiles of `edge` pixels, which were too large, cannot be made smaller."""
        if edge <= max(_MIN_TILE, self.descriptor.size_multiple):
            raise InputError(
                f"Not enough memory on {self.device} for {self.descriptor.title}, even in tiles of {edge} pixels. "
                "Close other programs, or choose another device."
            )

    def _run_bands(
        self, streamer: Streamer, shape: Shape, read: ReadFn, emit: EmitFn, should_stop: StopFn, halo: int
    ) -> None:
        height, _width = shape
        widest = max(4 * halo + 1, self._limits.max_pixels // (2 * _MIN_BAND_ROWS))
        for column in plan(shape, (height, widest), halo):
            try:
                self._run_column(streamer, column, read, emit, should_stop)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                tiles = halves(column, halo)
            else:
                continue
            self._limits.max_pixels //= 2
            self._run_tiles(tiles, read, emit, should_stop, None, halo)

    def _run_column(self, streamer: Streamer, column: Tile, read: ReadFn, emit: EmitFn, should_stop: StopFn) -> None:
        (top, bottom), (left, right) = column.read
        rows = max(_MIN_BAND_ROWS, _BAND_PIXELS // (right - left))

        def bands() -> Iterator[tuple[torch.Tensor, bool]]:
            for start in range(top, bottom, rows):
                _poll(should_stop)
                stop = min(bottom, start + rows)
                band = torch.from_numpy(read(slice(start, stop), slice(left, right)))
                yield band[None, None].to(self.device), stop == bottom

        scale = self.descriptor.scale
        _rows, keep = column.keep(scale)
        _rows, target = column.target(scale)
        done = top * scale
        with torch.inference_mode():
            for result in streamer.run(bands()):
                values: Float = result[0, 0, :, keep].float().cpu().numpy()
                emit((slice(done, done + values.shape[0]), target), values)
                done += values.shape[0]

    def _run_blended(self, shape: Shape, read: ReadFn, emit: EmitFn, should_stop: StopFn, context: Any) -> None:
        """Tiles of a network without a finite receptive field overlap, and their weights add up to 1 everywhere."""
        scale, multiple = self.descriptor.scale, self.descriptor.size_multiple
        out = np.zeros((shape[0] * scale, shape[1] * scale), np.float32)
        edge = self.tile or self.descriptor.blended_tile
        size = (edge, edge) if edge else choose_size(shape, 0, self._limits.max_pixels, multiple)
        while True:
            out.fill(0)
            try:
                for tile, weights in plan_blended(shape, size, _BLEND_OVERLAP, multiple, scale):
                    result = self._call(read(*(slice(*s) for s in tile.read))[None], context, should_stop)[0]
                    out[tile.target(scale)] += result * weights
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            else:
                break
            release_cached(self.device)
            edge = max(min(size[0], shape[0]), min(size[1], shape[1]))
            self._refuse_below_minimum(edge)
            size = (edge // 2, edge // 2)
        emit((slice(0, out.shape[0]), slice(0, out.shape[1])), out)


def _poll(should_stop: StopFn) -> None:
    if should_stop():
        raise Cancelled("Stopped. The parts that were finished are kept in the output array.")


def _turned(x: torch.Tensor, turns: int, mirror: bool) -> torch.Tensor:
    """Mirror ``(N, C, H, W)``, then turn it by right angles."""
    x = x.flip(3) if mirror else x
    return torch.rot90(x, turns, (2, 3)) if turns else x


def _turned_back(x: torch.Tensor, turns: int, mirror: bool) -> torch.Tensor:
    x = torch.rot90(x, -turns, (2, 3)) if turns else x
    return x.flip(3) if mirror else x


def _alike(queue: list[Tile], count: int) -> list[Tile]:
    """Return the leading tiles of one shape, at most `count`."""
    _shape, tiles = next(groupby(queue, key=lambda tile: tile.read_shape))
    return list(tiles)[:count]
