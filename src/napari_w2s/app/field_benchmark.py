"""A benchmark of the fields of view that are open: which ones, with what, and what came out. Knows no window."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_w2s._types import NOISY_LEVELS, InputError, Level, StopFn, Task
from napari_w2s.app.comparing.place import level_of, place_of
from napari_w2s.benchmark.config import PLACE, UNTOUCHED, BenchmarkConfig, make_config
from napari_w2s.data.image import Image
from napari_w2s.data.protocol import TRAIN_FOVS

if TYPE_CHECKING:
    from napari_w2s.benchmark.run import BenchmarkResult, CountFn
    from napari_w2s.models.registry import Registry

DEFAULTS = (UNTOUCHED, "w2s-denoise", f"dncnn-{PLACE}", "w2s-jdsr")
"""What is measured if nothing else is chosen."""

COLUMNS = ("plain", "matched", "published")
_PAIRS = (("psnr", "ssim"), ("psnr_matched", "ssim_matched"))
_MAGIC = "*?["
_AVAILABLE = ("built in", "here", "on demand")

EvaluateFn = Callable[..., "BenchmarkResult"]
"""As `napari_w2s.benchmark.evaluate`."""


@dataclass(frozen=True, slots=True)
class OpenFields:
    """Fields of view of one W2S folder.

    Attributes
    ----------
    folder : Path
        Which has the folders of the levels, or of the fields.
    release : str
    fovs : tuple of int
    shown : int
        The one that is looked at.
    channels : tuple of int
    levels : tuple of Level
        Noisy ones.
    """

    folder: Path
    release: str
    fovs: tuple[int, ...]
    shown: int
    channels: tuple[int, ...]
    levels: tuple[Level, ...]

    def chosen(self, *, all_fields: bool) -> tuple[int, ...]:
        """Return all fields of view, or the one that is looked at."""
        return self.fovs if all_fields else (self.shown,)

    def words(self, *, all_fields: bool) -> str:
        """Say what would be measured, e.g. ``"Field of view 047, channels 0 and 1, avg1 and avg4"``."""
        fovs = self.chosen(all_fields=all_fields)
        named = _listed([f"{fov:03d}" for fov in fovs]) if len(fovs) < 6 else f"{fovs[0]:03d} to {fovs[-1]:03d}"
        fields = f"{_many('Field', fovs)} of view {named}"
        return f"{fields}, {_many('channel', self.channels)} {_listed(self.channels)}, {_listed(self.levels)}"


@dataclass(frozen=True, slots=True)
class Choice:
    """A pipeline that can be chosen.

    Attributes
    ----------
    name : str
    title : str
    """

    name: str
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table of results.

    Attributes
    ----------
    title : str
        Pipeline and level.
    cells : tuple of str
        By `COLUMNS`: PSNR in dB and, on a line of its own, SSIM.
    """

    title: str
    cells: tuple[str, ...]


def open_fields(images: Iterable[Image], position: Sequence[float] = ()) -> OpenFields:
    """Find the fields of view that are open, by what is known of the images and never by their names.

    Parameters
    ----------
    images : iterable of Image
        The top one first; the first that shows a field of view says which folder is meant.
    position : sequence of float
        Where the viewer looks along the axes before y and x.

    Raises
    ------
    InputError
        If no image is of W2S, or none is one that could be restored.
    """
    known = [(image, place) for image in images if (place := place_of(image, position)) is not None]
    known = [(image, place) for image, place in known if level_of(image) is not None and image.w2s.get("source")]
    if not known:
        raise InputError("No image is known to be one of W2S. Open its files or folders with this plugin.")
    first, place = known[0]
    folder = _folder(first)
    same = [image for image, other in known if other.release == place.release and _folder(image) == folder]
    levels = tuple(level for level in NOISY_LEVELS if level in {level_of(image) for image in same})
    if not levels:
        raise InputError("Only clean images are open. Open a noisy level too, avg1 to avg16: it is what is restored.")
    noisy = [image for image in same if level_of(image) in levels]
    missing = {fov for image in noisy for fov in image.w2s.get("missing_fovs") or ()}
    fovs = {fov for image in noisy for fov in (image.w2s.get("fovs") or [image.w2s.get("fov")])} - missing
    return OpenFields(
        folder=folder,
        release=place.release,
        fovs=tuple(sorted(fovs | {place.fov})),
        shown=place.fov,
        channels=tuple(sorted({int(image.w2s["channel"]) for image in noisy})),
        levels=levels,
    )


def choices(registry: Registry) -> tuple[Choice, ...]:
    """Return what can be measured: the image as it is, and the models whose weights are here or can be fetched.

    Models that there is one of for every level become one choice.
    """
    found = {UNTOUCHED: Choice(UNTOUCHED, "The image as it is")}
    for one in registry:
        if registry.available(one.name) not in _AVAILABLE:
            continue
        name, title = one.name, one.title
        if one.level is not None and name.endswith(f"-{one.level}") and _has_all_levels(name, one.level, registry):
            name, title = _without(name, one.level), f"{title.partition(' (')[0]} of the level"
        found.setdefault(name, Choice(name, title))
    return tuple(found.values())


def config_of(
    fields: OpenFields, pipelines: Sequence[str], *, all_fields: bool, device: str = "auto"
) -> BenchmarkConfig:
    """Return the benchmark.

    Raises
    ------
    InputError
        If nothing is chosen, or a pipeline twice.
    """
    if not pipelines:
        raise InputError("Choose a pipeline to measure.")
    return make_config(
        {
            "data": str(fields.folder),
            "release": fields.release,
            "fovs": ",".join(map(str, fields.chosen(all_fields=all_fields))),
            "channels": list(fields.channels),
            "levels": [str(level) for level in fields.levels],
            "pipelines": list(pipelines),
            "device": device,
        }
    )


def results_folder(fields: OpenFields, home: Path | None = None) -> Path:
    """Return where the results of a W2S folder are kept, so that what was measured once is not measured again."""
    if home is None:
        from platformdirs import user_data_path

        home = user_data_path("napari-w2s", appauthor=False) / "benchmarks"
    digest = hashlib.sha256(str(fields.folder.absolute()).encode()).hexdigest()[:8]
    return home / f"{fields.folder.name}-{digest}"


def run(
    config: BenchmarkConfig,
    folder: Path,
    registry: Registry,
    progress: CountFn,
    should_stop: StopFn,
    evaluate: EvaluateFn | None = None,
) -> tuple[BenchmarkResult, Path]:
    """Measure in this process, write the report, and return the result and the page.

    Raises
    ------
    W2SError
        As `napari_w2s.benchmark.evaluate`, `Cancelled` among them: what is done is kept.
    """
    from napari_w2s.benchmark.report import write_report
    from napari_w2s.benchmark.run import evaluate as measure

    result = (evaluate or measure)(config, folder, registry=registry, progress=progress, should_stop=should_stop)
    return result, write_report(result)[0]


def lines(result: BenchmarkResult) -> tuple[Line, ...]:
    """Return the table of results: a line per level and pipeline."""
    from napari_w2s.benchmark.report.words import value

    found: dict[tuple[str, str], dict[str, tuple[float | None, float | None]]] = {}
    for one in result.summaries:
        found.setdefault((one.level, one.system), {})[one.metric] = one.mean, one.published
    made = []
    for (level, system), by_metric in found.items():
        ours = [[value(by_metric.get(one, (None, None))[0], one) for one in pair] for pair in _PAIRS]
        theirs = [value(by_metric.get(one, (None, None))[1], one) for one in _PAIRS[0]]
        cells = ("\n".join(dict.fromkeys(texts)) for texts in (*ours, theirs))  # one dash is enough
        made.append(Line(f"{level}: {system}", tuple(cells)))
    return tuple(made)


def remarks(result: BenchmarkResult) -> tuple[str, ...]:
    """Return what has to be known to read the table right."""
    fovs = {int(row.case.field) for row in result.rows}
    said = list(result.notes)
    if seen := sorted(fovs & set(TRAIN_FOVS)):
        named = _listed([f"{fov:03d}" for fov in seen]) if len(seen) < 6 else f"{seen[0]:03d} to {seen[-1]:03d}"
        said.append(f"Training fields: networks of the authors have learned from {named} and score better there.")
    if any(row.task is not Task.DENOISE for row in result.rows):
        said.append("Against SIM only the matched scores compare restorations: its brightness is its own.")
    if result.failed:
        first = result.failed[0]
        said.append(f"{len(result.failed)} of {len(result.rows)} have an error, {first.system} for one: {first.error}")
    return tuple(said)


def _folder(image: Image) -> Path:
    """Return the folder that has the folders of the levels, or those of the fields."""
    path = Path(str(image.w2s["source"]))
    parts = path.parent.parent.parts
    whole = next((place for place, part in enumerate(parts) if any(sign in part for sign in _MAGIC)), len(parts))
    return Path(*parts[:whole])


def _without(name: str, level: Level) -> str:
    return f"{name.removesuffix(str(level))}{PLACE}"


def _has_all_levels(name: str, level: Level, registry: Registry) -> bool:
    return all(_without(name, level).replace(PLACE, str(one)) in registry for one in NOISY_LEVELS)


def _many(what: str, values: Sequence[object]) -> str:
    return what if len(values) == 1 else f"{what}s"


def _listed(values: Sequence[object]) -> str:
    texts = [str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
