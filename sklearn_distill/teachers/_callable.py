"""A teacher that is a function: a remote service, an AutoML predictor, a language model."""

import hashlib
import os
import time
import uuid
import warnings
from numbers import Integral, Real
from pathlib import Path

import numpy as np
from scipy import sparse
from scipy.special import log_softmax
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, RegressorTags

from sklearn_distill.teachers._outputs import as_matrix, classes_of_columns
from sklearn_distill.utils._sklearn_private import Interval, StrOptions, take_rows
from sklearn_distill.utils.content import content_key
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.frozen import FrozenMixin
from sklearn_distill.utils.rows import column_names, indexable_rows, n_rows

#: Seconds of waiting that no back-off exceeds.
LONGEST_WAIT = 60.0


class CallableTeacher(FrozenMixin, BaseEstimator):
    """A function of rows as a teacher: whatever answers, wherever it runs.

    For services behind a network, which fail now and then and are paid by the row; for predictors
    that are no scikit-learn estimators, such as ``predictor.predict_proba`` of AutoGluon's
    ``TabularPredictor``; for language models. Rows are sent in batches; a batch that fails is sent
    again after a while, and after twice that, and so on. What has been answered is written to disk
    at once, row by row, and never asked again: not after a failure, not in another fold of a
    search, and not by the program that runs tomorrow.

    Parameters
    ----------
    function : callable
        Gets rows of the kind of X, at most ``batch_size`` of them, and returns an array of shape
        (n_rows, n_classes), or (n_rows,) or (n_rows, n_outputs) for values. A data frame of
        probabilities is read by the names of its columns.
    output : {"proba", "log-proba", "logits", "values"}, default="proba"
        What it returns. With "values" it is a regressor.
    classes : array-like of shape (n_classes,), default=None
        The label of each column. None takes the sorted labels of the training rows.
    batch_size : int, default=1000
        Rows per call.
    n_retries : int, default=3
        How often a batch is sent again.
    wait : float, default=1.0
        Seconds before it is sent again for the first time; each further time is twice as long.
    retry_on : tuple of exception classes, default=(Exception,)
        Errors after which it is. Others are raised at once.
    cache : str, path or None, default=None
        Folder in which answers are kept, for this function alone. None keeps none.

    See Also
    --------
    DistillationClassifier : Takes it as ``teacher``.
    sklearn_distill.labelling.label : Labels rows that do not fit into memory.

    Notes
    -----
    A row is known by its values: by their bytes in an array, as they are in a data frame or a
    list. Its answer must depend on nothing else, least of all on the other rows of the batch.
    The function is called from several threads if ``n_jobs`` asks for them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_distill import CallableTeacher
    >>> def service(rows):
    ...     p = 1 / (1 + np.exp(-rows[:, 0]))
    ...     return np.column_stack([1 - p, p])
    >>> teacher = CallableTeacher(service, classes=["no", "yes"], batch_size=2)
    >>> teacher.predict(np.array([[-1.0], [2.0], [0.5]])).tolist()
    ['no', 'yes', 'yes']
    """

    _parameter_constraints: dict = {
        "function": [callable],
        "output": [StrOptions({"proba", "log-proba", "logits", "values"})],
        "classes": ["array-like", None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "n_retries": [Interval(Integral, 0, None, closed="left")],
        "wait": [Interval(Real, 0, None, closed="left")],
        "retry_on": [tuple],
        "cache": [str, Path, None],
    }

    def __init__(
        self,
        function,
        *,
        output="proba",
        classes=None,
        batch_size=1000,
        n_retries=3,
        wait=1.0,
        retry_on=(Exception,),
        cache=None,
    ):
        self.function = function
        self.output = output
        self.classes = classes
        self.batch_size = batch_size
        self.n_retries = n_retries
        self.wait = wait
        self.retry_on = retry_on
        self.cache = cache

    @property
    def classes_(self):
        """The label of each column, if it was given."""
        if self.classes is None or self.output == "values":
            raise AttributeError("classes_ is known only if classes was given")
        return np.asarray(self.classes)

    def predict(self, X):
        """Predict the class, or the value, of each row.

        Parameters
        ----------
        X : rows

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Positions if no classes were given.

        Raises
        ------
        RuntimeError
            If a batch fails and was sent again as often as allowed.
        """
        if self.output == "values":
            values = self._answers(X)
            return values[:, 0] if values.shape[1] == 1 else values
        best = self.predict_log_proba(X).argmax(axis=1)
        return best if self.classes is None else self.classes_[best]

    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : rows

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)

        Raises
        ------
        RuntimeError
            If a batch fails and was sent again as often as allowed.
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X):
        """Predict the natural logarithm of the probability of each class.

        Parameters
        ----------
        X : rows

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            As the function gives it: whoever is taught looks at it.

        Raises
        ------
        RuntimeError
            If a batch fails and was sent again as often as allowed.
        """
        answers, is_log = self.read(X)
        if is_log:
            return answers
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(answers)

    def read(self, X):
        """Return what the function says of rows, and whether it is logarithms of probabilities.

        Parameters
        ----------
        X : rows

        Returns
        -------
        answers : ndarray of shape (n_samples, n_classes)
        is_log : bool
        """
        if self.output == "values":
            raise AttributeError(f"This {name_of(self)} gives values. Use predict.")
        answers = self._answers(X)
        if self.output == "logits":
            return log_softmax(answers, axis=1), True
        return answers, self.output == "log-proba"

    def _answers(self, X):
        """Return what the function says of rows, from disk where it has said so before."""
        self._validate_params()
        X = indexable_rows(X)
        n_samples = n_rows(X)
        if self.cache is None:
            wanted, where = np.arange(n_samples), None
            known = {}
        else:
            keys = _keys_of_rows(X)
            where = dict(zip(keys, range(n_samples), strict=True))
            known = _read_answers(self._folder())
            wanted = np.array(sorted(i for key, i in where.items() if key not in known), dtype=int)
        parts = []
        n_answered = n_samples - len(wanted)
        for start in range(0, len(wanted), self.batch_size):
            rows = wanted[start : start + self.batch_size]
            answer = self._ask(take_rows(X, rows), n_answered + start, n_samples)
            parts.append(answer)
            if self.cache is not None:
                _write_answers(self._folder(), [keys[i] for i in rows], answer)
                known |= dict(zip((keys[i] for i in rows), answer, strict=True))
        if self.cache is None:
            return np.concatenate(parts) if parts else self._ask(X, 0, 0)
        if not n_samples:
            return self._ask(X, 0, 0)
        return np.array([known[key] for key in keys])

    def _ask(self, rows, n_before, n_samples):
        """Return the answer to one batch, sent again if it fails."""
        wait = self.wait
        for attempt in range(self.n_retries + 1):
            try:
                answer = self.function(rows)
                break
            except self.retry_on as error:
                if attempt == self.n_retries:
                    kept = "No cache was set, so that they are lost: set cache='answers'."
                    if self.cache is not None:
                        kept = f"They are kept in {self.cache}: run it again to go on from there."
                    raise RuntimeError(
                        f"The teacher failed {attempt + 1} times on a batch of {n_rows(rows)} "
                        f"rows, at last with {name_of(error)}: {error}. {n_before} of {n_samples} "
                        f"rows were answered. {kept}"
                    ) from error
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_WAIT)
        who = f"The function of {name_of(self)} returned"
        if self.output != "values" and column_names(answer) is not None:
            answer = self._in_order(answer)
        answer = as_matrix(answer, who)
        answer = answer[:, None] if answer.ndim == 1 else answer
        if answer.ndim != 2 or len(answer) != n_rows(rows):
            raise ValueError(
                f"{who} an array of shape {answer.shape} for {n_rows(rows)} rows. Expected one "
                "row for each."
            )
        return answer

    def _in_order(self, answer):
        """Return the columns of a data frame in the order of the classes, by their names."""
        names = column_names(answer)
        classes = np.unique(names) if self.classes is None else self.classes_
        found = classes_of_columns(answer, classes, who=f"The output of {name_of(self)}")
        order = [found.index(label) for label in np.asarray(classes).tolist()]
        return np.asarray(answer)[:, order]

    def _folder(self):
        folder = Path(self.cache)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        values = self.output == "values"
        tags.estimator_type = "regressor" if values else "classifier"
        tags.classifier_tags = None if values else ClassifierTags()
        tags.regressor_tags = RegressorTags() if values else None
        for name in ("sparse", "allow_nan", "string", "categorical"):
            setattr(tags.input_tags, name, True)
        return tags


def _keys_of_rows(X):
    """Return a digest of the values of each row."""
    if sparse.issparse(X):
        X = X.toarray()
    if isinstance(X, np.ndarray) and X.dtype.kind in "biufSU":
        head = f"{X.dtype.str}{X.shape[1:]}".encode()
        return [hashlib.md5(head + row.tobytes(), usedforsecurity=False).hexdigest() for row in X]
    names = column_names(X)
    if hasattr(X, "itertuples"):
        X = X.itertuples(index=False, name=None)
    elif hasattr(X, "iter_rows"):
        X = X.iter_rows()
    elif hasattr(X, "to_pylist"):
        X = [tuple(row.values()) for row in X.to_pylist()]
    return [content_key(names, row) for row in X]


def _write_answers(folder, keys, answers):
    """Write answers as a file of their own, which is there whole or not at all."""
    name = folder / f"{uuid.uuid4().hex}.npz"
    unfinished = name.with_suffix(".tmp")
    with open(unfinished, "wb") as file:
        np.savez(file, keys=np.array(keys), answers=answers)
    os.replace(unfinished, name)


def _read_answers(folder):
    """Return the answers that are kept in a folder, by the keys of their rows."""
    known = {}
    for path in sorted(folder.glob("*.npz")):
        try:
            with np.load(path, allow_pickle=False) as file:
                known |= dict(zip(file["keys"].tolist(), file["answers"], strict=True))
        except (OSError, ValueError, KeyError) as error:
            warnings.warn(
                f"{path} cannot be read ({error}): its rows are asked again. Delete it.",
                UserWarning,
                stacklevel=5,
            )
    widths = {len(answer) for answer in known.values()}
    if len(widths) > 1:
        raise ValueError(
            f"{folder} holds answers of {sorted(widths)} columns, of more than one teacher. Take "
            "a folder of its own for each."
        )
    return known
