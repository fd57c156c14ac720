"""The losses on layers during one training: captured, compared, and trained along."""

import copy
from dataclasses import replace

import torch

from sklearn_distill.losses import get_feature_loss
from sklearn_distill.losses.features import scaled
from sklearn_distill.nn.batches import call, count_tensors, slice_tensors
from sklearn_distill.nn.capture import captured

#: Learning rate of what is trained along with the student and thrown away (projections).
COMPANION_LR = 1e-3

#: A teacher's layers are computed once and kept if all rows take no more bytes than this.
MOST_BYTES = 2**30

#: Rows per call of a teacher whose layers are kept.
ROWS_PER_CALL = 256


class HintLosses:
    """All hints of one training.

    Parameters
    ----------
    hints : list of LayerHint
    source : ModuleSource or ArraySource
        Where the teacher's side comes from.
    """

    def __init__(self, hints, source):
        self.hints = [replace(hint, loss=copy.deepcopy(hint.loss)) for hint in hints]
        self.losses = torch.nn.ModuleList(scaled(get_feature_loss(h.loss)) for h in self.hints)
        self.needs_inputs = any(loss.needs_inputs for loss in self.losses)
        # Derivatives are of the inputs that the student has in its hands: nothing can be kept.
        self.source = source if self.needs_inputs else source.kept()
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

    def loss(self, student_layers, rows, X):
        """Return the weighted sum of the hints for the rows of a batch.

        Parameters
        ----------
        student_layers : dict of Tensor
            As :func:`captured` gives them.
        rows : Tensor of int
        X : Tensor, or dict or tuple of tensors
            What the student saw, with a gradient if a hint compares derivatives.
        """
        student_layers = heads_apart(student_layers, len(rows))
        teacher_layers = self.source(rows, X if self.needs_inputs else None)
        total = 0.0
        for hint, loss in zip(self.hints, self.losses, strict=True):
            pair = (
                student_layers[_key(hint, hint.student_layer)],
                teacher_layers[_key(hint, hint.teacher_layer)],
            )
            total = total + hint.weight * (
                loss(*pair, X) if loss.needs_inputs else loss(*pair, **_mask(hint, X))
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

    To be used within :func:`~sklearn_distill.nn.capture.undisturbed`: in evaluation mode, on the
    student's device.

    Parameters
    ----------
    module : nn.Module
    X : Tensor, or dict or tuple of tensors
        What it takes, for all rows.
    hints : list of LayerHint
    """

    def __init__(self, module, X, hints):
        self.module = module
        self.X = X
        self.hints = hints

    def __call__(self, rows, inputs=None):
        """Return the captured layers of these rows, or of inputs with a gradient."""
        part = slice_tensors(self.X, rows)
        if inputs is not None:
            _refuse_other_rows(part, inputs)
            part = inputs
        outputs = [h.teacher_layer for h in self.hints if not h.of_attention]
        attention = [h.teacher_layer for h in self.hints if h.of_attention]
        with (
            captured(self.module, outputs, attention=attention, who="The teacher") as layers,
            torch.set_grad_enabled(inputs is not None),
        ):
            call(self.module, part)
        return heads_apart(layers, count_tensors(part))

    def kept(self):
        """Return the layers of all rows in memory, or this source if they are too large for it.

        The teacher does not change, so that a pass over it in every epoch would be wasted.
        """
        n_rows = count_tensors(self.X)
        parts = torch.arange(n_rows).split(ROWS_PER_CALL)
        first = self(parts[0])
        if any(len(layer) != len(parts[0]) for layer in first.values()):
            return self  # not a row each: only the losses can say whether that is right
        if sum(layer.nbytes for layer in first.values()) * n_rows > MOST_BYTES * len(parts[0]):
            return self
        layers = {key: v.new_empty(n_rows, *v.shape[1:]) for key, v in first.items()}
        for rows in parts:
            for key, layer in (first if rows is parts[0] else self(rows)).items():
                if layer.shape[1:] != layers[key].shape[1:]:
                    return self  # the module shortens its batches, say
                layers[key][rows] = layer
        return ArraySource(layers)


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

    def kept(self):
        """Return this source: it is in memory."""
        return self


def _refuse_other_rows(own, inputs):
    """Raise ValueError unless teacher and student take the same rows."""
    if (
        not isinstance(own, torch.Tensor)
        or own.shape != inputs.shape
        or not torch.allclose(own.to(inputs.dtype), inputs, rtol=1e-4, atol=1e-5, equal_nan=True)
    ):
        raise ValueError(
            "A hint on derivatives compares how both networks react to the same inputs, and here "
            "teacher and student take different ones (one of them after other transformers). Put "
            "the same transformers before both, or use another loss."
        )


def heads_apart(layers, n_rows):
    """Give attention that came as (n_rows · n_heads, ...) a dimension for the heads."""
    return {
        key: layer.reshape(n_rows, -1, *layer.shape[1:])
        if isinstance(key, tuple) and layer.ndim == 3 and len(layer) > n_rows
        else layer
        for key, layer in layers.items()
    }


def _key(hint, path):
    """Return what a captured layer of a hint is kept under."""
    return (path, "attention") if hint.of_attention else path


def _mask(hint, X):
    """Return the mask of a hint as a keyword argument, if it has one."""
    if hint.mask is None:
        return {}
    if callable(hint.mask):
        return {"mask": hint.mask(X)}
    if isinstance(X, dict) and hint.mask in X:
        return {"mask": X[hint.mask]}
    got = f"with {sorted(X)}" if isinstance(X, dict) else f"as a {type(X).__name__}"
    raise ValueError(
        f"The mask {hint.mask!r} of a {type(hint).__name__} is to be found in the rows that the "
        f"student takes, and they come {got}. Name one of the keys of a dict, or pass a function "
        "of the rows."
    )
