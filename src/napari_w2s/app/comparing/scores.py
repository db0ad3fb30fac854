"""Scores of many images against one reference, whose own share of the work is done once.

They are those of `napari_w2s.metrics.reference` over the pixels that are finite in both images, and SSIM over the
windows in which all pixels are.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_w2s.metrics.affine import PLAIN, Affine
from napari_w2s.metrics.similarity import WINDOW, mean_ssim

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SCORES = ("psnr", "psnr_matched", "ssim", "ssim_matched", "rmse", "rmse_matched")


@dataclass(frozen=True, slots=True)
class Fit:
    """The affine least-squares fit of an image to the reference: ``gain * image + offset``.

    Attributes
    ----------
    gain, offset : float
        A constant image has a gain of 0 and the reference's mean as its offset.
    correlation : float
        Of the two, in [-1, 1]; 0 where one of them is constant.
    spread : float
        Standard deviation of the reference.
    share : float
        Fraction of the pixels that are finite in both.
    """

    gain: float
    offset: float
    correlation: float
    spread: float
    share: float


class Reference:
    """An image that others are measured against.

    Parameters
    ----------
    pixels : numpy.ndarray, (H, W)
        float64; NaN where there is nothing to compare with.
    data_range : float or None
        See `napari_w2s.metrics.reference.psnr`; None leaves PSNR and SSIM out.
    """

    def __init__(self, pixels: FloatArray, data_range: float | None) -> None:
        self.data_range = data_range
        self._given = pixels
        self._finite = np.isfinite(pixels)
        self._whole = bool(self._finite.all())
        self._pixels = pixels if self._whole else np.where(self._finite, pixels, 0.0)
        self._centred: tuple[float, FloatArray, float] | None = None

    def fit(self, image: FloatArray) -> Fit | None:
        """Fit an image of the same shape to the reference; None if no pixel is finite in both."""
        x, y = self._finite_in_both(image)
        if not x.size:
            return None
        if y.size == self._pixels.size:
            if self._centred is None:
                self._centred = _centred(y)
            high, y, yy = self._centred
        else:
            high, y, yy = _centred(y)
        low, x, xx = _centred(x)
        xy = float(np.vdot(x, y))
        gain = xy / xx if xx > 0 else 0.0
        correlation = xy / np.sqrt(xx * yy) if xx > 0 and yy > 0 else 0.0
        return Fit(
            gain=gain,
            offset=high - gain * low,
            correlation=float(np.clip(correlation, -1, 1)),
            spread=float(np.sqrt(yy / y.size)),
            share=x.size / image.size,
        )

    def scores(self, image: FloatArray, fit: Fit, only: Collection[str] = SCORES) -> dict[str, float | None]:
        """Measure an image of the same shape.

        Parameters
        ----------
        image : numpy.ndarray, (H, W)
            float64, may hold NaN.
        fit : Fit
            From `fit`.
        only : collection of str
            Of `SCORES`.

        Returns
        -------
        dict
            By name; None for what cannot be had: PSNR and SSIM without a range, SSIM without a window.
        """
        found: dict[str, float | None] = dict.fromkeys(only)
        x, y = self._finite_in_both(image)
        for suffix, seen in (("", x), ("_matched", None)):
            if f"rmse{suffix}" not in only and f"psnr{suffix}" not in only:
                continue
            difference = (fit.gain * x + fit.offset if seen is None else seen) - y
            rmse = float(np.sqrt(np.vdot(difference, difference) / difference.size))
            found[f"rmse{suffix}"] = rmse
            found[f"psnr{suffix}"] = self._psnr(rmse)
        if self.data_range is not None and ({"ssim", "ssim_matched"} & set(only)):
            found["ssim"], found["ssim_matched"] = self._ssim(image, fit)
        return {name: found.get(name) for name in only}

    def _finite_in_both(self, image: FloatArray) -> tuple[FloatArray, FloatArray]:
        finite = np.isfinite(image)
        if self._whole and finite.all():
            return image.ravel(), self._pixels.ravel()
        finite &= self._finite
        return image[finite], self._pixels[finite]

    def _psnr(self, rmse: float) -> float | None:
        if self.data_range is None:
            return None
        return float("inf") if rmse == 0 else float(20 * np.log10(self.data_range / rmse))

    def _ssim(self, image: FloatArray, fit: Fit) -> list[float | None]:
        """Return the mean structural similarity, plain and after the affine fit."""
        assert self.data_range is not None
        if min(image.shape) < WINDOW:
            return [None, None]
        fits = PLAIN, Affine(fit.gain, fit.offset)
        found = mean_ssim(self._given, image, data_range=self.data_range, fits=fits, skip_missing=True)
        return [None if np.isnan(value) else value for value in found]


def _centred(values: FloatArray) -> tuple[float, FloatArray, float]:
    """Return the mean of values, what they differ from it, and the sum of its squares."""
    mean = float(values.mean())
    values = values - mean
    return mean, values, float(np.vdot(values, values))
