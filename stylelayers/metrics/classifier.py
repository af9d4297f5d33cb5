"""A small classifier that a run trains itself, in seconds: what it recognises, and a space for the Fréchet distance."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .._random_state import preserve_random_state

__all__ = ["SmallClassifier", "train_classifier"]

EPOCHS, BATCH, LEARNING_RATE = 25, 64, 2e-3
MAX_IMAGES = 5000


@dataclass(frozen=True)
class SmallClassifier:
    """A trained classifier in two parts, in evaluation mode.

    Attributes:
        body: images ``(N, C, H, W)`` → features ``(N, 64)``.
        head: features → logits ``(N, num_classes)``.
        accuracy: share right of the fifth of the images that it was not trained on.
    """

    body: nn.Sequential
    head: nn.Linear
    accuracy: float


def train_classifier(images: Tensor, labels: Tensor, num_classes: int, *, seed: int = 0) -> SmallClassifier:
    """Train two convolutions and two linear layers on images averaged to 16x16; on the CPU, so that devices agree.

    Args:
        images: ``(N, C, H, W)`` in [-1, 1]; evenly spaced ones are taken of more than 5,000.
        labels: ``(N,)`` ints below `num_classes`.
        num_classes: at least 2.
        seed: of the split, the weights and the order; global random numbers are left alone.

    Raises:
        ValueError: fewer than ten images, or fewer than two classes.
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
        held_out, kept = order[: len(order) // 5], order[len(order) // 5 :]
        model = _network(images.shape[1], num_classes)
        _fit(model, images, labels, kept)
    model.eval().requires_grad_(False)
    right = torch.cat([model(images[part]).argmax(1) == labels[part] for part in held_out.split(500)])
    return SmallClassifier(model[:-1], model[-1], float(right.float().mean()))  # type: ignore[arg-type]


def _network(channels: int, num_classes: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.AdaptiveAvgPool2d(16), nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Dropout(0.3), nn.Linear(32 * 16, 64), nn.ReLU(), nn.Linear(64, num_classes)),
    )


def _fit(model: nn.Sequential, images: Tensor, labels: Tensor, kept: Tensor) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    for _ in range(EPOCHS):
        for batch in kept[torch.randperm(len(kept))].split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
