"""Which fields are learned from and which are judged by, group by group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from napari_w2s.training.config import TrainingConfig
from napari_w2s.training.fields import Field, Gathered

_SALT = 0x5711


@dataclass
class Loaded:
    """Fields of a training.

    Attributes
    ----------
    train, validation : list of Field
        To learn from, and to judge by.
    warnings : list of str
        What a user should know of them.
    """

    train: list[Field]
    validation: list[Field]
    warnings: list[str] = field(default_factory=list)


def split(config: TrainingConfig, train: Gathered, validation: Gathered | None = None) -> Loaded:
    """Take the validation fields as they are given, or hold back a share of the groups of the training fields.

    Parameters
    ----------
    config : TrainingConfig
        Its `validation_share` and `seed`.
    train : Gathered
    validation : Gathered, optional
        If given, nothing is held back.

    Returns
    -------
    Loaded
        The fields of a group are all on the same side. If there is one group only, they are on both.
    """
    if validation is not None:
        shared = warn_of_shared(train.fields, validation.fields)
        return Loaded(train.fields, validation.fields, _merged(train.warnings, validation.warnings, shared))
    held_back = _hold_back(config, list(dict.fromkeys(one.group for one in train.fields)))
    if not held_back:
        shared = warn_of_shared(train.fields, train.fields)
        return Loaded(list(train.fields), list(train.fields), _merged(train.warnings, shared))
    return Loaded(
        [one for one in train.fields if one.group not in held_back],
        [one for one in train.fields if one.group in held_back],
        list(train.warnings),
    )


def _hold_back(config: TrainingConfig, groups: Sequence[str]) -> frozenset[str]:
    """Choose groups at random, at least one and not all; none if there is one only."""
    if len(groups) < 2:
        return frozenset()
    count = min(len(groups) - 1, max(1, round(config.validation_share * len(groups))))
    order = np.random.default_rng((config.seed, _SALT)).permutation(len(groups))
    return frozenset(groups[i] for i in order[:count])


def warn_of_shared(train: Sequence[Field], validation: Sequence[Field]) -> list[str]:
    """Return a warning if fields are judged by that are learned from too."""
    learned = {one.group for one in train}
    judged = {one.group for one in validation}
    shared = judged & learned
    if not shared:
        return []
    first = next(one.name for one in validation if one.group in shared)
    part = "" if len(shared) == len(judged) else f", for {len(shared)} of its {len(judged)} parts"
    return [
        f"The validation set is the training set{part} ({first} for one): the validation curve does not tell "
        "how well other images will be restored. Judge by images that are not learned from."
    ]


def _merged(*warnings: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(text for each in warnings for text in each))
