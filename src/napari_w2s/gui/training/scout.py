"""Finds out what a Train panel has to know, in threads: what the folder holds, which devices there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from psygnal import Signal

from napari_w2s.app.training.folder import FolderReport
from napari_w2s.gui.worker import Job

LookFn = Callable[[str], FolderReport]
"""See `napari_w2s.app.training.folder.look_at_folder`. Called in a thread."""

DevicesFn = Callable[[], Sequence[str]]
"""Lists the devices of this machine, the fastest first. Called in a thread."""


class Scout:
    """Looks at a folder whenever there is another, and at the devices once.

    Parameters
    ----------
    look, devices : callable
        See `LookFn` and `DevicesFn`.

    Attributes
    ----------
    folder : FolderReport or None
        The last that was looked at.
    devices : tuple of str
        Empty as long as they are not known.
    changed
        Signal: any of these is another.
    """

    changed = Signal()

    def __init__(self, look: LookFn, devices: DevicesFn) -> None:
        self._look = look
        self._root = ""
        self._looking: Job[FolderReport] | None = None
        self.folder: FolderReport | None = None
        self.devices: tuple[str, ...] = ()
        self._listing: Job[Any] = Job(lambda _report, _stop: tuple(devices()), on_done=self._on_devices)

    def list_devices(self) -> None:
        """Find out about the devices."""
        self._listing.start()

    def look_at(self, root: str) -> None:
        """Look at a folder, after the one that is being looked at."""
        self._root = root
        if root and self._looking is None:
            self._looking = Job(
                lambda _report, _stop: self._look(root),
                on_done=self._on_folder,
                on_error=self._on_error,
                on_end=self._on_end,
            )
            self._looking.start()

    def abandon(self) -> None:
        """Wait for the threads."""
        self.changed.disconnect()
        self._listing.abandon()
        if self._looking is not None:
            self._looking.abandon()

    def _on_devices(self, devices: tuple[str, ...]) -> None:
        self.devices = devices
        self.changed.emit()

    def _on_folder(self, report: FolderReport) -> None:
        self.folder = report

    def _on_error(self, error: Exception) -> None:
        self.folder = FolderReport(self._root, problem=f"{self._root} could not be looked at: {error}.")

    def _on_end(self) -> None:
        self._looking = None
        if self.folder is None or self.folder.root != self._root:
            self.look_at(self._root)
        self.changed.emit()
