"""Reading the layers of a module while it runs, without rewriting or disturbing it."""

from contextlib import contextmanager
from difflib import get_close_matches
from threading import Lock, RLock
from weakref import WeakKeyDictionary

import torch
from torch import nn


def find_layer(module, path, *, who):
    """Return the layer at a module path such as ``"encoder.layer.3"``; ``""`` is the module.

    Raises
    ------
    ValueError
        If there is none; the message has the closest names.
    """
    names = dict(module.named_modules())
    if path in names:
        return names[path]
    close = get_close_matches(path, names, n=3, cutoff=0.3) or [name for name in names if name][:8]
    raise ValueError(
        f"{who} {type(module).__name__} has no layer {path!r}. The closest are {close}; all are "
        "listed by module.named_modules()."
    )


@contextmanager
def captured(module, paths, *, attention=(), who="The module"):
    """Collect what layers return while the module is called inside the block.

    Parameters
    ----------
    module : nn.Module
    paths : iterable of str
        Layers whose output is wanted.
    attention : iterable of str
        Layers whose attention probabilities are wanted. ``nn.MultiheadAttention`` is asked for
        them, per head; other layers must return them with their output. They are those before
        dropout.

    Yields
    ------
    outputs : dict of Tensor
        Filled when the module is called: outputs under their path, attention under the pair of
        its path and ``"attention"``. Hooks are removed at the end, whatever happens.
    """
    outputs, handles = {}, []
    fastpath = torch.backends.mha.get_fastpath_enabled()
    try:
        for path in paths:
            layer = find_layer(module, path, who=who)
            handles.append(layer.register_forward_hook(_keep(outputs, path)))
        for path in attention:
            layer = find_layer(module, path, who=who)
            if isinstance(layer, nn.MultiheadAttention):
                # Fused kernels of a whole encoder layer would never call the attention.
                torch.backends.mha.set_fastpath_enabled(False)
                handles.append(layer.register_forward_pre_hook(_ask_for_weights, with_kwargs=True))
            keep = _keep_attention(outputs, path)
            handles.append(layer.register_forward_hook(keep, with_kwargs=True))
        yield outputs
    finally:
        for handle in handles:
            handle.remove()
        torch.backends.mha.set_fastpath_enabled(fastpath)


def _keep(outputs, path):
    def hook(layer, args, output):
        outputs[path] = _first_tensor(output, path)

    return hook


def _keep_attention(outputs, path):
    def hook(layer, args, kwargs, output):
        found = _attention_of(output)
        if found is None and layer.training:
            # Dropout has been at them: these are the same without. Its hooks are not called again.
            with undisturbed(layer):
                found = _attention_of(layer.forward(*args, **kwargs))
        if found is None:
            raise ValueError(
                f"Layer {path!r} returns no attention probabilities: none of its outputs has the "
                "shape (n_samples, n_heads, n_tokens, n_tokens) and rows that sum to one. Name "
                "the attention itself (an nn.MultiheadAttention), or have the model return its "
                "attention (in transformers: attn_implementation='eager', output_attentions=True)."
            )
        outputs[path, "attention"] = found

    return hook


def _first_tensor(output, path):
    """Return the tensor itself, or the first of a tuple or of a model output."""
    if isinstance(output, torch.Tensor):
        return output
    values = output.values() if isinstance(output, dict) else output
    for value in values:
        if isinstance(value, torch.Tensor):
            return value
    raise TypeError(f"Layer {path!r} returns no tensor. Name a layer that does.")


def _attention_of(output):
    """Return the attention probabilities among what a layer returned, or None."""
    values = output.values() if isinstance(output, dict) else output
    for value in values if not isinstance(output, torch.Tensor) else [output]:
        if isinstance(value, torch.Tensor) and _sums_to_one(value):
            return value
    return None


def _sums_to_one(value):
    if value.ndim not in (3, 4) or not value.is_floating_point():
        return False
    total = value.detach().float().sum(dim=-1)
    return bool((total - 1).abs().max() < 1e-2) and bool((value.detach() >= 0).all())


def _ask_for_weights(layer, args, kwargs):
    # In evaluation and training alike; a user's own choice of averaging is not touched.
    return args, {**kwargs, "need_weights": True, "average_attn_weights": False}


def check_device(device):
    """Raise ValueError, in words, if this torch cannot compute on a device."""
    try:
        torch.empty(0, device=device)
    except (AssertionError, RuntimeError, NotImplementedError) as error:
        raise ValueError(
            f"This torch cannot compute on the device {device!r}: {str(error).rstrip('.')}. Use "
            "'cpu', or a build of torch for the device."
        ) from error


#: One lock for each module, dropped together with it.
_LOCKS = WeakKeyDictionary()
_GUARD = Lock()


@contextmanager
def undisturbed(module, device=None):
    """Have a module for oneself, in evaluation mode and on a device; put both back afterwards.

    Mode and device belong to the module, not to the call. Two threads in here at once would each
    save what the other has set: one would label with dropout, and neither could put back what the
    user had. So they take turns; the lock lets the same thread in again.
    """
    with _GUARD:
        lock = _LOCKS.setdefault(module, RLock())
    with lock:
        modes = [(part, part.training) for part in module.modules()]
        first = next(module.parameters(), None)
        home = "cpu" if first is None else first.device
        device = home if device is None else device
        moves = str(device) != str(home)
        if moves:
            check_device(device)
        try:
            if moves:
                module.to(device)
            module.eval()
            yield device
        finally:
            if moves:
                module.to(home)
            for part, mode in modes:
                part.training = mode
