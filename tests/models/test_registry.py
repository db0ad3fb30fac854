"""The registry, cards, and where weights are found."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from w2s_trained import save_pair, small_descriptor, small_state, small_unet, unet_descriptors

from napari_w2s._types import DownloadError, InputError, Task, WeightsError
from napari_w2s.data import download
from napari_w2s.models import checkpoint as checkpoints
from napari_w2s.models.architectures import ARCHITECTURES, architecture
from napari_w2s.models.builtin import BUILTIN, default_registry
from napari_w2s.models.card import descriptors_of, make_card
from napari_w2s.models.checkpoint import load_state_dict, save
from napari_w2s.models.descriptor import WeightsPlace, WeightsSource
from napari_w2s.models.networks import dncnn
from napari_w2s.models.registry import Registry

LATER = {"result", "stretch", "tasks", "output", "blended_tile", "options", "requires"}
"""Entries of a card that the first format did not have."""


@pytest.fixture
def upstream(tmp_path: Path) -> tuple[Registry, Path]:
    """A registry with one model whose official weights lie in a folder laid out as the authors' repository."""
    path = tmp_path / "root" / "net_data" / "trained_denoisers" / "X_1" / "epoch_49.pth"
    path.parent.mkdir(parents=True)
    torch.save({"module." + key: value for key, value in small_state().items()}, path)
    source = WeightsSource(
        path="net_data/trained_denoisers/X_1/epoch_49.pth", sha256=load_state_dict(path).sha256, licence="none"
    )
    descriptor = small_descriptor(name="official", weights=source, precision_cost_db={"bfloat16": 0.01})
    return Registry([descriptor]), path


def test_names_keep_their_order_and_can_be_chosen_by_task() -> None:
    registry = default_registry()
    assert registry.names() == tuple(d.name for d in BUILTIN)
    assert registry.names(Task.SR)[:2] == ("w2s-jdsr", "bicubic")
    assert all(d.task is Task.DENOISE for d in registry.descriptors(Task.DENOISE))
    assert "bicubic" in registry
    assert len(registry) == len(list(registry)) == len(BUILTIN)


def test_a_model_is_listed_for_every_task_that_it_serves() -> None:
    registry = Registry([small_descriptor(name="both", task=Task.JDSR, tasks=(Task.SR,)), small_descriptor()])
    assert registry.names(Task.JDSR) == registry.names(Task.SR) == ("both",)
    assert registry.names(Task.DENOISE) == ("mine",)


def test_of_several_models_all_or_none_are_added() -> None:
    registry = Registry([small_descriptor()])
    with pytest.raises(InputError, match="already"):
        registry.register_all([small_descriptor(name="other"), small_descriptor()])
    assert registry.names() == ("mine",)


def test_unknown_names_are_answered_with_close_ones() -> None:
    registry = default_registry()
    with pytest.raises(InputError, match=r"no model named 'dncn-avg1'.*dncnn-avg1"):
        registry.descriptor("dncn-avg1")
    with pytest.raises(InputError, match="Did you mean bicubic"):
        registry.load("Bicubic")
    with pytest.raises(InputError, match=f"Known are: {BUILTIN[0].name}, {BUILTIN[1].name}"):
        registry.available("zzz")
    with pytest.raises(InputError, match="Known are: dncnn"):
        architecture("zzz")


def test_registries_do_not_share_models() -> None:
    registry = default_registry()
    registry.register(small_descriptor())
    assert "mine" in registry
    assert "mine" not in default_registry()


def test_a_name_is_given_once() -> None:
    registry = Registry([small_descriptor()])
    with pytest.raises(InputError, match="already"):
        registry.register(small_descriptor(title="Other"))
    assert registry.descriptor("mine").title == "Mine"


@pytest.mark.parametrize("name", ["", "a+b", "Mine", "-mine", "my model", "a/b", "mine\n"])
def test_names_that_cannot_be_typed_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a model"):
        Registry().register(small_descriptor(name=name))


def test_chains_are_parsed() -> None:
    registry = default_registry()
    assert registry.parse("bicubic") == ("bicubic",)
    assert registry.parse(" dncnn-avg1 + bicubic ") == ("dncnn-avg1", "bicubic")
    for spec in ("", "+", "bicubic+", "+bicubic", "a++b"):
        with pytest.raises(InputError, match="lacks the name"):
            registry.parse(spec)
    with pytest.raises(InputError, match="Did you mean bicubic"):
        registry.parse("dncnn-avg1+bicubik")


@pytest.mark.parametrize("depth", range(5))
def test_official_weights_are_found_at_any_level_of_a_folder(upstream: tuple[Registry, Path], depth: int) -> None:
    registry, path = upstream
    folder = [path.parent, *path.parent.parents][depth] if depth < 4 else path.parents[3]
    model = registry.load("official", weights=folder)
    assert model.weights_path == path
    assert model.weights_sha256 == model.descriptor.weights.sha256
    assert model.descriptor == registry.descriptor("official")
    assert model.stages == (model,)


def test_official_weights_given_as_a_file_are_known_as_such(upstream: tuple[Registry, Path], tmp_path: Path) -> None:
    registry, path = upstream
    other = tmp_path / "renamed.pth"
    other.write_bytes(path.read_bytes())
    model = registry.load("official", weights=str(other))
    assert model.descriptor == registry.descriptor("official")
    assert model.weights_path == other


def test_folder_without_the_weights(upstream: tuple[Registry, Path], tmp_path: Path) -> None:
    registry, _ = upstream
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(WeightsError, match=r"empty holds no weights of official.*X_1/epoch_49\.pth"):
        registry.load("official", weights=empty)


def test_other_weights_in_the_official_place(upstream: tuple[Registry, Path]) -> None:
    registry, path = upstream
    pinned = registry.descriptor("official").weights.sha256
    torch.save(small_state(1), path)
    own = load_state_dict(path).sha256
    with pytest.raises(WeightsError, match=rf"{own}.*{pinned}"):
        registry.load("official", weights=path.parent)


def test_weights_of_your_own_need_only_fit(upstream: tuple[Registry, Path], tmp_path: Path) -> None:
    registry, _ = upstream
    path = tmp_path / "deeper.pth"
    torch.manual_seed(0)
    torch.save(dncnn.create(depth=6, width=3).state_dict(), path)
    model = registry.load("official", weights=path)
    assert model.name == "official"
    assert model.weights_sha256 == load_state_dict(path).sha256 != model.descriptor.weights.sha256
    # What is said of the official weights is not said of these.
    assert model.descriptor.receptive_field == 13
    assert model.descriptor.precision_cost_db == {}
    assert "file that you gave" in model.descriptor.licence
    assert registry.descriptor("official").receptive_field == 7


def test_foreign_weights_are_named(upstream: tuple[Registry, Path], tmp_path: Path) -> None:
    registry, _ = upstream
    path = tmp_path / "foreign.pth"
    torch.save({"encoder.layer.weight": torch.zeros(2, 2)}, path)
    with pytest.raises(WeightsError, match=r"foreign\.pth.*DnCNN.*encoder\.layer\.weight"):
        registry.load("official", weights=path)


def test_weights_for_colour_images_are_refused(upstream: tuple[Registry, Path], tmp_path: Path) -> None:
    registry, _ = upstream
    path = tmp_path / "colour.pth"
    torch.save(small_state(channels=3), path)
    with pytest.raises(WeightsError, match=r"colour\.pth cannot restore images of one channel"):
        registry.load("official", weights=path)


def test_weights_that_do_not_enlarge_are_refused_where_they_should(tmp_path: Path) -> None:
    source = WeightsSource(path="x.pth", sha256="0" * 64, licence="none")
    registry = Registry([small_descriptor(task=Task.SR, scale=2, weights=source)])
    torch.save(small_state(), tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match=r"mine\.pth does not do what mine should"):
        registry.load("mine", weights=tmp_path / "mine.pth")


def test_missing_weights_file(upstream: tuple[Registry, Path], tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"gone\.pth does not exist"):
        upstream[0].load("official", weights=tmp_path / "gone.pth")


@pytest.mark.parametrize("name", ["vst-nlm", "bicubic"])
def test_methods_without_weights(name: str, tmp_path: Path) -> None:
    registry = default_registry()
    model = registry.load(name, weights=tmp_path)
    assert model.weights_sha256 is None
    assert model.weights_path is None
    assert not model.network.training
    with pytest.raises(InputError, match=f"{name} takes no weights"):
        registry.load(name, weights=tmp_path / "a.pth")


def test_weights_are_fetched_on_demand(upstream: tuple[Registry, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    registry, path = upstream
    asked: list[Any] = []

    def fetch(wanted: str, **callables: Any) -> Path:
        asked.append((wanted, callables))
        return path

    def progress(_: object) -> None: ...

    def stop() -> bool:
        return False

    monkeypatch.setattr(download, "fetch", fetch)
    model = registry.load("official", progress=progress, should_stop=stop)
    assert model.weights_path == path
    wanted = registry.descriptor("official").weights.path
    assert asked == [(wanted, {"progress": progress, "should_stop": stop})]


def test_failed_download_is_told(upstream: tuple[Registry, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(wanted: str, **_: Any) -> Path:
        raise DownloadError(f"{wanted}: no connection")

    monkeypatch.setattr(download, "fetch", fetch)
    with pytest.raises(DownloadError, match="no connection"):
        upstream[0].load("official")


def test_state_of_official_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, w2s_root: Path) -> None:
    monkeypatch.setenv(download.CACHE_VARIABLE, str(tmp_path))
    monkeypatch.delenv(download.ROOT_VARIABLE)
    assert default_registry().available("dncnn-avg1") == "on demand"
    monkeypatch.setenv(download.ROOT_VARIABLE, str(w2s_root))
    assert default_registry().available("dncnn-avg1") == "here"


def test_official_hashes_are_those_of_the_authors_files() -> None:
    published = download.registry()
    for descriptor in BUILTIN:
        if descriptor.weights is not None and descriptor.weights.place is WeightsPlace.UPSTREAM:
            assert published[descriptor.weights.path] == descriptor.weights.sha256


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    card = make_card(small_descriptor(), training={"steps": 5}, date="2025-01-01")
    return save(tmp_path / "mine.safetensors", small_state(), card)


def test_trained_model_becomes_one_of_the_registry(trained: Path) -> None:
    registry = default_registry()
    (descriptor,) = registry.register_trained(trained)
    assert registry.descriptor("mine") == descriptor
    assert registry.available("mine") == "here"
    model = registry.load("mine")
    assert model.weights_path == trained
    assert model.descriptor == descriptor
    batch = torch.rand(1, 1, 9, 9)
    expected = ARCHITECTURES["dncnn"].build(small_state())(batch)
    assert torch.equal(model.network(batch), expected)


def test_trained_model_keeps_its_descriptor(trained: Path) -> None:
    (descriptor,) = Registry().register_trained(trained)
    assert dataclasses.replace(descriptor, weights=None) == small_descriptor()
    assert descriptor.weights.place is WeightsPlace.LOCAL
    assert load_state_dict(trained).card["training"] == {"steps": 5}


def test_trained_model_that_changed_or_went(trained: Path) -> None:
    registry = Registry()
    registry.register_trained(trained)
    save(trained, small_state(1), make_card(small_descriptor()))
    with pytest.raises(WeightsError, match="SHA-256"):
        registry.load("mine")
    trained.unlink()
    assert registry.available("mine") == "missing"
    with pytest.raises(WeightsError, match="does not exist"):
        registry.load("mine")


def test_trained_model_found_in_another_folder(trained: Path, tmp_path: Path) -> None:
    registry = Registry()
    registry.register_trained(trained)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    assert registry.load("mine", weights=elsewhere).weights_path == trained
    trained.rename(elsewhere / trained.name)
    assert registry.load("mine", weights=elsewhere).weights_path == elsewhere / trained.name


def test_trained_model_of_a_taken_name(trained: Path) -> None:
    registry = Registry([small_descriptor(title="First")])
    with pytest.raises(InputError, match="already"):
        registry.register_trained(trained)


def test_file_without_a_card_is_no_trained_model(tmp_path: Path) -> None:
    torch.save(small_state(), tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="has no card"):
        Registry().register_trained(tmp_path / "a.pth")


@pytest.mark.parametrize(
    "change",
    [
        {"format": 99},
        {"architecture": "unknown"},
        {"architecture": 3},
        {"task": "dance"},
        {"level": "avg3"},
        {"scale": 0},
        {"scale": True},
        {"size_multiple": "1"},
        {"receptive_field": -1},
        {"devices": "cpu"},
        {"precision_cost_db": {"bfloat16": "little"}},
        {"normalization": None},
        {"result": "brighter"},
        {"tasks": ["dance"]},
        {"tasks": "sr"},
        {"output": "sim"},
        {"architecture": "unet", "output": "sharp"},
        {"models": []},
        {"models": ["mine"]},
        {"models": {}},
    ],
    ids=str,
)
def test_cards_that_make_no_sense(change: dict[str, Any], tmp_path: Path) -> None:
    card = make_card(small_descriptor())
    if change.keys() & card.keys():
        card |= change
    else:
        card["models"][0] |= change
    path = save(tmp_path / "mine.safetensors", small_state(), card)
    registry = Registry()
    with pytest.raises(WeightsError, match=r"mine\.safetensors has a card"):
        registry.register_trained(path)
    assert len(registry) == 0


@pytest.mark.parametrize("key", sorted({*make_card(), *make_card(small_descriptor())["models"][0]} - LATER))
def test_cards_that_lack_something(key: str) -> None:
    card = make_card(small_descriptor())
    del (card if key in card else card["models"][0])[key]
    with pytest.raises(WeightsError, match="card"):
        descriptors_of(card, Path("mine.safetensors"), "0" * 64)


def test_cards_of_the_first_format_are_read() -> None:
    old = {key: value for key, value in make_card(small_descriptor())["models"][0].items() if key not in LATER}
    (descriptor,) = descriptors_of({"format": 1, "training": {}, **old}, Path("mine.safetensors"), "0" * 64)
    assert dataclasses.replace(descriptor, weights=None) == small_descriptor()


def test_card_that_does_not_go_with_its_weights(tmp_path: Path) -> None:
    wrong = save(tmp_path / "mine.safetensors", small_state(), make_card(small_descriptor(architecture="memnet")))
    with pytest.raises(WeightsError, match="MemNet"):
        Registry().register_trained(wrong)
    enlarging = save(tmp_path / "mine.safetensors", small_state(), make_card(small_descriptor(scale=2)))
    with pytest.raises(WeightsError, match="does not do"):
        Registry().register_trained(enlarging)


def test_one_file_holds_the_models_of_all_outputs(tmp_path: Path) -> None:
    path = save_pair(tmp_path)
    registry = Registry()
    denoise, fine = registry.register_trained(path)
    assert registry.names() == (denoise.name, fine.name) == ("pair-denoise", "pair-jdsr")
    assert tuple(dataclasses.replace(d, weights=None) for d in (denoise, fine)) == unet_descriptors()
    batch = torch.rand(1, 1, 8, 16)
    both = small_unet().restore(batch)
    for name, output in (("pair-denoise", "denoised"), ("pair-jdsr", "sim")):
        network = registry.load(name).network
        assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
        torch.testing.assert_close(network(batch), both[output], rtol=0.01, atol=0.01)


def test_of_a_file_with_a_taken_name_nothing_is_added(tmp_path: Path) -> None:
    registry = Registry([small_descriptor(name="pair-jdsr")])
    with pytest.raises(InputError, match="pair-jdsr"):
        registry.register_trained(save_pair(tmp_path))
    assert registry.names() == ("pair-jdsr",)


def test_output_that_the_weights_do_not_have(tmp_path: Path) -> None:
    state = {key: value for key, value in small_unet().state_dict().items() if not key.startswith("heads.sim")}
    path = save(tmp_path / "half.safetensors", state, make_card(*unet_descriptors()))
    with pytest.raises(WeightsError, match=r"half\.safetensors: .*no output 'sim'"):
        Registry().register_trained(path)


def test_own_weights_say_what_sizes_they_need(tmp_path: Path) -> None:
    source = WeightsSource(path="x.pth", sha256="0" * 64, licence="none")
    denoise, _fine = unet_descriptors(weights=source, size_multiple=64, receptive_field=999)
    torch.save(small_unet().state_dict(), tmp_path / "own.pth")
    model = Registry([denoise]).load("pair-denoise", weights=tmp_path / "own.pth")
    assert model.descriptor.size_multiple == small_unet().size_multiple
    # One head of two may see less than both.
    assert model.descriptor.receptive_field == model.network.receptive_field < small_unet().receptive_field < 999


def test_every_builtin_descriptor_has_a_card_that_gives_it_back() -> None:
    for descriptor in BUILTIN:
        (again,) = descriptors_of(make_card(descriptor), Path("x.safetensors"), "0" * 64)
        assert dataclasses.replace(again, weights=descriptor.weights) == descriptor


def test_packaged_weights_are_found_in_the_package(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from napari_w2s.models import locate

    monkeypatch.setattr(locate, "files", lambda _package: tmp_path)
    path = save(tmp_path / "shipped.safetensors", small_state(), {})
    source = WeightsSource(
        path="shipped.safetensors",
        sha256=checkpoints.load_state_dict(path).sha256,
        licence="BSD-3-Clause",
        place=WeightsPlace.PACKAGED,
    )
    registry = Registry([small_descriptor(weights=source)])
    assert registry.available("mine") == "built in"
    assert registry.load("mine").weights_path == path
