"""Batches: their numbers follow from the step alone, whoever draws them, and validation goes level by level."""

from __future__ import annotations

from itertools import chain

import numpy as np
import pytest
import torch
import w2s_fields
from w2s_fields import place_field

from napari_w2s._types import InputError
from napari_w2s.training.cache import FrameCache
from napari_w2s.training.data import EpochNumbers, PatchData, Patches
from napari_w2s.training.patches import PatchMaker

STEPS, EVERY, BATCH = 12, 4, 6


def numbers(batch: int = BATCH, rank: int = 0, world: int = 1, first_step: int = 0) -> list[list[list[int]]]:
    """Return the numbers of a run, epoch by epoch and step by step."""
    sampler = EpochNumbers(w2s_fields.config(steps=STEPS, validate_every=EVERY, batch=batch), rank, world)
    sampler.first_step = first_step
    epochs = []
    for epoch in range(-(-STEPS // EVERY) - first_step // EVERY):
        sampler.set_epoch(epoch)
        epochs.append(list(sampler))
        assert len(sampler) == len(epochs[-1])
    return epochs


def flat(epochs: list[list[list[int]]]) -> list[int]:
    return list(chain.from_iterable(chain.from_iterable(epochs)))


def test_no_number_is_drawn_twice() -> None:
    drawn = flat(numbers())
    assert sorted(drawn) == list(range(STEPS * BATCH))


def test_two_devices_share_the_numbers_of_one_with_twice_the_batch() -> None:
    first, second = numbers(rank=0, world=2), numbers(rank=1, world=2)
    assert not set(flat(first)) & set(flat(second))
    alone = numbers(batch=2 * BATCH)
    for epoch, whole in enumerate(alone):
        for step, batch in enumerate(whole):
            assert first[epoch][step] + second[epoch][step] == batch


@pytest.mark.parametrize("first_step", [4, 6, 11])
def test_a_resumed_run_draws_what_was_left(first_step: int) -> None:
    assert flat(numbers(first_step=first_step)) == flat(numbers())[first_step * BATCH :]
    # Each epoch ends where a validation is due.
    lengths = [len(epoch) for epoch in numbers(first_step=first_step)]
    assert np.cumsum(lengths).tolist() == [step - first_step for step in (4, 8, 12) if step > first_step]


def test_a_smaller_batch_takes_the_first_of_each_steps_numbers_from_then_on() -> None:
    sampler = EpochNumbers(w2s_fields.config(steps=STEPS, validate_every=EVERY, batch=BATCH), 1, 2)
    whole = list(sampler)
    drawn = []
    for step, batch in enumerate(sampler):
        drawn.append(batch)
        if step == 1:
            sampler.batch = 2
    assert drawn == [whole[0], whole[1], whole[2][:2], whole[3][:2]]
    assert sampler.numbers(2) == drawn[2]


def test_the_batch_can_be_lowered_between_steps_and_epochs() -> None:
    config = w2s_fields.both(steps=STEPS, validate_every=EVERY, batch=BATCH)
    data = PatchData(config, [place_field()], [place_field("other")])
    batches = iter(data.train_dataloader())
    assert next(batches)["noisy"].shape == (BATCH, 1, 16, 16)
    data.set_batch(3)
    halved = next(batches)
    assert halved["noisy"].shape == (3, 1, 16, 16)
    assert halved["sim"].shape == (3, 1, 32, 32)
    assert halved["sim_map"].shape == (3, 2)
    assert torch.equal(halved["noisy"], Patches(data.maker)[[BATCH, BATCH + 1, BATCH + 2]]["noisy"])
    assert len(data.train_dataloader()) == EVERY
    assert data.batch == 3
    for wrong in (0, BATCH + 1):
        with pytest.raises(ValueError, match="between 1 and"):
            data.set_batch(wrong)


def test_a_resumed_epoch_starts_with_its_step() -> None:
    config = w2s_fields.config(steps=STEPS, validate_every=EVERY, batch=BATCH)
    data = PatchData(config, [place_field()], [place_field("other")])
    data.start_at(6)
    batches = list(data.train_dataloader())
    assert len(batches) == 2
    assert torch.equal(batches[0]["noisy"], Patches(PatchMaker(config, [place_field()]))[list(range(36, 42))]["noisy"])


def test_validation_goes_through_the_levels_that_are_learned_from() -> None:
    grid = w2s_fields.coordinates()
    fields = [place_field(str(i), inputs={"avg1": grid, "avg4": grid, "avg400": grid}) for i in range(7)]
    fields.append(place_field("late", inputs={"avg4": grid}))
    config = w2s_fields.both(levels={"avg1": 1, "avg4": 1}, validation_images=4, validation_crop=32)
    data = PatchData(config, fields, fields)
    assert data.validation_levels == ["avg1", "avg4"]
    assert [one.name for one in data.validation_at("avg4")] == ["0", "2", "4", "6"]
    loaders = data.val_dataloader()
    assert [len(loader) for loader in loaders] == [4, 4]
    assert next(iter(loaders[0]))["sim"].shape == (1, 1, 64, 64)


def test_fields_with_and_without_levels_are_all_judged_by() -> None:
    grid = w2s_fields.coordinates()
    fields = [
        place_field("w2s"),
        place_field("own", inputs={"noisy": grid}),
        place_field("both", inputs={"noisy": grid, "avg1": grid}),
    ]
    data = PatchData(w2s_fields.both(), fields, fields)
    assert {level: [one.name for one in data.validation_at(level)] for level in data.validation_levels} == {
        "avg1": ["w2s", "both"],
        "noisy": ["own"],
    }


def test_a_training_image_smaller_than_a_patch_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="little has 8 x 8 pixels"):
        PatchData(w2s_fields.config(), [place_field(), place_field("little", 8)], [place_field("other")])
    PatchData(w2s_fields.config(), [place_field()], [place_field("little", 8)])


def test_training_and_validation_share_the_cache_that_is_given() -> None:
    cache = FrameCache()
    data = PatchData(w2s_fields.config(), [place_field()], [place_field("other")], cache=cache)
    assert data.maker.cache is data.validation_maker.cache is cache
