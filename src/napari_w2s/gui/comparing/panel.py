"""What the Compare panel is made of and how it is laid out: one narrow column, the way out always in sight."""

from __future__ import annotations

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

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
from napari_w2s.gui.parts import Fold, heading

_WIDTH = 320
_MINIMUM_WIDTH = 280
_HEIGHT = 640


class ComparePanel(QWidget):
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
        self.setMinimumWidth(_MINIMUM_WIDTH)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.compared = QWidget()
        self._sections = QVBoxLayout(self.compared)
        self._sections.setContentsMargins(0, 0, 0, 0)
        self._sections.setSpacing(6)
        self._sections.addWidget(self.look)
        self.trust = TrustView()
        self.curves = CurvesView()
        self.add_section("Numbers", self.numbers)
        self.add_section("Trust", self.trust)
        self.add_section("Plots", self.curves)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(self.images)
        column.addWidget(self.compared)
        column.addWidget(Fold("Benchmark", self.benchmark))
        column.addStretch(1)
        self.area = scroll = QScrollArea()
        scroll.setWidget(inside)
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        outside = QVBoxLayout(self)
        outside.setContentsMargins(10, 6, 10, 8)
        outside.setSpacing(8)
        outside.addWidget(scroll, 1)
        outside.addWidget(self.bar)

    def sizeHint(self) -> QSize:
        """Ask for a narrow column."""
        return QSize(_WIDTH, _HEIGHT)

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
        self.curves.show_state(state)
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
