"""Make the pictures of the Train panel by driving it in a real window, with a real training.

Usage: ``python scripts/train_screenshots.py [FOLDER] [--seconds 25]``, with a display or under
``xvfb-run -a -s "-screen 0 1280x800x24"``. ``W2S_ROOT`` names the benchmark: fields of view 001-003 are learned from,
and the first channel of 004 is restored with what came of it. Models and runs go to a folder that is deleted after.
With other work going on, ``OMP_NUM_THREADS=1`` makes the training faster.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

import napari
from real_window import PICTURES, SCRATCH, open_viewer, run_events, save_in_both_themes, wait_until

from napari_w2s._types import Task
from napari_w2s.app.state import FinishReason
from napari_w2s.app.training.status import TrainPhase
from napari_w2s.gui.restore_widget import RestoreWidget
from napari_w2s.gui.training.widget import TrainWidget

LEARNED = ("001", "002", "003")
RESTORED = "004_0.png"
LEVELS = ("avg1", "avg4", "avg400", "sim")


def root() -> Path:
    """Return the folder of the benchmark's training images."""
    if not os.environ.get("W2S_ROOT"):
        raise SystemExit("Set W2S_ROOT to the folder of the W2S benchmark.")
    return Path(os.environ["W2S_ROOT"]) / "data" / "train"


def open_fields(viewer: napari.Viewer) -> None:
    """Open the fields to learn from; of what opens, the noisiest level is shown."""
    scratch = SCRATCH / "train"
    for level in LEVELS:
        (scratch / level).mkdir(parents=True)
        for fov in LEARNED:
            for channel in range(3):
                name = f"{fov}_{channel}.png"
                (scratch / level / name).symlink_to((root() / level / name).resolve())
    viewer.open(scratch, plugin="napari-w2s")
    for layer in viewer.layers:
        layer.visible = layer.name.endswith("avg1")
    viewer.dims.set_point(0, 0)
    viewer.reset_view()


def train(viewer: napari.Viewer, panel: TrainWidget, folder: Path, seconds: float, patch: int, batch: int) -> None:
    """Train for a while, and take the pictures of it."""
    panel.state.task = Task.JDSR
    panel.state.patch, panel.state.batch = patch, batch
    panel.state.folder = str(SCRATCH / "runs")
    panel.state.device = "cpu"
    run_events(500)
    save_in_both_themes(viewer, folder, "train-set-up")
    panel.train()
    wait_until(lambda: panel.runner.status.phase is not TrainPhase.PREPARING, "the first step")
    if panel.runner.status.phase is TrainPhase.ASKING:
        save_in_both_themes(viewer, folder, "train-doubts")
        panel.runner.go_on()
    wait_until(lambda: bool(previews(viewer)) or not panel.runner.status.busy, "the first preview")
    for layer in viewer.layers:
        layer.visible = layer.name.startswith("training")
    panel.runner.preview.fit()
    run_events(round(seconds * 1000))
    wait_until(lambda: panel.runner.status.best is not None or not panel.runner.status.busy, "a validation")
    save_in_both_themes(viewer, folder, "train-running")
    panel.runner.stop()
    wait_until(lambda: not panel.runner.status.busy, "the end")
    if panel.runner.status.result is None or panel.runner.status.result.model is None:
        raise SystemExit(panel.runner.status.message)


def previews(viewer: napari.Viewer) -> list[napari.layers.Layer]:
    """Return the layers of the preview."""
    return [layer for layer in viewer.layers if layer.name.startswith("training")]


def use(viewer: napari.Viewer, train_panel: TrainWidget, restore_panel: RestoreWidget, folder: Path) -> None:
    """Use the model at once, on an image that it has not seen."""
    train_panel.use()
    wait_until(lambda: restore_panel.plan.title == train_panel.result.name.text(), "putting it to use")
    train_panel.parent().raise_()
    save_in_both_themes(viewer, folder, "train-used")
    train_panel.state.show_preview = False
    viewer.layers.clear()
    viewer.open(root() / "avg1" / RESTORED, plugin="napari-w2s")
    viewer.reset_view()
    restore_panel.parent().raise_()
    wait_until(lambda: all(c.report is not None for c in restore_panel.candidates), "measuring")
    restore_panel.run()
    wait_until(lambda: not restore_panel.runner.status.busy, "the restoration")
    if restore_panel.runner.status.finish is not FinishReason.DONE:
        raise SystemExit(restore_panel.runner.status.message)
    save_in_both_themes(viewer, folder, "train-restored")


def main(folder: Path, seconds: float, patch: int, batch: int) -> None:
    """Make all pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    viewer = open_viewer()
    open_fields(viewer)
    _, restore_panel = viewer.window.add_plugin_dock_widget("napari-w2s", "Restore")
    _, train_panel = viewer.window.add_plugin_dock_widget("napari-w2s", "Train", tabify=True)
    train_panel.parent().raise_()
    run_events(1000)
    viewer.reset_view()
    train(viewer, train_panel, folder, seconds, patch, batch)
    use(viewer, train_panel, restore_panel, folder)
    viewer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=PICTURES)
    parser.add_argument("--seconds", type=float, default=25.0, help="how long to train")
    parser.add_argument("--patch", type=int, default=0, help="edge of the patches, for a slow computer")
    parser.add_argument("--batch", type=int, default=0, help="patches a step, for a slow computer")
    given = parser.parse_args()
    try:
        main(given.folder, given.seconds, given.patch, given.batch)
    finally:
        shutil.rmtree(SCRATCH, ignore_errors=True)
