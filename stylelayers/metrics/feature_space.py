"""Feature spaces, in which images are compared: feature networks by name, or a user's own."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .._checks import check_choice
from ..data import digits
from ..images.transparency import COLOR_CHANNELS, over_white
from .classifier import SmallClassifier, train_classifier
from .random_features import RandomFeatures

FEATURES = ("inception", "classifier", "digits", "random")
"""Names of feature spaces, see :func:`feature_space`."""
RESIZE_FILTERS = {
    "tensorflow": "bilinear as in TensorFlow 1, not antialiased, to 299x299",
    "antialias": "bilinear, antialiased, to 299x299",
}
"""How images are resized to the input of Inception: name → description."""
LabelledImages = Callable[[], tuple[Tensor, Tensor, int]]


@dataclass(frozen=True)
class FeatureSpace:
    """A feature network and its description.

    Args:
        name: of the network, for the report.
        network: images ``(N, C, H, W)`` float32 in [-1, 1] → features ``(N, d)``; set to evaluation mode. Images with
            an alpha channel (2 or 4 channels) are composited over white for it.
        resize_filter: how `network` resizes images to its input size.
        head: features → logits of a classifier, if the network is part of one.
        accuracy: of that classifier.
        recognised: share of unseen real images with a class probability above 0.9 by that classifier.

    Shape:
        `images` ``(N, C, H, W)``, clamped to [-1, 1] → features ``(N, d)`` float32.

    Raises:
        ValueError: at call, features of another shape.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from stylelayers.metrics import FeatureSpace
        >>> space = FeatureSpace("mean colour", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()))
        >>> space(torch.zeros(4, 3, 8, 8)).shape
        torch.Size([4, 3])
    """

    name: str
    network: nn.Module
    resize_filter: str = "none"
    head: nn.Module | None = None
    accuracy: float | None = None
    recognised: float | None = None

    def to(self, device: torch.device) -> "FeatureSpace":
        for module in (self.network, self.head):
            if module is not None:
                module.to(device).eval()
        return self

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Features ``(N, d)`` float32 of images, which are clamped to [-1, 1] as in files."""
        features = self.network(over_white(images.float().clamp(-1, 1)))
        if not isinstance(features, Tensor) or features.ndim != 2 or len(features) != len(images):
            came = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
            raise ValueError(
                f"FeatureSpace: {self.name} must map {tuple(images.shape)} to ({len(images)}, d), got {came}"
            )
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
    """The feature space of a name or of a user's network.

    Args:
        features: ``"inception"``, 2,048 features with torch-fidelity's weights; ``"classifier"``, 64 features of a
            small classifier trained on the labels of the data; ``"digits"``, the same trained on scikit-learn's digits,
            which needs no labels of the data; ``"random"``, 128 :class:`RandomFeatures`, which need no download and
            rank generators of the same data; an ``nn.Module``, which receives images without resizing; or a
            :class:`FeatureSpace`.
        resolution: ``(height, width)`` of the images in pixels.
        image_channels: of the images; those with alpha are composited over white.
        labelled: returns images, labels and the number of classes; called for ``"classifier"`` only.
        resize_filter: of Inception; ``"tensorflow"`` as in publications, or ``"antialias"``.
        seed: of the classifier.

    Returns:
        The feature space, on the CPU unless it was given.

    Raises:
        ValueError: an unknown name, no labels, or weights that cannot be fetched.

    Example:
        >>> import torch
        >>> from stylelayers.metrics import feature_space
        >>> labelled = lambda: (torch.zeros(20, 3, 32, 32), torch.arange(20) % 2, 2)
        >>> feature_space("random", resolution=(32, 32), image_channels=3, labelled=labelled).name
        'random filters'
    """
    colors = COLOR_CHANNELS.get(image_channels, image_channels)
    if isinstance(features, FeatureSpace):
        return features
    if isinstance(features, nn.Module):
        return FeatureSpace(type(features).__name__, features)
    if features == "inception":
        return _inception_space(resize_filter)
    if features == "classifier":
        return _classifier_space("classifier of the data", _train_on(*labelled(), seed=seed))
    if features == "digits":
        return _classifier_space("classifier of digits", classifier_of_digits(resolution, colors, seed=seed))
    if features == "random":
        return FeatureSpace("random filters", RandomFeatures(colors))
    raise ValueError(f"feature_space: features must be {', '.join(FEATURES)} or an nn.Module, got {features!r}")


def automatic_features(own: str | None, resize_filter: str) -> str | FeatureSpace:
    """The features of a data set of its own, else Inception or, with a warning, the random ones."""
    if own is not None:
        return own
    try:
        return _inception_space(resize_filter)
    except ValueError as error:
        warnings.warn(
            f"features=auto: images are compared in fixed random filters, as {error}. The numbers rank generators of "
            f"the same data and cannot be compared with a published FID; features=random avoids this warning",
            stacklevel=4,
        )
        return "random"


def classifier_of_digits(resolution: tuple[int, int], image_channels: int = 1, *, seed: int = 0) -> SmallClassifier:
    """A classifier of scikit-learn's digits, resized as for training.

    Args:
        resolution: ``(height, width)`` in pixels.
        image_channels: 1 (grey) or 3 (the same value in red, green and blue).
        seed: as in :func:`train_classifier`.

    Returns:
        A classifier of ten classes.

    Raises:
        ValueError: `image_channels` is not 1 or 3, or a resolution below 1.

    Example:
        >>> from stylelayers.metrics import classifier_of_digits
        >>> classifier = classifier_of_digits((32, 32))  # doctest: +SKIP
    """
    dataset = digits(resolution=resolution, image_channels=image_channels, labels=True).dataset
    pairs = [dataset[index] for index in range(len(dataset))]  # type: ignore[arg-type]
    return train_classifier(torch.stack([p[0] for p in pairs]), torch.tensor([p[1] for p in pairs]), 10, seed=seed)


def _train_on(images: Tensor, labels: Tensor, num_classes: int, *, seed: int) -> SmallClassifier:
    return train_classifier(over_white(images), labels, num_classes, seed=seed)


def _classifier_space(name: str, classifier: SmallClassifier) -> FeatureSpace:
    return FeatureSpace(
        name, classifier.body, "average to 16x16", classifier.head, classifier.accuracy, classifier.recognised
    )


def _inception_space(resize_filter: str) -> FeatureSpace:
    check_choice("feature_space", "resize_filter", resize_filter, RESIZE_FILTERS)
    return FeatureSpace("inception", _Inception(resize_filter == "antialias"), RESIZE_FILTERS[resize_filter])


class _Inception(nn.Module):
    """Inception of torchmetrics for grey or RGB images in [-1, 1]."""

    def __init__(self, antialias: bool) -> None:
        super().__init__()
        from torchmetrics.image.fid import FrechetInceptionDistance

        try:
            self.network = FrechetInceptionDistance(feature=2048, antialias=antialias).inception
        except ModuleNotFoundError:
            raise ValueError(
                "features=inception needs torch-fidelity (pip install 'stylelayers[quality]'), random nothing"
            ) from None
        except (OSError, RuntimeError) as error:  # no network, full disk, damaged file
            raise ValueError(
                f"features=inception: torch-fidelity's weights could not be fetched ({error}); put its file "
                f"weights-inception-2015-12-05-6726825d.pth into {torch.hub.get_dir()}/checkpoints, or set features to "
                f"classifier, digits, random or a network of your own"
            ) from None

    def forward(self, images: Tensor) -> Tensor:
        pixels = ((images + 1) * 127.5).round().to(torch.uint8)
        features: Tensor = self.network(pixels.expand(-1, 3, -1, -1))
        return features
