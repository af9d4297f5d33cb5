"""Before the first step: enough memory, disk and time for the run, and losses that all work."""

import math
import shutil
from os import PathLike
from pathlib import Path

from lightning import Callback, Trainer
from rich.console import Console
from rich.filesize import decimal

from ..callbacks.checkpoint import LatestCheckpoint
from ..callbacks.limits import find_callbacks, limits, progress
from ..distributed import PreflightError
from ..gan import GAN
from ..precision import HALF
from .rehearsal import rehearse


class Preflight(Callback):
    """Rehearse an iteration with every penalty on a copy of the model, weigh the checkpoints, and print a line.

    Training is not disturbed: weights, buffers, optimizers, the order of images and the random states of Python,
    NumPy, CPU and CUDA stay as they are. The copy holds the networks a second time during the rehearsal, which the
    peak of memory includes. Every rank rehearses alone; if one fails, all stop.

    Args:
        folder: the run's folder, whose disk is checked.
        preset: name of the preset that the run's settings come from, for the line.

    Raises:
        PreflightError: by ``on_train_start``; too little disk or memory, or a loss or gradient that is not finite.
    """

    def __init__(self, folder: str | PathLike[str], *, preset: str | None = None) -> None:
        self.folder, self.preset = Path(folder), preset
        self._console = Console(soft_wrap=True)

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        failure, parts = None, [] if self.preset is None else [f"preset {self.preset}"]
        try:
            disk = self._check_disk(trainer, pl_module)
            parts += [*self._rehearse(trainer, pl_module), *disk]
        except PreflightError as error:
            failure = error
        if not trainer.strategy.reduce_boolean_decision(failure is None):
            raise failure or PreflightError("pre-flight: another process failed, and says why")
        if trainer.is_global_zero:
            self._console.print(f"pre-flight: {'; '.join(parts)}", highlight=False)

    def _check_disk(self, trainer: Trainer, model: GAN) -> list[str]:
        """The size of the checkpoints and of the free disk; nothing without checkpoints."""
        checkpoints = find_callbacks(trainer, LatestCheckpoint)
        if not checkpoints:
            return []
        needed = sum(_bytes_to_write(callback, model) for callback in checkpoints)
        folder = next(path for path in (self.folder.absolute(), *self.folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise PreflightError(
                f"output={self.folder} is on a disk with {decimal(free)} free, and the checkpoints need "
                f"{decimal(needed)}; free some, set output to another disk, or lower callbacks.checkpoint.keep"
            )
        return [f"disk {decimal(needed)} of {decimal(free)} free"]

    def _rehearse(self, trainer: Trainer, model: GAN) -> list[str]:
        if getattr(getattr(trainer, "datamodule", None), "dataset", None) is None:
            return ["no rehearsal without a data module that has a dataset"]
        seconds, memory = rehearse(trainer, model)
        images = trainer.datamodule.batch_size * trainer.world_size  # type: ignore[attr-defined]
        left = seconds_left(trainer, model, seconds, images)
        speed = f"about {images / seconds:.{int(images < 10 * seconds)}f} images/s" + (
            "" if left is None else f", {_format_duration(left)} to the end"
        )
        peak = [f"peak memory {decimal(memory)}"] if memory else []
        return [_describe_penalties(model), *_describe_precision(trainer), *peak, speed]


def seconds_left(trainer: Trainer, model: GAN, seconds: float, images: int) -> float | None:
    """Until the first limit of training, for iterations of so many seconds and images; None where there is no limit."""
    per_iteration = {
        "steps": sum(1 / step.interval for step in model.loss.steps),
        "epochs": 1 / max(trainer.num_training_batches, 1),
        "images": images,
        "seconds": seconds,
    }
    done = {**progress(trainer, model.images_seen), "epochs": trainer.current_epoch}
    left = [
        (limit - done[name]) / per_iteration[name] * seconds
        for name, limit in limits(trainer).items()
        if per_iteration.get(name)
    ]
    return max(0.0, min(left)) if left and math.isfinite(min(left)) else None


def checkpoint_bytes(model: GAN) -> int:
    """Size of a checkpoint: the state, and two moments of every trained parameter."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return sum(tensor.nbytes for tensor in model.state_dict().values()) + 2 * sum(tensor.nbytes for tensor in trained)


def _bytes_to_write(callback: LatestCheckpoint, model: GAN) -> int:
    """Size of all kept checkpoints and the one being written, less those that they replace."""
    files = callback.keep + (callback.monitor is not None) + 1
    present = sum(path.stat().st_size for path in callback.path.parent.glob("*.ckpt"))
    return max(0, files * checkpoint_bytes(model) - present)


def _describe_penalties(model: GAN) -> str:
    automatic = [f" (loss.{name}=auto is {value:.4g})" for name, value in model.loss.automatic.items()]
    *others, last = [penalty.name for penalty in model.loss.penalties] or ["no penalty"]
    return (f"{', '.join(others)} and {last} run" if others else f"{last} runs") + "".join(automatic)


def _describe_precision(trainer: Trainer) -> list[str]:
    """The exceptions to a half precision; see :mod:`stylelayers.training.precision`."""
    if trainer.precision not in HALF:
        return []
    return [f"{trainer.precision} but for mapping networks, averages and statistics, which stay in float32"]


def _format_duration(seconds: float) -> str:
    for unit, length, next_length in (("s", 1, 90), ("min", 60, 5400), ("h", 3600, 172800)):
        if seconds < next_length:
            return f"{seconds / length:.{int(unit == 'h')}f} {unit}"
    return f"{seconds / 86400:.1f} days"
