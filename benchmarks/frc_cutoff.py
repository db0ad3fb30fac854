"""Measure how far FRC resolutions are from the ones that simulated images were made with.

``python -m benchmarks.frc_cutoff`` prints, for each size, kind of spectrum and frequency, by how many percent the
plain crossing and the resolution are off: the mean, and the largest of all. Scenes are sparse points, larger than the
image, so that its borders do not match. An *abrupt* spectrum ends at the frequency given, with 10 to 100 000 times the
noise power just inside; a *lens* fades as an objective in incoherent light does, and the noise is such that the
expected correlation falls to 1/7 at 0.85 to 0.95 of its cut-off. Either is flat or falls as 1/f^2. Each is measured
with two images and with one, and at both thresholds; the truth is where the expected correlation, known from signal
and noise power, meets the threshold.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from napari_w2s.metrics.crossing import THRESHOLDS
from napari_w2s.metrics.frc import FrcResult, single_image_frc, two_image_frc

Floats = npt.NDArray[np.float64]
Power = Callable[[Floats], Floats]

SEEDS = {256: 6, 512: 3, 1024: 1}
CUT_OFFS = (0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.4, 0.45)
LENSES = (0.1, 0.15, 0.25, 0.48)
SIGNAL_TO_NOISE = (10.0, 1e3, 1e5)
SHARES = (0.85, 0.9, 0.95)


def abrupt(cut_off: float, slope: float) -> Power:
    """Power 1 at the cut-off and none beyond."""
    return lambda f: np.where(f <= cut_off, (np.maximum(f, 1e-3) / cut_off) ** -slope, 0.0)


def lens(cut_off: float, slope: float) -> Power:
    """Power behind a lens's transfer function in incoherent light."""

    def power(f: Floats) -> Floats:
        x = np.clip(f / cut_off, 0, 1)
        transfer = 2 / np.pi * (np.arccos(x) - x * np.sqrt(1 - x * x))
        return np.asarray(transfer**2 * (np.maximum(f, 1e-3) / cut_off) ** -slope)

    return power


def image(power: Power, size: int, seed: int) -> Floats:
    """Draw a part of a larger scene; white noise of variance 1 would have power 1."""
    rng = np.random.default_rng(seed)
    whole = (2 * size, 2 * size)
    points = rng.exponential(size=whole) * (rng.random(whole) < 0.02)
    points = (points - points.mean()) / points.std()
    frequency = np.hypot(np.fft.fftfreq(2 * size)[:, None], np.fft.rfftfreq(2 * size)[None])
    spectrum = np.fft.rfft2(points) * np.sqrt(power(frequency))
    return np.asarray(np.fft.irfft2(spectrum, whole)[size // 3 :, size // 3 :][:size, :size])


def expected(power: Power, noise: float, found: FrcResult) -> float:
    """Return where the expected correlation first meets the threshold."""
    frequency = np.linspace(found.frequency[3], found.frequency[-1], 20_000)
    signal = power(frequency)
    threshold = np.interp(frequency, found.frequency, found.threshold_curve)
    return float(frequency[np.argmax(signal / (signal + noise) <= threshold)])


def errors(power: Power, noise: float, size: int, seed: int) -> Iterator[tuple[float, float]]:
    """Yield the errors of crossing and resolution in percent."""
    clean, rng = image(power, size, seed), np.random.default_rng(1000 + seed)
    first, second = (clean + np.sqrt(noise) * rng.standard_normal(clean.shape) for _ in range(2))
    for threshold in THRESHOLDS:
        two = two_image_frc(first, second, pixel_size=1, threshold=threshold)
        one = single_image_frc(first, pixel_size=1, threshold=threshold)
        for found, floor in ((two, noise), (one, 2 * noise)):
            true = expected(power, floor, found)
            if found.crossing is None or found.resolution is None:
                raise RuntimeError(f"No crossing in {size} pixels, seed {seed}.")
            yield 100 * (true * found.crossing - 1), 100 * (true * found.resolution - 1)


def rows(size: int) -> Iterator[tuple[str, float, list[tuple[float, float]]]]:
    for cut_off in CUT_OFFS:
        found: list[tuple[float, float]] = []
        for slope in (0.0, 2.0):
            power = abrupt(cut_off, slope)
            for ratio in SIGNAL_TO_NOISE:
                for seed in range(SEEDS[size]):
                    found += errors(power, 1 / ratio, size, seed)
        yield "abrupt", cut_off, found
    for cut_off in LENSES:
        found = []
        for slope in (0.0, 2.0):
            power = lens(cut_off, slope)
            for share in SHARES:
                for seed in range(SEEDS[size]):
                    found += errors(power, 6 * float(power(np.array(share * cut_off))), size, seed)
        yield "lens", cut_off, found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.frc_cutoff", description="Print errors of FRC.")
    parser.add_argument("--sizes", nargs="+", type=int, choices=list(SEEDS), default=list(SEEDS), metavar="PIXELS")
    print(
        "| pixels | spectrum | cut-off (cycles/pixel) | crossing: mean, largest (%) | resolution: mean, largest (%) |"
    )
    print("|---:|---|---:|---:|---:|")
    for size in parser.parse_args().sizes:
        for kind, cut_off, found in rows(size):
            words = [f"{np.mean(of):+.1f}, {max(of, key=abs):+.1f}" for of in zip(*found, strict=True)]
            print(f"| {size} | {kind} | {cut_off:g} | {' | '.join(words)} |", flush=True)


if __name__ == "__main__":
    main()
