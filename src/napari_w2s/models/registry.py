"""The models that there are: an explicit object, filled from the list in `napari_w2s.models.builtin`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from napari_w2s._types import InputError, ProgressFn, StopFn, Task, WeightsError
from napari_w2s.models.descriptor import ModelDescriptor, RestorationModel, WeightsPlace
from napari_w2s.models.locate import find_own, is_here, locate

if TYPE_CHECKING:
    from torch import nn

    from napari_w2s.models.checkpoint import Checkpoint

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_CHAIN = "+"
_PROBE = 8
_ELSEWHERE = {WeightsPlace.UPSTREAM: "on demand", WeightsPlace.OWN: "train your own"}


class Registry:
    """Descriptors by name, and how to load them.

    Parameters
    ----------
    descriptors : iterable of ModelDescriptor
        In the order in which a person should see them.
    """

    def __init__(self, descriptors: Iterable[ModelDescriptor] = ()) -> None:
        self._descriptors: dict[str, ModelDescriptor] = {}
        self.register_all(descriptors)

    def __contains__(self, name: object) -> bool:
        return name in self._descriptors

    def __iter__(self) -> Iterator[ModelDescriptor]:
        return iter(self._descriptors.values())

    def __len__(self) -> int:
        return len(self._descriptors)

    def register(self, descriptor: ModelDescriptor) -> None:
        """Add a model.

        Raises
        ------
        InputError
            If there is one of that name, or the name cannot be typed on a command line.
        """
        name = descriptor.name
        if not _NAME.fullmatch(name):
            raise InputError(f"{name!r} cannot name a model: use lower-case letters, digits, '-', '_' and '.'.")
        if name in self:
            raise InputError(f"There is a model named {name!r} already. Choose another name.")
        self._descriptors[name] = descriptor

    def register_all(self, descriptors: Iterable[ModelDescriptor]) -> None:
        """Add models, all of them or, if one cannot be added, none.

        Raises
        ------
        InputError
            As `register`.
        """
        before = dict(self._descriptors)
        try:
            for descriptor in descriptors:
                self.register(descriptor)
        except InputError:
            self._descriptors = before
            raise

    def register_trained(self, path: Path | str) -> tuple[ModelDescriptor, ...]:
        """Add the models of a file that was made by training with this package: a safetensors file with a card.

        Parameters
        ----------
        path : Path or str
            See `napari_w2s.models.checkpoint.save` and `napari_w2s.models.card.make_card`.

        Returns
        -------
        tuple of ModelDescriptor
            Made from the card; at least one. Their weights stay where they are, pinned to their present hash.

        Raises
        ------
        WeightsError
            If the file is not such a model, or its weights do not fit what its card says.
        InputError
            If there is a model of one of the names. None is added then.
        """
        from napari_w2s.models.card import descriptors_of
        from napari_w2s.models.checkpoint import load_state_dict

        checkpoint = load_state_dict(path)
        if checkpoint.card is None:
            raise WeightsError(f"{path} has no card that says what it is. Give it as the weights of a known model.")
        descriptors = descriptors_of(checkpoint.card, checkpoint.path, checkpoint.sha256)
        for descriptor in descriptors:
            _check_call(descriptor, _build(descriptor, checkpoint), checkpoint.path)
        self.register_all(descriptors)
        return descriptors

    def names(self, task: Task | None = None) -> tuple[str, ...]:
        """Return the names of all models, or of those that serve a task, in order."""
        return tuple(descriptor.name for descriptor in self.descriptors(task))

    def descriptors(self, task: Task | None = None) -> tuple[ModelDescriptor, ...]:
        """Return all descriptors, or those that serve a task, in order."""
        return tuple(d for d in self if task is None or d.serves(task))

    def descriptor(self, name: str) -> ModelDescriptor:
        """Return the descriptor of a model.

        Raises
        ------
        InputError
            If there is none of that name; the message has names like it.
        """
        if name in self._descriptors:
            return self._descriptors[name]
        close = difflib.get_close_matches(name.lower(), self._descriptors, n=3)
        hint = f"Did you mean {' or '.join(close)}?" if close else f"Known are: {', '.join(self._descriptors)}."
        raise InputError(f"There is no model named {name!r}. {hint}")

    def parse(self, spec: str) -> tuple[str, ...]:
        """Split a chain such as ``"dncnn-avg1+bicubic"`` into names of models.

        Raises
        ------
        InputError
            If a name is missing or unknown.
        """
        names = tuple(part.strip() for part in spec.split(_CHAIN))
        if not all(names):
            raise InputError(f"{spec!r} lacks the name of a model. Write one name, or DENOISER{_CHAIN}SR.")
        return tuple(self.descriptor(name).name for name in names)

    def available(self, name: str) -> str:
        """Tell where a model's weights are.

        Returns
        -------
        str
            ``"built in"`` (in the package, or none needed), ``"here"`` (on this computer), ``"on demand"`` (to be
            downloaded at first use), ``"train your own"`` (or bring a file of them), ``"missing"`` (a local file that
            is gone) or ``"not installed"`` (a package that it needs is not).
        """
        descriptor = self.descriptor(name)
        if not all(find_spec(package) for package in descriptor.requires):
            return "not installed"
        source = descriptor.weights
        if source is None or source.place is WeightsPlace.PACKAGED:
            return "built in"
        if is_here(source):
            return "here"
        return _ELSEWHERE.get(source.place, "missing")

    def load(
        self,
        name: str,
        *,
        weights: Path | str | None = None,
        progress: ProgressFn | None = None,
        should_stop: StopFn | None = None,
    ) -> RestorationModel:
        """Load a model, ready to be run.

        Parameters
        ----------
        name : str
        weights : Path or str, optional
            A folder that holds the official weights (a W2S root, ``net_data``, ``trained_denoisers``, …); they must
            have the published hash. Or a file of weights of your own, which only have to fit the architecture. A model
            without weights takes no notice of a folder.
        progress, should_stop : callable, optional
            Serve the download of weights that are not here.

        Returns
        -------
        RestorationModel
            For weights of your own the descriptor says what was read off them (receptive field), and claims nothing
            that was measured with the official ones.

        Raises
        ------
        InputError
            If there is no such model, or a weights file is given to one that takes none.
        WeightsError
            If the weights are missing, damaged, of another hash, or do not fit.
        DownloadError
            If they cannot be downloaded.
        Cancelled
            If `should_stop` said so.
        """
        from napari_w2s.models.checkpoint import load_state_dict

        descriptor = self.descriptor(name)
        given = None if weights is None else Path(weights)
        source = descriptor.weights
        if source is None:
            if given is not None and not given.is_dir():
                raise InputError(f"{name} takes no weights, and {given} was given. Leave it out.")
            return RestorationModel(descriptor, descriptor.build(None))
        if source.place is WeightsPlace.OWN:
            given = find_own(descriptor, source, given)
        if given is not None and not given.is_dir():
            checkpoint = load_state_dict(given)
            network = _build(descriptor, checkpoint)
            if checkpoint.sha256 != source.sha256:
                descriptor = _with_own_weights(descriptor, network, checkpoint)
        else:
            path = locate(descriptor, source, given, progress=progress, should_stop=should_stop)
            checkpoint = load_state_dict(path, sha256=source.sha256)
            if source.sha256 is None:
                descriptor = _as_its_file_says(descriptor, checkpoint)
            network = _build(descriptor, checkpoint)
        if checkpoint.sha256 != source.sha256:
            _check_call(descriptor, network, checkpoint.path)
        return RestorationModel(descriptor, network, checkpoint.sha256, checkpoint.path)


def _build(descriptor: ModelDescriptor, checkpoint: Checkpoint) -> nn.Module:
    try:
        return descriptor.build(checkpoint.state)
    except WeightsError as error:
        raise WeightsError(f"{checkpoint.path}: {error}") from error


def _as_its_file_says(descriptor: ModelDescriptor, checkpoint: Checkpoint) -> ModelDescriptor:
    """Return the present descriptor of a model whose file may have changed since it was listed."""
    from napari_w2s.models.card import descriptors_of

    present = descriptors_of(checkpoint.card or {}, checkpoint.path)
    for one in present:
        if one.name == descriptor.name:
            return one
    raise WeightsError(
        f"{checkpoint.path} holds {', '.join(one.name for one in present)} now, and no longer {descriptor.name}. "
        "Choose among them, or train the model again."
    )


def _with_own_weights(descriptor: ModelDescriptor, network: nn.Module, checkpoint: Checkpoint) -> ModelDescriptor:
    """Return a descriptor that claims only what is true for weights given by the user: what their card says, if any."""
    from napari_w2s.models.card import descriptors_of

    reach = getattr(network, "receptive_field", descriptor.receptive_field)
    multiple = getattr(network, "size_multiple", descriptor.size_multiple)
    own = replace(
        descriptor,
        receptive_field=reach if isinstance(reach, int) else None,
        size_multiple=multiple if isinstance(multiple, int) else descriptor.size_multiple,
        precision_cost_db={},
        licence="The licence of the weights file that you gave applies.",
    )
    if checkpoint.card is None:
        return own
    wanted = descriptor.architecture, descriptor.scale, descriptor.output
    for said in descriptors_of(checkpoint.card, checkpoint.path):
        if (said.architecture, said.scale, said.output) == wanted:
            how = {name: getattr(said, name) for name in ("normalization", "result", "stretch", "level", "licence")}
            return replace(own, **how)
    return own


def _check_call(descriptor: ModelDescriptor, network: nn.Module, path: Path) -> None:
    """Run a network on a small image: it must do what its descriptor says."""
    import torch

    edge = -(-_PROBE // descriptor.size_multiple) * descriptor.size_multiple
    wanted = (1, 1, edge * descriptor.scale, edge * descriptor.scale)
    try:
        with torch.inference_mode():
            frame = torch.zeros(1, 1, edge, edge)
            context = (network.frame_context(frame[0, 0].numpy()),) if descriptor.frame_context else ()  # type: ignore[operator]
            shape = tuple(network(frame, *context).shape)
    except RuntimeError as error:
        raise WeightsError(
            f"{path} cannot restore images of one channel, which {descriptor.name} is for: {error}. "
            "Choose weights that were trained for such images."
        ) from error
    if shape != wanted:
        raise WeightsError(
            f"{path} does not do what {descriptor.name} should: an image of {edge} x {edge} pixels came out as "
            f"{shape}, expected {wanted}. Choose the model that the weights were trained for."
        )
