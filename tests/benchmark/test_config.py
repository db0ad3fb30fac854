"""What a benchmark may be, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from napari_w2s._types import InputError
from napari_w2s.benchmark import PROTOCOLS, BenchmarkConfig, make_config, read_config

GOOD: dict[str, Any] = {"data": "W2S", "pipelines": ["w2s-jdsr"]}


def test_defaults_are_the_authors_protocol_in_float32() -> None:
    config = make_config(GOOD)
    assert config.data == ("W2S",)
    assert (config.protocol, config.precision, config.levels, config.fovs) == ("w2s-8bit", "float32", None, None)
    assert config.measured == PROTOCOLS["w2s-8bit"].metrics


def test_blanks_in_a_chain_do_not_count() -> None:
    assert make_config({**GOOD, "pipelines": [" dncnn-{level} + bicubic"]}).pipelines == ("dncnn-{level}+bicubic",)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"protocol": "w2s"}, r"no protocol 'w2s'.*w2s-8bit, float"),
        ({"metrics": ["psnr", "vmaf"]}, r"no metric 'vmaf'.*psnr, ssim"),
        ({"metrics": []}, "name a metric"),
        ({"levels": ["avg3"]}, r"levels\.0"),
        ({"levels": ["avg1", "sim"]}, "levels are what is restored"),
        ({"levels": ["avg1", "avg1"]}, "levels has avg1 twice"),
        ({"channels": [0, 0]}, "channels has 0 twice"),
        ({"channels": [-1]}, r"channels\.0"),
        ({"pipelines": ["bicubic", "bicubic"]}, "pipelines has bicubic twice"),
        ({"pipelines": []}, "pipelines"),
        ({"fovs": "first"}, "'first' does not name fields of view"),
        ({"fovs": ""}, "names no field of view"),
        ({"baseline": "bicubic"}, "baseline 'bicubic' is none of the pipelines"),
        ({"data": ()}, "name the images"),
        ({"pairs": [{"noisy": "a", "clean": "b"}]}, "name the images"),
        ({"data": (), "pairs": [{"noisy": "a"}]}, "needs references"),
        ({"data": (), "pairs": [{"noisy": "a", "clean": "b"}], "levels": ["avg1"]}, "of W2S folders only"),
        ({"data": (), "pairs": [{"noisy": "a", "clean": "b"}] * 2}, "pairs has own twice"),
        ({"data": (), "pairs": [{"name": "avg2", "noisy": "a", "clean": "b"}]}, "cannot have the name of a level"),
        ({"colour": "blue"}, "colour"),
        ({"precision": "float8"}, "precision"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(entries: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_config({**GOOD, **entries})


def test_a_config_survives_yaml(tmp_path: Path) -> None:
    config = make_config({**GOOD, "fovs": "47-56", "levels": ["avg1", "avg16"], "weights": {"rcan": "rcan.pth"}})
    path = tmp_path / "benchmark.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json", exclude_unset=True)))
    assert read_config(path) == config


def test_files_that_hold_no_benchmark_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.yaml"
    for text, message in (("- a\n", "is no benchmark"), ("a: [", "not valid YAML"), ("pipelines: 3", "pipelines")):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_config(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="it is not text"):
        read_config(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_config(tmp_path / "none.yaml")


def test_a_config_cannot_be_changed() -> None:
    config = make_config(GOOD)
    with pytest.raises(ValueError, match="frozen"):
        config.protocol = "float"  # type: ignore[misc]
    assert isinstance(config, BenchmarkConfig)
