"""What ``verbose`` shows: one line a stage, one bar a loop."""

import time
from contextlib import contextmanager


@contextmanager
def stage(text, verbose):
    """Print ``text`` when the block begins, and the seconds that it took, if ``verbose``."""
    start = time.perf_counter()
    if verbose:
        print(f"[sklearn_distill] {text} ...", flush=True)
    yield
    if verbose:
        print(f"[sklearn_distill] {text}: {time.perf_counter() - start:.1f} s", flush=True)


def track(iterable, *, total, text, verbose):
    """Wrap ``iterable`` in a tqdm bar, if ``verbose``."""
    if not verbose:
        return iterable
    from tqdm.auto import tqdm  # imported here: most fits are silent

    return tqdm(iterable, total=total, desc=f"[sklearn_distill] {text}")
