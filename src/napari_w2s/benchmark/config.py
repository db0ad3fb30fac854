"""What a benchmark is: one frozen, serialisable record, from which it can be made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from napari_w2s._types import InputError, Level
from napari_w2s.benchmark.protocol import METRICS, find_protocol
from napari_w2s.data.catalog import Release
from napari_w2s.training.config import parse_numbers

PLACE = "{level}"
"""Stands in the name of a pipeline for the level that is restored."""

UNTOUCHED = "noisy"
"""Name of the pipeline that leaves an image as it is."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Pair(_Frozen):
    """Images of one's own: files of the same name in two or three folders show the same field.

    Attributes
    ----------
    name : str
        Takes the place of the level in tables.
    noisy : str
        Folder of what is restored.
    clean : str or None
        Folder of references of the same size, for denoisers.
    fine : str or None
        Folder of references of twice the size, for super-resolution.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")] = "own"
    noisy: str
    clean: str | None = None
    fine: str | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.name in [level.value for level in Level]:
            raise ValueError(f"a pair cannot have the name of a level, {self.name}")
        if self.clean is None and self.fine is None:
            raise ValueError("a pair needs references: a folder 'clean', a folder 'fine', or both")
        return self


class BenchmarkConfig(_Frozen):
    """Everything that decides what a benchmark finds.

    Attributes
    ----------
    data : tuple of str
        W2S folders of any release, at any level of the tree. Or `pairs`, not both.
    pairs : tuple of Pair
    release : Release or None
        Which one, if `data` has several. None takes the first of 8-bit, normalised, raw that is there.
    fovs : str or None
        Fields of view of `data`, e.g. ``"47-56"`` or ``"1-40,57"``. None takes all that are there.
    channels : tuple of int or None
        None takes all that are there.
    levels : tuple of Level or None
        None takes those of avg1 to avg16 that are there.
    pipelines : tuple of str
        Each a model, a chain such as ``"dncnn-avg1+bicubic"``, one with a place for the level such as
        ``"dncnn-{level}+bicubic"``, or ``"noisy"``, the image as it is.
    protocol : str
        A name in `napari_w2s.benchmark.protocol.PROTOCOLS`.
    metrics : tuple of str or None
        Of `napari_w2s.benchmark.protocol.METRICS`; None takes the protocol's.
    baseline : str or None
        The pipeline that the others of its kind (denoising, or super-resolution) are compared with; for the other kind,
        and if None, it is the first of the kind.
    net_data : str or None
        Folder of the authors' weights; None fetches them on demand.
    weights : dict of str to str
        Files of weights by the name of the model.
    device, precision : str
        See `napari_w2s.engine.predict.predict`.
    """

    data: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()
    release: Release | None = None
    fovs: str | None = None
    channels: tuple[Annotated[int, Field(ge=0)], ...] | None = None
    levels: tuple[Level, ...] | None = None
    pipelines: Annotated[tuple[str, ...], Field(min_length=1)]
    protocol: str = "w2s-8bit"
    metrics: tuple[str, ...] | None = None
    baseline: str | None = None
    net_data: str | None = None
    weights: dict[str, str] = {}
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "float32"

    @field_validator("data", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("pipelines", mode="before")
    @classmethod
    def _trimmed(cls, value: Any) -> Any:
        if isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, str) for v in value):
            return tuple("+".join(part.strip() for part in name.split("+")) for name in value)
        return value

    @field_validator("protocol")
    @classmethod
    def _known(cls, value: str) -> str:
        return find_protocol(value).name

    @field_validator("fovs")
    @classmethod
    def _numbers(cls, value: str | None) -> str | None:
        if value is not None and not parse_numbers(value):
            raise ValueError("it names no field of view")
        return value

    @model_validator(mode="after")
    def _check(self) -> Self:
        if bool(self.data) == bool(self.pairs):
            raise ValueError("name the images: either data, W2S folders, or pairs, folders of your own")
        if self.pairs:
            given = [what for what in ("release", "fovs", "channels", "levels") if getattr(self, what) is not None]
            if given:
                raise ValueError(f"{' and '.join(given)} can be chosen of W2S folders only, not of pairs")
        for what, values in (
            ("pipelines", self.pipelines),
            ("levels", self.levels or ()),
            ("channels", self.channels or ()),
            ("metrics", self.metrics or ()),
            ("pairs", tuple(pair.name for pair in self.pairs)),
        ):
            twice = next((value for place, value in enumerate(values) if value in values[:place]), None)
            if twice is not None:
                raise ValueError(f"{what} has {twice} twice")
        if self.levels is not None and (not self.levels or Level.SIM in self.levels):
            raise ValueError("levels are what is restored: avg1, avg2, avg4, avg8, avg16 and avg400")
        if self.metrics is not None:
            unknown = [name for name in self.metrics if name not in METRICS]
            if unknown or not self.metrics:
                said = f"there is no metric {unknown[0]!r}" if unknown else "name a metric"
                raise ValueError(f"{said}; choose of {', '.join(METRICS)}")
        if self.baseline is not None and self.baseline not in self.pipelines:
            raise ValueError(f"the baseline {self.baseline!r} is none of the pipelines")
        return self

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the metrics."""
        return self.metrics or find_protocol(self.protocol).metrics


def read_config(path: Path | str) -> BenchmarkConfig:
    """Read a benchmark from a YAML file.

    Raises
    ------
    InputError
        If the file cannot be read, or an entry is missing, unknown or wrong: the message names it.
    """
    return make_config(read_entries(path), str(path))


def read_entries(path: Path | str) -> Mapping[str, Any]:
    """Read the entries of a YAML file, unchecked.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no entries.
    """
    path = Path(path)
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text"
        raise InputError(f"{path} cannot be read: {reason}. Give a benchmark, a YAML file.") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not valid YAML: {' '.join(str(error).split())}. Mend the file.") from error
    if not isinstance(entries, Mapping):
        raise InputError(f"{path} is no benchmark: it holds no entries such as 'pipelines: [w2s-jdsr]'.")
    return entries


def make_config(entries: Mapping[str, Any], where: str = "The settings") -> BenchmarkConfig:
    """Make a benchmark from plain values.

    Raises
    ------
    InputError
        If an entry is missing, unknown or wrong: the message names it.
    """
    try:
        return BenchmarkConfig.model_validate(dict(entries))
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc']) or 'benchmark'}: "
            f"{fault['msg'].removeprefix('Value error, ').rstrip('.')}"
            for fault in error.errors()
        )
        raise InputError(f"{where} cannot be used: {faults}.") from error
