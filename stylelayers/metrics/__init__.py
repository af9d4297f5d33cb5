"""Quality of generated images: distances to real ones, perceptual path length, recognised classes, equivariance."""

from .._cache_folder import cache_folder
from .._extras import needs_extra

with needs_extra(__name__, "train"):
    from .classifier import SmallClassifier, train_classifier
    from .distances import density_coverage, frechet_distance, kernel_distance, precision_recall
    from .equivariance import eq_r, eq_t, eq_t_frac
    from .feature_space import FEATURES, RESIZE_FILTERS, FeatureSpace, classifier_of_digits, feature_space
    from .meter import QualityMeter
    from .perceptual_path_length import perceptual_path_length
    from .random_features import RandomFeatures
    from .recognition import CONFIDENCE, Recognition, recognition
    from .registry import DIRECTIONS, METRICS
    from .report import QualityReport
    from .saved import data_for

__all__ = [
    "CONFIDENCE",
    "DIRECTIONS",
    "FEATURES",
    "METRICS",
    "RESIZE_FILTERS",
    "FeatureSpace",
    "QualityMeter",
    "QualityReport",
    "RandomFeatures",
    "Recognition",
    "SmallClassifier",
    "cache_folder",
    "classifier_of_digits",
    "data_for",
    "density_coverage",
    "eq_r",
    "eq_t",
    "eq_t_frac",
    "feature_space",
    "frechet_distance",
    "kernel_distance",
    "perceptual_path_length",
    "precision_recall",
    "recognition",
    "train_classifier",
]
