"""How long importing the package and opening a large root take."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.timing import Row, best_of


def _python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True)


def importing() -> list[Row]:
    """Compare Python's start with and without the package."""
    times = best_of({"bare": partial(_python, "pass"), "package": partial(_python, "import napari_w2s")}, rounds=9)
    return [("`import napari_w2s` above Python's start (ms)", 1000 * (times["package"] - times["bare"]), "under 50")]


def _sparse_npy(path: Path, shape: tuple[int, ...]) -> None:
    """Write a .npy header and leave the pixels a hole, which takes no room on disk."""
    header = {"descr": "<u2", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 2 * int(np.prod(shape)))


def opening() -> list[Row]:
    """Open a raw root of 120 fields of view, 75 GB by its own account, and read one frame of it."""
    from napari_w2s.data.stacks import open_images

    with tempfile.TemporaryDirectory() as folder:
        for fov in range(1, 121):
            image = Path(folder) / f"Image{fov:03d}"
            image.mkdir()
            for channel in range(3):
                _sparse_npy(image / f"wf_channel{channel}.npy", (400, 512, 512))
                _sparse_npy(image / f"sim_channel{channel}.npy", (1024, 1024))
        start = time.perf_counter()
        first = open_images([folder])[0].data
        while first.ndim > 2:
            first = first[0]
        np.asarray(first)
        seconds = time.perf_counter() - start
    return [("First image of a raw root of 120 fields of view, 75 GB (s)", seconds, "under 1")]
