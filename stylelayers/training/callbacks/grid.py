"""Pictures of fixed seeds during training."""

import os
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from torch import Tensor

from ..._checks import check_ints
from ...data import ImageDataModule
from ...explore.sampling import sample
from ...images.writing import save_grid
from ...models import StyleGenerator
from ..gan import GAN
from ..watching import send_picture


class ImageGrid(Callback):
    """Save grids of the averaged generator's images as ``samples/<images seen>.png``, and the last as ``last.png``.

    Loggers that take pictures get each grid as ``samples/grid``; see :mod:`stylelayers.training.watching`.

    Latents and noise are the same in every grid. Classes, if there are any, run along the columns; so do label vectors,
    which are those of real images that `seed` draws.

    Args:
        folder: the run's folder.
        every_images: images seen between two grids, at least 1.
        rows, columns: of the grid, at least 1.
        truncation_psi: of the styles, 1 for none.
        seed: of the latents, at least 0; grids of different seeds have no latent in common.

    Raises:
        ValueError: an argument out of range, or label vectors without an :class:`stylelayers.data.ImageDataModule` to
            draw them from.

    Example:
        >>> from stylelayers.training import ImageGrid
        >>> ImageGrid("runs/RUN", every_images=10_000, rows=4).columns
        10
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
        check_ints("ImageGrid", every_images=every_images, rows=rows, columns=columns)
        check_ints("ImageGrid", 0, seed=seed)
        self.folder = Path(folder) / "samples"
        self.every_images, self.rows, self.columns = every_images, rows, columns
        self.truncation_psi, self.seed = truncation_psi, seed
        self._vectors: Tensor | None = None
        self._next = 0
        self._sent = -1  # iterations at the newest grid that loggers have

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._next = pl_module.images_seen + self.every_images
        self._save(trainer, pl_module, f"{pl_module.images_seen:09d}.png")

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, *_: Any) -> None:  # type: ignore[override]
        if pl_module.images_seen >= self._next:
            self._next += self.every_images
            self._save(trainer, pl_module, f"{pl_module.images_seen:09d}.png")

    def on_train_end(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        self._save(trainer, pl_module, "last.png")

    def _save(self, trainer: Trainer, model: GAN, name: str) -> None:
        if not trainer.is_global_zero:
            return
        generator, count = model.average.module, self.rows * self.columns
        seeds = range(self.seed * count, (self.seed + 1) * count)
        images = sample(generator, seeds, labels=self._labels(trainer, generator), truncation_psi=self.truncation_psi)
        path = save_grid(torch.cat(list(images)), self.folder / name, columns=self.columns)
        if self._sent != model.iterations:
            self._sent = model.iterations
            send_picture(trainer, path, name="samples/grid", step=model.iterations)

    def _labels(self, trainer: Trainer, generator: StyleGenerator) -> list[int] | Tensor | None:
        """The label of each column."""
        if generator.label_kind != "vectors":
            count = generator.num_labels
            return [column % count for column in range(self.columns)] if count else None
        if self._vectors is None:
            data = getattr(trainer, "datamodule", None)
            if not isinstance(data, ImageDataModule):
                raise ValueError(
                    f"ImageGrid: label vectors are drawn from an ImageDataModule, got {type(data).__name__}; leave the "
                    f"callback out"
                )
            self._vectors = data.draw_label_vectors(self.columns, self.seed)
        return self._vectors
