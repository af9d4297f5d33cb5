"""Generators on the Hugging Face hub, through the mixin of ``huggingface_hub``. Needs the extra ``hub``.

A repository holds the ``generator.safetensors`` of :func:`stylelayers.checkpoints.save_generator`, ``config.json`` (the
constructor's arguments) and a model card. :func:`stylelayers.checkpoints.load_generator` reads a downloaded folder
without ``huggingface_hub``.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from .._extras import needs_extra
from ..models import Generator
from ._building import arguments_of
from .generator_file import GENERATOR_FILE, save_generator
from .loading import load_networks

with needs_extra(__name__, "hub"):
    from huggingface_hub import PyTorchModelHubMixin, hf_hub_download


class HubGenerator(
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

    summary: Mapping[str, Any] = {}

    @classmethod
    def of(cls, generator: Generator, *, summary: Mapping[str, Any] | None = None) -> "HubGenerator":
        """A copy of `generator`, in the same mode, that can be published."""
        published = cls(**arguments_of(generator))
        published.load_state_dict(generator.state_dict())
        published.class_names, published.label_kind = generator.class_names, generator.label_kind
        published.summary = dict(summary or {})
        return cast(HubGenerator, published.train(generator.training))

    def _save_pretrained(self, save_directory: Path) -> None:
        save_generator(self, save_directory / GENERATOR_FILE, summary=self.summary)

    @classmethod
    def _from_pretrained(
        cls,
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
    ) -> "HubGenerator":
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
        found = load_networks(path, caller="HubGenerator.from_pretrained")
        return cast(HubGenerator, cls.of(found.generator, summary=found.summary).to(map_location))
