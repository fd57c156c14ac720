"""A loss on derivatives: how outputs react to a small change of the inputs."""

import numpy as np
import torch
from torch.nn.functional import log_softmax

from sklearn_distill.losses.features._base import (
    FeatureLoss,
    at_least_single,
    unit,
    without_autocast,
)


class Jacobian(FeatureLoss):
    r"""The student's outputs are to react to the inputs as the teacher's do.

    .. math:: \frac{1}{n} \sum_i \Big\lVert \frac{g^s_i}{\lVert g^s_i \rVert} -
       \frac{g^t_i}{\lVert g^t_i \rVert} \Big\rVert^2,
       \qquad g_i = \nabla_{x_i} \big(v_i^\top f(x_i)\big)

    Each row compares one direction v of the outputs instead of the whole Jacobian: the
    teacher's most likely class [1]_, or a random direction, new each time [2]_. f are
    log-probabilities, so that constants in the logits do not matter. Both networks must be
    differentiable in the inputs; the cost is about that of a second training step.

    Parameters
    ----------
    direction : {"top", "random"}, default="top"
        The class that is most likely for the teacher, or a random direction of length 1.
    normalize : bool, default=True
        Compare directions of gradients only, so that the loss is between 0 and 4. False keeps
        their lengths.
    log_proba : bool, default=True
        Whether outputs are logits (or log-probabilities) of classes. False takes them as they are,
        for regression.
    random_state : int, default=0
        Seed of the random directions.

    See Also
    --------
    FitNets : The values of a layer, not their derivatives.

    Notes
    -----
    Call it with the inputs: ``loss(student_outputs, teacher_outputs, inputs)``, where both outputs
    were computed from these very inputs, after ``inputs.requires_grad_()``, outside of
    ``torch.no_grad``. A batch normalisation in training mode mixes rows, and with them their
    gradients.

    References
    ----------
    .. [1] S. Srinivas, F. Fleuret, "Knowledge Transfer with Jacobian Matching", ICML 2018,
       `arXiv:1803.00443 <https://arxiv.org/abs/1803.00443>`_.
    .. [2] W. M. Czarnecki, S. Osindero, M. Jaderberg, G. Swirszcz, R. Pascanu, "Sobolev Training
       for Neural Networks", NeurIPS 2017, `arXiv:1706.04859 <https://arxiv.org/abs/1706.04859>`_.

    Examples
    --------
    >>> import torch
    >>> from sklearn_distill.losses.features import Jacobian
    >>> inputs = torch.tensor([[1.0, 2.0]], requires_grad=True)
    >>> student, teacher = (torch.tensor(m) for m in ([[1.0, 0.0], [0, 0]], [[0, 0], [1.0, 0.0]]))
    >>> Jacobian()(inputs @ student, inputs @ teacher, inputs)
    tensor(2.0000, grad_fn=<MeanBackward0>)
    """

    needs_inputs = True
    accepted_ndim = (2,)

    def __init__(self, direction="top", normalize=True, log_proba=True, random_state=0):
        super().__init__()
        if direction not in ("top", "random"):
            raise ValueError(
                "The 'direction' parameter of Jacobian must be one of ('top', 'random'). Got "
                f"{direction!r} instead."
            )
        self.direction = direction
        self.normalize = normalize
        self.log_proba = log_proba
        self.random_state = random_state
        self._generator = np.random.default_rng(random_state)

    def extra_repr(self):
        """Return the settings."""
        return (
            f"direction={self.direction!r}, normalize={self.normalize}, "
            f"log_proba={self.log_proba}, random_state={self.random_state}"
        )

    def forward(self, student_outputs, teacher_outputs, inputs):
        """Return the loss.

        Parameters
        ----------
        student_outputs, teacher_outputs : Tensor of shape (n_samples, n_outputs)
            What both networks make of the inputs.
        inputs : Tensor of shape (n_samples, ...)
            What they were computed from; requires a gradient.

        Returns
        -------
        Tensor
            A scalar.
        """
        self._check(student_outputs, teacher_outputs, None)
        self._check_outputs(student_outputs, teacher_outputs, inputs)
        with without_autocast(inputs.device):
            student, teacher = self._read(student_outputs), self._read(teacher_outputs)
            v = self._directions(teacher)
            of_teacher = _gradient(teacher, v, inputs, "teacher", keep=False)
            of_student = _gradient(student, v, inputs, "student", keep=True)
            if self.normalize:
                of_student, of_teacher = unit(of_student), unit(of_teacher)
            return (of_student - of_teacher).square().sum(dim=1).mean()

    def _read(self, outputs):
        outputs = at_least_single(outputs)
        return log_softmax(outputs, dim=1) if self.log_proba else outputs

    def _directions(self, teacher):
        if self.direction == "top":
            return torch.zeros_like(teacher).scatter(1, teacher.argmax(dim=1)[:, None], 1)
        v = self._generator.normal(size=tuple(teacher.shape))
        return unit(torch.as_tensor(v, dtype=teacher.dtype).to(teacher.device))

    def _check_outputs(self, student, teacher, inputs):
        if student.shape != teacher.shape:
            raise ValueError(
                "Jacobian compares outputs with outputs. Got "
                f"{tuple(student.shape)} from the student and {tuple(teacher.shape)} from the "
                "teacher. Name layers of the same width, such as the logits."
            )
        if self.log_proba and student.shape[1] < 2:
            raise ValueError(
                "Jacobian takes outputs for logits of two or more classes. Got one output. Use "
                "Jacobian(log_proba=False) for regression, and the two columns (0, z) for a "
                "single logit z."
            )
        if not inputs.requires_grad:
            raise ValueError(
                "Jacobian differentiates with respect to the inputs, and these require no "
                "gradient. Call inputs.requires_grad_() before the networks see them."
            )


def _gradient(outputs, v, inputs, who, *, keep):
    """Return the gradient of v·outputs of each row with respect to its inputs, flattened."""
    gradient = None
    if outputs.requires_grad:
        (gradient,) = torch.autograd.grad(
            (outputs * v).sum(),
            inputs,
            create_graph=keep,
            retain_graph=True,
            allow_unused=True,
        )
    if gradient is None:
        raise ValueError(
            f"Jacobian got outputs of the {who} that do not depend on these inputs. Compute them "
            "from the same tensor, outside of torch.no_grad, by a network that is "
            "differentiable in it."
        )
    return at_least_single(gradient.flatten(start_dim=1))
