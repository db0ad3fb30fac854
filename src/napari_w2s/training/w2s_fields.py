"""Fields of the W2S benchmark, of any release, to learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_w2s._types import NOISY_LEVELS, InputError, Level
from napari_w2s.data.catalog import BURST, Catalog, Release, StackRecord, scan
from napari_w2s.data.frames import one_file, read_header
from napari_w2s.data.protocol import FRAME_INDICES, TEST_FOVS
from napari_w2s.training.config import Source, TrainingConfig, parse_numbers
from napari_w2s.training.fields import Field, Gathered, plural
from napari_w2s.training.files import expand, open_stack
from napari_w2s.training.lazy_images import Mean, Stack

_WIDEFIELD = (*NOISY_LEVELS, Level.AVG400)
_RELEASES = (Release.RAW, Release.NORMALIZED, Release.EIGHT_BIT, Release.IMAGE)


def gather_w2s(source: Source, config: TrainingConfig) -> Gathered:
    """Return the fields of W2S folders that a config can learn from: one per field of view and channel.

    Parameters
    ----------
    source : Source
        Its `paths["root"]` are folders of any release, at any level of the tree. Of several releases the first is
        taken, in the order raw, normalised, 8-bit.
    config : TrainingConfig
        Its `levels`, `self_supervised` and `allow_test_fovs`.

    Returns
    -------
    Gathered
        Every level that there is as an input, avg400 also as the clean image. Nothing is read but headers. What is
        missing is in the warnings.

    Raises
    ------
    InputError
        If test fields were asked for without leave: 081-120, or what is in a folder that is called so; or if nothing
        that was asked for is there.
    """
    wanted = parse_numbers(source.fovs)
    refuse_test_fovs(wanted, config.allow_test_fovs)
    roots = [expand(path) for path in source.paths.get("root", ())]
    if not roots:
        raise InputError("A W2S source needs the path of its root.")
    catalog = scan(roots)
    releases = [release for release in _RELEASES if release in catalog.releases]
    found = Gathered()
    if len(releases) > 1:
        found.warnings.append(
            f"{roots[0]} has the releases {' and '.join(releases)}: {releases[0]} is learned from. Name the folder of "
            "another release to take that."
        )
    for fov in wanted:
        for channel in source.channels:
            records = catalog.select(release=releases[0], fov=fov, channel=channel) if releases else ()
            usable = [r for r in records if r.level == BURST or r.level in _WIDEFIELD or r.level == Level.SIM]
            if any(r.level != Level.SIM for r in usable):
                _refuse_test_folder(usable, config.allow_test_fovs)
                found.fields.append(_field(fov, channel, usable))
    if not found.fields:
        raise InputError(
            f"{roots[0]} has none of the fields of view {source.fovs}. {_there(catalog)} Choose among them."
        )
    there = {one.fov for one in found.fields}
    missing = [fov for fov in wanted if fov not in there]
    if missing:
        found.warnings.append(f"{roots[0]} has no images of the fields of view {_listed(missing)}.")
    if config.self_supervised == "noise2noise":
        found.fields = [_with_others(one) for one in found.fields]
    _keep_levels(found, config, roots[0])
    return found


def _keep_levels(found: Gathered, config: TrainingConfig, root: Path) -> None:
    """Leave out the fields that have no input of the config's levels."""
    levels = [level.value for level, weight in config.levels.items() if weight > 0]
    lacking = [one for one in found.fields if not set(levels) & set(one.inputs)]
    if len(lacking) == len(found.fields):
        there = [level.value for level in _WIDEFIELD if any(level.value in one.inputs for one in lacking)]
        raise InputError(
            f"{root} has no images of the levels {', '.join(levels)}, only {', '.join(there)}. Choose among these."
        )
    if lacking:
        found.fields = [one for one in found.fields if one not in lacking]
        found.warnings.append(
            f"{plural(len(lacking), 'field is', 'fields are')} left out, {lacking[0].name} for one: no image of the "
            f"levels {', '.join(levels)}."
        )


def _with_others(one: Field) -> Field:
    """Return a field with those inputs only that leave frames to compare with."""
    if one.burst is None:
        raise InputError(
            f"{one.name} has no single frames, which Noise2Noise needs: it is not of the raw release. Choose that, or "
            "learn from the clean images."
        )
    inputs = {name: image for name, image in one.inputs.items() if len(image.frames) < len(one.burst)}
    return replace(one, inputs=inputs)


def refuse_test_fovs(fovs: tuple[int, ...], allowed: bool) -> None:
    """Raise an InputError if fields are test fields of the benchmark and that is not allowed."""
    test = [fov for fov in fovs if fov in TEST_FOVS]
    if test and not allowed:
        raise InputError(
            f"Fields of view {test[0]:03d}{f'-{test[-1]:03d}' if len(test) > 1 else ''} are test images of the "
            "benchmark: a model that learned from them cannot be compared with others. Take 001-080, or allow it "
            "explicitly (allow_test_fovs)."
        )


def _refuse_test_folder(records: list[StackRecord], allowed: bool) -> None:
    test = next((record for record in records if record.split == "test"), None)
    if test is not None and not allowed:
        raise InputError(
            f"{test.path} is in the folder of the benchmark's test images: a model that learned from them cannot be "
            "compared with others. Take the training images, or allow it explicitly (allow_test_fovs)."
        )


def _field(fov: int, channel: int, records: list[StackRecord]) -> Field:
    images: dict[str, Any] = {}
    burst: Stack | None = None
    for record in records:
        if record.level == BURST:
            burst = _burst(record.path)
            images |= _averages(burst)
        else:
            images[str(record.level)] = one_file(record.path, read_header(record.path))
    return Field(
        name=f"{fov:03d} ch{channel}",
        group=f"W2S field of view {fov:03d}",
        inputs={level.value: images[level.value] for level in _WIDEFIELD if level.value in images},
        denoised=images.get(Level.AVG400.value),
        sim=images.get(Level.SIM.value),
        burst=burst,
        fov=fov,
        split="test" if any(record.split == "test" for record in records) else None,
    )


def _burst(path: Path) -> Stack:
    data = open_stack(path)
    if data.ndim != 3:
        raise InputError(f"{path} has the shape {data.shape}; a burst has the axes t, y, x. Download it again.")
    return Stack(data)


def _averages(burst: Stack) -> dict[str, Mean]:
    """Return the levels that a burst is long enough for, of the benchmark's own frames."""
    return {
        level.value: burst.mean if frames == burst.mean.frames else Mean(burst, frames)
        for level, frames in FRAME_INDICES.items()
        if frames.stop <= len(burst)
    }


def _there(catalog: Catalog) -> str:
    fovs = catalog.fovs
    if fovs:
        return f"It has {fovs[0]:03d} to {fovs[-1]:03d}."
    if Release.PATCHES in catalog.releases:
        return "It has files of patches: name them as a source of the kind 'patches'."
    return "It has no W2S images."


def _listed(fovs: list[int]) -> str:
    shown = ", ".join(f"{fov:03d}" for fov in fovs[:8])
    return shown if len(fovs) <= 8 else f"{shown} and {len(fovs) - 8} more"
