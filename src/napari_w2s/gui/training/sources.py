"""What to learn from: four kinds of sources, and the settings of the one that is chosen."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QRadioButton,
    QToolButton,
    QWidget,
)

from napari_w2s.app.training.plan import TrainPlan
from napari_w2s.app.training.state import Learn
from napari_w2s.data.protocol import CHANNELS
from napari_w2s.gui.dock_panel import new_column
from napari_w2s.gui.forms import new_form, show_checked
from napari_w2s.gui.parts import LayerList, Note, fill_combo, narrow_combo
from napari_w2s.gui.training.parts import LineEdit

_MOST_REASONS = 2


class SourceView(QWidget):
    """The kinds of sources as radio buttons, and a page for each. Emits (field of `TrainState`, value)."""

    changed = Signal(str, object)
    folder_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.kinds: dict[Learn, QRadioButton] = {}
        self._group = QButtonGroup(self)
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setVerticalSpacing(2)
        for i, learn in enumerate(Learn):
            button = QRadioButton(learn.label)
            button.setToolTip(learn.tip)
            self._group.addButton(button, i)
            grid.addWidget(button, *divmod(i, 2))
            self.kinds[learn] = button
        self.folder = FolderPage()
        self.layers = LayersPage()
        self.burst = BurstPage()
        self.images = ImagesPage()
        self._pages: dict[Learn, QWidget] = {
            Learn.W2S: self.folder,
            Learn.LAYERS: self.layers,
            Learn.BURST: self.burst,
            Learn.IMAGES: self.images,
        }
        self.report = Note()
        column = new_column(self)
        column.addLayout(grid)
        for page in self._pages.values():
            column.addWidget(page)
        column.addWidget(self.report)
        self._group.idClicked.connect(self._on_kind)
        for page in (self.folder, self.layers, self.burst, self.images):
            page.changed.connect(self.changed)
        self.folder.folder_asked.connect(self.folder_asked)

    def show_plan(self, plan: TrainPlan) -> None:
        """Show what is chosen, and what it comes to."""
        self.kinds[plan.learn].setChecked(True)
        for learn, page in self._pages.items():
            page.setVisible(learn is plan.learn)
        self.folder.show_plan(plan)
        self.layers.show_plan(plan)
        self.burst.show_plan(plan)
        self.images.show_plan(plan)
        self.report.setText(plan.report)
        self.report.setVisible(bool(plan.report))

    def _on_kind(self, number: int) -> None:
        self.changed.emit("learn", list(Learn)[number])


class _Page(QWidget):
    """Settings of one kind of source, with what it is in words where that may be new."""

    changed = Signal(str, object)

    def __init__(self, words: str = "") -> None:
        super().__init__()
        self.column = new_column(self)
        self.form = new_form()
        if words:
            note = Note()
            note.setText(words)
            self.column.addWidget(note)


class FolderPage(_Page):
    """A folder of the benchmark, its fields of view and channels."""

    folder_asked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.root = LineEdit("Folder of the W2S benchmark, of any release: its root, or any folder below.", "Folder")
        self.choose = QToolButton()
        self.choose.setText("…")
        self.choose.setToolTip("Choose the folder.")
        self.fovs = LineEdit(
            "Fields of view to learn from, such as 1-40, 57. Empty takes all training fields; 081-120 are for tests."
        )
        self.channels = [QCheckBox(f"{channel.excitation_nm:g}") for channel in CHANNELS.values()]
        where = QHBoxLayout()
        where.setSpacing(4)
        where.addWidget(self.root, 1)
        where.addWidget(self.choose)
        which = QHBoxLayout()
        which.setSpacing(4)
        for number, box in zip(CHANNELS, self.channels, strict=True):
            box.setToolTip(f"Channel {number} of the benchmark, excited at {box.text()} nm.")
            which.addWidget(box)
            box.toggled.connect(self._on_channels)
        self.form.addRow("Folder", where)
        self.form.addRow("Fields", self.fovs)
        self.form.addRow("Light, nm", which)
        self.column.addLayout(self.form)
        self.root.entered.connect(self._on_root)
        self.fovs.entered.connect(self._on_fovs)
        self.choose.clicked.connect(self.folder_asked)

    def show_plan(self, plan: TrainPlan) -> None:
        """Show the choice."""
        self.root.show_text(plan.root)
        self.fovs.show_text(plan.fovs)
        self.fovs.setPlaceholderText(plan.fovs_offered)
        for number, box in zip(CHANNELS, self.channels, strict=True):
            show_checked(box, number in plan.channels)

    def _on_root(self, text: str) -> None:
        self.changed.emit("root", text)

    def _on_fovs(self, text: str) -> None:
        self.changed.emit("fovs", text)

    def _on_channels(self) -> None:
        ticked = tuple(n for n, box in zip(CHANNELS, self.channels, strict=True) if box.isChecked())
        self.changed.emit("channels", ticked)


class LayersPage(_Page):
    """Noisy layers, and those that they are to become."""

    def __init__(self) -> None:
        super().__init__()
        self.noisy = LayerList()
        self.clean = narrow_combo(
            "The same places without noise: what denoising is learned from. For W2S layers, avg400 is found by itself."
        )
        self.sim = narrow_combo(
            "The same places at twice the pixels: what super-resolution is learned from. For W2S layers, SIM is found "
            "by itself."
        )
        self.unusable = Note()
        self.column.addWidget(self.noisy)
        self.column.addWidget(self.unusable)
        self.form.addRow("Clean", self.clean)
        self.form.addRow("SIM", self.sim)
        self.column.addLayout(self.form)
        self.noisy.chosen.connect(self._on_noisy)
        self.clean.activated.connect(self._on_clean)
        self.sim.activated.connect(self._on_sim)

    def show_plan(self, plan: TrainPlan) -> None:
        """Show the choice."""
        self.noisy.show_rows(plan.noisy)
        _show_unusable(self.unusable, plan)
        fill_combo(self.clean, plan.cleans, plan.clean)
        fill_combo(self.sim, plan.sims, plan.sim)

    def _on_noisy(self, identities: tuple[str, ...]) -> None:
        self.changed.emit("noisy", identities)

    def _on_clean(self, index: int) -> None:
        self.changed.emit("clean", self.clean.itemData(index))

    def _on_sim(self, index: int) -> None:
        self.changed.emit("sim", self.sim.itemData(index))


class BurstPage(_Page):
    """A layer with frames, and their axis."""

    def __init__(self) -> None:
        super().__init__(Learn.BURST.tip)
        self.layer = narrow_combo("A layer with many noisy frames of places that do not change from frame to frame.")
        self.axis = narrow_combo("The axis along which the frames of one place lie.")
        self.form.addRow("Burst", self.layer)
        self.form.addRow("Frames", self.axis)
        self.column.addLayout(self.form)
        self.layer.activated.connect(self._on_layer)
        self.axis.activated.connect(self._on_axis)

    def show_plan(self, plan: TrainPlan) -> None:
        """Show the choice."""
        fill_combo(self.layer, plan.bursts, plan.burst)
        fill_combo(self.axis, plan.burst_axes, None if plan.axis is None else str(plan.axis))

    def _on_layer(self, index: int) -> None:
        self.changed.emit("burst", self.layer.itemData(index))

    def _on_axis(self, index: int) -> None:
        self.changed.emit("axis", int(self.axis.itemData(index)))


class ImagesPage(_Page):
    """Noisy layers alone."""

    def __init__(self) -> None:
        super().__init__(Learn.IMAGES.tip)
        self.noisy = LayerList()
        self.unusable = Note()
        self.column.addWidget(self.noisy)
        self.column.addWidget(self.unusable)
        self.noisy.chosen.connect(self._on_noisy)

    def show_plan(self, plan: TrainPlan) -> None:
        """Show the choice."""
        self.noisy.show_rows(plan.noisy)
        _show_unusable(self.unusable, plan)

    def _on_noisy(self, identities: tuple[str, ...]) -> None:
        self.changed.emit("noisy", identities)


def _show_unusable(note: Note, plan: TrainPlan) -> None:
    """Say why layers cannot be ticked."""
    reasons = [row.problem for row in plan.noisy if row.problem is not None]
    more = [f"The reasons of {len(reasons) - _MOST_REASONS} more are in their tooltips."]
    note.setText("\n".join(reasons[:_MOST_REASONS] + (more if len(reasons) > _MOST_REASONS else [])))
    note.setVisible(bool(reasons))
