"""Stacks that are no bursts and clean images that are noisy ones are noticed; of others nothing is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import w2s_fields
from scipy import ndimage

from napari_w2s._types import InputError
from napari_w2s.data.png import read_png
from napari_w2s.data.simulate import simulate_fov
from napari_w2s.training.burst_fields import fields_of_burst
from napari_w2s.training.cache import FrameCache
from napari_w2s.training.checks import check_fields
from napari_w2s.training.fields import Field
from napari_w2s.training.lazy_images import Stack
from napari_w2s.training.likeness import noisier, shows_several_fields
from napari_w2s.training.split import Loaded

EDGE = 128
DENOISE: dict[str, Any] = {"task": "denoise", "losses": {"denoised": [{"name": "l1"}]}}


def differ(frames: Any) -> bool:
    return shows_several_fields(Stack(np.asarray(frames)), FrameCache())


def clean(seed: int, channel: int = 0, size: int = EDGE) -> np.ndarray:
    """Return a simulated image with intensities in [0, 1]."""
    image = simulate_fov(seed, channel, size).clean.astype(np.float64)
    return (image - image.min()) / np.ptp(image)


def shots(image: np.ndarray, photons: float, count: int, seed: int = 0) -> np.ndarray:
    """Return noisy frames of an image, with so many photons where it is brightest, over a background of half of one."""
    rng = np.random.default_rng(seed)
    shape = (count, *image.shape)
    return 100 + rng.poisson(photons * image + 0.5, shape) + rng.normal(0, 0.5, shape)


@pytest.mark.parametrize("channel", [0, 1, 2])
@pytest.mark.parametrize("count", [2, 3, 40])
def test_simulated_bursts_show_one_field(channel: int, count: int) -> None:
    assert not differ(simulate_fov(3, channel, EDGE).frames(range(count)))


@pytest.mark.parametrize("photons", [0.3, 1.0, 3.0, 30.0])
@pytest.mark.parametrize("count", [2, 8])
def test_bursts_of_hardly_any_light_show_one_field(photons: float, count: int) -> None:
    for seed in range(6):
        assert not differ(shots(clean(seed, seed % 3), photons, count, seed))


@pytest.mark.parametrize("edge", [24, 48, 64])
def test_small_bursts_show_one_field(edge: int) -> None:
    assert not differ(shots(clean(2)[:edge, :edge], 5.0, 6))


def test_frames_of_nothing_but_noise_or_nothing_at_all_are_not_doubted() -> None:
    assert not differ(np.random.default_rng(0).normal(100, 3, (8, EDGE, EDGE)))
    assert not differ(np.full((4, EDGE, EDGE), 7.0))
    assert not differ(np.full((4, EDGE, EDGE), np.nan))


def test_bleaching_and_a_drift_of_two_pixels_are_not_doubted() -> None:
    image = clean(1)
    bleached = np.stack([shots(np.exp(-i / 6) * image, 40.0, 1, i)[0] for i in range(10)])
    assert not differ(bleached)
    drifted = [shots(ndimage.shift(image, 0.2 * i, mode="reflect"), 40.0, 1, i)[0] for i in range(10)]
    assert not differ(drifted)


@pytest.mark.parametrize("photons", [3.0, 30.0])
@pytest.mark.parametrize("order", ["all different", "two, one after the other", "two, by turns"])
def test_different_fields_are_noticed_in_any_order(photons: float, order: str) -> None:
    first, second = (shots(clean(seed), photons, 6, seed) for seed in (0, 9))
    stack = {
        "all different": [shots(clean(seed), photons, 1, seed)[0] for seed in range(8)],
        "two, one after the other": [*first, *second],
        "two, by turns": [frame for pair in zip(first, second, strict=True) for frame in pair],
    }[order]
    assert differ(stack)


@pytest.mark.parametrize("level", ["avg1", "avg16"])
def test_real_fields_of_view_are_no_burst_and_real_averages_are(w2s_root: Path, level: str) -> None:
    def read(name: str, fov: int, channel: int) -> np.ndarray:
        return read_png(w2s_root / "data" / "train" / name / f"{fov:03d}_{channel}.png")

    for channel in range(3):
        assert differ([read(level, fov, channel) for fov in (1, 8, 15, 22, 29)])
        assert differ([read(level, fov, channel) for fov in (3, 17)])
    for fov in (2, 9, 16, 23):
        # They share no frame: avg1 is frame 249, avg2 to avg16 are means of the first.
        assert not differ([read("avg1", fov, fov % 3), read("avg2" if level == "avg1" else "avg16", fov, fov % 3)])


def test_a_training_from_a_burst_of_several_fields_warns_and_one_from_a_burst_does_not() -> None:
    config = w2s_fields.unsupervised("noise2noise", levels={"avg1": 1.0})

    def said(stack: Any) -> str:
        found = fields_of_burst(stack, "stack.tif", "g", config)
        return "\n".join(check_fields(Loaded(found.fields, found.fields), config))

    different = np.stack([shots(clean(seed), 10.0, 1, seed)[0] for seed in range(6)])
    assert "The frames of stack.tif do not show one and the same field" in said(different)
    assert "The frames of stack.tif do not show one and the same field" in said(da.from_array(different))
    assert "one and the same field" not in said(shots(clean(0), 10.0, 6))


def field(name: str, noisy: np.ndarray, target: np.ndarray, **facts: Any) -> Field:
    return Field(name, name, {"noisy": noisy}, denoised=target, **facts)


def check(*fields: Field, judges: tuple[Field, ...] | None = None) -> tuple[Loaded, list[str]]:
    rest = (pair(90),) if judges is None else judges
    loaded = Loaded(list(fields), list(rest))
    return loaded, check_fields(loaded, w2s_fields.config(**DENOISE))


def pair(seed: int, *, swapped: bool = False) -> Field:
    image = 1000 * clean(seed) + 100
    noisy = image + np.random.default_rng(seed).normal(0, 60, image.shape)
    return field(f"field {seed}", image, noisy) if swapped else field(f"field {seed}", noisy, image)


def test_the_same_image_as_noisy_and_clean_is_an_error_if_there_is_no_other() -> None:
    image = clean(1)
    with pytest.raises(InputError, match=r"clean image is the noisy image itself \(a\).*Choose a clean image"):
        check(field("a", image, image.copy()))
    gaps = image.copy()
    gaps[3, 4] = np.nan
    with pytest.raises(InputError, match="the noisy image itself"):
        check(field("a", gaps, gaps.copy()))


def test_fields_whose_clean_image_is_their_noisy_one_are_left_out_by_name() -> None:
    image = clean(1)
    loaded, warnings = check(field("a", image, image), pair(2), judges=(field("b", image, image), pair(90)))
    assert warnings == ["2 fields are left out, whose clean image is the noisy image itself: a; b."]
    assert [one.name for one in (*loaded.train, *loaded.validation)] == ["field 2", "field 90"]


def test_avg400_is_its_own_target_in_the_benchmark() -> None:
    image = clean(1)
    one = Field("001 ch0", "g", {"avg400": image}, denoised=image, fov=1)
    assert check(one, pair(2))[1] == []


def test_swapped_images_are_told_with_their_noise() -> None:
    _, (text,) = check(pair(1), pair(2, swapped=True))
    assert "The clean image has more noise than the noisy one in 1 field (field 2: " in text
    assert "They look swapped" in text
    assert check(pair(1), pair(2))[1] == []


def test_two_images_of_like_noise_are_not_called_swapped() -> None:
    image = 1000 * clean(1)
    noise = np.random.default_rng(0).normal(0, 50, (2, *image.shape))
    assert noisier(image + noise[0], image + noise[1]) is None
    assert noisier(image + 1.15 * noise[0], image + noise[1]) is None
    assert noisier(image + 2 * noise[0], image + noise[1]) is not None
    assert noisier(3 * (image + 2 * noise[0]) + 77, image + noise[1]) is not None
    assert noisier(np.rint(255 * clean(2)), clean(2)) is None
    assert noisier(np.zeros_like(image), image + noise[0]) is None


def test_real_levels_are_told_apart(w2s_root: Path) -> None:
    for fov in (4, 11, 18):
        noisy, better, best = (
            read_png(w2s_root / "data" / "train" / level / f"{fov:03d}_{fov % 3}.png")
            for level in ("avg1", "avg4", "avg400")
        )
        assert noisier(best, noisy) is None
        assert noisier(better, noisy) is None
        assert noisier(noisy, best) is not None
        assert noisier(noisy, better) is not None
