"""The losses on logits in NumPy: the definition that every other engine is tested against.

Arrays in, float64 inside, float out. Throughout, z are the student's logits, p the
teacher's probabilities, T the temperature, p_T = softmax(log p / T) and
q_T = softmax(z / T). Since log p is the teacher's logits up to a constant of each row,
p_T is the softmax of its logits divided by T: a teacher known by probabilities and
one known by logits need no different treatment.

Losses are means over rows (weighted means, if there are weights) of sums over
classes, in nats where they are divergences. Those with a temperature are multiplied by T²,
which keeps the size of the gradient as T changes. All take the same arguments, so that they
can be exchanged; settings of their own are keywords with a default, which
:func:`functools.partial` changes.
"""

from sklearn_distill.losses.reference._divergences import (
    hinton,
    jensen_shannon,
    kl,
    reverse_kl,
    soft_cross_entropy,
)
from sklearn_distill.losses.reference._variants import (
    dist,
    dkd,
    logit_mse,
    logit_standardization,
    wsld,
)

__all__ = [
    "dist",
    "dkd",
    "hinton",
    "jensen_shannon",
    "kl",
    "logit_mse",
    "logit_standardization",
    "reverse_kl",
    "soft_cross_entropy",
    "wsld",
]
