"""Losses on layers: what a student's inside is to have in common with its teacher's.

Each is a torch module: settings in the constructor, then
``loss(student_features, teacher_features)``, a scalar with a gradient for the student only.
Features are of one batch, of shape ``(n_samples, n_features)``,
``(n_samples, n_tokens, n_features)`` or ``(n_samples, n_channels, height, width)``; which of
them a loss accepts, and whether widths may differ, is in its docstring. Padding is left out
with ``mask``, of shape ``(n_samples, n_tokens)``, where 0 is padding. Half precision is computed
in float32.

=============================== ==================== =============================================
loss                            widths may differ    what is to agree
=============================== ==================== =============================================
:class:`FitNets`                yes, by a projection the features themselves
:class:`VID`                    yes, by a network    the features, as far as they can be predicted
:class:`AttentionTransfer`      yes                  where the activations are large
:class:`AttentionProbabilities` no, the same tokens  what each token looks at
:class:`RKDDistance`            yes                  distances between rows
:class:`RKDAngle`               yes                  angles that three rows make
:class:`SimilarityPreserving`   yes                  scalar products of rows
:class:`CKA`                    yes                  centred scalar products, in total
:class:`PKT`                    yes                  cosines of rows, as probabilities
:class:`Jacobian`               no, the same outputs how the outputs react to the inputs
=============================== ==================== =============================================

Their scales differ by orders of magnitude: wrap one in :func:`scaled`, and a weight of 1 is a
sensible start.
"""

from sklearn_distill.losses.features._attention import AttentionProbabilities, AttentionTransfer
from sklearn_distill.losses.features._base import FeatureLoss, Scaled, scaled
from sklearn_distill.losses.features._jacobian import Jacobian
from sklearn_distill.losses.features._projected import VID, FitNets
from sklearn_distill.losses.features._relations import (
    CKA,
    PKT,
    RKDAngle,
    RKDDistance,
    SimilarityPreserving,
)

__all__ = [
    "CKA",
    "PKT",
    "VID",
    "AttentionProbabilities",
    "AttentionTransfer",
    "FeatureLoss",
    "FitNets",
    "Jacobian",
    "RKDAngle",
    "RKDDistance",
    "Scaled",
    "SimilarityPreserving",
    "scaled",
]
