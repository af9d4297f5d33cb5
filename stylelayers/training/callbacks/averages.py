"""Snapshots of power-function averages, from which averages of any length are made after training."""

import os
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, Trainer
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from ..._checks import check_ints
from ...checkpoints.post_hoc import exponent_of, save_snapshot
from ...models import StyleGenerator
from ..gan import GAN


class PostHocAverages(Callback):
    """Keep averages of two or more widths during training, and write them to ``averages/`` regularly and at the end.

    :func:`stylelayers.checkpoints.post_hoc_average` and ``stylelayers average`` make an average of any other width of
    them. An average gives the parameters after `t` images the weight ``t ** k``, where its width sets the exponent `k`
    (arXiv:2312.02696, equations 1 to 4). What came before the first image that the callback saw counts as the
    parameters at that time. The averaged generator of the run, in ``generator.safetensors``, is another one.

    Args:
        folder: the run's folder.
        every_images: images from one snapshot to the next, at least 1; None keeps no averages.
        widths: standard deviations of the weights over time, as shares of the training, in (0, 0.28].

    Raises:
        ValueError: an argument out of range, or fewer than two widths.

    Example:
        >>> from stylelayers.training import PostHocAverages
        >>> sorted(PostHocAverages("runs/RUN", every_images=5000).exponents)
        [0.05, 0.1]
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        every_images: int | None = None,
        widths: Sequence[float] = (0.05, 0.1),
    ) -> None:
        if every_images is not None:
            check_ints("PostHocAverages", every_images=every_images)
        if len(set(widths)) < 2:
            raise ValueError(f"PostHocAverages: widths must be two or more different numbers, got {list(widths)}")
        self.folder, self.every_images = Path(folder), every_images
        self.exponents = {float(width): exponent_of(width, "PostHocAverages") for width in widths}
        self._averages: dict[float, dict[str, Tensor]] = {}
        self._written = 0

    def state_dict(self) -> dict[str, Any]:
        return {"averages": self._averages, "written": self._written} if self._averages else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        kept = state_dict.get("averages", {})
        self._averages = {width: kept[width] for width in self.exponents if width in kept}
        self._written = state_dict.get("written", 0)

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        if self.every_images is None:
            self._averages = {}
            return
        parameters = dict(pl_module.generator.named_parameters())
        for width in self.exponents:
            kept = self._averages.get(width, {})
            self._averages[width] = {
                name: kept[name].to(parameter.device) if name in kept else _as_wide(parameter)
                for name, parameter in parameters.items()
            }

    def on_train_batch_end(self, trainer: Trainer, pl_module: GAN, outputs: Any, batch: Any, *_: Any) -> None:  # type: ignore[override]
        if self.every_images is None:
            return
        images = len(batch[0]) * trainer.world_size
        for width, exponent in self.exponents.items():
            _follow(
                self._averages[width], pl_module.generator, 1 - (1 - images / pl_module.images_seen) ** (exponent + 1)
            )
        if pl_module.images_seen // self.every_images > self._written // self.every_images:
            self._write(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        if self.every_images is not None and pl_module.images_seen > self._written:
            self._write(trainer, pl_module)

    def _write(self, trainer: Trainer, model: GAN) -> None:
        """Write a snapshot per width; a full disk ends no training."""
        self._written = model.images_seen
        if not trainer.is_global_zero:
            return
        snapshot = deepcopy(model.average.module)  # with the buffers of today
        for width, average in self._averages.items():
            try:
                _take(snapshot, average)
                save_snapshot(snapshot, self.folder, width=width, images_seen=model.images_seen)
            except OSError as error:
                rank_zero_warn(f"a snapshot of the averages was not written ({error}); training goes on")


def _as_wide(parameter: Tensor) -> Tensor:
    """A copy in float32 at least: small steps would be lost in half precision."""
    return parameter.detach().to(torch.promote_types(parameter.dtype, torch.float32), copy=True)


@torch.no_grad()
def _follow(average: dict[str, Tensor], generator: StyleGenerator, weight: float) -> None:
    """Move every average towards the parameter of its name."""
    latest = [new.to(average[name].dtype) for name, new in generator.named_parameters()]
    torch._foreach_lerp_([average[name] for name, _ in generator.named_parameters()], latest, weight)


@torch.no_grad()
def _take(generator: StyleGenerator, average: dict[str, Tensor]) -> None:
    for name, parameter in generator.named_parameters():
        parameter.copy_(average[name])
