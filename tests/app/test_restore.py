"""A restored image lies where its source lies, keeps its intensities, and says how it was made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
from w2s_toys import residual

from napari_w2s._types import Cancelled, InputError, Progress, Task, W2SError
from napari_w2s.app.restore import allocate, frame_intensities, restore_image
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.data.image import Image
from napari_w2s.engine.pipeline import Pipeline
from napari_w2s.engine.predict import predict
from napari_w2s.metrics.reference import psnr
from napari_w2s.models.descriptor import Normalization


def image(data: Any = None, **about: Any) -> Image:
    data = np.random.default_rng(0).random((3, 20, 30)) if data is None else data
    known = {
        "name": "cells",
        "axes": ("t", "y", "x")[-data.ndim :],
        "scale": (5.0, 0.064, 0.064)[-data.ndim :],
        "units": ("s", "um", "um")[-data.ndim :],
        "translate": (10.0, 1.0, 2.0)[-data.ndim :],
        "metadata": {"mine": 1, "w2s": {"fov": 7, "source": "cells.tif"}},
    }
    return Image(data=data, **{**known, **about})


CHAIN = Pipeline(residual(normalization=Normalization.UNIT), residual(2, task=Task.SR))
SETTINGS = RestoreSettings(models=("toy", "toy"))


def test_a_result_covers_the_same_part_of_the_world() -> None:
    source = image()
    result = restore_image(source, SETTINGS, pipeline=CHAIN)
    assert result.data.shape == (3, 40, 60)
    assert result.data.dtype == np.float32
    assert (result.axes, result.units) == (source.axes, source.units)
    assert result.scale == (5.0, 0.032, 0.032)
    for axis in (1, 2):
        for corner in (-0.5, source.data.shape[axis] - 0.5):
            world = source.translate[axis] + corner * source.scale[axis]
            fine = -0.5 if corner < 0 else result.data.shape[axis] - 0.5
            assert result.translate[axis] + fine * result.scale[axis] == pytest.approx(world)
    assert result.translate[0] == 10


def test_a_result_says_how_it_was_made() -> None:
    result = restore_image(image(), SETTINGS, pipeline=CHAIN)
    assert result.name == "cells | Toy → Toy (2x estimate)"
    assert result.metadata["mine"] == 1
    assert result.w2s["fov"] == 7
    made = result.w2s["restoration"]
    assert json.loads(json.dumps(made)) == made
    assert [m["name"] for m in made["models"]] == ["toy", "toy"]
    assert made["command"] == "napari-w2s restore cells.tif -m toy+toy -o ."
    assert made["models"][0]["precision"] == "float32"
    assert made["is_estimate"] is True
    assert made["versions"]["torch"]
    assert "restoration" not in image().w2s


def test_a_source_that_is_no_file_has_no_command() -> None:
    made = restore_image(image(metadata={}), SETTINGS, pipeline=CHAIN).w2s["restoration"]
    assert made["command"] is None


def test_a_denoised_image_is_no_estimate_of_finer_pixels() -> None:
    result = restore_image(image(), RestoreSettings(models=("toy",)), pipeline=Pipeline(residual()))
    assert result.name == "cells | Toy"
    assert result.w2s["restoration"]["is_estimate"] is False


def test_the_range_of_the_release_is_used_unless_another_is_asked_for() -> None:
    model = residual(normalization=Normalization.UNIT)
    eight_bit = np.random.default_rng(1).integers(10, 200, (20, 30)).astype(np.uint8)
    as_float = image(eight_bit.astype(np.float32), metadata={"w2s": {"intensity_range": [0, 255]}})
    plain, asked = RestoreSettings(models=("toy",)), RestoreSettings(models=("toy",), intensity_range=(0, 100))
    known = restore_image(as_float, plain, pipeline=Pipeline(model))
    np.testing.assert_allclose(known.data, predict(model, eight_bit), rtol=1e-5)
    assert known.w2s["restoration"]["intensity_range"] == [0, 255]
    other = restore_image(as_float, asked, pipeline=Pipeline(model))
    np.testing.assert_allclose(other.data, predict(model, eight_bit, intensity_range=(0, 100)), rtol=1e-4)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (np.zeros((0, 5)), "cells is empty"),
        (np.zeros(4), "needs the axes y and x"),
        (np.zeros((4, 4), complex), "complex128"),
    ],
)
def test_what_cannot_be_restored_is_named(data: np.ndarray, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        restore_image(image(data), SETTINGS, pipeline=CHAIN)


def test_lazy_images_are_computed_frame_by_frame_with_progress() -> None:
    seen: list[Progress] = []
    result = restore_image(image(da.ones((3, 8, 8))), SETTINGS, pipeline=CHAIN, progress=seen.append)
    assert isinstance(result.data, np.ndarray)
    assert seen[-1].fraction == 1


def test_stopping_leaves_no_result() -> None:
    with pytest.raises(Cancelled):
        restore_image(image(), SETTINGS, pipeline=CHAIN, should_stop=lambda: True)


def test_a_result_that_does_not_fit_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise MemoryError

    source = image()
    monkeypatch.setattr(np, "zeros", full)
    with pytest.raises(W2SError, match=r"cells would take .* GiB"):
        allocate(source, 2)


def test_the_built_in_methods_restore_without_weights() -> None:
    rng = np.random.default_rng(5)
    counts = rng.poisson(40, (48, 40)).astype(np.uint16)
    result = restore_image(image(counts), RestoreSettings(models=("vst-nlm", "bicubic")))
    assert result.data.shape == (96, 80)
    assert result.data.std() < counts.std() / 2
    assert result.data.mean() == pytest.approx(counts.mean(), rel=0.02)


def test_the_default_doubles_the_pixels_and_needs_no_download() -> None:
    from napari_w2s.models.builtin import DEFAULT_MODELS

    counts = np.random.default_rng(5).poisson(40, (24, 20)).astype(np.uint16)
    result = restore_image(image(counts), RestoreSettings(models=DEFAULT_MODELS))
    assert result.data.shape == (48, 40)
    assert np.isfinite(result.data).all()


def test_flips_are_passed_on_and_told() -> None:
    settings = RestoreSettings(models=("toy", "toy"), flips=True)
    result = restore_image(image(), settings, pipeline=CHAIN)
    np.testing.assert_allclose(result.data, predict(CHAIN, image().data, flips=True))
    assert result.w2s["restoration"]["settings"]["flips"] is True
    assert "--flips" in result.w2s["restoration"]["command"]


@pytest.mark.parametrize("normalization", [Normalization.UNIT, Normalization.STANDARD])
def test_a_part_is_restored_as_in_its_frame(normalization: Normalization) -> None:
    models = Pipeline(residual(normalization=normalization))
    halo = models.stages[0].descriptor.halo
    stack = np.random.default_rng(2).random((2, 40, 40)) * [[[1]], [[50]]]
    stack[1, 0, 0], stack[1, 39, 39] = 400, np.nan
    settings = RestoreSettings(models=("toy",))
    whole = restore_image(image(stack), settings, pipeline=models).data[1]
    intensities = frame_intensities(image(stack), (1,), settings)
    part = restore_image(image(stack[1:, 10:34, 10:34]), settings, pipeline=models, intensities=intensities).data[0]
    inner = slice(halo, -halo)
    np.testing.assert_allclose(part[inner, inner], whole[10:34, 10:34][inner, inner], rtol=1e-4, atol=1e-3)


def test_a_frame_that_the_settings_refuse_is_not_measured() -> None:
    bad = np.full((4, 4), np.nan)
    with pytest.raises(InputError, match="16 of 16"):
        frame_intensities(image(bad), (), RestoreSettings(models=("toy",), non_finite="raise"))
    measured = frame_intensities(image(np.ones((4, 4))), (), RestoreSettings(models=("a",), intensity_range=(0, 9)))
    assert (measured.low, measured.high) == (0, 9)


def test_the_authors_network_restores_a_real_image(w2s_root: Path) -> None:
    from napari_w2s.data.stacks import open_images

    (noisy,) = open_images([w2s_root / "data/train/avg1/001_0.png"])
    (clean,) = open_images([w2s_root / "data/train/avg400/001_0.png"])
    settings = RestoreSettings(models=("dncnn-avg1",), weights=str(w2s_root / "net_data"))
    result = restore_image(noisy, settings)
    reference = np.asarray(clean.data)
    assert psnr(reference, np.asarray(noisy.data), data_range=255) < 26
    assert psnr(reference, result.data, data_range=255) > 37
    assert len(result.w2s["restoration"]["models"][0]["weights_sha256"]) == 64
