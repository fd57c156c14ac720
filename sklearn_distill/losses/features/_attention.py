"""Losses on attention: where a network looks, read from activations or from its heads."""

import torch

from sklearn_distill.losses.features._base import (
    FeatureLoss,
    match_sizes,
    mean_over_tokens,
    refuse_other_tokens,
    unit,
)


class AttentionTransfer(FeatureLoss):
    r"""Where the student's activations are large is to be where the teacher's are.

    .. math:: \frac{1}{n} \sum_i \Big\lVert \frac{Q^s_i}{\lVert Q^s_i \rVert} -
       \frac{Q^t_i}{\lVert Q^t_i \rVert} \Big\rVert^2,
       \qquad Q_i = \sum_c |A_{ic}|^p

    The attention map Q adds up the channels at each place, so widths may differ [1]_. Between 0
    and 2.

    Parameters
    ----------
    p : float, default=2
        Larger values stress the strongest channels.

    See Also
    --------
    AttentionProbabilities : For the heads of transformers.
    FitNets : The activations themselves.

    Notes
    -----
    Activations are of shape ``(n_samples, n_channels, height, width)``, where of two maps of
    different size the larger is averaged to the size of the smaller, or
    ``(n_samples, n_tokens, n_features)``, where the tokens are the places. It is the maps Q that
    are averaged; other code pools the activations before it makes maps of them. The authors divide
    by the number of places too, and weigh with 1000; see :func:`scaled`.

    References
    ----------
    .. [1] S. Zagoruyko, N. Komodakis, "Paying More Attention to Attention: Improving the
       Performance of Convolutional Neural Networks via Attention Transfer", ICLR 2017,
       `arXiv:1612.03928 <https://arxiv.org/abs/1612.03928>`_.

    Examples
    --------
    >>> import torch
    >>> from sklearn_distill.losses.features import AttentionTransfer
    >>> teacher = torch.rand(8, 64, 5, 5)
    >>> AttentionTransfer()(3 * teacher.flip(1), teacher) < 1e-9
    tensor(True)
    """

    accepted_ndim = (3, 4)

    def __init__(self, p=2):
        super().__init__()
        if not p >= 1:
            raise ValueError(
                f"The 'p' parameter of AttentionTransfer must be at least 1. Got {p!r} instead."
            )
        self.p = p

    def extra_repr(self):
        """Return the settings."""
        return f"p={self.p}"

    def compare(self, student, teacher, mask):
        """Return the mean squared distance of attention maps of length 1."""
        name = type(self).__name__
        if student.ndim != teacher.ndim:
            raise ValueError(
                f"{name} compares maps with maps, or tokens with tokens. Got "
                f"{tuple(student.shape)} from the student and {tuple(teacher.shape)} from the "
                "teacher. Name other layers."
            )
        student, teacher = self._map(student), self._map(teacher)
        if student.ndim == 4:
            student, teacher = match_sizes(student, teacher)
        else:
            refuse_other_tokens(student, teacher, name)
        if mask is not None:
            student, teacher = student * mask, teacher * mask
        difference = unit(student.flatten(1)) - unit(teacher.flatten(1))
        return difference.square().sum(dim=1).mean()

    def _map(self, activations):
        """Return (n, 1, height, width), or (n, n_tokens)."""
        powers = activations.square() if self.p == 2 else activations.abs().pow(self.p)
        return powers.mean(dim=1, keepdim=True) if powers.ndim == 4 else powers.mean(dim=-1)


class AttentionProbabilities(FeatureLoss):
    r"""Each token of the student is to look where the teacher's looks.

    .. math:: \frac{1}{n H L} \sum_i \sum_h \sum_q \mathrm{KL}(a^t_{ihq} \| a^s_{ihq})
       \quad\text{or}\quad \lVert a^s_{ihq} - a^t_{ihq} \rVert^2

    for the attention probabilities of L tokens in H heads: the divergence is MiniLM's [1]_,
    the squared distance TinyBERT's [2]_ (who takes scores before the softmax for a).

    Parameters
    ----------
    heads : {"mean", "match"}, default="mean"
        "mean" averages the heads first, so that their numbers may differ; "match" compares head
        with head.
    kind : {"kl", "mse"}, default="kl"
        The divergence, in nats, or the squared distance.

    See Also
    --------
    AttentionTransfer : For activations.

    Notes
    -----
    Attention is of shape ``(n_samples, n_heads, n_tokens, n_tokens)``, the last axis being what is
    looked at, or without the axis of heads. A mask leaves out the padding that looks; nothing
    should look at padding.

    References
    ----------
    .. [1] W. Wang, F. Wei, L. Dong, H. Bao, N. Yang, M. Zhou, "MiniLM: Deep Self-Attention
       Distillation for Task-Agnostic Compression of Pre-Trained Transformers", NeurIPS 2020,
       `arXiv:2002.10957 <https://arxiv.org/abs/2002.10957>`_.
    .. [2] X. Jiao et al., "TinyBERT: Distilling BERT for Natural Language Understanding", Findings
       of EMNLP 2020, `arXiv:1909.10351 <https://arxiv.org/abs/1909.10351>`_.

    Examples
    --------
    >>> import torch
    >>> from sklearn_distill.losses.features import AttentionProbabilities
    >>> teacher = torch.full((8, 12, 4, 4), 1 / 4)
    >>> AttentionProbabilities()(torch.eye(4).expand(8, 2, 4, 4), teacher) > 10
    tensor(True)
    >>> AttentionProbabilities(kind="mse")(torch.eye(4).expand(8, 2, 4, 4), teacher)
    tensor(0.7500)
    """

    accepted_ndim = (3, 4)
    shapes = {
        3: "(n_samples, n_tokens, n_tokens)",
        4: "(n_samples, n_heads, n_tokens, n_tokens)",
    }

    def __init__(self, heads="mean", kind="kl"):
        super().__init__()
        for name, value, accepted in (
            ("heads", heads, ("mean", "match")),
            ("kind", kind, ("kl", "mse")),
        ):
            if value not in accepted:
                raise ValueError(
                    f"The {name!r} parameter of AttentionProbabilities must be one of {accepted}. "
                    f"Got {value!r} instead."
                )
        self.heads = heads
        self.kind = kind

    def extra_repr(self):
        """Return the settings."""
        return f"heads={self.heads!r}, kind={self.kind!r}"

    def compare(self, student, teacher, mask):
        """Return the mean over rows, heads and tokens."""
        if student.shape[-2:] != teacher.shape[-2:]:
            raise ValueError(
                "AttentionProbabilities compares token with token. Got "
                f"{student.shape[-2]}×{student.shape[-1]} from the student and "
                f"{teacher.shape[-2]}×{teacher.shape[-1]} from the teacher. Use the same "
                "tokenisation for both."
            )
        student, teacher = self._heads(student), self._heads(teacher)
        if student.shape[1] != teacher.shape[1]:
            raise ValueError(
                "AttentionProbabilities(heads='match') compares head with head. Got "
                f"{student.shape[1]} of the student and {teacher.shape[1]} of the teacher. Use "
                "heads='mean'."
            )
        rows = _divergence(teacher, student) if self.kind == "kl" else _distance(teacher, student)
        return mean_over_tokens(rows.mean(dim=1), mask)

    def _heads(self, attention):
        if attention.ndim == 3:
            return attention[:, None]
        return attention.mean(dim=1, keepdim=True) if self.heads == "mean" else attention

    def _check_mask(self, student, teacher, mask):
        expected = (len(student), student.shape[-2])
        if tuple(mask.shape) != expected:
            raise ValueError(
                "AttentionProbabilities accepts a mask of shape (n_samples, n_tokens), here "
                f"{expected}. Got {tuple(mask.shape)}. Give one number for each token."
            )


def _divergence(p, q):
    # Below the smallest normal number a probability counts as that: 87 nats in float32.
    tiny = torch.finfo(p.dtype).tiny
    return (p * (p.clamp_min(tiny).log() - q.clamp_min(tiny).log())).sum(dim=-1)


def _distance(p, q):
    return (p - q).square().sum(dim=-1)
