"""How many generated digits a classifier of real digits recognises, and how the classes are shared.

    python benchmarks/digits_quality.py runs/<name>

Trains a small convolutional classifier on scikit-learn's digits (seconds), checks it on held-out scans, and
applies it to samples of a generator file or a run's folder. A generator with labels is asked for random classes.
Reports the share recognised with a confidence over 0.9 and the share of every class among all samples.
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from torch import Tensor, nn

from stylelayers.checkpoints import load_generator
from stylelayers.training.data import digits


def classifier_of_real_digits(resolution: tuple[int, int], seed: int = 0) -> tuple[nn.Module, float]:
    """The classifier, in evaluation mode, and its accuracy on a fifth of the scans that it was not trained on."""
    torch.manual_seed(seed)
    dataset: Any = digits(resolution=resolution, labels=True).dataset
    images = torch.stack([image for image, _ in dataset])
    labels = torch.tensor([label for _, label in dataset])
    order = torch.randperm(len(labels))
    held_out, kept = order[: len(order) // 5], order[len(order) // 5 :]
    model = nn.Sequential(
        *(nn.AdaptiveAvgPool2d(16), nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Dropout(0.3), nn.Linear(32 * 16, 64), nn.ReLU(), nn.Linear(64, 10)),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(25):
        for batch in kept[torch.randperm(len(kept))].split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            optimizer.step()
    model.eval()
    with torch.no_grad():
        accuracy = (model(images[held_out]).argmax(1) == labels[held_out]).float().mean()
    return model, float(accuracy)


@torch.no_grad()
def probabilities(path: str, classifier: nn.Module, samples: int, truncation_psi: float, seed: int) -> Tensor:
    """Class probabilities ``(samples, 10)`` of generated images."""
    generator = load_generator(path)
    torch.manual_seed(seed)
    parts = []
    for z in torch.randn(samples, generator.latent_dim).split(100):
        labels = torch.randint(generator.num_labels, (len(z),)) if generator.num_labels else None
        parts.append(classifier(generator(z, labels, truncation_psi=truncation_psi)))
    return torch.cat(parts).softmax(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", nargs="+", help="generator files or folders of runs")
    parser.add_argument("--samples", type=int, default=1800)
    parser.add_argument("--truncation-psi", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    classifier, accuracy = classifier_of_real_digits(load_generator(options.path[0]).resolution)
    print(f"classifier: {accuracy:.1%} of held-out scans right")
    for path in options.path:
        p = probabilities(path, classifier, options.samples, options.truncation_psi, options.seed)
        confidence, classes = p.max(1)
        shares = torch.bincount(classes, minlength=10) / len(classes)
        print(
            f"{path}: {(confidence > 0.9).float().mean():.1%} of {len(p)} recognised with confidence over 0.9; "
            f"smallest class {shares.min():.1%}; classes 0-9: " + " ".join(f"{share:.1%}" for share in shares)
        )


if __name__ == "__main__":
    main()
