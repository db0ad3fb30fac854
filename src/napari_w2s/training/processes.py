"""Which of several processes this one is. Costs neither torch nor Lightning."""

from __future__ import annotations

import os


def leads() -> bool:
    """Tell whether this process speaks for all that train together: it alone writes and prints.

    Told by what launchers set: torchrun, SLURM, or Lightning itself, on any node.
    """
    for name in ("RANK", "SLURM_PROCID"):
        if name in os.environ:
            return os.environ[name] == "0"
    return all(os.environ.get(name, "0") == "0" for name in ("NODE_RANK", "GROUP_RANK", "LOCAL_RANK"))
