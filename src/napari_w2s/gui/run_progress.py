"""The progress bar of a run: how far it is, and in words how long it takes from there."""

from __future__ import annotations

from qtpy.QtWidgets import QProgressBar

_STEPS = 1000


class RunProgress(QProgressBar):
    """A bar that moves to and fro as long as nobody knows how far the run is."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextVisible(True)

    def show_share(self, share: float | None, text: str) -> None:
        """Show how much is done, from 0 to 1, with words; None if it is not known."""
        self.setRange(0, 0 if share is None else _STEPS)
        if share is not None:
            self.setValue(round(share * _STEPS))
        self.setFormat("" if share is None else text)
