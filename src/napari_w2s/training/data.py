"""The Lightning data module: fields become batches of patches, the same for the same step on any number of devices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import lightning.pytorch as pl
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from napari_w2s.training.ahead import Ahead
from napari_w2s.training.cache import FrameCache
from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.fields import Field
from napari_w2s.training.patches import PatchMaker, Sample, check_size
from napari_w2s.training.sampling import inputs_of

Batch = dict[str, torch.Tensor]


class Patches(Dataset[Batch]):
    """Training patches by their numbers, a batch at a time."""

    def __init__(self, maker: PatchMaker) -> None:
        self.maker = maker

    def __getitem__(self, numbers: Sequence[int]) -> Batch:
        """Return the patches of some numbers as one batch ``(N, ...)``."""
        drawn = [self.maker.draw(number) for number in numbers]
        return {key: torch.from_numpy(np.stack([sample[key] for sample in drawn])) for key in drawn[0]}


class Centres(Dataset[Sample]):
    """The centres of validation fields at one level."""

    def __init__(self, maker: PatchMaker, fields: Sequence[Field], level: str, edge: int) -> None:
        self.maker, self.fields, self.level, self.edge = maker, fields, level, edge

    def __len__(self) -> int:
        return len(self.fields)

    def __getitem__(self, number: int) -> Batch:  # type: ignore[override]
        """Return a centre as tensors."""
        made = self.maker.centre(self.fields[number], self.level, self.edge)
        return {key: torch.from_numpy(value) for key, value in made.items()}


class EpochNumbers(Sampler[list[int]]):
    """Numbers of the patches of one epoch, step by step, shared out over the devices.

    An epoch ends with the next validation, that is after a multiple of `validate_every` steps, or after the last step.
    The numbers of a step follow from the step, the device's place among all and the size of the batch, whatever was
    drawn before. A smaller batch takes the first of those that the whole one would have.

    Parameters
    ----------
    config : TrainingConfig
    rank, world : int
        This device's place among all.

    Attributes
    ----------
    batch : int
        Patches a step and device, now.
    first_step : int
        Step that the first epoch starts with, counted from 0.
    epoch : int
    """

    def __init__(self, config: TrainingConfig, rank: int = 0, world: int = 1) -> None:
        self.config, self.rank, self.world = config, rank, world
        self.batch = config.batch
        self.first_step = self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Take the numbers of that epoch. Lightning calls it."""
        self.epoch = epoch

    @property
    def steps(self) -> range:
        """Steps of the epoch."""
        every = self.config.validate_every
        before = self.first_step // every + self.epoch
        return range(max(self.first_step, before * every), min(self.config.steps, (before + 1) * every))

    def numbers(self, step: int) -> list[int]:
        """Return the numbers of this device's patches in a step."""
        first = (step * self.world + self.rank) * self.config.batch
        return list(range(first, first + self.batch))

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self.steps:
            yield self.numbers(step)


class PatchData(pl.LightningDataModule):
    """Batches of training patches, and centres of validation fields, level by level.

    Parameters
    ----------
    config : TrainingConfig
    train, validation : sequence of Field
    cache_bytes : int
        Memory for pixels that were read.
    workers : int
        Processes that cut patches; 0 cuts them in this one, which is fast enough for images that fit into the cache.
    cache : FrameCache, optional
        One that has read images already; `cache_bytes` is then its own.

    Attributes
    ----------
    validation_levels : list of str
        Names of the inputs that validation goes through, one loader each.
    ahead : int
        Batches that a thread keeps ready; 0 draws each when it is asked for.

    Raises
    ------
    InputError
        If a field has not what the config learns from, or is smaller than a patch.
    """

    def __init__(
        self,
        config: TrainingConfig,
        train: Sequence[Field],
        validation: Sequence[Field],
        *,
        cache_bytes: int = 2 * 2**30,
        workers: int = 0,
        cache: FrameCache | None = None,
    ) -> None:
        super().__init__()
        self.config, self.workers = config, workers
        for one in train:
            check_size(one, config.patch)
        cache = FrameCache(cache_bytes) if cache is None else cache
        self.maker = PatchMaker(config, train, cache)
        self.validation_maker = PatchMaker(config, validation, cache)
        self._validation = _by_level(config, validation)
        self.validation_levels = list(self._validation)
        self._numbers = EpochNumbers(config)
        self.ahead = 0

    @property
    def batch(self) -> int:
        """Patches a step and device, now."""
        return self._numbers.batch

    def set_batch(self, batch: int) -> None:
        """Draw fewer patches a step from the next step on, e.g. because memory ran out.

        Parameters
        ----------
        batch : int
            From 1 to the config's.
        """
        if not 1 <= batch <= self.config.batch:
            raise ValueError(f"a batch of {batch} is not between 1 and the config's {self.config.batch}")
        self._numbers.batch = batch

    @property
    def validation_fields(self) -> list[Field]:
        """Fields that are judged by at the first of the levels."""
        return self.validation_at(self.validation_levels[0])

    def validation_at(self, level: str) -> list[Field]:
        """Return the fields that are judged by at one of the levels."""
        return self._validation[level]

    def start_at(self, step: int) -> None:
        """Let the next trainer's first epoch start with a step, counted from 0: that which a run had come to.

        It ends with the next validation, and may so be shorter than those after it: have Lightning reload the loaders
        with every epoch if that can be.
        """
        self._numbers.first_step = step

    def train_dataloader(self) -> DataLoader[Batch] | Ahead:
        """Return the batches of an epoch."""
        if self.trainer is not None:
            self._numbers.world, self._numbers.rank = self.trainer.world_size, self.trainer.global_rank
            self._numbers.set_epoch(self.trainer.current_epoch)
        loader = DataLoader(
            Patches(self.maker),
            batch_size=None,
            sampler=self._numbers,
            num_workers=self.workers,
            persistent_workers=self.workers > 0,
        )
        return Ahead(loader, self.ahead) if self.ahead else loader

    def val_dataloader(self) -> list[DataLoader[Sample]]:
        """Return the centres, one loader per level."""
        edge = self.config.validation_crop
        return [
            DataLoader(Centres(self.validation_maker, fields, level, edge), batch_size=1)
            for level, fields in self._validation.items()
        ]


def _by_level(config: TrainingConfig, fields: Sequence[Field]) -> dict[str, list[Field]]:
    """Choose the fields that are judged by, evenly spread, for each level that is learned from."""
    given = {one: inputs_of(config, one) for one in fields}
    levels = [level.value for level in config.levels]
    chosen: dict[str, list[Field]] = {}
    for name in dict.fromkeys((*levels, *(name for inputs in given.values() for name in inputs))):
        having = [one for one in fields if name in given[one]]
        count = min(config.validation_images, len(having))
        if count:
            chosen[name] = [having[i * len(having) // count] for i in range(count)]
    return chosen
