"""What a module returns, and the logits that belong to it."""

import torch
from torch import nn
from torch.nn import functional as F

#: The kinds of output, by name.
KINDS = ("logits", "log-proba", "proba", "binary-logit", "binary-proba")

#: Probabilities are kept this far from 0 and 1 before their logarithm is taken.
EPS = 1e-12


def recognise(module):
    """Guess the kind of output from the last layer of a module.

    Returns
    -------
    kind : {"logits", "log-proba", "proba", "binary-proba"}
        "logits" unless the module registered a LogSoftmax, Softmax or Sigmoid last.
    """
    layers = [layer for layer in module.modules() if not any(layer.children())]
    last = layers[-1] if layers else module
    if isinstance(last, nn.LogSoftmax):
        return "log-proba"
    if isinstance(last, nn.Softmax):
        return "proba"
    if isinstance(last, nn.Sigmoid):
        return "binary-proba"
    return "logits"


def to_logits(output, kind, *, who="The module"):
    """Turn a module's output into logits of shape (n_samples, n_classes), in float32 or wider.

    Parameters
    ----------
    output : Tensor of shape (n_samples, n_classes), (n_samples, 1) or (n_samples,)
        The latter two for two classes.
    kind : str
        One of :data:`KINDS`.
    who : str
        Named in errors.

    Raises
    ------
    TypeError
        If ``output`` is no tensor.
    """
    if not isinstance(output, torch.Tensor):
        raise TypeError(
            f"{who} returned a {type(output).__name__}; a tensor of shape (n_samples, n_classes) "
            "is needed. Wrap it in a module that returns the logits only."
        )
    if output.dtype in (torch.float16, torch.bfloat16):
        output = output.float()
    single = output.ndim == 1 or output.shape[-1] == 1
    if single:
        z = output.reshape(-1)
        if kind in ("proba", "binary-proba"):
            z = torch.logit(z, eps=EPS if z.dtype == torch.float64 else 1e-7)
        return torch.stack([torch.zeros_like(z), z], dim=1)
    if kind in ("proba", "binary-proba"):
        return torch.log(output.clamp_min(torch.finfo(output.dtype).tiny))
    return output


def check_width(logits, n_classes, *, who="The module"):
    """Raise ValueError unless there is one logit per class."""
    if logits.ndim != 2 or logits.shape[1] != n_classes:
        raise ValueError(
            f"{who} returns outputs of shape {tuple(logits.shape)}, but there are {n_classes} "
            f"classes. Its last layer must have {n_classes} outputs"
            f"{' (or one)' if n_classes == 2 else ''}."
        )


def log_proba(logits):
    """Return log-probabilities as float64."""
    return F.log_softmax(logits.double(), dim=1)


def output_of_net(net):
    """Return the kind of output of a skorch net, as its criterion reads it."""
    criterion = net.criterion
    criterion = criterion if isinstance(criterion, type) else type(criterion)
    if issubclass(criterion, nn.BCEWithLogitsLoss):
        return "binary-logit"
    if issubclass(criterion, nn.BCELoss):
        return "binary-proba"
    if issubclass(criterion, nn.NLLLoss):
        # skorch takes the logarithm itself: with this criterion a module returns probabilities.
        return "proba"
    module = getattr(net, "module_", net.module)
    return recognise(module) if isinstance(module, nn.Module) else "logits"
