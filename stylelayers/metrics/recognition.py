"""The classes that a classifier of real images recognises in generated ones."""

from dataclasses import dataclass

import torch
from torch import Tensor

CONFIDENCE = 0.9
"""Probability above which the likeliest class of an image counts as recognised."""


@dataclass(frozen=True)
class Recognition:
    """Shares of the generated images, each in [0, 1].

    Attributes:
        recognised: images whose likeliest class has a probability above 0.9.
        class_shares: images of each likeliest class, ``num_classes`` numbers of sum 1.
        asked_recognised: images whose likeliest class is the generator's label; None without labels.

    Example:
        >>> from stylelayers.metrics import Recognition
        >>> Recognition(0.75, (0.5, 0.5), asked_recognised=None).class_shares
        (0.5, 0.5)
    """

    recognised: float
    class_shares: tuple[float, ...]
    asked_recognised: float | None


def recognition(logits: Tensor, asked: Tensor | None = None) -> Recognition:
    """What a classifier of real images recognises in generated ones.

    Args:
        logits: of the classifier, ``(N, num_classes)``.
        asked: the generator's labels, ``(N,)`` ints; None without labels.

    Returns:
        The shares of the images.

    Example:
        >>> import torch
        >>> from stylelayers.metrics import recognition
        >>> recognition(torch.tensor([[9.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0]))
        Recognition(recognised=0.5, class_shares=(0.5, 0.5), asked_recognised=0.5)
    """
    confidence, classes = logits.softmax(1).max(1)
    counts = torch.bincount(classes, minlength=logits.shape[1])
    return Recognition(
        recognised=float((confidence > CONFIDENCE).double().mean()),
        class_shares=tuple((counts.double() / len(logits)).tolist()),
        asked_recognised=None if asked is None else float((classes == asked).double().mean()),
    )
