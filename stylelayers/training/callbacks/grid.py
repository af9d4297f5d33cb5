"""Pictures of fixed latents while training, so that the eye can follow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from torch import Tensor

from ...images.writing import save_grid
from ...models import Generator
from ..gan import GAN

__all__ = ["ImageGrid"]


class ImageGrid(Callback):
    """Save grids of the averaged generator's images as ``samples/<images seen>.png``, and the last as ``last.png``.

    Latents and noise are the same in every grid; classes, where there are any, run along the columns.

    Args:
        folder: the run's folder.
        every_images: images seen from one grid to the next, at least 1.
        rows, columns: of the grid, at least 1.
        truncation_psi: of the styles, 1 for none.
        seed: of the latents.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every_images: int = 20_000,
        rows: int = 8,
        columns: int = 10,
        truncation_psi: float = 1.0,
        seed: int = 0,
    ) -> None:
        for name, value in (("every_images", every_images), ("rows", rows), ("columns", columns)):
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"callbacks.grid.{name} must be an int of at least 1, got {value!r}")
        self.folder = Path(folder) / "samples"
        self.every_images, self.rows, self.columns = every_images, rows, columns
        self.truncation_psi, self.seed = truncation_psi, seed
        self._next = 0

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._next = pl_module.images_seen + self.every_images
        self._save(trainer, pl_module, f"{pl_module.images_seen:09d}.png")

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        if pl_module.images_seen >= self._next:
            self._next += self.every_images
            self._save(trainer, pl_module, f"{pl_module.images_seen:09d}.png")

    def on_train_end(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._save(trainer, pl_module, "last.png")

    def _save(self, trainer: Trainer, pl_module: GAN, name: str) -> None:
        if trainer.is_global_zero:
            save_grid(self._images(pl_module.average.module), self.folder / name, columns=self.columns)

    @torch.no_grad()
    def _images(self, generator: Generator) -> Tensor:
        count = self.rows * self.columns
        source = torch.Generator().manual_seed(self.seed)
        device = next(generator.parameters()).device
        z = torch.randn(count, generator.z_dim, generator=source).to(device)
        labels = (
            torch.arange(count, device=device) % self.columns % generator.num_labels if generator.num_labels else None
        )
        parts = zip(z.split(32), [None] * count if labels is None else labels.split(32), strict=False)
        return torch.cat([generator(p, q, truncation_psi=self.truncation_psi, noise="const") for p, q in parts])
