"""The result of reading a file of trained networks of any kind."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..models import Discriminator, StyleGenerator


@dataclass(frozen=True)
class Networks:
    """Networks of one file, in evaluation mode.

    Attributes:
        kind: of the file, in words.
        generator: the averaged generator.
        discriminator: None if the file has none, or none that is understood (`notes` says why).
        summary: of the training, such as ``images_seen``.
        notes: what was not understood or not kept, in sentences.
        substitutes: what was generated because the file lacks it although images depend on it, in sentences.

    Example:
        >>> from stylelayers import Generator
        >>> from stylelayers.checkpoints import Networks
        >>> Networks("generator file", Generator(8, z_dim=4, w_dim=4, channel_base=16)).discriminator is None
        True
    """

    kind: str
    generator: StyleGenerator
    discriminator: Discriminator | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    substitutes: tuple[str, ...] = ()
