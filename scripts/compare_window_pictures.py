"""Make the pictures of the Compare panel by driving it in a real window.

Usage: ``python scripts/compare_window_pictures.py [FOLDER]``, with a display or under
``xvfb-run -a -s "-screen 0 1280x800x24"``. ``W2S_ROOT`` must name a folder of W2S: the pictures are of its field of
view 050, channel 0, all levels, and of restorations of avg1 with two models of this package.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import napari
from PIL import Image
from real_window import PICTURES, open_viewer, run_events, save, wait_until

from napari_w2s.app.comparing.comparison import Box, Contrast
from napari_w2s.app.comparing.state import Area, Columns, Map, View
from napari_w2s.app.restore import restore_image
from napari_w2s.app.settings import RestoreSettings
from napari_w2s.gui.bridge import snapshot_of
from napari_w2s.gui.comparing.widget import CompareWidget
from napari_w2s.gui.layers import image_to_layer_data

LEVELS = ("sim", "avg400", "avg16", "avg8", "avg4", "avg2", "avg1")
MODELS = ("w2s-jdsr", "w2s-denoise")
BOX = Box(12.0, 8.0, 24.0, 20.0)


def open_images(viewer: napari.Viewer) -> None:
    """Open the levels, and restore the noisiest one."""
    root = os.environ.get("W2S_ROOT")
    if not root:
        raise SystemExit("Set W2S_ROOT to a folder of W2S.")
    for level in LEVELS:
        viewer.open(Path(root) / "data" / "train" / level / "050_0.png", plugin="napari-w2s")
    given = snapshot_of(viewer.layers[-1]).image
    for model in MODELS:
        result = restore_image(given, RestoreSettings(models=(model,), device="cpu"))
        data, look, _ = image_to_layer_data(result)
        viewer.add_image(data, **look)
    viewer.layers.selection.active = viewer.layers[len(LEVELS) - 1]


def open_panel(viewer: napari.Viewer) -> CompareWidget:
    """Dock the panel as the menu does."""
    _, panel = viewer.window.add_plugin_dock_widget("napari-w2s", "Compare")
    run_events(300)
    viewer.reset_view()
    return panel


def settle(panel: CompareWidget) -> None:
    """Wait until all is worked out."""
    run_events(50)
    wait_until(lambda: not panel.busy, "the numbers")
    run_events(100)


def show_levels(viewer: napari.Viewer, panel: CompareWidget, folder: Path) -> None:
    """Show all levels and the restorations, side by side."""
    panel.choose.levels.click()
    panel.state.contrast = Contrast.MATCHED
    panel.state.columns = Columns.MATCHED
    settle(panel)
    save(viewer, folder / "compare-window-levels.png")


def show_box(viewer: napari.Viewer, panel: CompareWidget, folder: Path) -> None:
    """Show numbers of a box, zoomed in."""
    viewer.scene.camera.center = (0, (BOX.top + BOX.bottom) / 2, (BOX.left + BOX.right) / 2)
    viewer.scene.camera.zoom *= 2.4
    panel.state.box = BOX
    panel.state.area = Area.BOX
    settle(panel)
    save(viewer, folder / "compare-window-box.png")
    panel.state.area = Area.WHOLE


def show_worth(viewer: napari.Viewer, panel: CompareWidget, folder: Path) -> None:
    """Show what the restorations are worth."""
    panel.curves.setCurrentIndex(2)
    settle(panel)
    scroll_to(panel, panel.curves)
    save(viewer, folder / "compare-window-worth.png")


def show_last(viewer: napari.Viewer, panel: CompareWidget, folder: Path) -> None:
    """Show a restoration with its input and SIM: trust, profile, curtain."""
    viewer.layers.remove(viewer.layers[-1])
    run_events(100)
    panel.choose.last.click()
    panel.state.contrast = Contrast.MATCHED
    panel.state.map = Map.UNSUPPORTED
    settle(panel)
    scroll_to(panel, panel.trust)
    save(viewer, folder / "compare-window-trust.png")
    panel.state.map = Map.NONE
    panel.curves.setCurrentIndex(0)
    panel.curves.line.click()
    panel.state.normalised = True
    settle(panel)
    scroll_to(panel, panel.curves)
    save(viewer, folder / "compare-window-profile.png")
    panel.state.line = None
    panel.state.pair = (panel.state.layers[0], panel.state.layers[1])
    panel.state.view = View.CURTAIN
    panel.state.divider = 0.45
    settle(panel)
    scroll_to(panel, panel.look)
    save(viewer, folder / "compare-window-curtain.png")
    panel.state.view = View.GRID


def shrink(path: Path) -> None:
    """Keep 256 colours of a picture: half the bytes, and hardly to be seen."""
    with Image.open(path) as picture:
        picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)


def scroll_to(panel: CompareWidget, part: object) -> None:
    """Bring a part of the panel into sight."""
    panel.area.ensureWidgetVisible(part, 0, 0)


def main(folder: Path) -> None:
    """Make all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    viewer = open_viewer()
    open_images(viewer)
    panel = open_panel(viewer)
    show_levels(viewer, panel, folder)
    show_box(viewer, panel, folder)
    show_worth(viewer, panel, folder)
    panel.leave()
    show_last(viewer, panel, folder)
    panel.close_down()
    viewer.close()
    for path in folder.glob("compare-window-*.png"):
        shrink(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
