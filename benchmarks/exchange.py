"""Measure how closely exported models compute, in other programs, what they do here on a real image.

``python -m benchmarks.exchange W2S_ROOT`` writes a package of each model, runs it with ONNX Runtime and with
bioimageio.core, and finds the largest difference of a pixel from `predict` on the CPU in float32, as a share of the
result's range. It needs the extra ``bioimageio``.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from imageio.v3 import imread

from napari_w2s.app.exchange.check import predicted
from napari_w2s.app.exchange.export import export_bioimageio
from napari_w2s.app.exchange.graph import INPUT, OUTPUT, run_onnx
from napari_w2s.models.builtin import default_registry

TABLE = Path(__file__).parents[1] / "docs" / "exchange-table.md"
MODELS = ("w2s-denoise", "w2s-jdsr", "dncnn-avg1")
IMAGE = "data/train/avg1/052_0.png"
ODD = 333, 257

Frame = npt.NDArray[np.float32]


def frames(root: Path) -> dict[str, Frame]:
    """Return the image whole, in an odd size, and on another scale."""
    whole = imread(root / IMAGE).astype(np.float32)
    return {
        "512 x 512": whole,
        "333 x 257": whole[: ODD[0], : ODD[1]],
        "512 x 512, times 200 plus 1000": whole * 200 + 1000,
    }


def run_core(description: Any, frame: Frame) -> Frame:
    """Restore a frame with bioimageio.core."""
    from bioimageio.core import predict

    sample: Any = predict(model=description, inputs={INPUT: frame[None, None]})
    return np.asarray(sample.members[OUTPUT].data)[0, 0]


def main() -> None:
    from bioimageio.core import load_model_description

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path, help="folder that holds data/ and net_data/")
    root = parser.parse_args().root
    lines = ["| model | image | ONNX Runtime | bioimageio.core |", "|---|---|---|---|"]
    registry = default_registry()
    for name in MODELS:
        model = registry.load(name, weights=root)
        with tempfile.TemporaryDirectory() as folder:
            path = export_bioimageio(model, Path(folder) / f"{name}.zip", say=print).path
            description: Any = load_model_description(path, perform_io_checks=False)
            graph = description.weights.onnx.get_reader().read()
            for title, frame in frames(root).items():
                expected = predicted(model, frame, None)
                results = run_onnx(graph, frame), run_core(description, frame)
                shares = (float(np.abs(result - expected).max() / np.ptp(expected)) for result in results)
                lines.append(f"| `{name}` | {title} | " + " | ".join(f"{share:.0e}" for share in shares) + " |")
                print(lines[-1], flush=True)
    TABLE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
