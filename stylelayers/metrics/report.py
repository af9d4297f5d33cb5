"""Numbers of quality, with the settings without which they mean nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["QualityReport"]

_SETTINGS = ("features", "resize_filter", "data_filter", "samples", "real_images", "truncation_psi", "noise", "seed")
_NUMBERS = ("fid", "kid", "kid_deviation", "precision", "recall", "path_length", "recognised", "asked_recognised")


@dataclass(frozen=True)
class QualityReport:
    """What :func:`evaluate` measured; a number that was not asked for is None. See ``docs/quality.md``.

    Attributes:
        fid: Fréchet distance of the features; 0 is best.
        kid, kid_deviation: kernel distance, and its deviation over subsets, if these are not all the images; 0 is best.
        precision, recall: shares of the other set's manifold; 1 is best.
        path_length: perceptual path length in W; low is smooth.
        recognised, asked_recognised, class_shares: see :class:`Recognition`.
        classifier_accuracy: of the classifier, on real images that it was not trained on.
        features: the feature network.
        resize_filter: how images came to the size that the feature network takes.
        data_filter: how the data's images came to the size of the generator's.
        samples, real_images: how many images were compared.
        truncation_psi: of the generator's styles.
        noise: of the generator's noise inputs.
        kid_subset_size: images of each set in a subset.
        similarity: the distance of the path length.
        seed: of latents, labels, noise and subsets.
    """

    features: str
    resize_filter: str
    data_filter: str
    samples: int
    real_images: int
    truncation_psi: float
    noise: str
    seed: int
    fid: float | None = None
    kid: float | None = None
    kid_deviation: float | None = None
    kid_subset_size: int | None = None
    precision: float | None = None
    recall: float | None = None
    path_length: float | None = None
    similarity: str | None = None
    recognised: float | None = None
    asked_recognised: float | None = None
    class_shares: tuple[float, ...] | None = None
    classifier_accuracy: float | None = None

    def numbers(self) -> dict[str, float]:
        """The measured numbers by name, ``smallest_class`` for the shares of the classes."""
        found = {name: getattr(self, name) for name in _NUMBERS if getattr(self, name) is not None}
        if self.class_shares is not None:
            found["smallest_class"] = min(self.class_shares)
        return found

    def settings(self) -> dict[str, Any]:
        """What numbers must have in common to be compared."""
        return {name: getattr(self, name) for name in _SETTINGS}

    def as_dict(self) -> dict[str, Any]:
        """All fields that are set, JSON-like."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __str__(self) -> str:
        fields = self.as_dict()
        if self.class_shares is not None:
            fields["class_shares"] = " ".join(f"{share:.1%}" for share in self.class_shares)
        lines = (
            f"{name:20} {value:.6g}" if isinstance(value, float) else f"{name:20} {value}"
            for name, value in fields.items()
        )
        return "\n".join(lines)
