"""The user's own models: installed into a folder, listed from it at little cost, and never in the way."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from w2s_trained import save_pair, save_small, small_descriptor, small_state, unet_descriptors

import napari_w2s
from napari_w2s._types import InputError, OutputError, Task, WeightsError
from napari_w2s.engine.predict import predict
from napari_w2s.models import trained
from napari_w2s.models.builtin import BUILTIN, default_registry
from napari_w2s.models.card import descriptors_of, make_card
from napari_w2s.models.checkpoint import read_card, save
from napari_w2s.models.descriptor import WeightsPlace
from napari_w2s.models.trained import FOLDER_VARIABLE, install, models_folder


def own_names() -> tuple[str, ...]:
    return default_registry().names()[len(BUILTIN) :]


def test_without_a_folder_there_are_the_models_of_the_package() -> None:
    assert not models_folder().exists()
    assert own_names() == ()


def test_the_folder_is_the_users_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE)
    folder = models_folder()
    assert folder.is_absolute()
    assert folder.parts[-2:] == ("napari-w2s", "models")
    monkeypatch.setenv(FOLDER_VARIABLE, "~/mine")
    assert models_folder() == Path.home() / "mine"


def test_an_installed_model_is_listed_after_the_packages(tmp_path: Path) -> None:
    made = save_small(tmp_path)
    copy = install(made)
    assert copy == models_folder() / "mine.safetensors"
    assert copy.read_bytes() == made.read_bytes()
    made.unlink()
    assert own_names() == ("mine",)
    registry = default_registry()
    assert registry.available("mine") == "here"
    model = registry.load("mine")
    assert model.descriptor == registry.descriptor("mine")
    assert model.weights_sha256 == sha256(copy.read_bytes()).hexdigest()
    assert predict(model, np.ones((9, 9))).shape == (9, 9)


def test_all_models_of_a_file_are_listed_for_their_tasks(tmp_path: Path) -> None:
    install(save_pair(tmp_path))
    registry = default_registry()
    assert registry.names(Task.DENOISE)[-1] == "pair-denoise"
    assert registry.names(Task.SR)[-1] == registry.names(Task.JDSR)[-1] == "pair-jdsr"
    assert predict(registry.load("pair-jdsr"), np.ones((9, 9))).shape == (18, 18)


def test_listing_imports_no_torch(tmp_path: Path) -> None:
    install(save_pair(tmp_path))
    code = (
        "import sys; from napari_w2s.models.builtin import default_registry; "
        "print('pair-jdsr' in default_registry().names(), {'torch', 'safetensors'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True set()"


def test_a_later_version_takes_the_place_of_an_earlier_one(tmp_path: Path) -> None:
    install(save_small(tmp_path))
    opened = default_registry()
    install(save_small(tmp_path, seed=1))
    assert own_names() == ("mine",)
    # Also where the earlier one is on a list already.
    assert torch.equal(opened.load("mine").network.state_dict()["dncnn.0.weight"], small_state(1)["dncnn.0.weight"])


def test_a_listed_model_follows_its_file(tmp_path: Path) -> None:
    install(save_small(tmp_path))
    opened = default_registry()
    folder = models_folder()
    save(folder / "mine.safetensors", small_state(1), make_card(small_descriptor(title="Mine, again")))
    assert opened.load("mine").descriptor.title == "Mine, again"
    save(folder / "mine.safetensors", small_state(1), make_card(small_descriptor(name="other")))
    with pytest.raises(WeightsError, match=r"mine\.safetensors holds other now, and no longer mine"):
        opened.load("mine")
    save(folder / "mine.safetensors", small_state(1), make_card(small_descriptor(scale=2)))
    with pytest.raises(WeightsError, match="does not do what mine should"):
        opened.load("mine")


def test_a_file_may_be_called_otherwise_than_its_model(tmp_path: Path) -> None:
    made = save_pair(tmp_path)
    assert install(made, name="first-try").name == "first-try.safetensors"
    assert own_names() == ("pair-denoise", "pair-jdsr")
    with pytest.raises(InputError, match="pair-denoise"):
        install(made)
    assert [path.name for path in models_folder().iterdir()] == ["first-try.safetensors"]


@pytest.mark.parametrize("name", ["", "../mine", "a/b", ".hidden", "Mine", "a b"])
def test_names_that_no_file_should_have(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot name a file"):
        install(save_small(tmp_path), name=name)


def test_a_name_of_the_package_is_taken(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="bicubic"):
        install(save_small(tmp_path, "bicubic"))
    assert not models_folder().exists()


def test_what_is_no_trained_model_is_not_installed(tmp_path: Path) -> None:
    torch.save(small_state(), tmp_path / "plain.pth")
    with pytest.raises(WeightsError, match="has no card"):
        install(tmp_path / "plain.pth")
    wrong = save(tmp_path / "wrong.safetensors", small_state(), make_card(*unet_descriptors()))
    with pytest.raises(WeightsError, match="do not fit U-Net"):
        install(wrong)
    assert not models_folder().exists()


def test_damaged_files_and_taken_names_are_left_out_with_a_word(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = models_folder()
    good = install(save_small(tmp_path))
    (folder / "broken.safetensors").write_bytes(good.read_bytes()[:40])
    (folder / "empty.safetensors").touch()
    (folder / "nonsense.safetensors").write_bytes(b"\xff" * 100)
    (folder / "plain.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    (folder / "twin.safetensors").write_bytes(good.read_bytes())
    (folder / ".mine.safetensors.abc.tmp").write_bytes(good.read_bytes())
    (folder / "notes.txt").touch()
    (folder / "folder.safetensors").mkdir()
    save_small(folder, "bicubic")
    with caplog.at_level(logging.WARNING):
        assert own_names() == ("mine",)
    left_out = [record.getMessage() for record in caplog.records]
    for name in ("bicubic", "broken", "empty", "nonsense", "plain", "twin"):
        assert sum(f"{name}.safetensors" in message.split(" are left out")[0] for message in left_out) == 1, name
    assert len(left_out) == 6


def test_a_folder_that_is_a_file_is_no_reason_to_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "file"))
    assert own_names() == ()
    assert "left out" in caplog.text
    with pytest.raises(OutputError, match="could not be written"):
        install(save_small(tmp_path / "made"))


def test_a_copy_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = install(save_small(tmp_path)).read_bytes()

    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trained.shutil, "copyfile", full)
    with pytest.raises(OutputError, match="No space left"):
        install(save_small(tmp_path, seed=1))
    assert [path.read_bytes() for path in models_folder().iterdir()] == [before]


def test_the_packaged_network_is_what_the_list_says() -> None:
    path = Path(napari_w2s.__file__).parent / "models" / "weights" / "w2s-unet.safetensors"
    listed = [d for d in BUILTIN if d.weights is not None and d.weights.place is WeightsPlace.PACKAGED]
    assert bool(listed) == path.is_file()
    if not listed:
        pytest.skip("no weights are packaged")
    assert {d.weights.sha256 for d in listed} == {sha256(path.read_bytes()).hexdigest()}
    card = read_card(path)
    assert card is not None
    # What a lower precision costs can be measured only when the file is there.
    plain = {"weights": None, "precision_cost_db": {}, "receptive_field": None}
    made = descriptors_of(card, path)
    assert [replace(d, **plain) for d in made] == [replace(d, **plain) for d in listed]
    # The card may state more than there is, which costs time only.
    assert all(stated.receptive_field >= d.receptive_field for stated, d in zip(made, listed, strict=True))
    registry = default_registry()
    for descriptor in listed:
        assert registry.available(descriptor.name) == "built in"
        model = registry.load(descriptor.name)
        assert model.network.receptive_field == descriptor.receptive_field
        assert model.network.size_multiple == descriptor.size_multiple
