"""What a module returns, and the logits that belong to it."""

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional as F

#: The kinds of output, and the criterion that reads each of them in skorch.
KINDS = {
    "logits": nn.CrossEntropyLoss,
    "log-proba": nn.CrossEntropyLoss,  # log-probabilities are logits that are normalised
    "proba": nn.NLLLoss,  # skorch takes the logarithm itself
    "binary-logit": nn.BCEWithLogitsLoss,
    "binary-proba": nn.BCELoss,
}

#: Rows that it takes to see by their looks that outputs are probabilities, in several columns and
#: in one: the logits of few rows may happen to be between 0 and 1.
FEW, MANY = 4, 100

#: What :func:`misread` has found, in words.
LOOKS_LIKE = {
    "logits": "returned values that are no probabilities (negative, or rows that do not sum to "
    "one)",
    "proba": "returned probabilities (not negative, each row sums to one)",
    "binary-proba": "returned probabilities (a sigmoid is the last that it does)",
    "yes-or-no": "returned one sigmoid per class (a multi-label network)",
}

#: Operations that give a tensor another shape or precision, or keep it off the ends of a range.
_KEEPING = ("View", "UnsafeView", "ReshapeAlias", "Squeeze", "Select", "ToCopy", "Clone", "Clamp")


def recognise(module):
    """Guess the kind of output from the last layer of a module.

    Returns
    -------
    kind : {"logits", "log-proba", "proba", "binary-proba"}
        "logits" unless the module registered a LogSoftmax, Softmax or Sigmoid last.
    """
    layers = [layer for layer in module.modules() if not any(layer.children())]
    last = layers[-1] if layers else module
    kinds = {nn.LogSoftmax: "log-proba", nn.Softmax: "proba", nn.Sigmoid: "binary-proba"}
    return next((kind for layer, kind in kinds.items() if isinstance(last, layer)), "logits")


def criterion_of(net):
    """Return the class of a skorch net's criterion."""
    return net.criterion if isinstance(net.criterion, type) else type(net.criterion)


def output_of_net(net):
    """Return the kind of output of an initialised skorch net, as its criterion reads it."""
    for kind in ("binary-logit", "binary-proba", "proba"):
        if issubclass(criterion_of(net), KINDS[kind]):
            return kind
    return recognise(net.module_)


def class_weight_of_net(net, n_classes):
    """Return the class weights in the criterion of a skorch net, (n_classes,), or None.

    Raises
    ------
    ValueError
        If they are not one per class.
    """
    names = {
        KINDS["binary-logit"]: "pos_weight",
        KINDS["logits"]: "weight",
        KINDS["proba"]: "weight",
    }
    name = next((n for c, n in names.items() if issubclass(criterion_of(net), c)), None)
    if name is None:
        return None
    weight = net.get_params_for("criterion").get(name, getattr(net.criterion, name, None))
    if weight is None:
        return None
    weight = torch.as_tensor(weight, dtype=torch.float64).cpu().reshape(-1)
    if name == "pos_weight":
        weight = torch.cat([torch.ones(1), weight])
    if len(weight) != n_classes:
        raise ValueError(
            f"criterion__{name} of the student {type(net).__name__} must have one entry per "
            f"class, {n_classes}. Got {len(weight)} instead."
        )
    return weight.numpy()


def tensor_of(output, *, who="The module"):
    """Return the tensor itself, or that of logits in what a module returned with it.

    Parameters
    ----------
    output : Tensor, object with ``logits`` or a key of this name, or tuple with the logits first
    who : str
        Named in errors.

    Raises
    ------
    TypeError
        If there is none.
    """
    found = output
    if isinstance(output, Mapping):
        found = output.get("logits")
    elif isinstance(output, tuple | list):
        found = output[0] if output else None
    elif not isinstance(output, torch.Tensor):
        found = getattr(output, "logits", None)
    if isinstance(found, torch.Tensor):
        return found
    raise TypeError(
        f"{who} returned a {type(output).__name__} without a tensor of logits, of shape "
        "(n_samples, n_classes): it may be the output itself, its attribute or entry 'logits', "
        "or the first of a tuple. Wrap it in a module that returns the logits only."
    )


def is_single(output):
    """Tell whether an output is one number per row, for two classes."""
    return output.ndim < 2 or output.shape[-1] == 1


def to_logits(output, kind, *, who="The module"):
    """Turn a module's output into logits of shape (n_samples, n_classes), in float32 or wider.

    Parameters
    ----------
    output : Tensor of shape (n_samples, n_classes), (n_samples, 1) or (n_samples,)
        The latter two for two classes; or what :func:`tensor_of` finds such a tensor in.
    kind : str
        One of :data:`KINDS`.
    who : str
        Named in errors.

    Raises
    ------
    TypeError
        If there is no tensor.
    ValueError
        If a binary output has several columns.
    """
    output = tensor_of(output, who=who)
    if output.dtype in (torch.float16, torch.bfloat16):
        output = output.float()
    if is_single(output):
        z = output.reshape(-1)
        if kind in ("proba", "binary-proba"):
            z = torch.logit(z, eps=1e-12 if z.dtype == torch.float64 else 1e-7)
        return torch.stack([torch.zeros_like(z), z], dim=1)
    if kind.startswith("binary"):
        raise ValueError(
            f"{who} returned {output.shape[-1]} columns that are read as one yes or no each (a "
            "Sigmoid is its last layer, or its criterion a binary one): a multi-label network. "
            "Classes that exclude each other need logits, or nn.Softmax(dim=1) as last layer; of "
            "several labels, distil one column at a time."
        )
    if kind == "proba":
        return torch.log(output.clamp_min(torch.finfo(output.dtype).tiny))
    return output


def check_shape(output, n_rows, n_classes, *, who="The module"):
    """Raise ValueError unless a module's output has a row per row and a column per class."""
    shape = tuple(output.shape)
    single = is_single(output) and n_classes == 2 and output.numel() == n_rows
    if shape != (n_rows, n_classes) and not single:
        raise ValueError(
            f"{who} returns outputs of shape {shape} for {n_rows} rows, but there are {n_classes} "
            f"classes. Its last layer must have {n_classes} outputs"
            f"{' (or one)' if n_classes == 2 else ''} for each row."
        )


def misread(output, kind):
    """Return what an output is, if it cannot be what it is read as.

    Probabilities that are taken for logits train and teach without any error, far too softly, and
    logits taken for probabilities are cut off at zero; both look like a poor model.

    Parameters
    ----------
    output : Tensor
        Of a batch. A gradient, if it has one, tells what it was made by.
    kind : str
        What it is read as.

    Returns
    -------
    str or None
        A key of :data:`LOOKS_LIKE`; None if nothing is wrong.
    """
    values = output.detach().double()
    if not values.isfinite().all():
        return None  # whatever this is: it has an error of its own
    single = is_single(values)
    if kind in ("proba", "binary-proba"):
        return None if in_unit_range(output) and (single or _sums_to_one(output)) else "logits"
    made_by = _made_by(output)
    if made_by.startswith("Sigmoid"):
        return "binary-proba" if single else "yes-or-no"
    if single:
        return None
    probabilities = len(values) >= FEW and in_unit_range(output) and _sums_to_one(output)
    return "proba" if probabilities or made_by.startswith("Softmax") else None


def looks_like_one_probability(output):
    """Tell whether all of many values in a single column are between 0 and 1."""
    return is_single(output) and output.numel() >= MANY and in_unit_range(output)


def in_unit_range(output):
    """Tell whether all values are between 0 and 1, but for rounding."""
    off = _rounding(output)
    return bool((output >= -off).all() and (output <= 1 + off).all())


def _sums_to_one(output):
    return bool(((output.double().sum(dim=-1) - 1).abs() <= _rounding(output)).all())


def _rounding(output):
    return 1e-3 + 8 * torch.finfo(output.dtype).eps


def _made_by(output):
    """Return the name of the operation that an output comes from, in the words of autograd."""
    node = output.grad_fn
    while node is not None and node.name().startswith(_KEEPING):
        node = node.next_functions[0][0]
    return "" if node is None else node.name()


def log_proba(logits):
    """Return log-probabilities as float64."""
    return F.log_softmax(logits.double(), dim=1)
