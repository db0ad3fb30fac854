"""Restore an array with a model: any number of leading axes, any size, in memory or lazily."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError, Progress, ProgressFn, StopFn
from napari_w2s.engine.frames import Float, Intensities, Padded, apply_stretch, measure, put_nan
from napari_w2s.engine.runner import Runner
from napari_w2s.models.descriptor import Normalization, RestorationModel

if TYPE_CHECKING:
    import dask.array as da


class Model(Protocol):
    """What `predict` takes: a loaded model, or a pipeline of them."""

    @property
    def stages(self) -> tuple[RestorationModel, ...]:
        """The models, in the order in which they run."""

    @property
    def scale(self) -> int:
        """Output pixels per input pixel along y and x."""


def _never() -> bool:
    return False


def _ignore(progress: Progress) -> None:
    del progress


def predict(
    model: Model,
    image: Any,
    *,
    out: Any = None,
    device: str = "auto",
    precision: str = "auto",
    tile: int | None = None,
    batch: int | None = None,
    flips: bool = False,
    intensity_range: tuple[float, float] | None = None,
    intensities: Intensities | None = None,
    non_finite: str = "keep",
    progress: ProgressFn | None = None,
    should_stop: StopFn | None = None,
) -> Any:
    """Restore an image, frame by frame.

    Parameters
    ----------
    model : RestorationModel or Pipeline
    image : array, ``(..., H, W)``
        Any real dtype, from 1 x 1 up; numpy, a memory map, or dask. Every leading index is a frame of its own.
    out : numpy.ndarray, optional
        float32 array ``(..., scale * H, scale * W)`` to fill, part by part. With it a dask image is computed frame
        by frame; without it a dask image gives a dask array, computed when it is looked at.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:N"``, ``"mps"``.
    precision : str
        ``"auto"``, ``"float32"``, ``"bfloat16"``, ``"float16"``. See `napari_w2s.engine.runner.choose_precision`.
    tile : int, optional
        Edge of the tiles in input pixels, without their halo. By default chosen from receptive field, device and
        memory.
    batch : int, optional
        Tiles per call of the network, at most.
    flips : bool
        Restore every tile in its 8 orientations (turned by right angles, and mirrored) and take the mean. It takes 8
        times as long.
    intensity_range : (float, float), optional
        Intensities that count as 0 and 1 for models that work on [0, 1]. By default 0-255 for uint8 and the frame's
        own range for other types.
    intensities : Intensities, optional
        Of the frame that `image` is a part of (see `napari_w2s.engine.frames.measure`), so that the part comes out as
        in the whole, but for a `Stretch`, which a part does not get; `intensity_range` is then not used. By default
        measured frame by frame.
    non_finite : {"keep", "fill", "raise"}
        What becomes of NaN and infinite pixels: NaN in the result; replaced by what the model makes of the frame's
        mean; an error. Around them the model sees the frame's mean in every case.
    progress : callable, optional
        Gets a `Progress` after every part; ``done`` and ``total`` count pixels, summed over the stages.
    should_stop : callable, optional
        Polled before every tile.

    Returns
    -------
    numpy.ndarray or dask.array.Array
        float32, in the image's own intensity scale. Nothing is clipped.

    Raises
    ------
    InputError
        For an image, a device or an option that cannot be used.
    Cancelled
        If `should_stop` returned True; `out` keeps what was finished.
    """
    _check_image(image)
    scale = model.scale
    shape = (*image.shape[:-2], image.shape[-2] * scale, image.shape[-1] * scale)
    if non_finite not in ("keep", "fill", "raise"):
        raise InputError(f"non_finite must be keep, fill or raise; got {non_finite!r}.")
    runners = [
        Runner(stage, device=device, precision=precision, tile=tile, batch=batch, flips=flips) for stage in model.stages
    ]
    job = _Job(runners, intensity_range, intensities, non_finite, should_stop or _never)
    if out is None and _is_dask(image):
        return _lazily(job, image, scale)
    if out is None:
        out = np.empty(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32:
        raise InputError(f"out must be float32 of shape {shape}; got {out.dtype} of shape {out.shape}.")
    pixels = image.shape[-2] * image.shape[-1]
    reporter = _Reporter(progress or _ignore, pixels, prod(image.shape[:-2]), [r.descriptor.scale for r in runners])
    for index in np.ndindex(*image.shape[:-2]):
        reporter.start_frame(index)
        job.restore(np.asarray(image[index]), out[index], reporter.part)
    return out


class _Reporter:
    """Turn parts of frames into the progress of the whole array, never backwards."""

    def __init__(self, progress: ProgressFn, pixels: int, frames: int, scales: list[int]) -> None:
        self._progress = progress
        self._per_frame = pixels * sum(prod(scales[:stage]) ** 2 for stage in range(len(scales)))
        self._total = self._per_frame * frames
        self._frames = -1
        self._done = self._reported = 0.0
        self._index: tuple[int, ...] = ()

    def start_frame(self, index: tuple[int, ...]) -> None:
        """Note that the parts to come belong to the frame at `index`."""
        self._frames += 1
        self._index = index
        self._done = float(self._frames * self._per_frame)

    def part(self, input_pixels: float, region: tuple[slice, slice] | None) -> None:
        """Count pixels of a stage's input as done; the region is one of the final result."""
        self._done += input_pixels
        self._reported = max(self._reported, min(self._done, (self._frames + 1) * self._per_frame))
        where = None if region is None else (*(slice(i, i + 1) for i in self._index), *region)
        self._progress(Progress(round(self._reported), self._total, where))


PartFn = Callable[[float, tuple[slice, slice] | None], None]


class _Job:
    """Runners and policies, ready for one frame after another."""

    def __init__(
        self,
        runners: list[Runner],
        intensity_range: tuple[float, float] | None,
        intensities: Intensities | None,
        non_finite: str,
        should_stop: StopFn,
    ) -> None:
        self.runners, self.intensity_range, self.non_finite = runners, intensity_range, non_finite
        self.intensities, self.should_stop = intensities, should_stop
        self._lock = threading.Lock()

    def restore(self, frame: npt.NDArray[Any], out: Float, part_done: PartFn) -> None:
        """Restore one frame ``(H, W)`` into `out`; `part_done` gets input pixels and the finished region."""
        if not frame.size:
            return
        intensities = self.intensities or measure(
            frame, self.intensity_range, self.non_finite, spread=_standardises(self.runners[0])
        )
        source: npt.NDArray[Any] = frame
        for runner, following in pairwise(self.runners):
            scale = runner.descriptor.scale
            between = np.empty((source.shape[0] * scale, source.shape[1] * scale), np.float32)
            self._run(runner, source, intensities, between, lambda pixels, _region: part_done(pixels, None))
            source = between
            if _standardises(following):
                intensities = intensities.standardised_by(measure(between, None, "keep", spread=True))
        zoom = out.shape[0] // frame.shape[0]

        def finish(pixels: float, region: tuple[slice, slice]) -> None:
            if self.non_finite == "keep" and intensities.has_non_finite:
                put_nan(out, region, frame, zoom)
            part_done(pixels, region)

        self._run(self.runners[-1], source, intensities, out, finish)
        stretch = self.runners[-1].descriptor.stretch
        # A part does not have the extent of its frame.
        if stretch is not None and self.intensities is None:
            apply_stretch(out, stretch, intensities)
            part_done(0, (slice(0, out.shape[0]), slice(0, out.shape[1])))

    def _run(
        self,
        runner: Runner,
        source: npt.NDArray[Any],
        intensities: Intensities,
        target: Float,
        part_done: Callable[[float, tuple[slice, slice]], None],
    ) -> None:
        way_in, way_back = runner.descriptor.normalization, runner.descriptor.way_back
        scale = runner.descriptor.scale
        height, width = target.shape
        padded = Padded(source, runner.descriptor.size_multiple)

        def read(rows: slice, columns: slice) -> Float:
            return intensities.to_model(padded.read(rows, columns), way_in)

        def emit(region: tuple[slice, slice], values: Float) -> None:
            rows, columns = (
                slice(region[0].start, min(height, region[0].stop)),
                slice(region[1].start, min(width, region[1].stop)),
            )
            if rows.start >= height or columns.start >= width:
                return
            values = values[: rows.stop - rows.start, : columns.stop - columns.start]
            target[rows, columns] = intensities.from_model(values, way_back)
            part_done(values.size / scale**2, (rows, columns))

        whole = read(slice(0, source.shape[0]), slice(0, source.shape[1])) if runner.descriptor.frame_context else None
        context = None if whole is None else runner.context(whole)
        runner.run(padded.shape, read, emit, self.should_stop, context)

    def restore_block(self, block: npt.NDArray[Any], scale: int) -> Float:
        """Restore a block of a dask array, one block at a time in this process."""
        out = np.empty((*block.shape[:-2], block.shape[-2] * scale, block.shape[-1] * scale), np.float32)
        with self._lock:
            for index in np.ndindex(*block.shape[:-2]):
                self.restore(block[index], out[index], lambda _pixels, _region: None)
        return out

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


def _standardises(runner: Runner) -> bool:
    return Normalization.STANDARD in (runner.descriptor.normalization, runner.descriptor.way_back)


def _lazily(job: _Job, image: da.Array, scale: int) -> da.Array:
    import dask.array as da

    one_frame_a_chunk = {axis: (1 if axis < image.ndim - 2 else -1) for axis in range(image.ndim)}
    image = image.rechunk(one_frame_a_chunk)  # type: ignore[no-untyped-call]
    chunks = (*image.chunks[:-2], *(tuple(c * scale for c in sizes) for sizes in image.chunks[-2:]))
    result: da.Array = da.map_blocks(  # type: ignore[no-untyped-call]
        job.restore_block, image, scale, dtype=np.float32, chunks=chunks, meta=np.empty((0,) * image.ndim, np.float32)
    )
    return result


def _is_dask(image: Any) -> bool:
    return type(image).__module__.split(".")[0] == "dask"


def _check_image(image: Any) -> None:
    dtype, ndim = getattr(image, "dtype", None), getattr(image, "ndim", None)
    if dtype is None or ndim is None:
        raise InputError(f"An image must be an array; got {type(image).__name__}.")
    if dtype.kind not in "buif":
        raise InputError(f"An image must hold real numbers; this one holds {dtype}. Convert it first.")
    if ndim < 2:
        raise InputError(f"An image needs at least the axes y and x; this one has the shape {image.shape}.")
