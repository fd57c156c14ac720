"""Teachers and students that misbehave in one way each, or write down what they see.

All are centroid classifiers underneath: fast, deterministic, and soft.
"""

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
from sklearn.linear_model import Ridge


class Calls(list):
    """A list that clones share: ``clone`` copies a parameter deeply, and this one stays itself.

    It is pickled (and hashed) as empty: what it holds is no part of an estimator's state.
    """

    def __deepcopy__(self, memo):
        return self

    def __reduce__(self):
        return Calls, ()

    def of(self, method):
        """Return the calls of one method, in order."""
        return [call for call in self if call["method"] == method]


class CentroidClassifier(ClassifierMixin, BaseEstimator):
    """Probability = softmax of minus the squared distance to the (weighted) class means.

    It neither validates X nor sets ``n_features_in_``.
    """

    def fit(self, X, y, sample_weight=None):
        X = np.asarray(X, dtype=float)
        self.classes_ = np.unique(y)
        self.means_ = np.array(
            [
                np.average(
                    X[y == c],
                    axis=0,
                    weights=None if sample_weight is None else sample_weight[y == c],
                )
                for c in self.classes_
            ]
        )
        return self

    def predict_proba(self, X):
        X = np.asarray(X, dtype=float)
        return softmax(-((X[:, None] - self.means_) ** 2).sum(axis=2), axis=1)

    def predict(self, X):
        return self.classes_[CentroidClassifier.predict_proba(self, X).argmax(axis=1)]


# -- writing down what they see ---------------------------------------------------


class RecordingClassifier(CentroidClassifier):
    """Appends ``{"method", "X", "y", "sample_weight", "colour"}`` to ``calls``, shared by clones.

    Serves as a teacher that counts its calls and as a student that shows what reaches it.
    """

    def __init__(self, calls=None):
        self.calls = calls

    def fit(self, X, y, sample_weight=None, colour=None):
        if self.calls is not None:
            self.calls.append(
                {"method": "fit", "X": X, "y": y, "sample_weight": sample_weight, "colour": colour}
            )
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        if self.calls is not None:
            self.calls.append({"method": "predict_proba", "X": X})
        return super().predict_proba(X)


class WeightlessClassifier(RecordingClassifier):
    """A RecordingClassifier whose fit takes no ``sample_weight``."""

    def fit(self, X, y, colour=None):
        return super().fit(X, y, colour=colour)


class RecordingRegressor(Ridge):
    """A ridge regression that writes down what its fit got."""

    def __init__(self, calls=None):
        super().__init__()
        self.calls = calls

    def fit(self, X, y, sample_weight=None):
        self.calls.append({"method": "fit", "X": X, "y": y, "sample_weight": sample_weight})
        return super().fit(X, y, sample_weight)


class RecordingTransformer(TransformerMixin, BaseEstimator):
    """Passes X through and writes down every call; its fit takes weights, as StandardScaler's."""

    def __init__(self, calls=None):
        self.calls = calls

    def fit(self, X, y=None, sample_weight=None):
        self.calls.append({"method": "fit", "X": X, "y": y, "sample_weight": sample_weight})
        self.fitted_ = True
        return self

    def transform(self, X):
        self.calls.append({"method": "transform", "X": X})
        return X


# -- teachers with one fault each --------------------------------------------------


class ScrambledTeacher(CentroidClassifier):
    """Right, but its ``classes_`` and columns are in reverse order."""

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        self.classes_, self.means_ = self.classes_[::-1], self.means_[::-1]
        return self


class NaNTeacher(CentroidClassifier):
    """Its first ``n_bad`` rows hold a NaN."""

    bad = np.nan

    def __init__(self, n_bad=2):
        self.n_bad = n_bad

    def predict_proba(self, X):
        proba = super().predict_proba(X)
        proba[: self.n_bad, 0] = self.bad
        return proba


class InfiniteTeacher(NaNTeacher):
    """Its first ``n_bad`` rows hold an infinity."""

    bad = np.inf


class NegativeTeacher(NaNTeacher):
    """Its first ``n_bad`` rows hold -0.5 and yet sum to one."""

    def predict_proba(self, X):
        proba = CentroidClassifier.predict_proba(self, X)
        proba[: self.n_bad] = 0
        proba[: self.n_bad, :2] = [-0.5, 1.5]
        return proba


class UnnormalizedTeacher(NaNTeacher):
    """Its first ``n_bad`` rows sum to two."""

    def predict_proba(self, X):
        proba = CentroidClassifier.predict_proba(self, X)
        proba[: self.n_bad] *= 2
        return proba


class MissingRowTeacher(CentroidClassifier):
    """Returns one row too few."""

    def predict_proba(self, X):
        return super().predict_proba(X)[:-1]


class ExtraColumnTeacher(CentroidClassifier):
    """Returns a column of zeros too many."""

    def predict_proba(self, X):
        proba = super().predict_proba(X)
        return np.column_stack([proba, np.zeros(len(proba))])


class MissingColumnTeacher(CentroidClassifier):
    """Returns one column too few: of two classes, the probability of the second."""

    def predict_proba(self, X):
        return super().predict_proba(X)[:, 1:]


class OneDimensionalTeacher(CentroidClassifier):
    """Returns the probability of the last class as a vector."""

    def predict_proba(self, X):
        return super().predict_proba(X)[:, -1]


class RaisingTeacher(CentroidClassifier):
    """Raises RuntimeError at the ``at``-th call (from 0) of ``method``, over all clones."""

    def __init__(self, method="predict_proba", at=0, calls=None):
        self.method = method
        self.at = at
        self.calls = calls

    def _call(self, method):
        self.calls.append({"method": method})
        if method == self.method and len(self.calls.of(method)) == self.at + 1:
            raise RuntimeError(f"the power went out in {method}")

    def fit(self, X, y, sample_weight=None):
        self._call("fit")
        return super().fit(X, y, sample_weight)

    def predict_proba(self, X):
        self._call("predict_proba")
        return super().predict_proba(X)


class DecisionTeacher(CentroidClassifier):
    """Has ``decision_function`` and ``predict``, no ``predict_proba``."""

    predict_proba = property()

    def decision_function(self, X):
        log_proba = np.log(CentroidClassifier.predict_proba(self, X))
        return log_proba[:, 1] - log_proba[:, 0] if len(self.classes_) == 2 else log_proba


class PredictTeacher(CentroidClassifier):
    """Has ``predict`` alone."""

    predict_proba = property()


class StrangerTeacher(PredictTeacher):
    """Has ``predict`` alone, and predicts a label that is not among its classes."""

    def predict(self, X):
        labels = super().predict(X).astype(object)
        labels[:1] = "stranger"
        return labels


# -- students with one fault each --------------------------------------------------


class RaisingStudent(CentroidClassifier):
    """Sets a fitted attribute, then raises RuntimeError in ``fit``; ``works`` makes it work."""

    def __init__(self, works=False):
        self.works = works

    def fit(self, X, y, sample_weight=None):
        super().fit(X, y, sample_weight)
        if not self.works:
            raise RuntimeError("the power went out in the student")
        return self


class WritingTeacher(CentroidClassifier):
    """Centres its rows in place, in ``fit`` and in ``predict_proba``; ``fit`` returns None."""

    def fit(self, X, y, sample_weight=None):
        super().fit(self._written(X), y, sample_weight)
        y[:] = y[::-1].copy()
        if sample_weight is not None:
            sample_weight[:] = 0

    def predict_proba(self, X):
        return super().predict_proba(self._written(X))

    def _written(self, X):
        values = X.data if hasattr(X, "tocsr") else X
        values -= 3.0
        return X.toarray() if hasattr(X, "tocsr") else X
