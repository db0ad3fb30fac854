"""Every number has a definition, and every paper an address."""

from __future__ import annotations

import pytest

from napari_w2s.metrics.definitions import DEFINITIONS, Definition

WANTED = "psnr psnr_matched ssim ssim_matched rmse rmse_matched frc frc_two noise worth microssim unsupported spread"


def test_all_numbers_are_defined() -> None:
    assert list(DEFINITIONS) == WANTED.split()
    assert len({definition.label for definition in DEFINITIONS.values()}) == len(DEFINITIONS)
    with pytest.raises(TypeError):
        DEFINITIONS["psnr"] = DEFINITIONS["ssim"]  # type: ignore[index]


@pytest.mark.parametrize("definition", DEFINITIONS.values(), ids=DEFINITIONS)
def test_a_definition_is_complete(definition: Definition) -> None:
    assert DEFINITIONS[definition.key] is definition
    assert definition.label
    assert definition.meaning.endswith(".")
    assert definition.better in ("higher", "lower", None)
    assert bool(definition.citation) == bool(definition.url)
    assert not definition.url or definition.url.startswith(("https://doi.org/10.", "https://arxiv.org/abs/"))
