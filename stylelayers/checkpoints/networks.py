"""What reading a file of trained networks gives, whatever kind of file it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..models import Discriminator, Generator

__all__ = ["Networks"]


@dataclass(frozen=True)
class Networks:
    """Networks of one file, in evaluation mode.

    Attributes:
        kind: what the file is, in words.
        generator: the averaged one.
        discriminator: None where the file has none, or none that is understood (`notes` says so).
        summary: of the training, such as ``images_seen``.
        notes: what of the file was not understood or not kept, a sentence each.
        made: what images depend on, is not in the file and was made, a sentence each.
    """

    kind: str
    generator: Generator
    discriminator: Discriminator | None = None
    summary: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    made: tuple[str, ...] = ()
