"""What the Compare panel is made of and how it is laid out: one narrow column, the way out always in sight."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_w2s.app.comparing.curves import profile_unit
from napari_w2s.app.comparing.plan import results_of
from napari_w2s.app.comparing.state import CompareState
from napari_w2s.gui.comparing.bar import CompareBar
from napari_w2s.gui.comparing.benchmark import BenchmarkSection
from napari_w2s.gui.comparing.choose import ChooseView
from napari_w2s.gui.comparing.curves_view import CurvesView
from napari_w2s.gui.comparing.features import Features
from napari_w2s.gui.comparing.look import LookView
from napari_w2s.gui.comparing.numbers_view import NumbersView
from napari_w2s.gui.comparing.session import Session
from napari_w2s.gui.comparing.trust_view import TrustView
from napari_w2s.gui.dock_panel import DockPanel, new_column
from napari_w2s.gui.parts import Fold, heading


class ComparePanel(DockPanel):
    """The panel's parts. It shows what it is given and does nothing.

    Attributes
    ----------
    choose : ChooseView
    images : Fold
        Hides `choose` while images are compared.
    look : LookView
    numbers : NumbersView
    trust : TrustView
    curves : CurvesView
    benchmark : BenchmarkSection
        Folded away at first; there whether images are compared or not.
    compared : QWidget
        All that is there only while images are compared.
    area : QScrollArea
        All but `bar` is in it.
    bar : CompareBar
    """

    def __init__(self) -> None:
        super().__init__()
        self.choose = ChooseView()
        self.images = Fold("Images", self.choose)
        self.images.set_open(is_open=True)
        self.look = LookView()
        self.numbers = NumbersView()
        self.benchmark = BenchmarkSection()
        self.bar = CompareBar()
        self.compared = QWidget()
        self._sections = new_column(self.compared)
        self._sections.addWidget(self.look)
        self.trust = TrustView()
        self.curves = CurvesView()
        self.add_section("Numbers", self.numbers)
        self.add_section("Trust", self.trust)
        self.add_section("Plots", self.curves)
        inside = QWidget()
        column = new_column(inside)
        column.addWidget(self.images)
        column.addWidget(self.compared)
        column.addWidget(Fold("Benchmark", self.benchmark))
        column.addStretch(1)
        self.area = self.lay_out(inside, self.bar)

    def show_compared(self, state: CompareState, session: Session, features: Features) -> None:
        """Show what is compared, and how; nothing of it while nothing is."""
        comparison = session.comparison
        self.compared.setVisible(comparison is not None)
        if comparison is None:
            return
        self.look.show_state(state, comparison)
        self.numbers.show_state(state)
        results = [tile.key for tile in results_of(comparison)]
        self.numbers.show_numbers(session.numbers, results, busy=session.numbers is None and session.busy)
        self.curves.show_state(state, profile_unit(comparison))
        self.curves.show_worth(session.numbers)
        self.curves.burst.show_bursts(features.known_bursts(), state.frames)
        self.show_features(state, session, features)

    def show_features(self, state: CompareState, session: Session, features: Features) -> None:
        """Show maps and curves, which come later than what they are of."""
        comparison, curves = session.comparison, features.curves
        if comparison is None:
            return
        self.trust.show_state(state, comparison, features.maps)
        if state.line is not None:
            self.curves.show_profiles(curves.profiles, curves.no_profiles, normalised=state.normalised)
        self.curves.show_spectra(curves.spectra, curves.no_spectra)

    def add_section(self, title: str, part: QWidget) -> None:
        """Add a part that is there only while images are compared."""
        self._sections.addSpacing(4)
        self._sections.addWidget(heading(title))
        self._sections.addWidget(part)
