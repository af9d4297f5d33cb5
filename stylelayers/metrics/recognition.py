"""The classes that a classifier of real images recognises in generated ones."""

from dataclasses import dataclass

import torch
from torch import Tensor

CONFIDENCE = 0.9


@dataclass(frozen=True)
class Recognition:
    """Shares of the generated images.

    Attributes:
        recognised: images whose likeliest class has a probability above 0.9.
        class_shares: images of each likeliest class.
        asked_recognised: images whose likeliest class is the generator's label; None without labels.
    """

    recognised: float
    class_shares: tuple[float, ...]
    asked_recognised: float | None


def recognition(logits: Tensor, asked: Tensor | None = None) -> Recognition:
    """Shares by a classifier's ``logits (N, classes)`` and the generator's labels ``asked (N,)``."""
    confidence, classes = logits.softmax(1).max(1)
    counts = torch.bincount(classes, minlength=logits.shape[1])
    return Recognition(
        recognised=float((confidence > CONFIDENCE).double().mean()),
        class_shares=tuple((counts.double() / len(logits)).tolist()),
        asked_recognised=None if asked is None else float((classes == asked).double().mean()),
    )
