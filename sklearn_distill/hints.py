"""Hints: which layers of teacher and student are to agree, and in what sense.

Imports no torch, so that hints can be named before a network is at hand.
"""

from dataclasses import dataclass
from numbers import Real


@dataclass(frozen=True)
class LayerHint:
    """Have a layer of the student agree with one of the teacher.

    Parameters
    ----------
    teacher_layer : str
        Module path in the teacher, as in ``module.named_modules()``. Of a scikit-learn
        ``MLPClassifier`` ``"hidden.0"`` is its first hidden layer; of a tree or a forest
        ``"leaves"`` are coordinates of the leaves that a row falls into.
    student_layer : str
        Module path in the student.
    loss : str, default="fitnets"
        A loss on layers: "fitnets", "attention-transfer", "attention-probabilities",
        "rkd-distance", "rkd-angle", "similarity-preserving", "cka", "pkt", "vid", "jacobian" (of
        the outputs of both modules, whose path is ``""``), or an instance from
        :mod:`sklearn_distill.losses.features`.
    weight : float, default=1.0
        The loss is divided by its value on the first batch, so that 1 puts it on a level with a
        divergence of one nat.
    mask : str or callable, default=None
        Which tokens are real, where rows are padded: the key of the student's rows (a dict of
        tensors), such as ``"attention_mask"``, or a function of these rows. It gives a tensor of
        shape (n_samples, n_tokens), 0 where there is padding.

    See Also
    --------
    AttentionHint : For the attention of transformers.

    References
    ----------
    .. [1] A. Romero et al., "FitNets: Hints for Thin Deep Nets", ICLR 2015,
       `arXiv:1412.6550 <https://arxiv.org/abs/1412.6550>`_.

    Examples
    --------
    >>> from sklearn_distill import LayerHint
    >>> LayerHint("encoder.2", "0", loss="cka").weight
    1.0
    """

    teacher_layer: str
    student_layer: str
    loss: object = "fitnets"
    weight: float = 1.0
    mask: object = None

    def __post_init__(self):
        """Refuse what can only be a mistake."""
        if not (isinstance(self.weight, Real) and 0 <= self.weight < float("inf")):
            raise ValueError(
                f"The weight of a {type(self).__name__} must be a number in the range [0, inf). "
                f"Got {self.weight!r} instead."
            )
        for name in ("teacher_layer", "student_layer"):
            if not isinstance(getattr(self, name), str):
                raise TypeError(
                    f"The {name} of a {type(self).__name__} must be a module path, as in "
                    f"module.named_modules(). Got {getattr(self, name)!r} instead."
                )

    #: Whether the attention probabilities of the layers are compared, not their outputs.
    of_attention = False


@dataclass(frozen=True)
class AttentionHint(LayerHint):
    """Have the attention of a student's layer agree with that of the teacher's.

    Parameters
    ----------
    teacher_layer : str
        Module path of an ``nn.MultiheadAttention``, or of a layer that returns attention
        probabilities, of shape (n_samples, n_heads, n_tokens, n_tokens) or with the first two
        dimensions as one (the dropout on them, say, in ``rtdl_revisiting_models``).
    student_layer : str
        The same for the student; the number of heads may differ.
    loss : str, default="attention-probabilities"
        Or an instance of :class:`sklearn_distill.losses.features.AttentionProbabilities`.
    weight : float, default=1.0
        As for :class:`LayerHint`.
    mask : str or callable, default=None
        As for :class:`LayerHint`.

    See Also
    --------
    LayerHint : For the outputs of layers.

    References
    ----------
    .. [1] X. Jiao et al., "TinyBERT: Distilling BERT for Natural Language Understanding",
       Findings of EMNLP 2020, `arXiv:1909.10351 <https://arxiv.org/abs/1909.10351>`_.

    Examples
    --------
    >>> from sklearn_distill import AttentionHint
    >>> AttentionHint("layers.3.self_attn", "layers.0.self_attn").loss
    'attention-probabilities'
    """

    loss: object = "attention-probabilities"
    of_attention = True
