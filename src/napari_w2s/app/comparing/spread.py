"""How far a model's answers differ between the orientations of one input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from napari_w2s._types import InputError, Progress, ProgressFn, StopFn, WeightsError
from napari_w2s.app.comparing.comparison import Comparison, Tile
from napari_w2s.app.comparing.given import given_tile, grid_of, planes_of
from napari_w2s.app.comparing.grid import Grid, Plane
from napari_w2s.app.comparing.place import restoration_of

if TYPE_CHECKING:
    from napari_w2s.app.settings import RestoreSettings
    from napari_w2s.engine.pipeline import Pipeline

_ORIENTATIONS = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))


@dataclass(frozen=True, eq=False)
class Spread:
    """How far a model's answers to the flipped and turned input differ.

    Attributes
    ----------
    key : str
    grid : Grid
        The result's.
    std : numpy.ndarray, (H, W)
        Standard deviation over the 8 orientations, in the result's intensities.
    sentence : str
    """

    key: str
    grid: Grid
    std: npt.NDArray[np.float64]
    sentence: str


def flip_spread(
    comparison: Comparison,
    key: str,
    *,
    given: str | None = None,
    progress: ProgressFn | None = None,
    stop: StopFn | None = None,
) -> Spread:
    """Restore the input of a result in its 8 orientations with the same model, and see how far the answers differ.

    It takes as long as 8 restorations of the frame that is shown. The box limits the map.

    Parameters
    ----------
    comparison : Comparison
    key : str
        Of the result.
    given : str, optional
        Of its input, a tile or one of `averages`; by default the one that the metadata tell of.
    progress : callable, optional
        Gets a `Progress` over all orientations.
    stop : callable, optional
        Polled before every tile of the model.

    Raises
    ------
    InputError
        If the tile is no restoration, or its input is not there.
    WeightsError
        If the model is not to be had any more, or another one has its name now.
    Cancelled
        If `stop` returned True.
    """
    from napari_w2s.app.restore import known_range
    from napari_w2s.engine.predict import predict
    from napari_w2s.metrics.trust import spread

    tile = comparison.tile(key)
    if not restoration_of(tile.image):
        raise InputError(f"{tile.title} is no restoration of this plugin: there is no model to ask again.")
    source = given_tile(comparison, key, given)
    found = planes_of(comparison, (tile, source), stop)
    settings, models = _models(tile, stop)
    measured = found[source.key]
    answers = []
    for number, (turns, mirrored) in enumerate(_ORIENTATIONS):

        def report(part: Progress, number: int = number) -> None:
            if progress is not None:
                progress(Progress(number * part.total + part.done, len(_ORIENTATIONS) * part.total))

        turned = np.rot90(measured.pixels[:, ::-1] if mirrored else measured.pixels, turns)
        answer = predict(
            models,
            np.ascontiguousarray(turned),
            device=settings.device,
            precision=settings.precision,
            tile=settings.tile,
            intensity_range=settings.intensity_range or known_range(source.image),
            non_finite=settings.non_finite,
            progress=report,
            should_stop=stop,
        )
        back = np.rot90(answer, -turns)
        answers.append(back[:, ::-1] if mirrored else back)
    std = spread(answers)
    step = (measured.scale[0] / models.scale, measured.scale[1] / models.scale)
    whole = Plane(std, step, (measured.box.top + step[0] / 2, measured.box.left + step[1] / 2), measured.unit)
    shown = whole if comparison.box is None else whole.cut(comparison.box)
    if shown is None:
        raise InputError(f"The box lies outside of {source.title}. Draw it on the image.")
    return Spread(key, grid_of(shown), shown.pixels, _spread_sentence(shown.pixels, found[key].pixels))


def _models(tile: Tile, stop: StopFn | None) -> tuple[RestoreSettings, Pipeline]:
    """Load the models that made a result."""
    from napari_w2s.app.restore import load_pipeline
    from napari_w2s.app.settings import RestoreSettings

    made = restoration_of(tile.image)
    try:
        settings = RestoreSettings.from_dict(made["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{tile.title} does not say how it was made. Restore the image again.") from error
    models = load_pipeline(settings, should_stop=stop)
    before = [stage.get("weights_sha256") for stage in made.get("models") or () if isinstance(stage, Mapping)]
    if before != [stage.weights_sha256 for stage in models.stages]:
        raise WeightsError(f"The model of {tile.title} has other weights now. Restore the image again.")
    return settings, models


def _spread_sentence(std: npt.NDArray[Any], result: npt.NDArray[Any]) -> str:
    finite = result[np.isfinite(result)]
    low, high = np.percentile(finite, [0.1, 99.9])
    mean, most = float(np.nanmean(std)), float(np.nanmax(std))
    share = f" ({100 * mean / (high - low):.2g} % of its range)" if high > low else ""
    return f"Turning and mirroring the input changes the result by {mean:.2g}{share} on average, {most:.2g} at most."
