"""Numbers and names as a report has them."""

from __future__ import annotations

from collections.abc import Sequence

from napari_w2s._types import Task
from napari_w2s.benchmark.summary import Summary

LABELS = {
    "psnr": "PSNR in dB",
    "ssim": "SSIM",
    "rmse": "RMSE (share of the range)",
    "psnr_matched": "PSNR in dB, matched",
    "ssim_matched": "SSIM, matched",
    "rmse_matched": "RMSE (share of the range), matched",
}
"""By metric. *Matched*: after the affine least-squares fit of the result to its reference."""

TASKS = {Task.DENOISE: "Denoising", Task.SR: "Super-resolution"}

NOTHING = "–"


def value(number: float | None, metric: str, *, sign: bool = False) -> str:
    """Return a score with the digits that it deserves."""
    if number is None:
        return NOTHING
    digits = {"psnr": 2, "ssim": 3, "rmse": 4}[metric.partition("_")[0]]
    number = round(number, digits) + 0.0  # not -0.00
    return f"{number:+.{digits}f}" if sign and number else f"{number:.{digits}f}"


def interval(bounds: tuple[float, float] | None, metric: str, *, sign: bool = False) -> str:
    """Return an interval in words."""
    if bounds is None:
        return NOTHING
    low, high = bounds
    return f"{value(low, metric, sign=sign)} to {value(high, metric, sign=sign)}"


def together(metrics: Sequence[str]) -> list[tuple[str, ...]]:
    """Put metrics that stand in one cell together: PSNR and SSIM, plain or matched."""
    left, groups = list(metrics), []
    for suffix in ("", "_matched"):
        both = tuple(name for name in (f"psnr{suffix}", f"ssim{suffix}") if name in left)
        if both:
            groups.append(both)
            left = [name for name in left if name not in both]
    return groups + [(name,) for name in left]


def units(summaries: Sequence[Summary]) -> str:
    """Return what means are over, e.g. ``"10 fields, 30 images"``."""
    fovs = sorted({one.fovs for one in summaries if one.fovs})
    images = sorted({one.images for one in summaries if one.images})
    if not fovs:
        return "no image"
    return f"{_between(fovs, 'field')}, {_between(images, 'image')}"


def _between(numbers: Sequence[int], what: str) -> str:
    low, high = numbers[0], numbers[-1]
    return f"{low if low == high else f'{low} to {high}'} {what}{'' if high == 1 else 's'}"
