"""The first line of a run: images and labels of its data."""

from collections.abc import Sequence, Sized
from typing import Any, cast

from lightning import Callback, Trainer
from rich.console import Console

from ..._checks import check_ints
from ..gan import GAN


class DataSummary(Callback):
    """Print the number of images, and of classes or of numbers in a label vector with their names, at the start.

    Logs ``data/unreadable``, the number of images that could not be read so far, once there is one and training goes on
    without it.

    Args:
        few: recommend an augmentation for fewer images, at least 0.
        names: at most so many classes, or entries of vectors, are named, at least 2.

    Raises:
        ValueError: an argument out of range.

    Example:
        >>> from stylelayers.training import DataSummary
        >>> DataSummary(few=10_000).few
        10000
    """

    def __init__(self, *, few: int = 50_000, names: int = 20) -> None:
        check_ints("DataSummary", 0, few=few)
        check_ints("DataSummary", 2, names=names)
        self.few, self.names = few, names

    def on_train_start(self, trainer: Trainer, pl_module: GAN) -> None:  # type: ignore[override]
        data = getattr(trainer, "datamodule", None)
        if trainer.is_global_zero and getattr(data, "dataset", None) is not None:
            text = f"data: {self._summary(data, augmented=pl_module.augment is not None)}"
            console = Console(soft_wrap=True)
            known = text.encode(console.encoding, "replace").decode(console.encoding)
            console.print(known, highlight=False, markup=False)

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: Trainer, pl_module: GAN, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        unreadable = getattr(getattr(trainer, "datamodule", None), "unreadable", None)
        is_logged = (batch_idx + 1) % max(trainer.log_every_n_steps, 1) == 0  # type: ignore[attr-defined]
        if is_logged and unreadable is not None and unreadable.any():
            pl_module.log("data/unreadable", float(unreadable.sum()))

    def _summary(self, data: Any, *, augmented: bool) -> str:
        count, classes = len(cast(Sized, data.dataset)), getattr(data, "num_labels", 0)
        names = self._listed(getattr(data, "class_names", ()))
        labels = _counted(classes, "class") if classes else "no classes"
        if getattr(data, "label_kind", "") == "vectors":
            labels = f"vectors of {classes}"
        parts = [f"{_counted(count, 'image')}, {labels}{names}"]
        parts += getattr(data, "remarks", ())
        if count < self.few and not augmented:
            parts.append(
                "few images, which a discriminator learns by heart in a long run: augment=ada (or diffaugment) helps"
            )
        return "; ".join(parts)

    def _listed(self, names: Sequence[str]) -> str:
        if not names:
            return ""
        shown = [name if name.isprintable() else repr(name) for name in names]
        if len(shown) > self.names:
            shown = [*shown[: self.names - 1], "...", shown[-1]]
        return f" ({', '.join(shown)})"


def _counted(count: int, what: str) -> str:
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{count:,} {what if count == 1 else plural}"
