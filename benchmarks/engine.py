"""Compare the engine with the bare model, with MONAI's sliding window and with the scheme of the W2S authors.

All ratios come from one run on one machine; alternatives take turns and the shortest of several times counts. The
model is the 17-layer DnCNN of the benchmark: the authors' weights where a folder of them is given, random ones
otherwise (the time does not depend on them).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.timing import Row, best_of
from napari_w2s.engine.predict import predict
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.descriptor import RestorationModel
from napari_w2s.models.networks import dncnn


def random_dncnn() -> RestorationModel:
    """Return the benchmark's DnCNN with random weights."""
    torch.manual_seed(0)
    return RestorationModel(default_registry().descriptor("dncnn-avg1"), dncnn.create().eval())


def frame(edge: int) -> np.ndarray:
    """Return an 8-bit test frame."""
    return np.random.default_rng(0).integers(0, 256, (edge, edge), dtype=np.uint8)


def bare(model: RestorationModel, image: np.ndarray) -> torch.Tensor:
    """Run the network as it is on the whole frame."""
    with torch.inference_mode():
        out: torch.Tensor = model.network(torch.from_numpy(image.astype(np.float32) / 255)[None, None])
    return out


def authors_scheme(model: RestorationModel, image: np.ndarray, tile: int = 128, stride: int = 64) -> np.ndarray:
    """Run windows of 128 with stride 64 one by one and keep the inner part of each."""
    out = np.empty(image.shape, np.float32)
    margin = (tile - stride) // 2
    last = image.shape[0] - tile
    for top in range(0, last + 1, stride):
        for left in range(0, last + 1, stride):
            result = bare(model, image[top : top + tile, left : left + tile])[0, 0].numpy()
            rows = slice(0 if top == 0 else margin, tile if top == last else tile - margin)
            columns = slice(0 if left == 0 else margin, tile if left == last else tile - margin)
            out[top + rows.start : top + rows.stop, left + columns.start : left + columns.stop] = result[rows, columns]
    return out


def monai_windows(model: RestorationModel, image: np.ndarray, tile: int, overlap: int) -> torch.Tensor:
    """Run MONAI's sliding-window inference."""
    from monai.inferers import sliding_window_inference

    x = torch.from_numpy(image.astype(np.float32) / 255)[None, None]
    with torch.inference_mode():
        out: torch.Tensor = sliding_window_inference(x, (tile, tile), 1, model.network, overlap=overlap / tile)
    return out


def speed() -> list[Row]:
    """Compare times for one 512 x 512 frame."""
    model, image = random_dncnn(), frame(512)
    halo = model.descriptor.halo
    assert halo is not None
    tile = 128
    times = best_of(
        {
            "bare": partial(bare, model, image),
            "float32": partial(predict, model, image, device="cpu", precision="float32"),
            "bfloat16": partial(predict, model, image, device="cpu", precision="bfloat16"),
            "default": partial(predict, model, image, device="cpu"),
            "tiles": partial(predict, model, image, device="cpu", precision="float32", tile=tile - 2 * halo),
            "monai": partial(monai_windows, model, image, tile, 2 * halo),
            "authors": partial(authors_scheme, model, image),
        }
    )
    return [
        ("Engine in float32 / bare `model(x)`", times["float32"] / times["bare"], "at most 0.62"),
        ("Engine in bfloat16 / bare `model(x)` in float32", times["bfloat16"] / times["bare"], "at most 0.35"),
        (
            f"MONAI sliding window / engine, both in tiles of {tile} overlapping by {2 * halo}",
            times["monai"] / times["tiles"],
            "at least 1.5",
        ),
        ("MONAI sliding window (same) / engine's own choice", times["monai"] / times["float32"], "at least 1.5"),
        (
            "Authors' scheme (tiles of 128, stride 64) / engine's default",
            times["authors"] / times["default"],
            "at least 5",
        ),
        ("Authors' scheme (same) / engine in float32", times["authors"] / times["float32"], "-"),
    ]


def large() -> list[Row]:
    """Compare a 4096 x 4096 frame with 512 x 512 ones, in a process of its own that knows its peak memory."""
    command = [sys.executable, "-m", "benchmarks.engine", "--large"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return [
        ("4096 x 4096 / 512 x 512, time per pixel, float32", found["ratio"], "at most 1.05"),
        ("Peak memory above input and output for 4096 x 4096 (GiB)", found["gib"], "at most 1"),
    ]


def _large() -> None:
    model = random_dncnn()
    small, big = frame(512), frame(4096)
    out = np.ones(big.shape, np.float32)
    run = partial(predict, model, device="cpu", precision="float32")
    before = _resident_bytes()
    times = best_of({"small": partial(run, small), "big": partial(run, big, out=out)}, rounds=2)
    ratio = times["big"] / times["small"] / (4096 / 512) ** 2
    print(json.dumps({"ratio": ratio, "gib": (_peak_bytes() - before) / 2**30}))


def _resident_bytes() -> int:
    """Return what the process holds now; where the system does not tell, the most that it ever held."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
    except (OSError, StopIteration):
        return _peak_bytes()


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__" and "--large" in sys.argv:
    _large()
