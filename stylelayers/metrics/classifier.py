"""A small image classifier, trained in seconds, whose features also serve as a feature space."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .._random_state import preserve_random_state
from .recognition import recognition

EPOCHS, BATCH, LEARNING_RATE = 25, 64, 2e-3
MAX_IMAGES = 5000


@dataclass(frozen=True)
class SmallClassifier:
    """A trained classifier in evaluation mode, as two parts.

    Attributes:
        body: images ``(N, C, H, W)`` → features ``(N, 64)``.
        head: features → logits ``(N, num_classes)``.
        accuracy: on the fifth of the images that was held out.
        recognised: share of these with a class probability above 0.9; None if it was not measured.

    Example:
        >>> from torch import nn
        >>> from stylelayers.metrics import SmallClassifier
        >>> SmallClassifier(nn.Sequential(nn.Flatten(), nn.Linear(48, 64)), nn.Linear(64, 10), accuracy=0.1).accuracy
        0.1
    """

    body: nn.Sequential
    head: nn.Linear
    accuracy: float
    recognised: float | None = None


def train_classifier(images: Tensor, labels: Tensor, num_classes: int, *, seed: int = 0) -> SmallClassifier:
    """Train two convolutions and two linear layers on images averaged to 16x16, on the CPU for equal results.

    Args:
        images: ``(N, C, H, W)`` in [-1, 1], at least ten; of more than 5,000, evenly spaced ones are used.
        labels: ``(N,)`` ints below `num_classes`.
        num_classes: at least 2.
        seed: of the split, the weights and the order. Global random states are left as they are.

    Returns:
        The classifier, in evaluation mode and on the CPU.

    Raises:
        ValueError: fewer than ten images, or fewer than two classes.

    Example:
        >>> import torch
        >>> from stylelayers.metrics import train_classifier
        >>> labels = torch.arange(20) % 2  # black or white
        >>> images = (labels * 2.0 - 1).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)
        >>> train_classifier(images, labels, num_classes=2).body(images).shape
        torch.Size([20, 64])
    """
    if len(images) < 10 or num_classes < 2:
        raise ValueError(
            f"train_classifier: needs at least 10 images and 2 classes, got {len(images)} and {num_classes}"
        )
    if len(images) > MAX_IMAGES:
        spaced = torch.linspace(0, len(images) - 1, MAX_IMAGES).long()
        images, labels = images[spaced], labels[spaced]
    with preserve_random_state(), torch.enable_grad():
        torch.default_generator.manual_seed(seed)
        order = torch.randperm(len(labels))
        held_out, training = order[: len(order) // 5], order[len(order) // 5 :]
        model = _build_network(images.shape[1], num_classes)
        _fit(model, images, labels, training)
    model.eval().requires_grad_(False)
    logits = torch.cat([model(images[part]) for part in held_out.split(500)])
    unseen = recognition(logits, labels[held_out])
    return SmallClassifier(model[:-1], model[-1], unseen.asked_recognised, unseen.recognised)  # type: ignore[arg-type]


def _build_network(channels: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.AdaptiveAvgPool2d(16), nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Dropout(0.3), nn.Linear(32 * 16, 64), nn.ReLU(), nn.Linear(64, num_classes)),
    )


def _fit(model: nn.Sequential, images: Tensor, labels: Tensor, training: Tensor) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    for _ in range(EPOCHS):
        for batch in training[torch.randperm(len(training))].split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
