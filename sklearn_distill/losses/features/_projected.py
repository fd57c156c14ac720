"""Losses that compare features through a trainable map, which is thrown away afterwards."""

import torch
from torch import nn

from sklearn_distill.losses.features._base import (
    FeatureLoss,
    match_sizes,
    mean_over_tokens,
    refuse_other_tokens,
)


class _Projected(FeatureLoss):
    """A loss with a map from the student's features to the teacher's."""

    def __init__(self):
        super().__init__()
        self.projector = None
        self._built_for = None

    def build(self, student_features, teacher_features):
        """Make the map for features of these shapes; see :meth:`FeatureLoss.build`."""
        widths = _kind_and_widths(student_features, teacher_features, type(self).__name__)
        if self._built_for is None:
            self._build(*widths)
            self.to(student_features.device)
            self.to(torch.promote_types(student_features.dtype, torch.float32))
            self._built_for = widths
        elif self._built_for != widths:
            raise ValueError(
                f"{type(self).__name__} was built for {_words(*self._built_for)}. Got "
                f"{_words(*widths)}. Use one loss for each pair of layers."
            )
        return self

    def compare(self, student, teacher, mask):
        """Return the loss between projected features and the teacher's, of one shape."""
        name = type(self).__name__
        if student.ndim == 4:
            student, teacher = match_sizes(student, teacher)
        elif student.ndim == 3:
            refuse_other_tokens(student, teacher, name)
        return self._compare(student, teacher, mask)


class FitNets(_Projected):
    r"""The student's features, projected, are to be the teacher's.

    .. math:: \frac{1}{n D} \sum_i \lVert r(s_i) - t_i \rVert^2

    with a linear map r to the teacher's width D (a 1×1 convolution on maps of channels), which is
    trained together with the student and then thrown away [1]_. A mean over rows, features, and
    tokens or places.

    Parameters
    ----------
    projection : bool, default=True
        Whether to map at all. False needs layers of the same width, and is for a student that
        was cut out of its teacher.

    Attributes
    ----------
    projector : nn.Module or None
        The map; None before :meth:`build`, and without a projection.

    See Also
    --------
    VID : Lets noisy features of the teacher count for less.
    AttentionTransfer : Needs no projection, and says less.

    Notes
    -----
    Features are of shape ``(n_samples, n_features)``, ``(n_samples, n_tokens, n_features)`` or
    ``(n_samples, n_channels, height, width)``, of the same kind on both sides. Of two maps of
    different size the larger is averaged to the size of the smaller.

    References
    ----------
    .. [1] A. Romero, N. Ballas, S. Kahou, A. Chassang, C. Gatta, Y. Bengio, "FitNets: Hints for
       Thin Deep Nets", ICLR 2015, `arXiv:1412.6550 <https://arxiv.org/abs/1412.6550>`_.

    Examples
    --------
    >>> import torch
    >>> from sklearn_distill.losses.features import FitNets
    >>> student, teacher = torch.ones(8, 3), torch.ones(8, 5)
    >>> loss = FitNets().build(student, teacher)
    >>> optimizer = torch.optim.Adam(loss.parameters())  # and those of the student
    >>> loss.projector
    Linear(in_features=3, out_features=5, bias=True)
    >>> FitNets(projection=False)(torch.zeros(8, 5), teacher)
    tensor(1.)
    """

    def __init__(self, projection=True):
        super().__init__()
        self.projection = projection

    def extra_repr(self):
        """Return the settings."""
        return "" if self.projection else "projection=False"

    def _build(self, ndim, n_student, n_teacher):
        if self.projection:
            self.projector = _pointwise(ndim, n_student, n_teacher)
        elif n_student != n_teacher:
            raise ValueError(
                "FitNets(projection=False) needs layers of the same width. Got "
                f"{_words(ndim, n_student, n_teacher)}. Use FitNets(), which maps one to another."
            )

    def _compare(self, student, teacher, mask):
        mapped = student if self.projector is None else self.projector(student)
        error = (mapped - teacher).square()
        return mean_over_tokens(error.mean(dim=-1), mask) if student.ndim == 3 else error.mean()


class VID(_Projected):
    r"""Variational information distillation: features that tell much about the teacher's.

    .. math:: \frac{1}{n D} \sum_i \sum_d \frac{(t_{id} - \mu_d(s_i))^2}{2 \sigma_d^2}
       + \frac{1}{2} \log \sigma_d^2

    A lower bound on the mutual information of the two layers, with the sign turned, and without a
    constant [1]_: a small network μ predicts the teacher's features, each with a
    variance σ² of its own, so that those that the student cannot predict stop counting. Both are
    trained together with the student and then thrown away. The value may be negative.

    Parameters
    ----------
    hidden_width : int, optional
        Units in the two hidden layers of μ; the width of the teacher's layer if None.
    initial_variance : float, default=5.0
        Where σ² starts, for all features; of the size of their own variance, or above.

    Attributes
    ----------
    projector : nn.Module or None
        The network μ; None before :meth:`build`.

    See Also
    --------
    FitNets : A linear map, and the same variance for all.

    Notes
    -----
    Shapes are those of :class:`FitNets`. The layers of μ have biases, which frequently used code
    leaves out: a constant difference between both networks' features then costs nothing.

    References
    ----------
    .. [1] S. Ahn, S. X. Hu, A. Damianou, N. D. Lawrence, Z. Dai, "Variational Information
       Distillation for Knowledge Transfer", CVPR 2019,
       `arXiv:1904.05835 <https://arxiv.org/abs/1904.05835>`_.

    Examples
    --------
    >>> import torch
    >>> from sklearn_distill.losses.features import VID
    >>> student, teacher = torch.ones(8, 3), torch.zeros(8, 5)
    >>> loss = VID().build(student, teacher)
    >>> loss.variance
    tensor([5., 5., 5., 5., 5.], grad_fn=<AddBackward0>)
    """

    def __init__(self, hidden_width=None, initial_variance=5.0):
        super().__init__()
        if not initial_variance > _MIN_VARIANCE:
            raise ValueError(
                f"The 'initial_variance' parameter of VID must be above {_MIN_VARIANCE}. Got "
                f"{initial_variance!r} instead."
            )
        self.hidden_width = hidden_width
        self.initial_variance = initial_variance
        self.raw_variance = None

    def extra_repr(self):
        """Return the settings."""
        return f"hidden_width={self.hidden_width}, initial_variance={self.initial_variance}"

    @property
    def variance(self):
        """The variance of each feature of the teacher, of shape (n_features,)."""
        return nn.functional.softplus(self.raw_variance) + _MIN_VARIANCE

    def _build(self, ndim, n_student, n_teacher):
        hidden = self.hidden_width or n_teacher
        self.projector = nn.Sequential(
            _pointwise(ndim, n_student, hidden),
            nn.ReLU(),
            _pointwise(ndim, hidden, hidden),
            nn.ReLU(),
            _pointwise(ndim, hidden, n_teacher),
        )
        start = torch.tensor(self.initial_variance - _MIN_VARIANCE, dtype=torch.float64)
        raw = torch.log(torch.expm1(start)) if start < 30 else start
        self.raw_variance = nn.Parameter(torch.full((n_teacher,), raw.item()))

    def _compare(self, student, teacher, mask):
        variance = self.variance
        if student.ndim == 4:
            variance = variance[:, None, None]
        error = (self.projector(student) - teacher).square() / variance + variance.log()
        error = error / 2
        return mean_over_tokens(error.mean(dim=-1), mask) if student.ndim == 3 else error.mean()


_MIN_VARIANCE = 1e-5


def _pointwise(ndim, n_in, n_out):
    return nn.Conv2d(n_in, n_out, kernel_size=1) if ndim == 4 else nn.Linear(n_in, n_out)


def _kind_and_widths(student, teacher, name):
    """Return the number of dimensions and both numbers of features."""
    if student.ndim != teacher.ndim:
        raise ValueError(
            f"{name} compares features of the same kind: rows, tokens, or maps of channels. Got "
            f"{tuple(student.shape)} from the student and {tuple(teacher.shape)} from the "
            "teacher. Name other layers, or use a loss that compares rows, such as RKDDistance."
        )
    axis = 1 if student.ndim == 4 else -1
    return student.ndim, student.shape[axis], teacher.shape[axis]


def _words(ndim, n_student, n_teacher):
    what = "channels" if ndim == 4 else "features"
    return f"{n_student} {what} of the student and {n_teacher} of the teacher"
