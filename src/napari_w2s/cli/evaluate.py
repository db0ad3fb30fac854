"""``napari-w2s evaluate``."""

from __future__ import annotations

from enum import StrEnum
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_w2s._types import Cancelled, InputError
from napari_w2s.cli.console import (
    EXIT_FAILED,
    EXIT_USAGE,
    Json,
    Verbose,
    fail,
    print_json,
    progress_bar,
    report_error,
    say,
    stop_on_signal,
)
from napari_w2s.cli.options import Precision, Scheduler, complete_model

if TYPE_CHECKING:
    from napari_w2s.benchmark.config import BenchmarkConfig
    from napari_w2s.benchmark.run import BenchmarkResult

EXAMPLES = """Examples:

napari-w2s evaluate --data W2S --fovs 47-56 --levels avg1,avg16 -m bicubic -m w2s-jdsr -o results

napari-w2s evaluate --data W2S -m noisy -m 'dncnn-{level}' -m 'dncnn-{level}+bicubic' --protocol float -o results

napari-w2s evaluate --noisy mine/noisy --clean mine/clean -m noisy -m vst-nlm -m w2s-denoise -o results

napari-w2s evaluate benchmark.yaml --scheduler tcp://node1:8786 -o results"""

_STOPPING = "Stopping; what is done is kept. Once more to stop at once."


class Protocol(StrEnum):
    """Choices of ``--protocol``."""

    W2S = "w2s-8bit"
    FLOAT = "float"


def evaluate(
    config: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="A benchmark as YAML; options replace its entries.", show_default=False),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="DIR", help="Folder for tables and report; what it has is not measured again."
        ),
    ] = None,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="MODEL",
            autocompletion=complete_model,
            help="A model, DENOISER+SR, either with {level} for the level that is restored, or noisy for the image as "
            "it is. May be given again.",
        ),
    ] = None,
    data: Annotated[
        list[Path] | None,
        typer.Option("--data", metavar="DIR", help="A W2S folder of any release. May be given again."),
    ] = None,
    fovs: Annotated[
        str | None, typer.Option("--fovs", metavar="N-M,N", show_default="all", help="Fields of view.")
    ] = None,
    channels: Annotated[
        str | None, typer.Option("--channels", metavar="N,N", show_default="all", help="Channels, from 0.")
    ] = None,
    levels: Annotated[
        str | None,
        typer.Option("--levels", metavar="LEVEL,LEVEL", show_default="avg1 to avg16", help="Averaging levels."),
    ] = None,
    noisy: Annotated[
        Path | None,
        typer.Option("--noisy", metavar="DIR", help="Instead of --data: images of your own, with --clean or --fine."),
    ] = None,
    clean: Annotated[
        Path | None, typer.Option("--clean", metavar="DIR", help="References of the same names and size.")
    ] = None,
    fine: Annotated[
        Path | None, typer.Option("--fine", metavar="DIR", help="References of the same names and twice the size.")
    ] = None,
    protocol: Annotated[
        Protocol | None,
        typer.Option(
            "--protocol",
            metavar="NAME",
            show_default="w2s-8bit",
            help="w2s-8bit, as the authors evaluate, or float, without rounding and clipping.",
        ),
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            "--metrics",
            metavar="NAME,NAME",
            show_default="psnr, ssim, both also matched",
            help="Of psnr, ssim, rmse, psnr_matched, ssim_matched, rmse_matched.",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline", metavar="MODEL", show_default="the first", help="What the others are compared with."
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            "--weights",
            metavar="PATH",
            help="The authors' net_data folder, or MODEL=FILE for weights of your own. May be given again.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="DEVICE", show_default="auto", help="auto, cpu, cuda, cuda:1 or mps."),
    ] = None,
    precision: Annotated[
        Precision | None,
        typer.Option("--precision", metavar="TYPE", show_default="float32", help="float32, bfloat16, float16 or auto."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", min=1, metavar="N", show_default="one a core; one with a GPU", help="Processes here."
        ),
    ] = None,
    scheduler: Scheduler = None,
    json: Json = False,
    verbose: Verbose = 0,
) -> None:
    """Measure pipelines of models against references, and write tables and a report.

    The folder gets rows.csv, summary.csv, and the report as HTML, Markdown and LaTeX. A run that was stopped, or
    killed, goes on where it was. A bad file or model is reported in its rows; the exit code is then 1.
    """
    from napari_w2s.benchmark.config import make_config, read_entries

    if output is None:
        fail("Name the folder of the results: --output DIR", EXIT_USAGE)
    given = {
        "data": None if data is None else [str(path) for path in data],
        "pairs": _pairs(noisy, clean, fine),
        "fovs": fovs,
        "channels": _split(channels),
        "levels": _split(levels),
        "pipelines": model,
        "protocol": None if protocol is None else protocol.value,
        "metrics": _split(metrics),
        "baseline": baseline,
        "device": device,
        "precision": None if precision is None else precision.value,
        **_weights(weights or []),
    }
    try:
        entries = {} if config is None else dict(read_entries(config))
        entries |= {name: value for name, value in given.items() if value is not None}
        if "pipelines" not in entries:
            raise InputError("Name what is measured: -m MODEL. See: napari-w2s models")
        wanted = make_config(entries, "The benchmark" if config is None else str(config))
    except InputError as error:
        fail(str(error), EXIT_USAGE)
    result = _run(wanted, output, _workers(wanted, workers, scheduler), scheduler)
    _report(result, as_json=json)


def _run(config: BenchmarkConfig, output: Path, workers: int, scheduler: str | None) -> BenchmarkResult:
    from napari_w2s.benchmark.run import evaluate as run
    from napari_w2s.cli.evaluate_view import EvaluateView

    with stop_on_signal(_STOPPING) as stop, progress_bar() as bars:
        view = EvaluateView(bars)
        try:
            return run(config, output, workers=workers, scheduler=scheduler, progress=view.progressed, should_stop=stop)
        except Cancelled as error:
            fail(str(error), stop.exit_code)


def _workers(config: BenchmarkConfig, workers: int | None, scheduler: str | None) -> int:
    if workers is not None or scheduler is not None:
        return workers or 1
    from napari_w2s.engine.cluster import default_workers
    from napari_w2s.engine.device import choose_device

    if choose_device(config.device).type != "cpu":
        return 1
    count = default_workers()
    if count > 1 and find_spec("distributed") is None:
        say("Working in one process. For several: pip install 'napari-w2s[cluster]'", "yellow")
        return 1
    return count


def _report(result: BenchmarkResult, *, as_json: bool) -> None:
    """Say what was found, and where it is."""
    from dataclasses import asdict

    from napari_w2s.benchmark.report import write_report
    from napari_w2s.cli.evaluate_view import print_table

    for note in result.notes:
        say(f"Note: {note}", "yellow")
    if as_json:
        print_json([_plain(asdict(one)) for one in result.summaries])
    else:
        print_table(result)
    tables = [result.folder / name for name in ("rows.csv", "summary.csv")]
    for path in (*tables, *write_report(result)):
        say(f"Saved {path.resolve()}")
    if result.failed:
        count = f"{len(result.failed)} of {len(result.rows)} rows have an error"
        first = result.failed[0]
        report_error(f"{count}, {first.system} at {first.case.level} of {first.case.field} for one: {first.error}")
        raise typer.Exit(EXIT_FAILED)


def _plain(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry as JSON can have it: without infinite numbers."""
    return {name: None if value in (inf, -inf) else value for name, value in entry.items()}


def _pairs(noisy: Path | None, clean: Path | None, fine: Path | None) -> list[dict[str, str]] | None:
    folders = {"noisy": noisy, "clean": clean, "fine": fine}
    given = {role: str(path) for role, path in folders.items() if path is not None}
    return [given] if given else None


def _split(text: str | None) -> list[str] | None:
    return None if text is None else [part.strip() for part in text.split(",") if part.strip()]


def _weights(given: list[str]) -> dict[str, Any]:
    folders = [text for text in given if "=" not in text]
    files = dict(text.split("=", 1) for text in given if "=" in text)
    if not all(name and path for name, path in files.items()):
        fail(
            "Weights of your own are given as MODEL=FILE, e.g. --weights rcan-light=rcan-light.safetensors", EXIT_USAGE
        )
    return {"net_data": folders[-1] if folders else None, "weights": files or None}
