"""One output of a teacher of several."""

import numpy as np
from scipy.special import log_expit
from sklearn.base import BaseEstimator, ClassifierMixin

from sklearn_distill.utils.dispatch import is_module, name_of
from sklearn_distill.utils.frozen import FrozenMixin

#: Rows per call of a module.
MODULE_BATCH = 1024


class OutputTeacher(ClassifierMixin, FrozenMixin, BaseEstimator):
    """One output of a fitted teacher of several, as a classifier that is used as it is.

    Parameters
    ----------
    teacher : estimator or torch module
        Fitted on several outputs: its ``predict_proba`` is a list of arrays, one for each output,
        or an array of the probabilities of label 1 of each. A module gives one log-odds for each
        label, or one probability if a ``Sigmoid`` is its last layer.
    output : int, default=0
        Which one: the position of its column in y.

    See Also
    --------
    MultiOutputDistillationClassifier : A student for each output.

    Examples
    --------
    >>> from sklearn.datasets import make_multilabel_classification
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn_distill import OutputTeacher
    >>> X, Y = make_multilabel_classification(random_state=0)
    >>> forest = RandomForestClassifier(random_state=0).fit(X, Y)
    >>> OutputTeacher(forest, 2).predict_proba(X).shape
    (100, 2)
    """

    def __init__(self, teacher, output=0):
        self.teacher = teacher
        self.output = output

    @property
    def classes_(self):
        """The classes of this output."""
        known = getattr(self.teacher, "classes_", None)
        several = isinstance(known, list) and len(known) and np.ndim(known[0]) == 1
        return np.asarray(known[self.output]) if several else np.array([0, 1])

    def predict(self, X):
        """Predict the class of each row.

        Parameters
        ----------
        X : rows

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X):
        """Predict the probability of each class of this output.

        Parameters
        ----------
        X : rows

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
        """
        if is_module(self.teacher):
            return np.exp(self.predict_log_proba(X))
        said = self.teacher.predict_proba(X)
        if isinstance(said, list):
            self._check(len(said))
            return np.asarray(said[self.output])
        said = np.asarray(said)
        self._check(said.shape[1])
        return np.column_stack([1 - said[:, self.output], said[:, self.output]])

    def predict_log_proba(self, X):
        """Predict the natural logarithm of the probability of each class of this output.

        Parameters
        ----------
        X : rows

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
        """
        if not is_module(self.teacher):
            with np.errstate(divide="ignore"):
                return np.log(self.predict_proba(X))
        z = self._log_odds(X)
        return np.column_stack([log_expit(-z), log_expit(z)])

    def _log_odds(self, X):
        import torch

        from sklearn_distill.nn.batches import inputs_for, predict_in_slices
        from sklearn_distill.nn.capture import undisturbed
        from sklearn_distill.nn.outputs import recognise, tensor_of

        who = f"The teacher {name_of(self.teacher)}"
        with undisturbed(self.teacher) as device, torch.no_grad():
            rows = inputs_for(self.teacher, X, device)
            slices = predict_in_slices(self.teacher, rows, MODULE_BATCH)
            z = torch.cat([tensor_of(part, who=who).double().cpu() for part in slices])
        self._check(z.shape[1] if z.ndim == 2 else 1)
        z = z[:, self.output]
        return torch.logit(z).numpy() if recognise(self.teacher) == "binary-proba" else z.numpy()

    def _check(self, n_outputs):
        if not -n_outputs <= self.output < n_outputs:
            raise ValueError(
                f"The teacher {name_of(self.teacher)} has {n_outputs} outputs, and output="
                f"{self.output} is asked for. Take one from 0 to {n_outputs - 1}."
            )


def number_of_outputs(teacher):
    """Return the number of outputs of a fitted teacher of several; None of any other."""
    known = getattr(teacher, "classes_", None)
    if isinstance(known, list) and len(known) and np.ndim(known[0]) == 1:
        return len(known)
    if getattr(teacher, "multilabel_", False):  # OneVsRestClassifier
        return len(known)
    binarizer = getattr(teacher, "_label_binarizer", None)  # MLPClassifier
    if getattr(binarizer, "y_type_", "").startswith("multilabel"):
        return len(known)
    return None
