"""How many threads a training takes: one where a second would only wait for the first."""

from contextlib import contextmanager
from types import SimpleNamespace

import torch

#: Multiplications in a forward pass over a batch below which one thread is taken. Threads meet
#: after every operation; of small ones that takes longer than the work, and where another process
#: has the other core it takes as long as that process likes. See benchmarks/bench_threads.py.
SMALL = 20_000_000


@contextmanager
def counting(module):
    """Count the multiplications of layers that have weights, while a module is called.

    Only the order of magnitude is of interest: each output takes as many as it has weights.

    Yields
    ------
    work : SimpleNamespace
        With ``multiplications``.
    """
    work = SimpleNamespace(multiplications=0)

    def count(layer, args, output):
        weights = sum(p[0].numel() for p in layer.parameters(recurse=False) if p.ndim > 1)
        work.multiplications += weights * _numel(output)

    layers = [part for part in module.modules() if any(True for _ in part.parameters(False))]
    handles = [layer.register_forward_hook(count) for layer in layers]
    try:
        yield work
    finally:
        for handle in handles:
            handle.remove()


def _numel(output):
    """Return the number of elements of a tensor, or of the first of several."""
    first = output[0] if isinstance(output, tuple | list) and output else output
    return first.numel() if isinstance(first, torch.Tensor) else 0


@contextmanager
def same_threads():
    """Put the number of torch's threads back after a block, whatever was set inside."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)


def fewer_if_small(multiplications):
    """Take one thread for small work; to be called inside :func:`same_threads`."""
    if multiplications < SMALL and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
