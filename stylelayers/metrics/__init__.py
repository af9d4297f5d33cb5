"""The quality of generated images: distances to real ones, path lengths, what a classifier recognises."""

from .._extras import needs_extra

with needs_extra(__name__, "train"):
    from .classifier import SmallClassifier, train_classifier
    from .distances import frechet_distance, kernel_distance, precision_recall
    from .evaluation import evaluate
    from .feature_space import FEATURES, RESIZE_FILTERS, FeatureSpace, classifier_of_digits, feature_space
    from .meter import METRICS, QualityMeter
    from .path_length import path_length
    from .random_features import RandomFeatures
    from .real_features import cache_folder
    from .recognition import CONFIDENCE, Recognition, recognition
    from .report import QualityReport
    from .saved import data_for

__all__ = [
    "CONFIDENCE",
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
    "evaluate",
    "feature_space",
    "frechet_distance",
    "kernel_distance",
    "path_length",
    "precision_recall",
    "recognition",
    "train_classifier",
]
