"""What a classifier of real images sees in generated ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["CONFIDENCE", "Recognition", "recognition"]

CONFIDENCE = 0.9


@dataclass(frozen=True)
class Recognition:
    """Shares of all generated images.

    Attributes:
        recognised: whose class the classifier gives a probability over 0.9.
        class_shares: that each class is the likeliest of.
        asked_recognised: whose likeliest class is the one that was asked of the generator; None without labels.
    """

    recognised: float
    class_shares: tuple[float, ...]
    asked_recognised: float | None


def recognition(logits: Tensor, asked: Tensor | None = None) -> Recognition:
    """The shares by a classifier's ``logits (N, classes)`` and the classes ``asked (N,)`` of the generator."""
    confidence, classes = logits.softmax(1).max(1)
    counts = torch.bincount(classes, minlength=logits.shape[1])
    return Recognition(
        recognised=float((confidence > CONFIDENCE).double().mean()),
        class_shares=tuple((counts.double() / len(logits)).tolist()),
        asked_recognised=None if asked is None else float((classes == asked).double().mean()),
    )
