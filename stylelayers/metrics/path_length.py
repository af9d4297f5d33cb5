"""The perceptual path length of our generators, through torchmetrics."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..models import Generator
from .feature_space import FeatureSpace

__all__ = ["SIMILARITIES", "path_length"]

SIMILARITIES = ("features", "vgg", "alex", "squeeze")
STEP = 1e-4


def path_length(
    generator: Generator,
    space: FeatureSpace,
    z: tuple[Tensor, Tensor],
    labels: Tensor | None,
    *,
    similarity: str | nn.Module = "features",
    truncation_psi: float = 1.0,
    batch_size: int = 64,
) -> float:
    """``E[d(G(w), G(w + e (w' - w))) / e^2]``, e = 1e-4, from the ends of paths in W (arXiv:1812.04948, sec. 4.1).

    The largest and smallest hundredths are left out; noise is constant, and both ends have the same label.

    Args:
        generator: in evaluation mode.
        space: its features give the similarity ``"features"``, their squared distance.
        z: the latents ``(N, z_dim)`` of both ends.
        labels: ``(N,)``, or None.
        similarity: a name of LPIPS as torchmetrics has it (``"vgg"``, ``"alex"``, ``"squeeze"``), or a module of two
            batches of images in [-1, 1] → ``(N,)``, quadratic in small differences.
        truncation_psi: of the styles.
        batch_size: pairs of images at a time.

    Raises:
        ValueError: LPIPS' weights cannot be fetched.
    """
    from torchmetrics.functional.image import perceptual_path_length

    device = z[0].device
    net = _SquaredDistance(space) if similarity == "features" else similarity
    try:
        mean, _, _ = perceptual_path_length(
            _Paths(generator, z, labels, truncation_psi),  # type: ignore[arg-type]
            num_samples=len(z[0]),
            batch_size=batch_size,
            epsilon=STEP,
            resize=None,
            sim_net=net,  # type: ignore[arg-type]
            device=device,
        )
    except (ModuleNotFoundError, OSError) as error:
        raise ValueError(f"similarity={similarity}: its weights could not be fetched ({error})") from None
    return float(mean)


class _Paths(nn.Module):
    """A generator from styles, as torchmetrics takes it: each call of `sample` gives the next end of all paths."""

    def __init__(
        self, generator: Generator, z: tuple[Tensor, Tensor], labels: Tensor | None, truncation_psi: float
    ) -> None:
        super().__init__()
        self.generator, self.labels, self.truncation_psi = generator, labels, truncation_psi
        self.ends = iter(z)

    @torch.no_grad()
    def sample(self, num_samples: int) -> Tensor:
        ws: Tensor = self.generator.mapping(next(self.ends), self.labels, truncation_psi=self.truncation_psi)
        return ws

    def forward(self, ws: Tensor) -> Tensor:
        images = self.generator.synthesis(ws, noise="const")
        return (images + 1) * 127.5  # the range that torchmetrics takes


class _SquaredDistance(nn.Module):
    def __init__(self, space: FeatureSpace) -> None:
        super().__init__()
        self.space = space

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return (self.space(a).double() - self.space(b).double()).square().sum(1)
