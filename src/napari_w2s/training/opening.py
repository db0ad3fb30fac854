"""Open a run: its folder, what it goes on from, its images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_w2s._types import InputError, OutputError
from napari_w2s.engine.device import choose_device
from napari_w2s.training.cache import FrameCache
from napari_w2s.training.checkpoints import check_same, stored, sweep
from napari_w2s.training.checks import check_fields
from napari_w2s.training.config import TrainingConfig, write_recipe
from napari_w2s.training.data import PatchData
from napari_w2s.training.fields import Field, Gathered
from napari_w2s.training.processes import leads
from napari_w2s.training.report import ReportFn, WishFn, ignore
from napari_w2s.training.run import BEST, LAST, MATCHES, RECIPE, Clock, Run
from napari_w2s.training.sources import load_fields
from napari_w2s.training.split import Loaded, split
from napari_w2s.training.start import Start, adapted, begin, find_start
from napari_w2s.training.whole_images import measure_matches, read_matches, write_matches

if TYPE_CHECKING:
    from napari_w2s.models.registry import Registry


def open_run(
    config: TrainingConfig,
    folder: Path,
    *,
    resume: bool,
    registry: Registry | None,
    report: ReportFn,
    wish: WishFn,
) -> tuple[Run, Start | None]:
    """Open the folder of a run, and find the weights that it goes on from.

    Returns
    -------
    Run, Start or None

    Raises
    ------
    InputError
        If the folder holds a run that is not to be resumed, or not with this recipe, or the weights do not fit.
    OutputError
        If the folder cannot be written to.
    """
    start = find_start(config, registry)
    config = adapted(config, start)
    last = folder / LAST
    run = Run(config, folder, report if leads() else ignore, wish, batch=config.batch)
    if resume and last.exists():
        before = stored(last)
        same_judges = check_same(config, before.config, folder)
        run.step, run.batch, run.resumed = before.step, before.batch, True
        run.clock = Clock(before.seconds)
        run.best = before.best if same_judges else None
    elif not resume and (last.exists() or (folder / BEST).exists()):
        raise InputError(f"{folder} holds a run already. Resume it, or choose another folder.")
    if leads():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            sweep(folder)
            write_recipe(config, folder / RECIPE)
        except OSError as error:
            raise OutputError(f"{folder} cannot be written to: {error.strerror}. Choose another folder.") from error
    return run, start


def open_data(run: Run, train: Sequence[Field] | None, validation: Sequence[Field] | None) -> PatchData:
    """Return the data of a run, and write down what it is for the model's card.

    Raises
    ------
    InputError
        If there are no such images, or they cannot be learned from.
    """
    cache = FrameCache()
    if train is None:
        loaded = load_data(run.config, cache)
    elif not validation:
        loaded = split(run.config, Gathered(list(train)))
    else:
        loaded = Loaded(list(train), list(validation))
    for warning in loaded.warnings:
        run.note(warning)
    run.facts = describe(loaded)
    return PatchData(run.config, loaded.train, loaded.validation, cache=cache)


def match_images(run: Run, start: Start | None, data: PatchData, device: str) -> None:
    """Match patches to whole SIM images, if the config says so: as an earlier part of the run did, or anew."""
    if not run.config.match_images or start is None:
        return
    path = run.folder / MATCHES
    matches = read_matches(path, data.maker) if run.resumed else None
    if matches is None:
        run.note("Answers are matched to whole SIM images first, which takes a while.")
        network = begin(run.config, start.state, start.name)
        matches = measure_matches(network, data.maker, choose_device(device))
        if leads():
            try:
                write_matches(matches, path)
            except OSError as error:
                raise OutputError(f"{path} cannot be written: {error.strerror}. Choose another folder.") from error
    data.maker.matches = matches


def load_data(config: TrainingConfig, cache: FrameCache) -> Loaded:
    """Return the fields that a config names, looked through, with everything that a user should know of them.

    Raises
    ------
    InputError
        If there are no such images, or they cannot be learned from.
    """
    loaded = load_fields(config)
    loaded.warnings += check_fields(loaded, config, cache)
    return loaded


def describe(loaded: Loaded) -> dict[str, Any]:
    """Return what is learned from and judged by, as plain values."""
    return {"train": _described(loaded.train), "validation": _described(loaded.validation)}


def _described(fields: Sequence[Field]) -> dict[str, Any]:
    fovs = sorted({field.fov for field in fields if field.fov is not None})
    return {"fields": len(fields), "groups": len({field.group for field in fields}), "fovs": fovs}
