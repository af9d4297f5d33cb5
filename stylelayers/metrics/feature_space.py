"""Where images are compared: a network from images to features, by name or a user's own."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..data import digits
from .classifier import SmallClassifier, train_classifier
from .random_features import RandomFeatures

__all__ = [
    "FEATURES",
    "RESIZE_FILTERS",
    "FeatureSpace",
    "automatic_features",
    "check_resize_filter",
    "classifier_of_digits",
    "feature_space",
]

FEATURES = ("inception", "classifier", "digits", "random")
RESIZE_FILTERS = {
    "tensorflow": "bilinear as in TensorFlow 1, not antialiased, to 299x299",
    "antialias": "bilinear, antialiased, to 299x299",
}
LabelledImages = Callable[[], tuple[Tensor, Tensor, int]]


@dataclass(frozen=True)
class FeatureSpace:
    """A feature network and what has to be said about it.

    Args:
        name: of the network, for the report.
        network: images ``(N, C, H, W)`` float32 in [-1, 1] → features ``(N, d)``. It is put in evaluation mode.
        resize_filter: what `network` does to images of another size than its own.
        head: features → logits of a classifier, for the shares that are recognised.
        accuracy: of that classifier.
    """

    name: str
    network: nn.Module
    resize_filter: str = "none"
    head: nn.Module | None = None
    accuracy: float | None = None

    def to(self, device: torch.device) -> FeatureSpace:
        for module in (self.network, self.head):
            if module is not None:
                module.to(device).eval()
        return self

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Features ``(N, d)`` float32 of images of which values beyond [-1, 1], which no file holds, are clamped."""
        features = self.network(images.float().clamp(-1, 1))
        if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != len(images):
            came = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise ValueError(f"features: {self.name} must map {tuple(images.shape)} to ({len(images)}, d), got {came}")
        return features.float()


def feature_space(
    features: str | nn.Module | FeatureSpace,
    *,
    resolution: tuple[int, int],
    image_channels: int,
    labelled: LabelledImages,
    resize_filter: str = "tensorflow",
    seed: int = 0,
) -> FeatureSpace:
    """The space of a name, or of a network of the user's, which is given images as they are.

    Args:
        features: ``"inception"``, 2,048 features by torch-fidelity's weights; ``"classifier"``, 64 of a small
            classifier trained on the data's own labels; ``"digits"``, the same on scikit-learn's digits, whether the
            data have labels or not; ``"random"``, 128 of :class:`RandomFeatures`, which need nothing and say which of
            two generators is nearer to the same data; an ``nn.Module`` or a :class:`FeatureSpace`.
        resolution, image_channels: of the images.
        labelled: gives images, labels and the number of classes; called for ``"classifier"``.
        resize_filter: of Inception; ``"tensorflow"`` as in publications, or ``"antialias"``.
        seed: of the classifier.

    Raises:
        ValueError: another name, no labels, or weights that cannot be fetched.
    """
    if isinstance(features, FeatureSpace):
        return features
    if isinstance(features, nn.Module):
        return FeatureSpace(type(features).__name__, features)
    if features == "inception":
        return _inception(resize_filter)
    if features == "classifier":
        return _classified("classifier of the data", train_classifier(*labelled(), seed=seed))
    if features == "digits":
        return _classified("classifier of digits", classifier_of_digits(resolution, image_channels, seed=seed))
    if features == "random":
        return FeatureSpace("random filters", RandomFeatures(image_channels))
    raise ValueError(f"features must be {', '.join(FEATURES)} or an nn.Module, got {features!r}")


def automatic_features(own: str | None, resize_filter: str) -> str | FeatureSpace:
    """The features that a data set has of its own, or Inception's, or, aloud, the random ones that are always there."""
    if own is not None:
        return own
    try:
        return _inception(resize_filter)
    except ValueError as error:
        warnings.warn(
            f"features=auto: images are compared in fixed random filters, as {error}. Their numbers say which of two "
            f"generators is nearer to the same data, and are no FID of publications; features=random is silent",
            stacklevel=4,
        )
        return "random"


def check_resize_filter(resize_filter: str) -> None:
    """Raise a ValueError unless Inception has such a filter."""
    if resize_filter not in RESIZE_FILTERS:
        raise ValueError(f"resize_filter must be one of {', '.join(RESIZE_FILTERS)}, got {resize_filter!r}")


def classifier_of_digits(resolution: tuple[int, int], image_channels: int = 1, *, seed: int = 0) -> SmallClassifier:
    """The classifier of scikit-learn's digits, enlarged as for training."""
    dataset = digits(resolution=resolution, image_channels=image_channels, labels=True).dataset
    pairs = [dataset[index] for index in range(len(dataset))]  # type: ignore[arg-type]
    return train_classifier(torch.stack([p[0] for p in pairs]), torch.tensor([p[1] for p in pairs]), 10, seed=seed)


def _classified(name: str, classifier: SmallClassifier) -> FeatureSpace:
    return FeatureSpace(name, classifier.body, "average to 16x16", classifier.head, classifier.accuracy)


def _inception(resize_filter: str) -> FeatureSpace:
    check_resize_filter(resize_filter)
    return FeatureSpace("inception", _Inception(resize_filter == "antialias"), RESIZE_FILTERS[resize_filter])


class _Inception(nn.Module):
    """Images in [-1, 1], grey or RGB, as the bytes that torchmetrics' Inception takes."""

    def __init__(self, antialias: bool) -> None:
        super().__init__()
        from torchmetrics.image.fid import FrechetInceptionDistance

        try:
            self.network = FrechetInceptionDistance(feature=2048, antialias=antialias).inception
        except ModuleNotFoundError:
            raise ValueError(
                "features=inception needs torch-fidelity (pip install 'stylelayers[quality]'), random nothing"
            ) from None
        except (OSError, RuntimeError) as error:  # no network, no space, a damaged file
            raise ValueError(
                f"features=inception: torch-fidelity's weights could not be fetched ({error}); put its file "
                f"weights-inception-2015-12-05-6726825d.pth into {torch.hub.get_dir()}/checkpoints, or set features to "
                f"classifier, digits, random or a network of your own"
            ) from None

    def forward(self, images: Tensor) -> Tensor:
        pixels = ((images + 1) * 127.5).round().to(torch.uint8)
        features: Tensor = self.network(pixels.expand(-1, 3, -1, -1))
        return features
