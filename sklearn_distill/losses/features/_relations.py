"""Losses on relations between the rows of a batch: any layer can be compared with any other.

Features of any shape are flattened to one vector per row. A batch with too few rows to
have relations is worth 0, so that a last, incomplete batch does no harm.
"""

import torch
from torch.nn.functional import pdist, smooth_l1_loss

from sklearn_distill.losses.features._base import FeatureLoss, flatten, nothing, unit


class _Relational(FeatureLoss):
    """A loss on the rows of a batch, as vectors."""

    #: Rows below which there is nothing to compare.
    min_rows = 2

    def compare(self, student, teacher, mask):
        """Return the loss between rows, or 0 if there are too few."""
        student, teacher = flatten(student, mask), flatten(teacher, mask)
        if len(student) < self.min_rows:
            return nothing(student)
        return self._compare(student, teacher)


class RKDDistance(_Relational):
    r"""Relational distillation of distances: rows are to be as far apart as for the teacher.

    .. math:: \frac{2}{n (n - 1)} \sum_{i < j} h\Big(\frac{\lVert s_i - s_j \rVert}{\mu_s}
       - \frac{\lVert t_i - t_j \rVert}{\mu_t}\Big)

    with the mean distance μ in the batch, and Huber's function h, which is quadratic up to 1 [1]_.
    Pairs of identical rows do not count in μ. Unchanged if a layer is scaled, shifted or rotated.

    See Also
    --------
    RKDAngle : Relations of three rows.

    Notes
    -----
    The authors' code also averages over the n pairs of a row with itself, which are 0: this is
    n / (n - 1) times theirs.

    References
    ----------
    .. [1] W. Park, D. Kim, Y. Lu, M. Cho, "Relational Knowledge Distillation", CVPR 2019,
       `arXiv:1904.05068 <https://arxiv.org/abs/1904.05068>`_.

    Examples
    --------
    >>> import torch
    >>> from sklearn_distill.losses.features import RKDDistance
    >>> teacher = torch.tensor([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    >>> RKDDistance()(torch.tensor([[0.0], [1.0], [2.0]]), teacher)
    tensor(0.)
    """

    def _compare(self, student, teacher):
        return smooth_l1_loss(_relative_distances(student), _relative_distances(teacher))


class RKDAngle(_Relational):
    r"""Relational distillation of angles: three rows are to make the teacher's angle.

    .. math:: \frac{1}{n (n - 1) (n - 2)} \sum_{i \ne j \ne k}
       h\big(\cos \angle s_i s_j s_k - \cos \angle t_i t_j t_k\big)

    with Huber's function h, which is quadratic up to 1 [1]_. Unchanged if a layer is scaled,
    shifted or rotated.

    Parameters
    ----------
    max_rows : int, default=64
        Only the first so many rows of a batch are compared: time grows with the cube of their
        number. Shuffle the rows.

    See Also
    --------
    RKDDistance : Relations of two rows.

    Notes
    -----
    The authors' code also averages over triples that name a row twice, which are 0: this is
    n² / ((n - 1) (n - 2)) times theirs.

    References
    ----------
    .. [1] W. Park, D. Kim, Y. Lu, M. Cho, "Relational Knowledge Distillation", CVPR 2019,
       `arXiv:1904.05068 <https://arxiv.org/abs/1904.05068>`_.

    Examples
    --------
    >>> import torch
    >>> from sklearn_distill.losses.features import RKDAngle
    >>> teacher = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    >>> RKDAngle()(2 * teacher.flip(1) + 1, teacher) < 1e-12
    tensor(True)
    """

    min_rows = 3

    def __init__(self, max_rows=64):
        super().__init__()
        if not max_rows >= 3:
            raise ValueError(
                f"The 'max_rows' parameter of RKDAngle must be an int in the range [3, inf). Got "
                f"{max_rows!r} instead."
            )
        self.max_rows = max_rows

    def extra_repr(self):
        """Return the settings."""
        return f"max_rows={self.max_rows}"

    def _compare(self, student, teacher):
        student, teacher = student[: self.max_rows], teacher[: self.max_rows]
        n = len(student)
        # Where two of the three are the same row, the cosine is 0 on both sides: no error.
        total = smooth_l1_loss(_cosines(student), _cosines(teacher), reduction="sum")
        return total / (n * (n - 1) * (n - 2))


class SimilarityPreserving(_Relational):
    r"""Rows that are alike for the teacher are to be alike for the student.

    .. math:: \frac{1}{n^2} \lVert \tilde G_s - \tilde G_t \rVert_F^2,
       \qquad G = A A^\top

    where each row of :math:`\tilde G` is that of the Gram matrix G, scaled to length 1 [1]_.
    Unchanged if a layer is scaled or rotated.

    See Also
    --------
    CKA : Centred, and scaled as a whole.
    PKT : Cosines, as probabilities.

    References
    ----------
    .. [1] F. Tung, G. Mori, "Similarity-Preserving Knowledge Distillation", ICCV 2019,
       `arXiv:1907.09682 <https://arxiv.org/abs/1907.09682>`_.

    Examples
    --------
    >>> import torch
    >>> from sklearn_distill.losses.features import SimilarityPreserving
    >>> SimilarityPreserving()(torch.ones(2, 1), torch.eye(2))
    tensor(0.2929)
    """

    def _compare(self, student, teacher):
        return (unit(student @ student.T) - unit(teacher @ teacher.T)).square().mean()


class CKA(_Relational):
    r"""One minus the linear centred kernel alignment.

    .. math:: 1 - \frac{\lVert S^\top T \rVert_F^2}{\lVert S^\top S \rVert_F
       \lVert T^\top T \rVert_F}

    for features S and T whose columns are centred in the batch [1]_. Between 0 and 1;
    unchanged if a layer is scaled, shifted or rotated. Where the teacher's rows are all equal
    there is nothing to match, and the loss is 0; where only the student's are, it is 1, without
    a gradient.

    See Also
    --------
    SimilarityPreserving : Not centred.

    Notes
    -----
    With fewer rows in a batch than features the alignment of any two layers is high: use large
    batches.

    References
    ----------
    .. [1] S. Kornblith, M. Norouzi, H. Lee, G. Hinton, "Similarity of Neural Network
       Representations Revisited", ICML 2019,
       `arXiv:1905.00414 <https://arxiv.org/abs/1905.00414>`_.

    Examples
    --------
    >>> import torch
    >>> from sklearn_distill.losses.features import CKA
    >>> teacher = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    >>> CKA()(teacher[:, :1], teacher)
    tensor(0.2929)
    """

    def _compare(self, student, teacher):
        (student, constant_s), (teacher, constant_t) = _centred(student), _centred(teacher)
        # Both are of length 1, so that no product under- or overflows.
        cross = _squared_norm(student, teacher)
        own = _squared_norm(student, student) * _squared_norm(teacher, teacher)
        own = own.masked_fill(constant_s | constant_t, 1)
        return (1 - cross / own.sqrt()).masked_fill(constant_t, 0)


class PKT(_Relational):
    r"""Probabilistic knowledge transfer: neighbours, as probabilities, are to be the teacher's.

    .. math:: \frac{1}{n} \sum_i \sum_{j \ne i} p_{j|i} \log \frac{p_{j|i}}{q_{j|i}}, \qquad
       p_{j|i} = \frac{K(t_i, t_j)}{\sum_{k \ne i} K(t_i, t_k)}

    with the kernel K = (1 + cos) / 2, and the same for q with the student's features [1]_. In
    nats, where a probability below 1e-7 counts as that. Unchanged if a row is scaled, or a
    layer rotated. Needs three rows.

    See Also
    --------
    SimilarityPreserving : Scalar products instead of cosines.

    Notes
    -----
    As in the paper, a row is no neighbour of its own; the code of the authors counts it, and
    divides by n once more.

    References
    ----------
    .. [1] N. Passalis, A. Tefas, "Learning Deep Representations with Probabilistic Knowledge
       Transfer", ECCV 2018, `arXiv:1803.10837 <https://arxiv.org/abs/1803.10837>`_.

    Examples
    --------
    >>> import torch
    >>> from sklearn_distill.losses.features import PKT
    >>> PKT()(torch.ones(3, 1), torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    tensor(0.0378)
    """

    min_rows = 3

    def _compare(self, student, teacher):
        q, p = _neighbours(student), _neighbours(teacher)
        return (p * (p.clamp_min(_EPS).log() - q.clamp_min(_EPS).log())).sum(dim=1).mean()


_EPS = 1e-7


def _relative_distances(rows):
    """Return the distance of each pair, over the mean of those that are not zero."""
    distances = pdist(rows)
    mean = distances.sum() / (distances > 0).sum().clamp_min(1)
    return distances / mean.masked_fill(mean == 0, 1)


def _cosines(rows):
    """Return the cosine of the angle at row j between rows i and k, of shape (j, i, k)."""
    directions = unit(rows[None] - rows[:, None])
    same = torch.eye(len(rows), dtype=torch.bool, device=rows.device)
    return (directions @ directions.transpose(1, 2)).masked_fill(same, 0)


def _centred(rows):
    """Centre the columns, and scale the whole to length 1; tell if the rows are all equal."""
    centred = rows - rows.mean(dim=0)
    length = torch.linalg.matrix_norm(centred)
    with torch.no_grad():
        rounding = 4 * torch.finfo(rows.dtype).eps * torch.linalg.matrix_norm(rows)
        constant = length <= rounding
    return (centred / length.masked_fill(constant, 1)).masked_fill(constant, 0), constant


def _squared_norm(a, b):
    """Return the squared Frobenius norm of a.T @ b, through the smaller of two products."""
    if a.shape[1] * b.shape[1] <= len(a) ** 2:
        return (a.T @ b).square().sum()
    return ((a @ a.T) * (b @ b.T)).sum()


def _neighbours(rows):
    rows = unit(rows)
    kernel = (1 + rows @ rows.T) / 2
    kernel = kernel * (1 - torch.eye(len(rows), dtype=rows.dtype, device=rows.device))
    total = kernel.sum(dim=1, keepdim=True)
    return kernel / total.masked_fill(total == 0, 1)
