"""Distances of images: of pixels, or of the features of a network (arXiv:1801.03924)."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from ..images.transparency import over_white

Distance = Callable[[Tensor, Tensor], Tensor]
_VGG_LAYERS = (3, 8, 15, 22, 29)  # the last activation of each of its five stages
_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pixel_distance(images: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference of images.

    Args:
        images: in [-1, 1].
        target: images that broadcast against them.

    Shape:
        ``(N, C, H, W)``, ``(N, C, H, W)`` or ``(1, C, H, W)`` → scalar.

    Example:
        >>> import torch
        >>> from stylelayers.explore import pixel_distance
        >>> pixel_distance(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4))
        tensor(1.)
    """
    return (images - target).square().mean()


class FeatureDistance:
    """Mean squared difference of a network's features, scaled to unit length over the channels.

    Equation 1 of arXiv:1801.03924 with all weights 1, summed over the feature maps.

    Args:
        network: images ``(N, C, H, W)`` in [-1, 1] → features ``(N, D)`` or ``(N, D, H', W')``, or several in a tuple,
            list or dict. It is frozen and set to evaluation mode.

    Shape:
        `images` ``(N, C, H, W)``, `target` ``(1, C, H, W)`` or ``(N, C, H, W)``, whose features are computed once →
        scalar.

    Example:
        >>> import torch
        >>> from stylelayers.explore import FeatureDistance
        >>> distance = FeatureDistance(torch.nn.Conv2d(3, 4, 3))
        >>> target = torch.randn(1, 3, 8, 8)
        >>> distance(target, target)
        tensor(0.)
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval()
        for parameter in network.parameters():  # TorchScript modules have no requires_grad_
            parameter.requires_grad_(False)
        self._target: tuple[Tensor, list[Tensor]] | None = None  # and its features

    def __call__(self, images: Tensor, target: Tensor) -> Tensor:
        if self._target is None or self._target[0] is not target:
            with torch.no_grad():
                self._target = target, self.features(target)
        pairs = zip(self.features(images), self._target[1], strict=True)
        return torch.stack([(ours - theirs).square().sum(1).mean() for ours, theirs in pairs]).sum()

    def features(self, images: Tensor) -> list[Tensor]:
        """Feature maps, scaled to unit length over the channels."""
        found = self.network(images)
        maps = [found] if isinstance(found, Tensor) else list(found.values() if isinstance(found, dict) else found)
        return [nn.functional.normalize(each, dim=1) for each in maps]


def load_distance(distance: str, *, device: torch.device | str = "cpu") -> Distance:
    """Load a distance by its name.

    Args:
        distance: ``"pixels"``; ``"vgg16"`` of torchvision, whose weights are fetched once, on
            images composited over white if they have an alpha channel; a TorchScript file; or
            ``"module:factory"``, a function without arguments that returns a network. The last two run foreign code.
        device: of the network.

    Returns:
        A function of images and a target, of the shapes of :func:`pixel_distance`, to a scalar.

    Raises:
        ValueError: an unknown name, or a network that cannot be loaded.

    Example:
        >>> import torch
        >>> from stylelayers.explore import load_distance
        >>> load_distance("pixels")(torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4))
        tensor(1.)
    """
    if distance == "pixels":
        return pixel_distance
    if distance == "vgg16":
        return FeatureDistance(_load_vgg16().to(device))
    if Path(distance).is_file():
        return FeatureDistance(_load_torchscript(distance).to(device))
    module, colon, factory = distance.partition(":")
    if not colon:
        known = "pixels, vgg16, a TorchScript file or module:factory"
        raise ValueError(f"load_distance: distance must be {known}, got {distance!r}")
    try:
        network = getattr(import_module(module), factory)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"load_distance: distance {distance!r} is no module:factory that makes a network: {error}"
        ) from None
    if not isinstance(network, nn.Module):
        came = type(network).__name__
        raise ValueError(f"load_distance: distance {distance!r}: expected a torch.nn.Module, got {came}")
    return FeatureDistance(network.to(device))


def _load_torchscript(path: str) -> nn.Module:
    try:
        network: nn.Module = torch.jit.load(path, map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"load_distance: {path!r} is no TorchScript file: {str(error).splitlines()[0]}") from None
    return network


class _VGG(nn.Module):
    """The five stages of a VGG network, for grey or RGB images in [-1, 1]."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(_IMAGENET_DEVIATION).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> list[Tensor]:
        x = (over_white(images).expand(-1, 3, -1, -1) / 2 + 0.5 - self.mean) / self.deviation
        stages = []
        for index, layer in enumerate(self.layers[: _VGG_LAYERS[-1] + 1]):
            x = layer(x)
            if index in _VGG_LAYERS:
                stages.append(x)
        return stages


def _load_vgg16() -> nn.Module:
    try:
        from torchvision.models import VGG16_Weights, vgg16
    except ImportError:
        raise ValueError("load_distance: vgg16 needs torchvision: pip install torchvision") from None
    try:
        layers = vgg16(weights=VGG16_Weights.IMAGENET1K_V1).features
    except OSError as error:
        raise ValueError(f"load_distance: vgg16: its weights could not be fetched: {error}") from None
    return _VGG(nn.Sequential(*(nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in layers)))
