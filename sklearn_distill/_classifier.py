"""DistillationClassifier."""

import warnings

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from sklearn_distill._base import BaseDistillation
from sklearn_distill.utils.kinds import name_of, tags_of


def _student_offers(method):
    """Make ``method`` available if the student, taught as it would be, can give it."""

    def check(self):
        if hasattr(self, "student_"):
            return self.trainer_.offers(self.student_, method)
        if self.student is None:
            return True  # the default network gives everything
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                trainer = self._make_trainer(self.student)
        except TypeError:
            return False
        return trainer.offers(self.student, method)

    return check


class DistillationClassifier(ClassifierMixin, BaseDistillation):
    """Teach a small student classifier with the soft labels of a strong teacher.

    The student learns the *blend* of real labels and teacher,

    .. math:: m_i = (1 - \\alpha) \\, \\mathrm{onehot}(y_i) + \\alpha \\, p_i^{teacher},

    *tempered*, :math:`m_{T,i} \\propto m_i^{1/T}`, and ``predict_proba`` undoes the tempering:
    the student's output is raised to the power T and renormalised. What is to be learned is thus
    m at every temperature; a higher one only draws the attention of a small student to the order
    among the unlikely classes [1]_.

    Parameters
    ----------
    teacher : estimator, torch module or None
        - *Fitted*: used as it is. It is never refitted, copied or changed, and
          ``clone`` carries it over by reference.
        - *Not fitted*: cloned and fitted inside ``fit``; its labels for the
          training rows come out-of-fold, see ``cv``.
        - None: pass its probabilities as ``fit(..., teacher_output=P)``.

        It is read through ``predict_proba``, else ``decision_function``, else
        ``predict``, the latter two with a warning.
    student : estimator, torch module or None, default=None
        Cloned and fitted inside ``fit``. A classifier, a regressor, a torch module or a skorch
        net, or a :class:`~sklearn.pipeline.Pipeline` that ends in one; its transformers are
        fitted on the real rows. None takes a compact network with preprocessing of its own for
        numeric, categorical and missing values.
    temperature : float in (0, inf), default=2.0
        Softness of the targets. 1 leaves them as they are.
    alpha : float in [0, 1], default=0.5
        Weight of the teacher. 1 ignores the real labels; 0 ignores the teacher (which is not even
        called) and fits the plain student: the twin to compare with.
    loss : str or callable, default="kl"
        The teacher's term for students that are networks: "kl" (Hinton's T² · KL),
        "soft-cross-entropy", "logit-mse", "jensen-shannon", "reverse-kl", "dkd", "dist",
        "logit-standardization", "wsld", or a callable with the arguments of
        :func:`sklearn_distill.losses.torch.kl`.
    hints : list of LayerHint or AttentionHint, default=None
        Layers of a network that are to agree with those of the teacher.
    strategy : {"auto", "weighted-labels", "target-regression", "sampled-labels"} or object, \
default="auto"
        How the student is taught: :class:`WeightedLabels`, :class:`TargetRegression`,
        :class:`SampledLabels` or an instance of one of them. "auto" takes the first that can
        teach the student.
    cv : int, splitter, iterable of splits, "in-sample" or None, default=None
        How an unfitted teacher labels its own training rows. None is a 5-fold and an int a k-fold
        stratified split, shuffled with ``random_state``. "in-sample" lets the teacher label the
        rows that it was fitted on. Unused if the teacher is fitted.
    memory : str, joblib.Memory or None, default=None
        Caches the teacher's fits and labels, so that a search over ``temperature``, ``alpha`` or
        ``student__...`` calls the teacher once per fold.
    n_jobs : int or None, default=None
        Parallel out-of-fold fits, and labelling in as many chunks of rows.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds and drawn labels. None gives the same folds at every call. Teacher and
        student have seeds of their own.
    verbose : int, default=0
        Whether to print the stages and a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes found in y, sorted.
    student_ : estimator
        The fitted student. On its own it predicts *tempered* probabilities.
    teacher_ : estimator or None
        The teacher itself if it came fitted; else a clone fitted on all rows. None if there was
        none, or if ``alpha=0`` left it unfitted.
    trainer_ : WeightedLabels, TargetRegression or SampledLabels
        What taught the student and reads it (a private one for ``alpha=0``).
    temperature_ : float
        What ``predict_proba`` undoes: ``temperature``, or 1 if ``alpha=0``.
    n_features_in_ : int
        Number of features seen during ``fit``. Only if the student has it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if the student has it.

    See Also
    --------
    WeightedLabels : Teaches classifiers that take ``sample_weight``.
    TargetRegression : Teaches regressors.
    SampledLabels : Teaches other classifiers.

    Notes
    -----
    For a student that cannot tell apart rows with different targets the un-tempered probability
    is a power mean of the targets, not their arithmetic mean; at T=1, or where the student fits
    its targets closely, it is calibrated as the blend is. With a small ``alpha`` and a high
    temperature predictions come out too sharp, since hard labels have nothing to soften.

    In a parameter grid over ``teacher`` wrap fitted teachers in
    :class:`~sklearn.frozen.FrozenEstimator`: scikit-learn clones the values of a grid.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       `arXiv:1503.02531 <https://arxiv.org/abs/1503.02531>`_.
    .. [2] C. Bucilă, R. Caruana, A. Niculescu-Mizil, "Model Compression", KDD 2006,
       :doi:`10.1145/1150402.1150464`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import ExtraTreesClassifier
    >>> from sklearn.metrics import log_loss
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import DistillationClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    >>> teacher = ExtraTreesClassifier(random_state=0)
    >>> student = DecisionTreeClassifier(max_leaf_nodes=64, random_state=0)
    >>> model = DistillationClassifier(teacher, student).fit(X_train, y_train)
    >>> twin = DistillationClassifier(teacher, student, alpha=0).fit(X_train, y_train)
    >>> for m in (model, twin):
    ...     print(f"{log_loss(y_test, m.predict_proba(X_test)):.1f}")
    0.7
    3.8
    """

    def _check_y(self, y):
        y = column_or_1d(y, warn=True)
        if y.dtype.kind == "O" and any(map(_is_missing, y)):
            raise ValueError("Input y contains NaN. Drop these rows, or label them.")
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        return y

    def _encode(self, y, sample_weight):
        classes, labels = np.unique(y, return_inverse=True)
        present = classes if sample_weight is None else np.unique(y[sample_weight > 0])
        if len(present) < 2:
            raise ValueError(
                f"{name_of(self)} needs rows of at least two classes with positive weight. "
                f"Got one class: {present.tolist()}. Collect rows of another class."
            )
        return classes, labels

    def predict(self, X):
        """Predict the class of each row.

        Parameters
        ----------
        X : rows of the same kind as in ``fit``

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        check_is_fitted(self)
        return self.trainer_.predict(self.student_, X, self.classes_)

    @available_if(_student_offers("predict_proba"))
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
        check_is_fitted(self)
        return self.trainer_.predict_proba(self.student_, X, self.temperature_)

    @available_if(_student_offers("predict_log_proba"))
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
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    @available_if(_student_offers("decision_function"))
    def decision_function(self, X):
        """Return the student's decision values times the temperature.

        Parameters
        ----------
        X : rows of the same kind as in ``fit``

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            For a student with logits (a linear model, a regressor), those that belong to
            ``predict_proba``.
        """
        check_is_fitted(self)
        return self.trainer_.decision_function(self.student_, X, self.temperature_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        parts = [tags_of(part).classifier_tags for part in self._parts()]
        known = [part for part in parts if part is not None]
        tags.classifier_tags.multi_class = all(part.multi_class for part in known)
        tags.classifier_tags.poor_score = any(part.poor_score for part in known)
        return tags


def _is_missing(label):
    return label is None or type(label).__name__ == "NAType" or label != label
