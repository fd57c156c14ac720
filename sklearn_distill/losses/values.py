"""Losses of values in torch, one number for each row: the mean over its outputs.

Values are in units of their standard deviation, where a network is trained bare.
"""

import torch
from torch.nn import functional as F


def squared_error(student, target):
    """Return the squared error of each row.

    Parameters
    ----------
    student, target : Tensor of shape (n_rows, n_outputs)

    Returns
    -------
    Tensor of shape (n_rows,)
    """
    return ((student - target) ** 2).mean(dim=1)


def absolute_error(student, target):
    """Return the absolute error of each row; arguments as :func:`squared_error`."""
    return (student - target).abs().mean(dim=1)


def huber(student, target, delta=1.0):
    """Return Huber's loss of each row, which is linear above ``delta``."""
    return F.huber_loss(student, target, reduction="none", delta=delta).mean(dim=1)


def teacher_bounded(student, target, teacher, margin=0.0):
    """Return the squared error of each row, as long as it is larger than that of the teacher.

    The teacher is an upper bound, not a target: its values may be far off, and a student that is
    closer to the real ones than it is has nothing to learn from it [1]_. It is 0 where

    .. math:: \\lVert f - y \\rVert^2 + m \\le \\lVert t - y \\rVert^2.

    Parameters
    ----------
    student, target, teacher : Tensor of shape (n_rows, n_outputs)
    margin : float, default=0.0
        The m of the formula.

    Returns
    -------
    Tensor of shape (n_rows,)

    References
    ----------
    .. [1] G. Chen, W. Choi, X. Yu, T. Han, M. Chandraker, "Learning Efficient Object Detection
       Models with Knowledge Distillation", NeurIPS 2017.
    """
    own = squared_error(student, target)
    return torch.where(own + margin > squared_error(teacher, target), own, torch.zeros_like(own))
