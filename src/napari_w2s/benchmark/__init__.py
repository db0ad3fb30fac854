"""Which pipeline is best: any models over any fields, under a stated protocol, to tables that others can make again.

The public names are imported when they are first used, so that importing this costs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari_w2s.benchmark.config import BenchmarkConfig, Pair, make_config, read_config
    from napari_w2s.benchmark.protocol import PROTOCOLS, Protocol
    from napari_w2s.benchmark.report import write_report
    from napari_w2s.benchmark.run import BenchmarkResult, evaluate

__all__ = [
    "PROTOCOLS",
    "BenchmarkConfig",
    "BenchmarkResult",
    "Pair",
    "Protocol",
    "evaluate",
    "make_config",
    "read_config",
    "write_report",
]

_HOMES = {
    "PROTOCOLS": "protocol",
    "BenchmarkConfig": "config",
    "BenchmarkResult": "run",
    "Pair": "config",
    "Protocol": "protocol",
    "evaluate": "run",
    "make_config": "config",
    "read_config": "config",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
