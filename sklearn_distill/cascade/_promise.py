"""The statistics of a promise: which threshold keeps it, and whether it still holds."""

import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from scipy.special import expit, logsumexp
from scipy.stats import beta

#: Thresholds of confidence, the strictest first. They are fixed before any row is seen: a
#: threshold that is chosen among the confidences of the rows themselves is fitted to these rows.
THRESHOLDS = np.concatenate([[np.inf, 1.0], expit(np.linspace(16, -5, 421))])

#: An audit bets on risks that are so many times what was promised.
BETS = np.array([1.2, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0])


def rows_for_promise(target=0.99, confidence=0.95, n_losses=0):
    """Return how many calibration rows a promise costs at least.

    Parameters
    ----------
    target : float in (0, 1), default=0.99
        The share of requests that is to be answered as promised.
    confidence : float in (0, 1), default=0.95
        How sure the promise is to be.
    n_losses : int, default=0
        Rows that are answered otherwise, which the promise is to bear.

    Returns
    -------
    int

    Examples
    --------
    >>> from sklearn_distill.cascade import rows_for_promise
    >>> (
    ...     rows_for_promise(0.99, 0.95),
    ...     rows_for_promise(0.999, 0.95),
    ...     rows_for_promise(0.99, 0.95, 3),
    ... )
    (299, 2995, 773)
    """
    low = n = math.ceil(math.log(1 - confidence) / math.log(target))
    while upper_bound(n_losses, n, confidence) > 1 - target:
        low, n = n, 2 * n
    while n - low > 1:
        middle = (low + n) // 2
        if upper_bound(n_losses, middle, confidence) > 1 - target:
            low = middle
        else:
            n = middle
    return n


def upper_bound(n_losses, n_rows, confidence):
    """Return the Clopper-Pearson upper bound of a risk of which so many rows of all were losses.

    References
    ----------
    C. Clopper, E. Pearson, "The use of confidence or fiducial limits illustrated in the case of
    the binomial", Biometrika 26, 1934, :doi:`10.1093/biomet/26.4.404`.
    """
    if n_rows <= n_losses:
        return 1.0
    return float(beta.ppf(confidence, n_losses + 1, n_rows - n_losses))


def interval(n_hits, n_rows, confidence):
    """Return the two-sided Clopper-Pearson interval of a share."""
    half = (1 + confidence) / 2
    lower = 1 - upper_bound(n_rows - n_hits, n_rows, half) if n_hits else 0.0
    return lower, upper_bound(n_hits, n_rows, half)


def level_of_each(confidence, over):
    """Return the confidence of each sequence of tests: over answered requests there are two."""
    return confidence if over == "all" else (1 + confidence) / 2


def rows_to_begin(target, confidence, over, n_losses=0):
    """Return how many rows the first test of a sequence needs, if it is to bear some losses."""
    return rows_for_promise(target, level_of_each(confidence, over), n_losses)


class Choice(NamedTuple):
    """A threshold, what was counted at it, and the upper bound of its risk."""

    threshold: float
    n_answered: int
    n_losses: int
    bound: float


def count(confidence_of_rows, losses, threshold):
    """Return how many rows are answered at a threshold, and how many of them are losses."""
    answered = confidence_of_rows >= threshold
    return int(answered.sum()), int((answered & losses).sum())


def choose_threshold(confidence_of_rows, losses, *, target, confidence, over):
    r"""Return the most generous threshold that keeps the promise, by fixed-sequence testing.

    From the strictest threshold on, the hypothesis that the risk is above ``1 - target`` is
    tested by the Clopper-Pearson bound. The first that cannot be rejected ends the sequence, and
    the threshold before it is taken. Since the order is fixed beforehand, the probability that any
    threshold is wrongly taken is at most ``1 - confidence``: nothing is lost to the number of
    thresholds [1]_.

    Over all requests the loss of a row is that it is answered *and* wrong, and each threshold has
    all rows to be tested on. Over answered ones a threshold has only the rows that it answers.
    There are then two sequences, each at half the probability of erring: one that begins where
    there are just enough rows, and one that begins where a half of all rows is answered. The
    surest rows of a tree are those of its purest leaves, which are not always its best, and a
    single sequence would often end there. Where a sequence begins depends on how many rows are
    answered and not on how.

    Parameters
    ----------
    confidence_of_rows : ndarray of shape (n_rows,)
    losses : ndarray of bool, shape (n_rows,)
        What would be a loss if it were answered.
    target, confidence : float
    over : {"all", "answered"}

    Returns
    -------
    Choice or None
        None if no threshold keeps the promise.

    References
    ----------
    .. [1] A. Angelopoulos et al., "Learn then Test: Calibrating Predictive Algorithms to Achieve
       Risk Control", 2021, `arXiv:2110.01052 <https://arxiv.org/abs/2110.01052>`_.
    """
    n, level = len(losses), level_of_each(confidence, over)
    counts = [count(confidence_of_rows, losses, threshold) for threshold in THRESHOLDS]
    tested_on = [n if over == "all" else m for m, _ in counts]
    starts = [n] if over == "all" else [_first_start(n, target, confidence), n / 2]
    taken = []
    for start in starts:
        for i, (n_tested, (n_answered, n_losses)) in enumerate(
            zip(tested_on, counts, strict=True)
        ):
            if n_tested < start:
                continue
            bound = upper_bound(n_losses, n_tested, level)
            if bound > 1 - target:
                break
            taken.append((i, Choice(float(THRESHOLDS[i]), n_answered, n_losses, bound)))
    return max(taken, key=lambda pair: pair[0])[1] if taken else None


def _first_start(n_rows, target, confidence):
    """Return so many answered rows that some losses can be borne: ten, if there is room for it.

    With the fewest rows that carry a promise a single loss would end the sequence.
    """
    enough = (rows_to_begin(target, confidence, "answered", k) for k in range(10, 0, -1))
    fewest = rows_to_begin(target, confidence, "answered")
    return next((n for n in enough if n <= n_rows / 3), fewest)


@dataclass(frozen=True)
class Audit:
    """Whether a promise still holds, by requests that were answered twice.

    It is a sequential test: looking at it after every request, and stopping when it speaks, does
    not make it err more often than was promised [1]_.

    Parameters
    ----------
    n_rows : int
        Requests that were looked at, in all audits that follow one another.
    n_losses : int
        Those that were answered otherwise.
    limit : float
        The risk that was promised not to be exceeded.
    confidence : float
        A promise that holds is called broken with a probability of ``1 - confidence`` at most,
        over all time.
    broken_at : int or None, default=None
        The request at which the test had seen enough; None if it has not.
    evidence : float
        How many times more likely the requests are under risks above the limit. The promise is
        broken from ``1 / (1 - confidence)`` on.

    References
    ----------
    .. [1] I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting",
       JRSS B, 2024, :doi:`10.1093/jrsssb/qkad009`.
    """

    n_rows: int
    n_losses: int
    limit: float
    confidence: float
    broken_at: int | None = None
    evidence: float = field(default=1.0)

    @property
    def holds(self):
        """Whether nothing speaks against the promise yet."""
        return self.broken_at is None

    def __str__(self):
        """Say it in a sentence."""
        seen = f"{self.n_losses} of {self.n_rows:,} requests were answered otherwise"
        if not self.n_rows:
            return "Nothing was audited yet."
        share = f"{seen} ({self.n_losses / self.n_rows:.2%}, promised: at most {self.limit:.2%})"
        if self.holds:
            return f"{share}. Nothing speaks against the promise."
        return (
            f"{share}. The promise does not hold any more, which was clear at request "
            f"{self.broken_at:,}. Calibrate anew, or teach the student anew."
        )


def audit(losses, *, limit, confidence, after=None):
    """Return the audit of further requests, after an earlier one.

    Parameters
    ----------
    losses : ndarray of bool, shape (n_rows,)
        In the order in which they came.
    limit, confidence : float
    after : Audit, default=None

    Returns
    -------
    Audit
    """
    before = (0, 0, None) if after is None else (after.n_rows, after.n_losses, after.broken_at)
    n_before, k_before, broken_at = before
    k = k_before + np.cumsum(losses)
    n = n_before + np.arange(1, len(losses) + 1)
    if not len(losses):
        k, n = np.array([k_before]), np.array([n_before])
    # The capital of a gambler who bets on each risk p that losses are more frequent than the
    # limit. He multiplies it by p / limit at a loss and by (1 - p) / (1 - limit) else, so that it
    # does not grow in expectation while the risk is at the limit or below.
    risks = np.unique(np.minimum(BETS * limit, (1 + limit) / 2))[:, None]
    gained = k * np.log(risks / limit) + (n - k) * np.log((1 - risks) / (1 - limit))
    evidence = logsumexp(gained, axis=0) - np.log(len(risks))
    clear = evidence >= -np.log(1 - confidence)
    if broken_at is None and clear.any():
        broken_at = int(n[clear.argmax()])
    return Audit(
        int(n[-1]), int(k[-1]), limit, confidence, broken_at, float(np.exp(min(evidence[-1], 700)))
    )
