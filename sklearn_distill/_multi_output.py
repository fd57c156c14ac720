"""A student for each of several outputs."""

import numpy as np
from sklearn.base import clone
from sklearn.multioutput import MultiOutputClassifier
from sklearn.utils import check_array
from sklearn.utils.metaestimators import available_if
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from sklearn_distill._classifier import DistillationClassifier
from sklearn_distill.teachers import OutputTeacher, is_fitted, number_of_outputs
from sklearn_distill.utils.dispatch import is_module, name_of


class MultiOutputDistillationClassifier(MultiOutputClassifier):
    """A distilled student for each output, or label, from one teacher of all.

    :class:`~sklearn.multioutput.MultiOutputClassifier` around a distillation fits a student for
    each column of Y, and each of them would read the same teacher. Here a fitted teacher of
    several outputs is read column by column (:class:`OutputTeacher`). A teacher that is not
    fitted is fitted for each column anew, as with scikit-learn's.

    Parameters
    ----------
    estimator : DistillationClassifier
        Cloned for each output. Its teacher may be a fitted multi-output or multi-label
        classifier, or a torch module with one log-odds (or ``Sigmoid``) for each label.
    n_jobs : int or None, default=None
        Outputs that are taught in parallel.

    Attributes
    ----------
    estimators_ : list of DistillationClassifier
        One for each output.
    classes_ : list of ndarray
        The classes of each output.
    n_features_in_ : int
        Number of features seen during ``fit``. Only if the students have it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if the students have it.

    See Also
    --------
    OutputTeacher : One output of a teacher.
    DistillationRegressor : Of values, several outputs are taught at once.

    Examples
    --------
    >>> from sklearn.datasets import make_multilabel_classification
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import DistillationClassifier, MultiOutputDistillationClassifier
    >>> X, Y = make_multilabel_classification(300, random_state=0)
    >>> forest = RandomForestClassifier(min_samples_leaf=3, random_state=0).fit(X, Y)
    >>> tree = DecisionTreeClassifier(max_leaf_nodes=8, random_state=0)
    >>> model = MultiOutputDistillationClassifier(DistillationClassifier(forest, tree))
    >>> model.fit(X, Y).predict(X).shape
    (300, 5)
    """

    def fit(self, X, Y, sample_weight=None, **fit_params):
        """Teach a student for each column of Y.

        Parameters
        ----------
        X : rows
        Y : array-like of shape (n_samples, n_outputs)
            Labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.
        **fit_params : dict
            For the ``fit`` of every student, such as ``X_unlabeled``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If Y has one dimension, or another number of columns than the teacher has outputs.
        TypeError
            If the estimator is no DistillationClassifier.
        """
        if not isinstance(self.estimator, DistillationClassifier):
            raise TypeError(
                f"The estimator of {name_of(self)} must be a DistillationClassifier. Got a "
                f"{name_of(self.estimator)}. Use MultiOutputClassifier."
            )
        Y = check_array(Y, dtype=None, ensure_2d=False, input_name="y")
        if Y.ndim != 2:
            raise ValueError(
                "y must have at least two dimensions for multi-output classification, one column "
                f"for each. Got shape {Y.shape}. Use DistillationClassifier for one."
            )
        check_consistent_length(X, Y)
        weight = {} if sample_weight is None else {"sample_weight": sample_weight}
        models = [self._model_of(k, Y.shape[1]) for k in range(Y.shape[1])]
        estimators = Parallel(n_jobs=self.n_jobs)(
            delayed(_fitted)(model, X, np.ascontiguousarray(Y[:, k]), **weight, **fit_params)
            for k, model in enumerate(models)
        )
        self.estimators_ = estimators
        self.classes_ = [estimator.classes_ for estimator in estimators]
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(estimators[0], name):
                setattr(self, name, getattr(estimators[0], name))
        return self

    @available_if(lambda self: hasattr(self.estimator, "predict_proba"))
    def predict_proba(self, X):
        """Predict the probability of each class, output by output.

        Parameters
        ----------
        X : rows of the same kind as in ``fit``

        Returns
        -------
        proba : list of ndarray of shape (n_samples, n_classes)
            One for each output, with columns in the order of its ``classes_``.
        """
        check_is_fitted(self)
        return [estimator.predict_proba(X) for estimator in self.estimators_]

    def _model_of(self, k, n_outputs):
        model = clone(self.estimator)
        teacher = model.teacher
        if not is_fitted(teacher) or isinstance(teacher, OutputTeacher):
            return model
        has = n_outputs if is_module(teacher) else number_of_outputs(teacher)
        if has != n_outputs:
            raise ValueError(
                f"The teacher {name_of(teacher)} has {has or 1} outputs, and y has {n_outputs}. "
                "Pass one that was fitted on all columns of y, or an unfitted one."
            )
        return model.set_params(teacher=OutputTeacher(teacher, k))


def _fitted(model, X, y, **fit_params):
    return model.fit(X, y, **fit_params)
