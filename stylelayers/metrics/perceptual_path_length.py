"""Perceptual path length of a generator, through torchmetrics."""

import torch
from torch import Tensor, nn

from ..images.transparency import over_white
from ..models import StyleGenerator
from .feature_space import FeatureSpace

SIMILARITIES = ("features", "vgg", "alex", "squeeze")
_STEP = 1e-4


def perceptual_path_length(
    generator: StyleGenerator,
    space: FeatureSpace,
    z: tuple[Tensor, Tensor],
    labels: Tensor | None,
    *,
    similarity: str | nn.Module = "features",
    truncation_psi: float = 1.0,
    batch_size: int = 64,
) -> float:
    """``E[d(G(w), G(w + e (w' - w))) / e^2]``, e = 1e-4, from the ends of paths in W (arXiv:1812.04948, sec. 4.1).

    The largest and smallest hundredths are left out. Noise is constant; both ends have the same label.

    Args:
        generator: in evaluation mode.
        space: features whose squared distance is the similarity ``"features"``.
        z: latents ``(N, z_dim)`` of both ends.
        labels: ``(N,)`` or ``(N, num_labels)``, or None.
        similarity: ``"features"``, a network of LPIPS (``"vgg"``, ``"alex"``, ``"squeeze"``), or a module that maps two
            batches of images in [-1, 1] to distances ``(N,)``, quadratic in small differences.
        truncation_psi: of the styles.
        batch_size: pairs of images per batch.

    Returns:
        A number of at least 0; low is smooth.

    Raises:
        ValueError: the weights of LPIPS cannot be fetched.

    Example:
        >>> import torch
        >>> from stylelayers import Generator
        >>> from stylelayers.metrics import FeatureSpace, RandomFeatures, perceptual_path_length
        >>> generator = Generator(8, z_dim=4, w_dim=4, channel_base=16).eval()
        >>> space, ends = FeatureSpace("random filters", RandomFeatures(3)), (torch.randn(8, 4), torch.randn(8, 4))
        >>> perceptual_path_length(generator, space, ends, None) >= 0
        True
    """
    from torchmetrics.functional.image import perceptual_path_length as compute

    device = z[0].device
    network = _SquaredDistance(space) if similarity == "features" else similarity
    try:
        mean, _, _ = compute(
            _StylesToImages(generator, z, labels, truncation_psi),  # type: ignore[arg-type]
            num_samples=len(z[0]),
            batch_size=batch_size,
            epsilon=_STEP,
            resize=None,
            sim_net=network,  # type: ignore[arg-type]
            device=device,
        )
    except (ModuleNotFoundError, OSError) as error:
        raise ValueError(
            f"perceptual_path_length: the weights of similarity={similarity} could not be fetched ({error})"
        ) from None
    return float(mean)


class _StylesToImages(nn.Module):
    """The synthesis network as torchmetrics expects a generator; each call of `sample` gives one end of all paths."""

    def __init__(
        self, generator: StyleGenerator, z: tuple[Tensor, Tensor], labels: Tensor | None, truncation_psi: float
    ) -> None:
        super().__init__()
        self.generator, self.labels, self.truncation_psi = generator, labels, truncation_psi
        self.ends = iter(z)

    @torch.no_grad()
    def sample(self, num_samples: int) -> Tensor:
        ws: Tensor = self.generator.mapping(next(self.ends), self.labels, truncation_psi=self.truncation_psi)
        return ws

    def forward(self, ws: Tensor) -> Tensor:
        images = over_white(self.generator.synthesis(ws, noise=self.generator.synthesis.fixed_noise))
        return (images + 1) * 127.5  # torchmetrics expects [0, 255]


class _SquaredDistance(nn.Module):
    """Squared distance of features, in float64."""

    def __init__(self, space: FeatureSpace) -> None:
        super().__init__()
        self.space = space

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return (self.space(a).double() - self.space(b).double()).square().sum(1)
