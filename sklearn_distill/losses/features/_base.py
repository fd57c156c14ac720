"""What all losses on layers have in common, and the scale that makes them comparable."""

from contextlib import nullcontext

import torch
from torch import nn


class FeatureLoss(nn.Module):
    """A loss between a layer of the student and one of the teacher.

    A subclass computes :meth:`compare`; what reaches it is checked, in at least single
    precision, and carries a gradient for the student only. One with trainable parts
    makes them in :meth:`build`: they are trained together with the student, and thrown away.

    Examples
    --------
    >>> import torch
    >>> from sklearn_distill.losses.features import FeatureLoss
    >>> class MeanDifference(FeatureLoss):
    ...     def compare(self, student, teacher, mask):
    ...         return (student.mean() - teacher.mean()).abs()
    >>> MeanDifference()(torch.zeros(2, 3), torch.ones(2, 5))
    tensor(1.)
    """

    #: Whether the loss is called with the rows as a third argument, and needs a teacher that
    #: is differentiable in them.
    needs_inputs = False
    #: Numbers of dimensions that are accepted.
    accepted_ndim = (2, 3, 4)
    #: What features of so many dimensions are, for messages.
    shapes = {
        2: "(n_samples, n_features)",
        3: "(n_samples, n_tokens, n_features)",
        4: "(n_samples, n_channels, height, width)",
    }

    def __init__(self):
        super().__init__()

    def build(self, student_features, teacher_features):
        """Make the trainable parts for features of these shapes, if there are any.

        Called by the first forward pass at the latest. Call it on a first batch before the
        optimiser is made, which would otherwise not know of them. Initial weights come from
        torch's global generator.

        Parameters
        ----------
        student_features, teacher_features : Tensor
            Of any batch.

        Returns
        -------
        FeatureLoss
            This loss.
        """
        return self

    def compare(self, student, teacher, mask):
        """Return the loss between features that were checked."""
        raise NotImplementedError

    def forward(self, student_features, teacher_features, mask=None):
        """Return the loss.

        Parameters
        ----------
        student_features : Tensor of shape (n_samples, ...)
            What the student's layer gives for a batch.
        teacher_features : Tensor of shape (n_samples, ...)
            What the teacher's layer gives for the same batch.
        mask : Tensor of shape (n_samples, n_tokens), optional
            0 where there is padding, for features with tokens.

        Returns
        -------
        Tensor
            A scalar.
        """
        self._check(student_features, teacher_features, mask)
        student = at_least_single(student_features)
        teacher = teacher_features.detach().to(student.dtype)
        self.build(student, teacher)
        with without_autocast(student.device):
            return self.compare(student, teacher, mask if mask is None else mask.to(student.dtype))

    def _check(self, student, teacher, mask):
        name = type(self).__name__
        for who, features in (("student", student), ("teacher", teacher)):
            if not isinstance(features, torch.Tensor):
                raise TypeError(
                    f"{name} compares tensors. Got {type(features).__name__} from the {who}. If "
                    "its layer returns several things, name a layer that returns one, or pick one."
                )
            if features.ndim not in self.accepted_ndim:
                accepted = " or ".join(self.shapes[ndim] for ndim in self.accepted_ndim)
                raise ValueError(
                    f"{name} accepts features of shape {accepted}. Got {tuple(features.shape)} "
                    f"from the {who}. Name another layer, or reshape what it gives."
                )
        if len(student) != len(teacher):
            raise ValueError(
                f"{name} compares the same rows in both networks. Got {len(student)} rows from "
                f"the student and {len(teacher)} from the teacher. Feed both the same batch."
            )
        if mask is not None:
            self._check_mask(student, teacher, mask)

    def _check_mask(self, student, teacher, mask):
        for features in (student, teacher):
            if features.ndim != 3 or features.shape[:2] != mask.shape:
                raise ValueError(
                    f"{type(self).__name__} accepts a mask of shape (n_samples, n_tokens) with "
                    f"features of shape {self.shapes[3]}. Got {tuple(mask.shape)} and "
                    f"{tuple(features.shape)}. Leave the mask out, or give one number per token."
                )


class Scaled(FeatureLoss):
    """A loss divided by its own first value; see :func:`scaled`.

    Parameters
    ----------
    loss : FeatureLoss or callable
        Any callable that returns a scalar tensor.

    Attributes
    ----------
    initial_ : float or None
        The first value that was positive and finite; None before there was one.

    Examples
    --------
    >>> import torch
    >>> from sklearn_distill.losses.features import RKDDistance, Scaled
    >>> Scaled(RKDDistance())
    Scaled(
      (loss): RKDDistance()
    )
    """

    def __init__(self, loss):
        super().__init__()
        self.loss = loss
        self.initial_ = None

    @property
    def needs_inputs(self):
        """Whether the loss is called with the rows as a third argument."""
        return getattr(self.loss, "needs_inputs", False)

    def build(self, student_features, teacher_features):
        """Make the trainable parts of the loss; see :meth:`FeatureLoss.build`."""
        if hasattr(self.loss, "build"):
            self.loss.build(student_features, teacher_features)
        return self

    def forward(self, *args, **kwargs):
        """Return the loss, in units of its first value."""
        value = self.loss(*args, **kwargs)
        if self.initial_ is None:
            first = abs(value.item())
            # A batch of one row, say, has nothing to compare: wait for the next.
            if not 0 < first < float("inf"):
                return value
            self.initial_ = first
        return value / self.initial_


def scaled(loss):
    """Divide a loss by its own initial value, so that ``weight=1`` is a sensible start.

    The losses on layers differ in scale by orders of magnitude, also with the widths and
    activations of the networks: a published comparison [1]_ needed weights from 0.02 to 30000.
    In units of its value on the first batch a loss starts at 1, which is near the
    cross-entropy of an untrained student. The divisor is a constant from then on: the loss falls
    as it would have, and its minimum is where it was. A first value of 0 (a batch of
    one row, say) is skipped.

    Parameters
    ----------
    loss : FeatureLoss or callable
        Any callable that returns a scalar tensor.

    Returns
    -------
    Scaled

    References
    ----------
    .. [1] Y. Tian, D. Krishnan, P. Isola, "Contrastive Representation Distillation", ICLR 2020,
       `arXiv:1910.10699 <https://arxiv.org/abs/1910.10699>`_, and its code.

    Examples
    --------
    >>> import torch
    >>> from sklearn_distill.losses.features import SimilarityPreserving, scaled
    >>> generator = torch.Generator().manual_seed(0)
    >>> student, teacher = (torch.randn(16, width, generator=generator) for width in (4, 32))
    >>> SimilarityPreserving()(student, teacher)
    tensor(0.0893)
    >>> loss = scaled(SimilarityPreserving())
    >>> loss(student, teacher)
    tensor(1.)
    >>> loss(student + 1, teacher)
    tensor(1.0320)
    """
    return Scaled(loss)


def at_least_single(tensor):
    """Return the tensor in float32 if it is in half precision."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def without_autocast(device):
    """Keep products of matrices in the precision of their factors."""
    if device.type in ("cpu", "cuda"):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()


def flatten(features, mask=None):
    """Return one row of numbers per sample, with padding at 0."""
    if mask is not None:
        features = features * mask[..., None]
    return features.flatten(start_dim=1)


def unit(vectors):
    """Scale vectors along the last axis to length 1; those of length 0 stay as they are."""
    length = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    return vectors / length.masked_fill(length <= _SHORT, 1)


_SHORT = 1e-12


def mean_over_tokens(values, mask):
    """Average values of shape (n_samples, n_tokens), without padding."""
    if mask is None:
        return values.mean()
    return (values * mask).sum() / mask.sum().clamp_min(1)


def nothing(features):
    """Return a zero that belongs to the graph of the features."""
    return features.flatten()[:0].sum()


def match_sizes(student, teacher):
    """Average the larger of two maps, of shape (n, channels, height, width), to the smaller."""
    size = tuple(map(min, student.shape[-2:], teacher.shape[-2:]))
    return tuple(
        maps if maps.shape[-2:] == size else nn.functional.adaptive_avg_pool2d(maps, size)
        for maps in (student, teacher)
    )


def refuse_other_tokens(student, teacher, name):
    """Raise if the two sequences do not have the same number of tokens."""
    if student.shape[1] != teacher.shape[1]:
        raise ValueError(
            f"{name} compares token with token. Got {student.shape[1]} tokens from the student "
            f"and {teacher.shape[1]} from the teacher. Use the same tokenisation for both, or a "
            "loss that compares rows, such as RKDDistance."
        )
