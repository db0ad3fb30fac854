"""Measure the models on held-out fields of view, and write docs/benchmark-results.md with its pictures.

Usage: ``python scripts/benchmark_report.py [--weights FOLDER] [--fovs 47-56] [--channels 0] [--levels avg1,avg4,avg16]
[--without MODEL ...]`` with ``W2S_ROOT`` set. Networks that users train take their weights from
FOLDER/MODEL.safetensors, e.g. ``rcan-light.safetensors``; what has no weights is left out, and the page says so.
Results are kept in build/benchmark, so that a run that was stopped goes on, and a larger one measures only what is new.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import yaml

from napari_w2s._types import NOISY_LEVELS, Cancelled, W2SError
from napari_w2s.benchmark import BenchmarkConfig, BenchmarkResult, evaluate, make_config
from napari_w2s.benchmark.report import make_report
from napari_w2s.benchmark.report.html import as_html
from napari_w2s.benchmark.report.markdown import as_markdown
from napari_w2s.benchmark.report.tables import Report
from napari_w2s.benchmark.summary import summarise
from napari_w2s.benchmark.systems import find_systems
from napari_w2s.benchmark.table import Row
from napari_w2s.cli.console import stop_on_signal
from napari_w2s.engine.cluster import default_workers
from napari_w2s.models.builtin import default_registry
from napari_w2s.models.cost import known_cost
from napari_w2s.training.shipped import find_recipe

DOCS = Path(__file__).parents[1] / "docs"
PAGE = "benchmark-results.md"
PICTURES = "images/benchmark"

DENOISERS = ("pure-let", "vst-epll", "vst-bm3d", "vst-nlm", "vst-tv", "vst-wavelet")
NETWORKS = ("dncnn-{level}", "memnet-{level}", "w2s-denoise")
LIGHT_DENOISERS = ("ridnet-light",)
LIGHT_SR = ("rcan-light", "rdn-light", "san-light", "srfbn-light", "epsr-light", "esrgan-light")
LIGHT_JOINT = ("jdsr-light",)
BEFORE_LIGHT = ("w2s-denoise", "dncnn-{level}")
"""What goes before a light super-resolution network: each chain costs as much as the network itself."""

INTRODUCTION = """The models that this package has weights for, on fields of view that none of its own networks learned
from. How images are restored and scored is on the page [Benchmark](benchmark.md). Written by

```sh
W2S_ROOT=W2S make report REPORT="{arguments}"
```

which goes on where it was stopped, and measures only what is new."""


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", type=Path, metavar="FOLDER", help="of networks that users train")
    parser.add_argument("--fovs", default="47-56")
    parser.add_argument("--channels", default="0")
    parser.add_argument("--levels", default="avg1,avg4,avg16")
    parser.add_argument("--without", nargs="*", default=[], metavar="MODEL", help="leave out, because of its time")
    parser.add_argument("--workers", type=int, default=default_workers())
    parser.add_argument("--folder", type=Path, default=Path("build/benchmark"), help="of the results")
    parser.add_argument("--page", type=Path, default=DOCS / PAGE)
    return parser.parse_args()


def own_weights(folder: Path | None) -> dict[str, str]:
    """Return the files of weights by the name of the model."""
    if folder is None:
        return {}
    names = (*LIGHT_DENOISERS, *LIGHT_SR, *LIGHT_JOINT)
    found = ((name, folder / f"{name}.safetensors") for name in names)
    return {name: str(path.absolute()) for name, path in found if path.is_file()}


def learned(name: str) -> set[str]:
    """Return the noisy levels that a network's recipe teaches it; none for one that takes clean images."""
    recipe = yaml.safe_load(find_recipe(name).read_text(encoding="utf-8"))
    return set(recipe["levels"]) & {str(level) for level in NOISY_LEVELS}


def pipelines(level: str, weights: dict[str, str], without: list[str]) -> Iterator[str]:
    """Yield the pipelines of a level: each light network where it learned to work."""
    there = [name for name in (*DENOISERS, *NETWORKS) if name.replace("-{level}", "") not in without]
    light = [name for name in weights if name not in without]
    there += [name for name in LIGHT_DENOISERS if name in light and level in learned(name)]
    yield from ("noisy", *there, "bicubic", *(f"{name}+bicubic" for name in there))
    yield from (
        f"{name}+{network}" for network in LIGHT_SR if network in light for name in BEFORE_LIGHT if name in there
    )
    yield from (name for name in LIGHT_JOINT if name in light and level in learned(name))
    yield "w2s-jdsr"


def configs(given: argparse.Namespace, root: Path) -> list[BenchmarkConfig]:
    """Return a benchmark per level, which share a folder."""
    weights = own_weights(given.weights)
    made = []
    for level in given.levels.split(","):
        entries = {
            "data": str(root),
            "fovs": given.fovs,
            "channels": [int(one) for one in given.channels.split(",")],
            "levels": [level],
            "pipelines": list(pipelines(level, weights, given.without)),
            "weights": {name: path for name, path in weights.items() if name not in given.without},
            "device": "cpu",
        }
        if (root / "net_data").is_dir():
            entries["net_data"] = str(root / "net_data")
        made.append(make_config(entries))
    return made


def measure(wanted: list[BenchmarkConfig], given: argparse.Namespace) -> BenchmarkResult:
    """Run the benchmarks, and return them as one, with times of an idle machine."""
    results = []
    with stop_on_signal("Stopping; what is done is kept.") as stop:
        for config in wanted:

            def say(done: int, total: int, level: str = str(config.levels[0]) if config.levels else "") -> None:
                if done % max(1, total // 10) == 0:
                    print(f"{level}: {done} of {total} rows", flush=True)

            workers = given.workers
            results.append(evaluate(config, given.folder, workers=workers, progress=say, should_stop=stop))
    rows = [with_known_time(row) for result in results for row in result.rows]
    names = tuple(dict.fromkeys(name for result in results for name in result.config.pipelines))
    rows.sort(key=lambda row: names.index(row.system))
    config = results[0].config.model_copy(update={"pipelines": names})
    measured = config.measured
    return replace(
        results[0],
        rows=tuple(rows),
        summaries=tuple(summarise(rows, measured, protocol=config.protocol, baseline="w2s-denoise")),
        measured=sum(result.measured for result in results),
        notes=tuple(dict.fromkeys(note for result in results for note in result.notes)),
        config=config,
        levels=tuple(level for result in results for level in result.levels),
    )


def with_known_time(row: Row) -> Row:
    """Return a row with the time that its models take on an idle machine, by the table of costs."""
    costs = [known_cost(name) for name in row.chain]
    return replace(row, seconds=sum(cost.seconds or 0.0 for cost in costs if cost is not None))


def left_out(given: argparse.Namespace) -> list[str]:
    """Return what is not on the page."""
    weights = own_weights(given.weights)
    names = (*LIGHT_DENOISERS, *LIGHT_SR, *LIGHT_JOINT)
    missing = [name for name in names if name not in weights and name not in given.without]
    said = []
    if missing:
        said.append(f"Left out, for want of weights: {', '.join(missing)} (scripts/train_light_models.py trains them).")
    if given.without:
        said.append(f"Left out, because of their time: {', '.join(given.without)}.")
    said.append(
        "The full-size networks are left out: the authors' files that this package fetches have no weights of them, "
        "and training them takes a GPU."
    )
    only = {name: learned(name) for name in weights if learned(name)}
    said += [f"{name} learned {', '.join(sorted(levels))} and is measured there only." for name, levels in only.items()]
    return said


def page(result: BenchmarkResult, given: argparse.Namespace, root: Path) -> Report:
    """Return what the page says; its pictures are named as they lie beside it."""
    report = make_report(result)
    facts = [(name, text.replace(str(root), "W2S, 8-bit release")) for name, text in report.facts]
    times = "the time that its models take on an image on 2 cores of an idle machine, by the table of costs."
    pictures = [
        replace(
            picture,
            name=f"{PICTURES}/{picture.name}",
            caption=f"{picture.caption.partition(', against the time')[0]}, against {times}"
            if picture.name.startswith("quality-cost")
            else picture.caption,
        )
        for picture in report.pictures
    ]
    return replace(
        report,
        title="Benchmark results",
        facts=tuple(facts),
        notes=(*report.notes, *left_out(given)),
        pictures=tuple(pictures),
    )


def chosen(given: argparse.Namespace) -> str:
    """Return the arguments that decide what is on the page."""
    words = [f"--fovs {given.fovs} --channels {given.channels} --levels {given.levels}"]
    if given.weights is not None:
        words.append("--weights FOLDER")
    if given.without:
        words.append(f"--without {' '.join(given.without)}")
    return " ".join(words)


def write(report: Report, given: argparse.Namespace, root: Path) -> None:
    """Write the page and its pictures."""
    path: Path = given.page
    for picture in report.pictures:
        target = path.parent / picture.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(picture.png)
    title, body = as_markdown(report).replace(str(root), "W2S").split("\n", 1)
    introduction = INTRODUCTION.format(arguments=chosen(given))
    path.write_text(f"{title}\n\n{introduction}\n{body.rstrip()}\n", encoding="utf-8")


def main() -> int:
    """Measure, and write the page."""
    given = arguments()
    if "W2S_ROOT" not in os.environ:
        print("Set W2S_ROOT to the folder that holds data/ and net_data/.", file=sys.stderr)
        return 2
    root = Path(os.environ["W2S_ROOT"]).absolute()
    try:
        wanted = configs(given, root)
        for config in wanted:
            find_systems(config.pipelines, [str(level) for level in config.levels or ()], default_registry())
        result = measure(wanted, given)
        report = page(result, given, root)
        write(report, given, root)
        (given.folder / "report.html").write_text(as_html(report), encoding="utf-8")
    except Cancelled as stopped:
        print(stopped, file=sys.stderr)
        return 130
    except W2SError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    print(f"{len(result.rows)} rows, {result.measured} of them new, {len(result.failed)} with an error: {given.page}")
    return 1 if result.failed else 0


if __name__ == "__main__":
    sys.exit(main())
