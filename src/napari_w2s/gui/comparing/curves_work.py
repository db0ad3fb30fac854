"""Profiles and spectra, worked out in threads."""

from __future__ import annotations

from collections.abc import Sequence

from psygnal import Signal

from napari_w2s._types import StopFn, W2SError
from napari_w2s.app.comparing.comparison import Comparison
from napari_w2s.app.comparing.curves import Profile, Spectrum, profiles, spectra
from napari_w2s.app.comparing.planes import Plane, readable_planes
from napari_w2s.app.comparing.state import Line
from napari_w2s.gui.comparing.newest import Newest


class CurveWork:
    """What is plotted.

    Attributes
    ----------
    profiles : sequence of Profile
    spectra : sequence of Spectrum
    no_profiles, no_spectra : str
        Why there are none.
    profiled, measured
        Signals: profiles, or spectra, are others.
    """

    profiled = Signal()
    measured = Signal()

    def __init__(self) -> None:
        self.profiles: Sequence[Profile] = ()
        self.spectra: Sequence[Spectrum] = ()
        self.no_profiles = self.no_spectra = ""
        self._profile_job: Newest[list[Profile]] = Newest(self._on_profiles, self._on_no_profiles)
        self._spectrum_job: Newest[list[Spectrum]] = Newest(self._on_spectra, self._on_no_spectra)

    @property
    def busy(self) -> bool:
        """True while something is worked out."""
        return self._profile_job.busy or self._spectrum_job.busy

    def profile(self, comparison: Comparison, line: Line, *, width: float, normalised: bool) -> None:
        """Read all tiles along a line, as means over a band of a width in world units."""
        self._profile_job.ask(
            lambda _, stop: _profiles(comparison, line, width, normalised, stop),
            in_passing=True,
        )

    def measure(self, comparison: Comparison) -> None:
        """Measure the spectra of all tiles."""
        self._spectrum_job.ask(lambda _, stop: _spectra(comparison, stop), in_passing=True)

    def forget(self) -> None:
        """Deliver nothing that was asked for before."""
        self._profile_job.forget()
        self._spectrum_job.forget()
        self.profiles, self.spectra = (), ()

    def close(self) -> None:
        """Stop, and wait for the threads."""
        self._profile_job.close()
        self._spectrum_job.close()

    def _on_profiles(self, found: list[Profile]) -> None:
        self.profiles, self.no_profiles = found, ""
        self.profiled.emit()

    def _on_no_profiles(self, error: Exception) -> None:
        self.profiles, self.no_profiles = (), _words(error)
        self.profiled.emit()

    def _on_spectra(self, found: list[Spectrum]) -> None:
        self.spectra, self.no_spectra = found, "" if found else "No image has a spectrum here."
        self.measured.emit()

    def _on_no_spectra(self, error: Exception) -> None:
        self.spectra, self.no_spectra = (), _words(error)
        self.measured.emit()


def _profiles(comparison: Comparison, line: Line, width: float, normalised: bool, stop: StopFn) -> list[Profile]:
    there, shown = _readable(comparison, stop)
    return profiles(there, line.start, line.end, width=width, normalised=normalised, shown=shown, stop=stop)


def _spectra(comparison: Comparison, stop: StopFn) -> list[Spectrum]:
    there, shown = _readable(comparison, stop)
    return spectra(there, shown=shown, stop=stop)


def _readable(comparison: Comparison, stop: StopFn) -> tuple[Comparison, dict[str, Plane]]:
    """Leave out the tiles that cannot be shown."""
    shown, _ = readable_planes(comparison, stop=stop)
    tiles = tuple(tile for tile in comparison.tiles if tile.key in shown)
    reference = comparison.reference if comparison.reference in shown else None
    return comparison.replace(tiles=tiles, reference=reference), shown


def _words(error: Exception) -> str:
    if isinstance(error, W2SError):
        return str(error)
    return f"It could not be worked out: {(str(error).strip() or type(error).__name__).splitlines()[0]}."
