"""Measure how well the noise of an image is found from the image alone.

``python -m benchmarks.noise_estimate`` adds Poisson noise and read noise to simulated fields of 512 x 512 pixels, whose
clean intensities lie in [0, 1], and prints how far slope and noise are from the true ones: the root mean square and the
largest error in percent over three channels of four fields.
"""

from __future__ import annotations

import numpy as np

from napari_w2s.data.noise import estimate_noise
from napari_w2s.data.simulate import simulate_fov

SLOPES = (0.001, 0.01, 0.05, 0.2)
READ_NOISE = (0.003, 0.01, 0.03, 0.1)
FIELDS = (1, 2, 3, 4)
CHANNELS = (0, 1, 2)


def main() -> None:
    scenes = [simulate_fov(field, channel).clean.astype(np.float64) for field in FIELDS for channel in CHANNELS]
    scenes = [(scene - scene.min()) / np.ptp(scene) for scene in scenes]
    print("| slope | read noise | error of slope: rms, largest (%) | error of noise at the median: rms, largest (%) |")
    print("|---:|---:|---:|---:|")
    for slope in SLOPES:
        for read in READ_NOISE:
            found = []
            for seed, clean in enumerate(scenes):
                rng = np.random.default_rng(seed)
                noise = estimate_noise(slope * rng.poisson(clean / slope) + read * rng.standard_normal(clean.shape))
                true = np.sqrt(slope * noise.median + read**2)
                found.append((100 * (noise.gain / slope - 1), 100 * (noise.median_std / true - 1)))
            words = [
                f"{np.sqrt(np.mean(np.square(of))):.0f}, {max(of, key=abs):+.0f}" for of in zip(*found, strict=True)
            ]
            print(f"| {slope:g} | {read:g} | {' | '.join(words)} |", flush=True)


if __name__ == "__main__":
    main()
