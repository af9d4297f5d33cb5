"""How far two images are apart: by their pixels, or by what a network sees in them (arXiv:1801.03924)."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

__all__ = ["Distance", "FeatureDistance", "load_distance", "pixel_distance"]

Distance = Callable[[Tensor, Tensor], Tensor]
_VGG_LAYERS = (3, 8, 15, 22, 29)  # the last activation of each of its five stages
_IMAGENET_MEAN, _IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def pixel_distance(images: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference, ``(N, C, H, W)`` twice → scalar."""
    return (images - target).square().mean()


class FeatureDistance:
    """Mean squared difference of a network's features, each scaled to unit length over its channels.

    As in arXiv:1801.03924, equation 1, with all weights 1, and summed over the feature maps.

    Args:
        network: images ``(N, C, H, W)`` in [-1, 1], as the generator makes them, to one tensor ``(N, D)`` or
            ``(N, D, H', W')``, or to several in a tuple, list or dict. It is set to evaluation mode and not trained.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network.eval()
        for parameter in network.parameters():  # TorchScript has no requires_grad_ of its own
            parameter.requires_grad_(False)
        self._known: tuple[Tensor, list[Tensor]] | None = None

    def __call__(self, images: Tensor, target: Tensor) -> Tensor:
        if self._known is None or self._known[0] is not target:
            with torch.no_grad():
                self._known = target, self.features(target)
        pairs = zip(self.features(images), self._known[1], strict=True)
        return torch.stack([(ours - theirs).square().sum(1).mean() for ours, theirs in pairs]).sum()

    def features(self, images: Tensor) -> list[Tensor]:
        """What the network sees, scaled to unit length over the channels."""
        seen = self.network(images)
        maps = [seen] if isinstance(seen, Tensor) else list(seen.values() if isinstance(seen, dict) else seen)
        return [nn.functional.normalize(each, dim=1) for each in maps]


def load_distance(name: str, *, device: torch.device | str = "cpu") -> Distance:
    """The distance of a name.

    Args:
        name: ``"pixels"``; ``"vgg16"`` (torchvision's, whose weights are fetched once); a TorchScript file; or
            ``"module:factory"``, whose call without arguments makes a network. The last two run code: theirs.
        device: of the network.

    Raises:
        ValueError: a name that leads to no network.
    """
    if name == "pixels":
        return pixel_distance
    if name == "vgg16":
        return FeatureDistance(_vgg16().to(device))
    if Path(name).is_file():
        return FeatureDistance(_torchscript(name).to(device))
    module, colon, factory = name.partition(":")
    if not colon:
        raise ValueError(f"distance must be pixels, vgg16, a TorchScript file or module:factory, got {name!r}")
    try:
        network = getattr(import_module(module), factory)()
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"distance {name!r} is no module:factory that makes a network: {error}") from None
    if not isinstance(network, nn.Module):
        raise ValueError(f"distance {name!r}: expected a torch.nn.Module, got {type(network).__name__}")
    return FeatureDistance(network.to(device))


def _torchscript(path: str) -> nn.Module:
    try:
        network: nn.Module = torch.jit.load(path, map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise ValueError(f"distance {path!r} is no TorchScript file: {str(error).splitlines()[0]}") from None
    return network


class _VGG(nn.Module):
    """The five stages of a VGG network, for images in [-1, 1] of one or three channels."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers
        self.register_buffer("mean", torch.tensor(_IMAGENET_MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(_IMAGENET_DEVIATION).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> list[Tensor]:
        x = (images.expand(-1, 3, -1, -1) / 2 + 0.5 - self.mean) / self.deviation
        stages = []
        for index, layer in enumerate(self.layers[: _VGG_LAYERS[-1] + 1]):
            x = layer(x)
            if index in _VGG_LAYERS:
                stages.append(x)
        return stages


def _vgg16() -> nn.Module:
    try:
        from torchvision.models import VGG16_Weights, vgg16
    except ImportError:
        raise ValueError("distance 'vgg16' needs torchvision: pip install torchvision") from None
    try:
        layers = vgg16(weights=VGG16_Weights.IMAGENET1K_V1).features
    except OSError as error:
        raise ValueError(f"distance 'vgg16': its weights could not be fetched: {error}") from None
    return _VGG(nn.Sequential(*(nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in layers)))
