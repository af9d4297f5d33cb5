"""Generators on the Hugging Face hub, through the mixin of ``huggingface_hub``. Needs the extra ``hub``.

A repository holds the ``generator.safetensors`` of :func:`stylelayers.checkpoints.save_generator`, ``config.json`` (the
constructor's arguments) and a model card. :func:`stylelayers.checkpoints.load_generator` reads a downloaded folder
without ``huggingface_hub``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from .._extras import needs_extra
from ..models import AliasFreeGenerator, Generator, StyleGenerator
from ._building import arguments_of, generator_class, network_name
from .generator_file import GENERATOR_FILE, save_generator
from .loading import load_networks

with needs_extra(__name__, "hub"):
    from huggingface_hub import PyTorchModelHubMixin, hf_hub_download


_Hub = TypeVar("_Hub", bound="_Published")


class _Published(StyleGenerator):
    """What generators on the hub share; each is also a generator of its class, and the mixin of ``huggingface_hub``."""

    training_summary: Mapping[str, Any] = {}

    @classmethod
    def of(cls: type[_Hub], generator: StyleGenerator, *, summary: Mapping[str, Any] | None = None) -> _Hub:
        """A copy of `generator`, in the same mode, that can be published.

        Raises:
            ValueError: a generator of another class.
        """
        if not issubclass(cls, generator_class(network_name(generator))):
            other = "HubAliasFreeGenerator" if isinstance(generator, AliasFreeGenerator) else "HubGenerator"
            raise ValueError(f"{cls.__name__}: a generator of class {network_name(generator)} needs {other}")
        published = cls(**arguments_of(generator))
        published.load_state_dict(generator.state_dict())
        published.class_names, published.label_kind = generator.class_names, generator.label_kind
        published.training_summary = dict(summary or {})
        return published.train(generator.training)

    def _save_pretrained(self, save_directory: Path) -> None:
        save_generator(self, save_directory / GENERATOR_FILE, summary=self.training_summary)

    @classmethod
    def _from_pretrained(
        cls: type[_Hub],
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        map_location: str = "cpu",
        strict: bool = False,
        **arguments: Any,
    ) -> _Hub:
        """Read the generator file, which repeats `config.json`; tensors must always fit."""
        path: str | Path = Path(model_id) / GENERATOR_FILE
        if not Path(model_id).is_dir():
            path = hf_hub_download(
                repo_id=model_id,
                filename=GENERATOR_FILE,
                revision=revision,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
                token=token,
            )
        found = load_networks(path, caller=f"{cls.__name__}.from_pretrained")
        return cls.of(found.generator, summary=found.summary).to(map_location)


class HubGenerator(
    _Published,
    Generator,
    PyTorchModelHubMixin,
    library_name="stylelayers",
    tags=["stylegan2", "gan"],
    pipeline_tag="unconditional-image-generation",
):
    """A generator with ``save_pretrained``, ``push_to_hub`` and ``from_pretrained``.

    Attributes:
        summary: of the training; saved with it.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.checkpoints.hub import HubGenerator
        >>> published = HubGenerator.of(Generator(8, z_dim=4, w_dim=4, channel_base=16))
        >>> published.num_ws
        4
    """


class HubAliasFreeGenerator(
    _Published,
    AliasFreeGenerator,
    PyTorchModelHubMixin,
    library_name="stylelayers",
    tags=["stylegan3", "gan"],
    pipeline_tag="unconditional-image-generation",
):
    """The same for :class:`stylelayers.AliasFreeGenerator`."""
