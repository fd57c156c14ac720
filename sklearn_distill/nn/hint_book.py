"""The losses on layers during one training: what is heard, compared, and trained along."""

import copy
from dataclasses import replace

import torch

from sklearn_distill.losses import get_feature_loss
from sklearn_distill.losses.features import scaled
from sklearn_distill.nn.batches import slice_tensors
from sklearn_distill.nn.capture import captured, undisturbed

#: Learning rate of what is trained along with the student and thrown away (projections).
COMPANION_LR = 1e-3


class HintBook:
    """All hints of one training.

    Parameters
    ----------
    hints : list of LayerHint
    source : ModuleSource or ArraySource
        Where the teacher's side comes from.
    """

    def __init__(self, hints, source):
        self.hints = [replace(hint, loss=copy.deepcopy(hint.loss)) for hint in hints]
        self.source = source
        self.losses = torch.nn.ModuleList(scaled(get_feature_loss(h.loss)) for h in self.hints)
        self.needs_inputs = any(loss.needs_inputs for loss in self.losses)
        self.companions = None

    def to(self, device):
        """Move what is trained along to a device."""
        self.losses.to(device)
        return self

    def listening(self, module):
        """Return a context in which the student's layers are captured."""
        return captured(
            module,
            [h.student_layer for h in self.hints if not h.of_attention],
            attention=[h.student_layer for h in self.hints if h.of_attention],
            who="The student",
        )

    def loss(self, heard, rows, inputs=None):
        """Return the weighted sum of the hints for the rows of a batch.

        Parameters
        ----------
        heard : dict of str to Tensor
            The student's layers.
        rows : Tensor of int
        inputs : Tensor or None
            What the student saw, with a gradient, if a hint compares derivatives.
        """
        taught = self.source(rows, inputs)
        total = 0.0
        for hint, loss in zip(self.hints, self.losses, strict=True):
            pair = heard[hint.student_layer], taught[hint.teacher_layer]
            total = total + hint.weight * (
                loss(*pair, inputs) if loss.needs_inputs else loss(*pair)
            )
        if self.companions is None:
            # Only now are the projections built: they take their shapes from a first batch.
            parameters = list(self.losses.parameters())
            self.companions = (
                torch.optim.Adam(parameters, lr=COMPANION_LR) if parameters else False
            )
        return total

    def step(self):
        """Train what goes along with the student, after a backward pass."""
        if self.companions:
            self.companions.step()
            self.companions.zero_grad()


class ModuleSource:
    """The layers of a torch teacher, computed batch by batch.

    Parameters
    ----------
    teacher : TorchTeacher
    X : Tensor, or dict or tuple of tensors
        What its module takes, for all rows.
    hints : list of LayerHint
    """

    def __init__(self, teacher, X, hints):
        self.module = teacher.module
        self.X = X
        self.device = next((p.device for p in self.module.parameters()), torch.device("cpu"))
        self.hints = hints

    def __call__(self, rows, inputs=None):
        """Return the captured layers of these rows, or of inputs with a gradient."""
        part = slice_tensors(self.X, rows.to(self.device)) if inputs is None else inputs
        outputs = [h.teacher_layer for h in self.hints if not h.of_attention]
        attention = [h.teacher_layer for h in self.hints if h.of_attention]
        with (
            undisturbed(self.module),
            captured(self.module, outputs, attention=attention, who="The teacher") as heard,
            torch.set_grad_enabled(inputs is not None),
        ):
            if isinstance(part, dict):
                self.module(**part)
            else:
                self.module(*(part if isinstance(part, tuple) else (part,)))
        return heard


class ArraySource:
    """Layers that were computed once, for all rows.

    Parameters
    ----------
    layers : dict of str to Tensor of shape (n_rows, n_features)
    """

    def __init__(self, layers):
        self.layers = layers

    def __call__(self, rows, inputs=None):
        """Return the layers of these rows."""
        if inputs is not None:
            raise ValueError("A hint on derivatives needs a torch module as teacher.")
        return {path: values[rows] for path, values in self.layers.items()}
