"""A student on its own, and the predictions that it shares with the model it comes from."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_distill.utils.dispatch import name_of, tags_of
from sklearn_distill.utils.frozen import FrozenMixin
from sklearn_distill.utils.pipelines import last_step


def _offered(method):
    """Make ``method`` available if the student, read by its decoder, can give it."""

    def check(self):
        if not self._offers(method):
            raise AttributeError(
                f"The student {name_of(last_step(self.student))} gives no {method}. Use one that "
                "does, or a regressor, whose predictions become probabilities."
            )
        return True

    return available_if(check)


class Decoded:
    """The predictions of a student through its decoder.

    A subclass has ``_decoded()``, which returns decoder and student.
    """

    def _decode(self, method, X):
        check_is_fitted(self)
        decoder, student = self._decoded()
        columns = vars(self).get("student_columns_")
        if columns is not None:
            X = columns.take(X, name_of(self))
        return getattr(decoder, method)(student, X)


class DecodedClassifier(Decoded, ClassifierMixin):
    """The predictions of a student of classes; a subclass has ``_offers(method)``."""

    def predict(self, X):
        """Predict the class of each row.

        Parameters
        ----------
        X : rows of the same kind as in ``fit``

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        return self._decode("predict", X)

    @_offered("predict_proba")
    def predict_proba(self, X):
        """Predict the probability of each class, at temperature 1.

        Parameters
        ----------
        X : rows of the same kind as in ``fit``

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return self._decode("predict_proba", X)

    @_offered("predict_log_proba")
    def predict_log_proba(self, X):
        """Predict the natural logarithm of the probability of each class.

        Parameters
        ----------
        X : rows of the same kind as in ``fit``

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            -inf where the student gives a probability of zero.
        """
        return self._decode("predict_log_proba", X)

    @_offered("decision_function")
    def decision_function(self, X):
        """Return the student's decision values, scaled as its probabilities are.

        Parameters
        ----------
        X : rows of the same kind as in ``fit``

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For a student with logits (a linear model, a regressor), those that belong to
            ``predict_proba``.
        """
        return self._decode("decision_function", X)


class AveragedClassifier(DecodedClassifier):
    """A classifier that may be the mean of several ones.

    A subclass has ``_averaged_models()``: these, or None if it is a single one.
    """

    def _decode(self, method, X):
        check_is_fitted(self)
        models = self._averaged_models()
        if models is None:
            return super()._decode(method, X)
        proba = np.mean([one.predict_proba(X) for one in models], axis=0)
        if method == "predict_proba":
            return proba
        if method == "predict":
            return self.classes_[proba.argmax(axis=1)]
        with np.errstate(divide="ignore"):
            logs = np.log(proba)
        if method == "decision_function" and logs.shape[1] == 2:
            return logs[:, 1] - logs[:, 0]
        return logs


class DecodedRegressor(Decoded, RegressorMixin):
    """The predictions of a student of values."""

    def predict(self, X):
        """Predict the value of each row.

        Parameters
        ----------
        X : rows of the same kind as in ``fit``

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._decode("predict", X)


class Distilled(FrozenMixin, BaseEstimator):
    """A fitted student and its decoder, and nothing else."""

    def __init__(self, student, decoder):
        self.student = student
        self.decoder = decoder

    @property
    def n_features_in_(self):
        """Number of features seen in ``fit``, if the student counts them."""
        return self.student.n_features_in_

    @property
    def feature_names_in_(self):
        """Names of the features seen in ``fit``, if the student keeps them."""
        return self.student.feature_names_in_

    def _decoded(self):
        return self.decoder, self.student

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = tags_of(self.student).input_tags
        return tags


class DistilledRegressor(DecodedRegressor, Distilled):
    """A distilled student of values on its own: without its teacher and training rows.

    What :meth:`DistillationRegressor.standalone` returns, to be saved, shipped and exported. As
    with :class:`~sklearn.frozen.FrozenEstimator`, ``fit`` changes nothing and ``clone`` returns
    the object itself.

    Parameters
    ----------
    student : estimator
        Fitted.
    decoder : Decoder
        How its output becomes values.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen during fit. Only if the student has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if the student has it.

    See Also
    --------
    DistillationRegressor : Makes it.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from sklearn_distill import DistillationRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> teacher = RandomForestRegressor(random_state=0)
    >>> model = DistillationRegressor(teacher, DecisionTreeRegressor(max_leaf_nodes=8)).fit(X, y)
    >>> small = model.standalone()
    >>> bool((small.predict(X) == model.predict(X)).all())
    True
    """


class DistilledClassifier(DecodedClassifier, Distilled):
    """A distilled student on its own: without its teacher, and without training rows.

    What :meth:`DistillationClassifier.standalone` returns, to be saved, shipped and exported. It
    is a fitted classifier that gives the same predictions as the model that it comes from. As
    with :class:`~sklearn.frozen.FrozenEstimator`, ``fit`` changes nothing and ``clone`` returns
    the object itself.

    Parameters
    ----------
    student : estimator
        Fitted.
    decoder : Decoder
        How its output becomes probabilities at temperature 1.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    n_features_in_ : int
        Number of features seen during fit. Only if the student has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if the student has it.

    See Also
    --------
    DistillationClassifier : Makes it.

    Examples
    --------
    >>> import pickle
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import DistillationClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> teacher = RandomForestClassifier(random_state=0).fit(X, y)
    >>> model = DistillationClassifier(teacher, DecisionTreeClassifier(max_leaf_nodes=4)).fit(X, y)
    >>> small = model.standalone()
    >>> bool((small.predict_proba(X) == model.predict_proba(X)).all())
    True
    >>> len(pickle.dumps(small)) < len(pickle.dumps(model)) / 20
    True
    """

    @property
    def classes_(self):
        """The classes, sorted."""
        return self.decoder.classes

    def _offers(self, method):
        return self.decoder.offers(self.student, method)
