"""New rows for the teacher to label, where there are few.

An augmenter is a small object with ``sample(X, y, random_state)``; ``augmenter=`` of
:class:`~sklearn_distill.DistillationClassifier` takes those of this module, an over-sampler of
imbalanced-learn, or a function.
"""

from sklearn_distill.augmentation._augmenters import (
    Augmenter,
    ColumnSwap,
    Composition,
    Interpolation,
    LeafSwap,
    Munge,
    ScaledNoise,
)

__all__ = [
    "Augmenter",
    "ColumnSwap",
    "Composition",
    "Interpolation",
    "LeafSwap",
    "Munge",
    "ScaledNoise",
]
