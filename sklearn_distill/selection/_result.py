"""StudentSelection: what was found, and how it is shown."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.base import BaseEstimator


@dataclass(frozen=True)
class StudentSelection:
    """What :func:`select_student` has found.

    Parameters
    ----------
    best_estimator_ : estimator
        Fitted on all rows; without the teacher.
    best_name_ : str
        Of the candidate, and whether it was distilled.
    distilled_ : bool
        Whether it learned from the teacher.
    reason_ : str
        Why this one, in a sentence.
    n_bytes_ : int
        Of the artefact of ``best_estimator_``.
    latency_ : float
        Seconds for one row, the median.
    artefact_ : {"onnx", "pickle"}
        What was measured.
    columns_ : dict of str to list
        Of ``results_``.
    scoring_ : str
        What the scores are.
    """

    best_estimator_: BaseEstimator
    best_name_: str
    distilled_: bool
    reason_: str
    n_bytes_: int
    latency_: float
    artefact_: str
    columns_: dict = field(repr=False)
    scoring_: str

    @property
    def results_(self):
        """One row per candidate, a pandas data frame.

        ``score`` is the mean over the folds of the last round of halving in which the candidate
        was, ``error`` the standard error of that mean, ``n_rows`` the rows of that round. Bytes
        and latency were measured on a fit to a part of the rows.
        """
        return _frame(self.columns_)

    @property
    def pareto_(self):
        """The candidates of the last round that no other beats in both score and bytes."""
        results = self.results_
        last = results[results["n_rows"] > results["n_rows"].max() / 2]
        last = last.sort_values(["n_bytes", "score"], ascending=[True, False])
        best_so_far = last["score"].cummax().shift(fill_value=-np.inf)
        return last[last["score"] > best_so_far].reset_index(drop=True)

    def plot(self, ax=None):
        """Draw the candidates of the last round, score against bytes, and the Pareto front.

        Parameters
        ----------
        ax : matplotlib Axes, default=None

        Returns
        -------
        TradeOffDisplay
        """
        from sklearn_distill.display import TradeOffDisplay

        results = self.results_
        last = results[results["n_rows"] > results["n_rows"].max() / 2]
        return TradeOffDisplay(
            last["score"].to_numpy(),
            last["n_bytes"].to_numpy(),
            names=[f"{n}, {t}" for n, t in zip(last["name"], last["taught"], strict=True)],
            groups=last["taught"].tolist(),
            chosen=last["chosen"].to_numpy(),
            score_name={"roc_auc": "ROC AUC", "r2": "R²"}.get(
                self.scoring_, self.scoring_.replace("_", " ")
            ),
        ).plot(ax=ax)

    def __str__(self):
        """Say which one, and why."""
        return (
            f"{self.best_name_}: {self.n_bytes_:,} bytes ({self.artefact_}), "
            f"{self.latency_ * 1e6:.3g} µs a row. {self.reason_}"
        )


def columns_of(options, sized, scores, n_used, best):
    by_name = {s.candidate.name: s for s in sized}
    rows = []
    for i, option in enumerate(options):
        s, folds = by_name[option.candidate.name], scores[i]
        rows.append(
            (
                *(option.candidate.name, option.candidate.kind, option.taught),
                option.candidate.readable,
                *(float(folds.mean()), float(folds.std(ddof=1) / np.sqrt(len(folds)))),
                *(int(n_used[i]), s.n_bytes, s.latency, True, i == best),
            )
        )
    tried = {option.candidate.name for option in options}
    for s in sized:
        if s.candidate.name not in tried:
            c = s.candidate
            nothing = (np.nan, np.nan, 0)
            rows.append(
                (c.name, c.kind, "", c.readable, *nothing, s.n_bytes, s.latency, False, False)
            )
    names = (
        *("name", "kind", "taught", "readable", "score", "error", "n_rows"),
        *("n_bytes", "latency", "within_budget", "chosen"),
    )
    return {
        name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)
    }


def _frame(columns):
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(
            "Tables are pandas data frames, and pandas is not installed: pip install pandas."
        ) from error
    return pd.DataFrame(columns)
