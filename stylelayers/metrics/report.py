"""Measured numbers of quality, with the settings that they depend on."""

from dataclasses import asdict, dataclass
from typing import Any

from .registry import DIRECTIONS

_SETTINGS = ("features", "resize_filter", "data_filter", "samples", "real_images", "truncation_psi", "noise", "seed")


@dataclass(frozen=True)
class QualityReport:
    """Numbers and settings of a :class:`QualityMeter`; None for those not measured. See ``docs/quality.md``.

    Attributes:
        features: name of the feature network.
        resize_filter: from the images to the input size of the feature network.
        data_filter: from the files to the images.
        samples, real_images: number of images.
        truncation_psi: of the styles.
        noise: mode of the generator's noise inputs.
        seed: of latents, labels, noise and subsets.
        fid: Fréchet distance of the features; 0 is best.
        kid, kid_deviation: kernel distance, and its standard deviation over subsets unless all are the same; 0 is best.
        kid_subset_size: images of each set in a subset.
        precision, recall: shares of the other set's manifold; 1 is best.
        density, coverage: real images' neighbourhoods per generated image, and the share of these that hold
            one; 1 is best.
        ppl: perceptual path length in W; low is smooth.
        eq_t, eq_t_frac, eq_r: equivariance under shifts by whole pixels, by fractions of pixels and under turns, in dB;
            high is exact.
        equivariance_samples: pairs of a latent and a motion that these are of.
        similarity: distance of images in the perceptual path length.
        recognised, asked_recognised, class_shares: see :class:`Recognition`.
        classifier_accuracy, classifier_recognised: `asked_recognised` and `recognised` of real images that the
            classifier has not seen, to compare with.
        notes: what else the numbers depend on, or leave out, because of the images' channels or the kind of labels.

    Example:
        >>> from stylelayers.metrics import QualityReport
        >>> report = QualityReport("inception", "antialias", "lanczos", 10_000, 10_000, 1.0, "random", 0, fid=12.5)
        >>> report.numbers()
        {'fid': 12.5}
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
    density: float | None = None
    coverage: float | None = None
    ppl: float | None = None
    similarity: str | None = None
    recognised: float | None = None
    asked_recognised: float | None = None
    class_shares: tuple[float, ...] | None = None
    classifier_accuracy: float | None = None
    classifier_recognised: float | None = None
    eq_t: float | None = None
    eq_t_frac: float | None = None
    eq_r: float | None = None
    equivariance_samples: int | None = None
    notes: tuple[str, ...] = ()

    def numbers(self) -> dict[str, float]:
        """The measured numbers by their names in the registry; ``smallest_class`` is the smallest class share."""
        values = {**vars(self), "smallest_class": None if self.class_shares is None else min(self.class_shares)}
        return {name: values[name] for name in DIRECTIONS if values[name] is not None}

    def settings(self) -> dict[str, Any]:
        """Settings that comparable numbers have in common."""
        settings = {name: getattr(self, name) for name in _SETTINGS}
        return {**settings, "notes": self.notes} if self.notes else settings

    def as_dict(self) -> dict[str, Any]:
        """All fields that are neither None nor empty, ready for JSON."""
        return {name: value for name, value in asdict(self).items() if value not in (None, ())}

    def __str__(self) -> str:
        fields = self.as_dict()
        if self.class_shares is not None:
            fields["class_shares"] = " ".join(f"{share:.1%}" for share in self.class_shares)
        if self.notes:
            fields["notes"] = "; ".join(self.notes)
        lines = (
            f"{name:20} {value:.6g}" if isinstance(value, float) else f"{name:20} {value}"
            for name, value in fields.items()
        )
        return "\n".join(lines)
