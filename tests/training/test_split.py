"""Which groups are learned from and which are judged by."""

from __future__ import annotations

from pathlib import Path

import pytest
import w2s_fields
from w2s_sources import pairs, source_config

from napari_w2s.training.fields import Gathered
from napari_w2s.training.sources import load_fields
from napari_w2s.training.split import split


def gathered(*groups: str, each: int = 2) -> Gathered:
    return Gathered([w2s_fields.place_field(f"{group}{i}", 16, group=group) for group in groups for i in range(each)])


@pytest.mark.parametrize(("count", "share", "held_back"), [(20, 0.15, 3), (4, 0.15, 1), (2, 0.9, 1), (10, 0.9, 9)])
def test_a_share_of_the_groups_is_held_back(count: int, share: float, held_back: int) -> None:
    all_of_them = gathered(*(f"g{i} " for i in range(count)))
    loaded = split(w2s_fields.config(validation_share=share), all_of_them)
    learned, judged = ({one.group for one in fields} for fields in (loaded.train, loaded.validation))
    assert len(judged) == held_back
    assert not learned & judged
    assert len(loaded.train) + len(loaded.validation) == 2 * count
    assert not loaded.warnings


def test_what_is_held_back_depends_on_the_seed_alone() -> None:
    groups = [f"g{i} " for i in range(30)]
    chosen = [
        frozenset(one.group for one in split(w2s_fields.config(seed=seed), gathered(*groups)).validation)
        for seed in (0, 0, 1, 2)
    ]
    assert chosen[0] == chosen[1]
    assert len(set(chosen)) == 3


def test_a_single_group_is_judged_by_itself_with_a_warning() -> None:
    loaded = split(w2s_fields.config(), gathered("alone "))
    assert loaded.train == loaded.validation
    assert "The validation set is the training set (alone 0 for one)" in loaded.warnings[0]


def test_given_validation_images_are_taken_and_shared_ones_are_warned_of(tmp_path: Path) -> None:
    pairs(tmp_path / "one")
    pairs(tmp_path / "other", "xy")
    one, other = ({"noisy": tmp_path / n / "noisy", "denoised": tmp_path / n / "clean"} for n in ("one", "other"))
    loaded = load_fields(source_config("folders", validation=other, **one))
    assert [each.name for each in loaded.train] == list("abcd")
    assert [each.name for each in loaded.validation] == list("xy")
    assert not loaded.warnings
    loaded = load_fields(source_config("folders", validation=one, **one))
    assert loaded.warnings[0].startswith("The validation set is the training set (")
    both = {role: [one[role], other[role]] for role in one}
    loaded = load_fields(source_config("folders", validation=both, **one))
    assert ", for 4 of its 6 parts" in loaded.warnings[0]
