"""The package as a whole: what importing it costs, what it ships, who imports whom."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import requires, version
from pathlib import Path

import pytest

import napari_w2s

HEAVY = {"torch", "napari", "qtpy", "PySide6", "PyQt6", "magicgui", "superqt", "numpy", "scipy", "skimage", "tifffile"}


def loaded_by(statement: str) -> set[str]:
    """Names of the modules that a fresh Python has after a statement, and did not have before."""
    code = f"import sys; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_next_to_nothing() -> None:
    loaded = loaded_by("import napari_w2s")
    assert "napari_w2s" in loaded
    assert loaded.isdisjoint(HEAVY)
    assert {name for name in loaded if name.startswith("napari_w2s.")} == set()


@pytest.mark.parametrize(
    "module", ["data.catalog", "data.image", "models.builtin", "app.settings", "app.batch", "gui.reader", "cli"]
)
def test_no_torch_and_no_qt_before_they_are_needed(module: str) -> None:
    loaded = loaded_by(f"import napari_w2s.{module}")
    assert f"napari_w2s.{module}" in loaded
    assert loaded.isdisjoint({"torch", "napari", "qtpy", "PySide6", "PyQt6", "matplotlib"})


def test_every_public_name_is_there() -> None:
    for name in napari_w2s.__all__:
        assert getattr(napari_w2s, name) is not None
    assert set(napari_w2s.__all__) <= set(dir(napari_w2s))
    with pytest.raises(AttributeError, match="no_such_name"):
        napari_w2s.no_such_name  # noqa: B018


def test_the_version_is_that_of_the_distribution() -> None:
    assert napari_w2s.__version__ == version("napari-w2s")


def test_no_qt_binding_is_required() -> None:
    required = [r for r in requires("napari-w2s") or () if "extra ==" not in r]
    assert required
    bindings = ("pyside", "pyqt5", "pyqt6", "napari[")  # pyqtgraph draws with whichever there is
    assert not [r for r in required if r.lower().startswith(bindings)]


def test_the_package_says_that_it_is_typed() -> None:
    assert Path(napari_w2s.__file__).with_name("py.typed").is_file()


def test_the_manifest_at_the_top_is_the_packaged_one() -> None:
    packaged = Path(napari_w2s.__file__).with_name("napari.yaml")
    top = Path(__file__).parents[1] / "napari.yaml"
    assert top.read_bytes() == packaged.read_bytes()


def test_no_module_is_too_long_to_read_in_one_sitting() -> None:
    package = Path(napari_w2s.__file__).parent
    lengths = {p.relative_to(package).as_posix(): len(p.read_text("utf-8").splitlines()) for p in package.rglob("*.py")}
    assert {name: n for name, n in lengths.items() if n > 300} == {}
