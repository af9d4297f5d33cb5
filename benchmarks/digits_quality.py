"""Measure the fraction of generated digits that a classifier of real digits recognises, and their classes.

    python benchmarks/digits_quality.py runs/<name>

Trains a small convolutional classifier on scikit-learn's digits (seconds), tests it on held-out scans, and applies it
to samples of a generator file or a run's folder. Generators with labels get random classes. Prints the fraction
recognised with a confidence over 0.9, the fraction of each class, and the Fréchet distance to the real digits in the
classifier's last hidden layer.
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn

from stylelayers.checkpoints import load_generator
from stylelayers.data import digits
from stylelayers.metrics import CONFIDENCE, FeatureSpace, QualityMeter, classifier_of_digits


@torch.no_grad()
def probabilities(path: str, classifier: nn.Module, samples: int, truncation_psi: float, seed: int) -> Tensor:
    """Class probabilities ``(samples, 10)`` of generated images."""
    generator = load_generator(path)
    torch.manual_seed(seed)
    parts = []
    for z in torch.randn(samples, generator.z_dim).split(100):
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
    resolution = load_generator(options.path[0]).resolution
    classifier = classifier_of_digits(resolution)
    print(f"classifier: {classifier.accuracy:.1%} of held-out scans right")
    network = nn.Sequential(classifier.body, classifier.head)
    space = FeatureSpace("classifier of digits", classifier.body)
    meter = QualityMeter(
        digits(resolution=resolution),
        features=space,
        metrics=["fid"],
        samples=options.samples,
        truncation_psi=options.truncation_psi,
        seed=options.seed,
        cache=None,
    )
    for path in options.path:
        p = probabilities(path, network, options.samples, options.truncation_psi, options.seed)
        confidence, classes = p.max(1)
        shares = torch.bincount(classes, minlength=10) / len(classes)
        distance = meter(load_generator(path)).fid
        print(
            f"{path}: Fréchet distance {distance:.3f}; "
            f"{(confidence > CONFIDENCE).float().mean():.1%} of {len(p)} recognised with confidence over 0.9; "
            f"smallest class {shares.min():.1%}; classes 0-9: " + " ".join(f"{share:.1%}" for share in shares)
        )


if __name__ == "__main__":
    main()
