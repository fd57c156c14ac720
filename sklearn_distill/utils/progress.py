"""What ``verbose`` shows, one line a stage and one bar a loop; and scikit-learn's callbacks."""

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


try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before scikit-learn 1.9 there are none

    class CallbackSupportMixin:
        """Stands in for scikit-learn's."""


class Stages:
    """The stages of a fit: lines where ``verbose``, and tasks for callbacks that were set.

    Parameters
    ----------
    estimator : estimator
        In its ``fit``, which is decorated with ``fit_context``.
    n_stages : int
    X, y : rows and labels
        For callbacks that want them.
    """

    def __init__(self, estimator, n_stages, X, y):
        self.estimator, self.rows = estimator, {"X": X, "y": y}
        self.context = None
        if hasattr(estimator, "_init_callback_context"):
            self.context = estimator._init_callback_context(max_subtasks=n_stages)
            self.context.call_on_fit_task_begin(estimator=estimator, **self.rows)

    @contextmanager
    def stage(self, text):
        """Run a block as the next stage."""
        with stage(text, self.estimator.verbose):
            if self.context is None:
                yield
                return
            task = self.context.subcontext(task_name=text)
            task.call_on_fit_task_begin(estimator=self.estimator, **self.rows)
            yield
            task.call_on_fit_task_end(estimator=self.estimator, **self.rows)

    def end(self):
        """Tell that all stages are through."""
        if self.context is not None:
            self.context.call_on_fit_task_end(estimator=self.estimator, **self.rows)


def track(iterable, *, total, text, verbose):
    """Wrap ``iterable`` in a tqdm bar, if ``verbose``."""
    if not verbose:
        return iterable
    from tqdm.auto import tqdm  # imported here: most fits are silent

    return tqdm(iterable, total=total, desc=f"[sklearn_distill] {text}")
