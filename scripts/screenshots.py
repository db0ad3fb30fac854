"""Make the pictures of the Restore panel by driving it in a real window.

Usage: ``python scripts/screenshots.py [FOLDER]``, with a display or under ``xvfb-run -a -s "-screen 0 1280x800x24"``.
With ``W2S_ROOT`` set the image is field of view 001 of W2S; without it, the simulated sample. It is restored with the
model that is chosen first.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import napari
from real_window import PICTURES, open_viewer, run_events, save, save_in_both_themes, wait_until

from napari_w2s.app.state import FinishReason
from napari_w2s.gui.restore_widget import RestoreWidget


def open_image(viewer: napari.Viewer) -> None:
    """Open one channel of one noisy field of view."""
    root = os.environ.get("W2S_ROOT")
    if root:
        viewer.open(Path(root) / "data" / "train" / "avg1" / "001_0.png", plugin="napari-w2s")
        return
    viewer.open_sample("napari-w2s", "simulated_fov")
    for layer in list(viewer.layers):
        if not layer.visible or layer.metadata["w2s"].get("channel") != 0:
            viewer.layers.remove(layer)


def open_panel(viewer: napari.Viewer) -> RestoreWidget:
    """Dock the panel as the menu does, and wait until it has looked at the image."""
    _, panel = viewer.window.add_plugin_dock_widget("napari-w2s", "Restore")
    wait_until(lambda: all(c.report is not None for c in panel.candidates if c.id in panel.plan.chosen), "measuring")
    return panel


def is_partly_done(panel: RestoreWidget) -> bool:
    """Tell whether a good part of the tiles is there; stop if they will never be."""
    status = panel.runner.status
    if not status.busy:
        raise SystemExit(status.message)
    return status.message.startswith("Restoring") and (status.fraction or 0.0) > 0.4


def main(folder: Path) -> None:
    """Make all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    viewer = open_viewer()
    open_image(viewer)
    viewer.reset_view()
    panel = open_panel(viewer)
    run_events(500)
    viewer.reset_view()

    # Small tiles of a network that needs little around them, so that the picture shows them arrive.
    model = panel.state.model
    panel.state.model = "dncnn-avg1" if "W2S_ROOT" in os.environ else "vst-nlm"
    panel.state.tile = 96
    panel.run()
    wait_until(lambda: is_partly_done(panel), "a part of the work")
    save(viewer, folder / "restore-running.png", settle_ms=0)
    panel.runner.cancel()
    wait_until(lambda: not panel.runner.status.busy, "the end of the run")

    panel.state.model = model
    panel.state.tile = None
    panel.run()
    wait_until(lambda: not panel.runner.status.busy, "the restoration")
    if panel.runner.status.finish is not FinishReason.DONE:
        raise SystemExit(panel.runner.status.message)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "restored.ome.tif"
        if not viewer.layers[-1:].save(str(path), plugin="napari-w2s"):
            raise SystemExit("the result was not saved")
    save_in_both_themes(viewer, folder, "restore")

    panel.state.show_advanced = True
    save(viewer, folder / "restore-advanced.png")
    viewer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES)
