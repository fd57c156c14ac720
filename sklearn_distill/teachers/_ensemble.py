"""Several teachers as one."""

import warnings
from copy import copy
from numbers import Integral, Real
from typing import NamedTuple

import numpy as np
from sklearn.base import MetaEstimatorMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils import Bunch, assert_all_finite, check_array, column_or_1d
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_consistent_length

from sklearn_distill.doubts import knows_by_heart
from sklearn_distill.pooling import (
    DisjointClassesError,
    cross_entropies,
    entropies,
    pool,
    weights_by_log_loss,
    weights_by_squared_error,
    weights_of_losses,
)
from sklearn_distill.teachers._reader import TeacherReader, is_fitted
from sklearn_distill.teachers._values import ValueReader, as_values
from sklearn_distill.tempering import lift_zeros
from sklearn_distill.utils._sklearn_private import (
    BaseComposition,
    Interval,
    StrOptions,
    fit_context,
    routing_enabled,
    slice_params,
    take_rows,
)
from sklearn_distill.utils.cloning import clone_of, clone_with, thawed
from sklearn_distill.utils.columns import Columns
from sklearn_distill.utils.dispatch import is_module, is_of_kind, name_of, tags_of
from sklearn_distill.utils.pipelines import weight_keyword
from sklearn_distill.utils.rows import (
    check_weights,
    column_names,
    indexable_rows,
    n_rows,
    own_rows,
    short,
)

#: Standard errors by which a member must be better than the pool; the best of several looks
#: better than it is.
CLEARLY = 2.0

#: Folds of the rows on which ``pooling="validation"`` compares members that are not fitted.
FOLDS = 5


class Member(NamedTuple):
    """One of several teachers: its name, the reader of it, and the columns that it sees, if any.

    ``reader`` may be of one that is not fitted.
    """

    name: str
    reader: TeacherReader
    columns: Columns | None

    def rows(self, X):
        """Return the columns of X that the member sees."""
        return X if self.columns is None else self.columns.take(X)


def _of_kind(kind):
    def check(self):
        if self._kind() != kind:
            raise AttributeError(f"A {name_of(self)} of {self._kind()}s is no {kind}.")
        return True

    return available_if(check)


class TeacherEnsemble(MetaEstimatorMixin, BaseComposition):
    """Several teachers whose opinions are pooled, as one classifier or regressor.

    A member that is fitted is used as it is: it is never refitted or copied, and ``clone`` carries
    it over. One that is not fitted is cloned and fitted in ``fit``. If all are fitted, so is the
    ensemble. As ``teacher`` of a :class:`DistillationClassifier` each member labels the training
    rows in its own way, out-of-fold if it was not fitted, and is asked once even if a search tries
    several poolings (with ``memory``).

    Members may know different classes. One that knows a few of them, a *specialist*, has a say in
    how the probability of these is divided, and none in how much they have together: the pool is
    the distribution closest to what all members say of their own classes [1]_.

    Parameters
    ----------
    estimators : list of (str, estimator)
        Classifiers, or regressors: scikit-learn estimators, boosters, torch modules, anything that
        is a teacher on its own. Names are used as in a
        :class:`~sklearn.pipeline.Pipeline`, to set parameters and to find members; a hint on a
        layer of the member ``"net"`` is named ``"net.encoder.2"``.
    weights : array-like of shape (n_estimators,), default=None
        Weight of each member, multiplied by what ``pooling`` finds. None weighs all alike.
    pooling : {"arithmetic", "geometric", "confidence", "validation"}, default="arithmetic"
        - "arithmetic": mean of the probabilities (of the values, for regressors).
        - "geometric": mean of their logarithms. The pool is sure where all are.
        - "confidence": a mean whose weights differ from row to row [2]_. A member counts the more
          the less the entropy of what it says; and where a student is taught, on rows with a
          label, the more probability it gives the label. Of regressors the inverse of the variance
          that each gives its own value.
        - "validation": the weights whose mean has the least log loss (squared error) on rows that
          the members have not seen: out-of-fold for those that are not fitted.
    columns : dict of str to columns, default=None
        Which columns a member sees, by its name: names, positions, a mask or a function of X, as
        :class:`~sklearn.compose.make_column_selector`. Others see all.
    probability_floor : float in (0, 1), default=2e-4
        Divided by the number of classes, the smallest probability that votes are believed to
        mean, where logarithms are needed ("geometric", "validation").
    cv : int, splitter or None, default=None
        Folds for "validation" in :meth:`fit`. None is 5, shuffled.
    n_jobs : int or None, default=None
        Parallel fits of members.

    Attributes
    ----------
    estimators_ : list of estimator
        The fitted members: those that came fitted, and clones of the others.
    named_estimators_ : Bunch
        The same by name.
    classes_ : ndarray of shape (n_classes,)
        All classes that a member knows, sorted. Only of classifiers.
    weights_ : ndarray of shape (n_estimators,)
        Of the members, of sum 1; for "confidence", before rows are looked at.
    losses_ : dict of str to float
        Mean log loss (regressors: mean squared error) of each member, and of the pool as
        ``"pool"``, on rows that no member has seen. Only if it was taught from out-of-fold labels,
        or ``pooling="validation"``.
    better_alone_ : str or None
        The member whose loss is clearly less than that of the pool, by two standard errors; None
        if there is none. Where there are ``losses_``.
    n_features_in_ : int
        Number of features seen during ``fit``. Only if rows have columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if they are all text.

    See Also
    --------
    DistillationClassifier : Takes it, or a list of (name, estimator), as ``teacher``.
    sklearn.ensemble.VotingClassifier : Fits all its members anew.
    sklearn.ensemble.StackingClassifier : Learns how to combine them.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       section 5.3, `arXiv:1503.02531 <https://arxiv.org/abs/1503.02531>`_.
    .. [2] H. Zhang, D. Chen, C. Wang, "Confidence-Aware Multi-Teacher Knowledge Distillation",
       ICASSP 2022, `arXiv:2201.00007 <https://arxiv.org/abs/2201.00007>`_.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import DistillationClassifier, TeacherEnsemble
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> forest = ExtraTreesClassifier(random_state=0)
    >>> boosted = HistGradientBoostingClassifier(max_iter=20, random_state=0)
    >>> teacher = TeacherEnsemble([("forest", forest), ("boosted", boosted)], pooling="validation")
    >>> student = DecisionTreeClassifier(max_leaf_nodes=8, random_state=0)
    >>> model = DistillationClassifier(teacher, student).fit(X, y)
    >>> sorted(model.teacher_.losses_)
    ['boosted', 'forest', 'pool']
    """

    _parameter_constraints: dict = {
        "estimators": [list],
        "weights": ["array-like", None],
        "pooling": [StrOptions({"arithmetic", "geometric", "confidence", "validation"})],
        "columns": [dict, None],
        "probability_floor": [Interval(Real, 0, 1, closed="neither")],
        "cv": ["cv_object"],
        "n_jobs": [Integral, None],
    }

    def __init__(
        self,
        estimators,
        *,
        weights=None,
        pooling="arithmetic",
        columns=None,
        probability_floor=2e-4,
        cv=None,
        n_jobs=None,
    ):
        self.estimators = estimators
        self.weights = weights
        self.pooling = pooling
        self.columns = columns
        self.probability_floor = probability_floor
        self.cv = cv
        self.n_jobs = n_jobs

    # -- fit -------------------------------------------------------------------------

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, **fit_params):
        """Fit the members that are not fitted, and find the weights of all.

        Parameters
        ----------
        X : rows
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            For the members whose ``fit`` takes it.
        **fit_params : dict
            With metadata routing enabled: for the members that requested them.

        Returns
        -------
        self : object
            The fitted ensemble.

        Raises
        ------
        ValueError
            If there are no members, two of one name, classifiers and regressors, or members
            that do not know a class; if columns do not exist.
        """
        if y is None:
            raise ValueError(
                f"{name_of(self)} requires y to be passed, but the target y is None. An ensemble "
                "of fitted members needs no fit."
            )
        self.check_members()
        check_consistent_length(X, y)
        sample_weight = check_weights(sample_weight, n_rows(X))
        y = self._checked_y(y, sample_weight)
        members = self.members(X, anew=True)
        params = self.params_of_members(sample_weight, fit_params)
        kept = [own_rows(X), own_rows(y)]
        fitted = Parallel(n_jobs=self.n_jobs)(
            delayed(_fitted)(member, *kept, params[member.name]) for member in members
        )
        weights = self._given_weights()
        losses = None
        if self.pooling == "validation":
            answers = self._out_of_fold(members, fitted, X, y, params)
            if self._kind() == "classifier":
                of_fitted = {
                    m.name: answer
                    for m, answer in zip(members, answers, strict=True)
                    if m.reader.fitted
                }
                self.warn_of_memory(of_fitted, self._encoded(fitted, y))
            weights = self.find_weights(answers, self._encoded(fitted, y), sample_weight)
            losses = self.losses(answers, weights, self._encoded(fitted, y), sample_weight)
        self._keep(fitted, weights, X, losses, y)
        return self

    def _checked_y(self, y, sample_weight):
        if self._kind() == "regressor":
            return check_array(y, ensure_2d=False, dtype="numeric", input_name="y")
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        check_classification_targets(y)
        present = np.unique(y if sample_weight is None else y[sample_weight > 0])
        if len(present) < 2 and not all(is_fitted(member) for _, member in self.estimators):
            raise ValueError(
                f"{name_of(self)} needs rows of at least two classes with positive weight. Got "
                f"one class: {present.tolist()}. Collect rows of another class."
            )
        return y

    def members(self, X=None, *, anew=False):
        """Return the members, checked.

        Parameters
        ----------
        X : rows, default=None
            In which the columns of members are found. None leaves those of ``fit``.
        anew : bool, default=False
            Whether to forget an earlier ``fit``.

        Returns
        -------
        list of Member
        """
        names = self.check_members()
        known = {} if anew else vars(self)
        seen = known.get("_columns")
        wanted = self.columns or {}
        strange = [name for name in wanted if name not in names]
        if strange:
            raise ValueError(
                f"columns of {name_of(self)} names {short(strange)}, and the members are "
                f"{short(names)}. Use their names."
            )
        fitted = known.get("estimators_", [estimator for _, estimator in self.estimators])
        found = []
        reader = ValueReader if self._kind() == "regressor" else TeacherReader
        for name, estimator in zip(names, fitted, strict=True):
            columns = None
            if name in wanted:
                if seen is not None:
                    columns = seen[name]
                elif X is not None:
                    columns = Columns.of(X, wanted[name], f"columns[{name!r}]")
            member = Member(name, reader.of(estimator), columns)
            if X is not None and seen is None:
                _check_columns(member, member.rows(X))
            found.append(member)
        return found

    def params_of_members(self, sample_weight, fit_params):
        """Return the arguments for the ``fit`` of each member, by its name."""
        if routing_enabled():
            metadata = dict(fit_params)
            if sample_weight is not None:
                metadata["sample_weight"] = sample_weight
            routed = process_routing(self, "fit", **metadata) if metadata else {}
            return {name: routed.get(name, {}).get("fit", {}) for name, _ in self.estimators}
        if fit_params:
            raise TypeError(
                f"{name_of(self)}.fit got {sorted(fit_params)}, which no member can be told from "
                "another to take. Enable metadata routing, or leave them out."
            )
        found = {}
        for name, estimator in self.estimators:
            keyword = None if sample_weight is None else weight_keyword(thawed(estimator))
            found[name] = {keyword: sample_weight} if keyword else {}
        return found

    def with_fitted(self, readers, weights, X, losses, y):
        """Return a fitted ensemble of members that were fitted elsewhere.

        Parameters
        ----------
        readers : list of TeacherReader
        weights : ndarray of shape (n_estimators,)
        X, y : rows and labels that they were fitted on
        losses : dict or None
            What :meth:`losses` returned.

        Returns
        -------
        TeacherEnsemble
        """
        twin = clone(self)
        twin._keep(readers, weights, X, losses, y)
        return twin

    def _keep(self, readers, weights, X, losses, y):
        columns = {member.name: member.columns for member in self.members(X, anew=True)}
        self._columns = columns
        self.estimators_ = [reader.teacher for reader in readers]
        self.named_estimators_ = Bunch(
            **dict(zip(self.check_members(), self.estimators_, strict=True))
        )
        self.weights_ = weights / weights.sum()
        for name in ("losses_", "better_alone_", "n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
        if losses is not None:
            self.losses_, self.better_alone_ = losses
        if self._kind() == "classifier":
            self._classes = self._all_classes(readers, np.unique(y))
        if len(getattr(X, "shape", ())) == 2:
            self.n_features_in_ = X.shape[1]
            names = column_names(X)
            if names is not None and all(isinstance(name, str) for name in names):
                self.feature_names_in_ = np.asarray(names, dtype=object)

    def _out_of_fold(self, members, fitted, X, y, params):
        """Return what members say of the rows, those that were fitted here out-of-fold."""
        of_classes = self._kind() == "classifier"
        columns = self._columns_of_answers(fitted, y)
        folds = FOLDS if self.cv is None else self.cv
        if isinstance(folds, int | np.integer):
            # A class of fewer rows than folds is missed by some of them.
            most = np.unique(y, return_counts=True)[1].max() if of_classes else len(y)
            kind = StratifiedKFold if of_classes else KFold
            folds = kind(max(2, min(folds, most)), shuffle=True, random_state=0)
        folds = list(check_cv(folds, y, classifier=of_classes).split(indexable_rows(X), y))
        answers = []
        for member, whole in zip(members, fitted, strict=True):
            rows = indexable_rows(member.rows(X))
            if member.reader.fitted:
                answers.append(_ask(whole, rows, columns))
                continue
            said = np.full((n_rows(X), len(columns)), np.nan)
            for train, test in folds:
                of_fold = slice_params(X, params[member.name], indices=train)
                twin = member.reader.fit(take_rows(rows, train), y[train], **of_fold)
                said[test] = _ask(twin, take_rows(rows, test), columns)
            answers.append(said)
        return np.array(answers)

    # -- pooling -----------------------------------------------------------------------

    def find_weights(self, answers, y, sample_weight=None):
        """Return the weights of the members.

        Parameters
        ----------
        answers : ndarray of shape (n_members, n_rows, n_columns)
            Log-probabilities or values of rows that the members have not seen.
        y : ndarray
            Positions of the labels, (n_rows,), or values, (n_rows, n_outputs).
        sample_weight : ndarray of shape (n_rows,), default=None

        Returns
        -------
        ndarray of shape (n_members,)
        """
        weights = self._given_weights()
        if self.pooling != "validation":
            return weights
        answers = answers[:, : len(y)]
        if self._kind() == "regressor":
            found = weights_by_squared_error(answers, y, sample_weight)
        else:
            found = weights_by_log_loss(self._lifted(answers), y, sample_weight)
        weights = weights * found
        if not weights.any():
            raise ValueError(
                f"weights of {name_of(self)} are 0 for every member that is of use. Give these "
                "members a weight."
            )
        return weights

    def pool(self, answers, weights, labels=None, std=None):
        """Return what the members say as one.

        Parameters
        ----------
        answers : ndarray of shape (n_members, n_rows, n_columns)
            Log-probabilities, NaN for classes that a member does not know; or values.
        weights : ndarray of shape (n_members,)
        labels : ndarray of int, shape (n_labeled,), default=None
            Of the first rows: ``pooling="confidence"`` looks at them.
        std : ndarray like ``answers``, default=None
            Standard deviations of values.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
        """
        if self._kind() == "regressor":
            return self._pool_values(answers, weights, std)
        if self.pooling == "confidence":
            losses = entropies(answers)
            if labels is not None:
                own = cross_entropies(answers[:, : len(labels)], labels)
                told = ~np.isnan(own).all(axis=0)
                losses[:, : len(labels)][:, told] = own[:, told]
            weights = weights_of_losses(losses, weights)
        geometric = self.pooling == "geometric"
        if geometric:
            answers = self._lifted(answers)
        try:
            return pool(answers, np.asarray(weights, dtype=float), geometric=geometric)
        except DisjointClassesError as error:
            classes = [c for c, known in enumerate(~np.isnan(answers).all(axis=(0, 1))) if known]
            raise ValueError(
                f"The members of {name_of(self)} know classes that have nothing in common: no "
                f"member compares those at the positions {[classes[i] for i in error.args[0]]} "
                "with the others. Add a member that knows all classes."
            ) from error

    def _lifted(self, answers):
        """Return what members say without zeros; a class that one does not know stays unknown."""
        lifted = np.array([lift_zeros(a, self.probability_floor) for a in answers])
        return np.where(np.isnan(answers), np.nan, lifted)

    def _pool_values(self, values, weights, std):
        w = np.asarray(weights, dtype=float)[:, None, None]
        silent = np.isnan(values)
        if self.pooling == "geometric":
            if not (values[~silent] > 0).all():
                raise ValueError(
                    'pooling="geometric" needs values that are positive. Use "arithmetic".'
                )
            values = np.log(values)
        if self.pooling == "confidence":
            # Relative to the largest, so that a deviation of zero decides and divides by nothing.
            variance = np.maximum(std**2, 1e-12 * np.nanmax(std**2, axis=0) + 1e-300)
            w = w / variance
        w = np.where(silent, 0.0, w)
        with np.errstate(invalid="ignore"):
            mean = (w * np.where(silent, 0.0, values)).sum(axis=0) / w.sum(axis=0)
        return np.exp(mean) if self.pooling == "geometric" else mean

    @property
    def needs_std(self):
        """Whether members are asked for the standard deviation of their values."""
        return self.pooling == "confidence" and self._kind() == "regressor"

    def warn_of_better_member(self, losses):
        """Warn of a member that does better alone, if :meth:`losses` found one."""
        means, alone = losses
        if alone is None:
            return
        what = "log loss" if self._kind() == "classifier" else "squared error"
        warnings.warn(
            f"The member {alone!r} alone has less {what} than the pool of {name_of(self)} on rows "
            f"that it has not seen, {means[alone]:.4g} against {means['pool']:.4g}. Take it alone "
            'as teacher, or pooling="validation".',
            UserWarning,
            stacklevel=6,
        )

    def warn_of_memory(self, answers, labels):
        """Warn where weights are found on rows that fitted members know by heart.

        Parameters
        ----------
        answers : dict of str to ndarray of shape (n_rows, n_classes)
            Log-probabilities of members that came fitted.
        labels : ndarray of int, shape (n_rows,)
        """
        seen = [
            name
            for name, answer in answers.items()
            if knows_by_heart(lift_zeros(answer, self.probability_floor), labels)
        ]
        if seen:
            warnings.warn(
                f'pooling="validation" compares members on these rows, and {short(seen)} came '
                "fitted and seem to know them by heart: they will get too much weight. Pass them "
                "unfitted, or rows that they have not seen.",
                UserWarning,
                stacklevel=4,
            )

    def spread(self, values, std, pooled, weights):
        """Return the standard deviation of the mixture of the members.

        Parameters
        ----------
        values, std : ndarray of shape (n_members, n_rows, n_outputs)
        pooled : ndarray of shape (n_rows, n_outputs)
        weights : ndarray of shape (n_members,)

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
        """
        w = np.asarray(weights)[:, None, None]
        return np.sqrt((w * (std**2 + (values - pooled) ** 2)).sum(axis=0) / w.sum())

    def losses(self, answers, weights, y, sample_weight=None, std=None):
        """Return the mean loss of each member and of the pool, and who does better alone.

        Parameters
        ----------
        answers, y, sample_weight
            As in :meth:`find_weights`.
        weights : ndarray of shape (n_members,)
        std : ndarray like ``answers``, default=None
            Standard deviations of values.

        Returns
        -------
        losses : dict of str to float
        better_alone : str or None
        """
        answers = answers[:, : len(y)]
        pooled = self.pool(answers, weights, std=None if std is None else std[:, : len(y)])
        everyone = [*answers, pooled]
        if self._kind() == "regressor":
            rows = np.array([((a - y) ** 2).mean(axis=1) for a in everyone])
        else:
            rows = cross_entropies(self._lifted(np.array(everyone)), y)
        told = ~np.isnan(rows).any(axis=0)
        of_rows = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, float)
        rows, of_rows = rows[:, told], of_rows[told]
        if not of_rows.any():
            return {}, None
        of_rows = of_rows / of_rows.sum()
        names = [name for name, _ in self.estimators]
        means = rows @ of_rows
        best = int(np.argmin(means[:-1]))
        gained = rows[-1] - rows[best]
        error = np.sqrt(of_rows**2 @ (gained - of_rows @ gained) ** 2)
        alone = names[best] if of_rows @ gained > CLEARLY * error else None
        return dict(zip([*names, "pool"], means.tolist(), strict=True)), alone

    # -- predictions -------------------------------------------------------------------

    def _answers(self, X, *, with_std=False):
        """Return what the fitted members say of rows, and their deviations or None."""
        members = self._fitted_members(X)
        if self._kind() == "classifier":
            classes = self.classes_
            return np.array([_ask(m.reader, m.rows(X), classes) for m in members]), None
        if with_std or self.needs_std:
            readers = [ValueReader(m.reader.teacher, True, with_std=True) for m in members]
            both = [_ask_values(r, m.rows(X)) for r, m in zip(readers, members, strict=True)]
            values, std = zip(*(np.hsplit(b, 2) for b in both), strict=True)
            return _stacked(values, self), _stacked(std, self)
        return _stacked([_ask_values(m.reader, m.rows(X)) for m in members], self), None

    def _fitted_members(self, X):
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(
                f"This {name_of(self)} instance is not fitted yet. Call 'fit' with appropriate "
                "arguments before using this estimator."
            )
        return self.members(X)

    def predict(self, X, return_std=False):
        """Predict the class or the value of each row.

        Parameters
        ----------
        X : rows
        return_std : bool, default=False
            Whether to return the standard deviation of the pool too. Of regressors only, if all
            members have one.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        std : ndarray shaped as y
            Only with ``return_std=True``. Of the mixture of the members: what they are unsure of,
            and what they disagree about.
        """
        if self._kind() == "classifier":
            if return_std:
                raise ValueError("return_std=True is for regressors. Use predict_proba.")
            best = self.predict_log_proba(X).argmax(axis=1)
            return self.classes_[best]
        values, std = self._answers(X, with_std=return_std)
        pooled = self.pool(values, self._weights(), std=std)
        flat = (lambda a: a[:, 0]) if pooled.shape[1] == 1 else (lambda a: a)
        if not return_std:
            return flat(pooled)
        return flat(pooled), flat(self.spread(values, std, pooled, self._weights()))

    @_of_kind("classifier")
    def predict_log_proba(self, X):
        """Predict the natural logarithm of the probability of each class.

        Parameters
        ----------
        X : rows

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
            -inf where all members give a probability of zero.
        """
        answers, _ = self._answers(X)
        return self.pool(answers, self._weights())

    @_of_kind("classifier")
    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : rows

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        return np.exp(self.predict_log_proba(X))

    def score(self, X, y, sample_weight=None):
        """Return the accuracy of a classifier, or the R² of a regressor.

        Parameters
        ----------
        X : rows
        y : array-like
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        float
        """
        metric = accuracy_score if self._kind() == "classifier" else r2_score
        return metric(y, self.predict(X), sample_weight=sample_weight)

    @property
    def classes_(self):
        """All classes that a member knows, sorted."""
        if self._kind() == "regressor":
            raise AttributeError(f"A {name_of(self)} of regressors has no classes_.")
        if "_classes" in vars(self):
            return self._classes
        if not self.__sklearn_is_fitted__():
            raise AttributeError(f"This {name_of(self)} is not fitted yet.")
        return self._all_classes([member.reader for member in self.members()], None)

    # -- what it is made of -----------------------------------------------------------------

    def member(self, name, X):
        """Return a fitted member by its name, and the columns of X that it sees.

        Raises
        ------
        ValueError
            If there is none of this name.
        """
        for member in self._fitted_members(X):
            if member.name == name:
                return member.reader.teacher, member.rows(X)
        names = [known for known, _ in self.estimators]
        raise ValueError(f"{name_of(self)} has no member {name!r}. It has {short(names)}.")

    def thawed(self):
        """Return a clone in which every member that can be fitted is not fitted."""
        estimators = []
        for name, estimator in self.estimators:
            reader = TeacherReader.of(estimator)
            bare = thawed(estimator)
            keeps = reader.fitted and not reader.can_be_fitted
            estimators.append((name, estimator if keeps else clone_of(bare)))
        return clone(self).set_params(estimators=estimators)

    def check_members(self):
        """Return the names of the members, unless something is wrong with these.

        Returns
        -------
        names : list of str

        Raises
        ------
        ValueError
            If there are none, two of one name, or classifiers and regressors.
        TypeError
            If they are no list of (name, estimator).
        """
        estimators = self.estimators
        example = "TeacherEnsemble([('forest', forest), ('net', net)])"
        if not isinstance(estimators, list | tuple) or not estimators:
            raise ValueError(
                f"Invalid 'estimators' attribute: {name_of(self)} needs a list of (name, "
                f"estimator). Got {estimators!r}. Write {example}."
            )
        for pair in estimators:
            if not _are_pairs([pair]):
                raise TypeError(
                    f"estimators of {name_of(self)} must be a list of (name, estimator). Got "
                    f"{name_of(pair)} in it. Write {example}."
                )
            if isinstance(pair[1], type) and not is_module(pair[1]):
                raise TypeError(
                    f"The member {pair[0]!r} is a class. Pass an instance, "
                    f"{pair[1].__name__}(...)."
                )
            methods = ("fit", "predict", "predict_proba", "forward")
            if not any(hasattr(pair[1], method) for method in methods):
                raise TypeError(
                    f"The member {pair[0]!r} is no teacher: a {name_of(pair[1])} has neither fit "
                    "nor predict. Pass an estimator, a booster or a torch module."
                )
        names = [name for name, _ in estimators]
        self._validate_names(names)
        self._kind()
        return names

    def _kind(self):
        kinds = {
            kind
            for _, estimator in self.estimators
            for kind in ("classifier", "regressor", "clusterer", "outlier_detector")
            if is_of_kind(estimator, kind)
        }
        if len(kinds) > 1 or kinds & {"clusterer", "outlier_detector"}:
            listed = {name: _kind_of(estimator) for name, estimator in self.estimators}
            raise ValueError(
                f"The members of {name_of(self)} must all be classifiers, or all regressors. Got "
                f"{listed}."
            )
        return kinds.pop() if kinds else "classifier"

    def _given_weights(self):
        n_members = len(self.estimators)
        if self.weights is None:
            return np.full(n_members, 1 / n_members)
        weights = np.asarray(self.weights, dtype=np.float64)
        good = weights.shape == (n_members,) and np.isfinite(weights).all() and weights.any()
        if not good or (weights < 0).any():
            raise ValueError(
                f"weights of {name_of(self)} must be {n_members} numbers that are not negative, "
                f"one for each member, and not all zero. Got {self.weights!r}."
            )
        return weights / weights.sum()

    def _weights(self):
        return vars(self).get("weights_", self._given_weights())

    def _all_classes(self, readers, of_y):
        """Return the classes of all members; those of one that names none are those of others."""
        known = [getattr(reader.classifier, "classes_", None) for reader in readers]
        lists = [np.asarray(classes) for classes in known if classes is not None]
        if of_y is not None:
            lists.append(of_y)
        if not lists:
            raise AttributeError(
                f"No member of {name_of(self)} has classes_. Name them for one: "
                "TorchTeacher(module, classes=[...])."
            )
        _check_alike(lists)
        return np.unique(np.concatenate(lists))

    def _columns_of_answers(self, readers, y):
        if self._kind() == "classifier":
            return self._all_classes(readers, np.unique(y))
        return np.arange(1 if y.ndim == 1 else y.shape[1])

    def _encoded(self, readers, y):
        """Return y as positions of classes, or as values of shape (n_rows, n_outputs)."""
        if self._kind() == "classifier":
            return np.searchsorted(self._all_classes(readers, np.unique(y)), y)
        return np.asarray(y, dtype=np.float64).reshape(len(y), -1)

    # -- scikit-learn's contract --------------------------------------------------------------

    def get_params(self, deep=True):
        """Return the parameters of the ensemble and of its members.

        Parameters
        ----------
        deep : bool, default=True

        Returns
        -------
        dict
        """
        return self._get_params("estimators", deep=deep)

    def set_params(self, **params):
        """Set parameters of the ensemble, its members, or parameters of unfitted members.

        Parameters
        ----------
        **params : dict
            Such as ``pooling="geometric"``, ``forest=None`` or ``forest__max_depth=3``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter of a fitted member is set.
        """
        estimators = params.get("estimators", self.estimators)
        given = dict(estimators) if _are_pairs(estimators) else {}
        for key in params:
            name, nested, _ = key.partition("__")
            if nested and name in given and is_fitted(params.get(name, given[name])):
                raise ValueError(
                    f"Cannot set {key} of {name_of(self)}: its member {name!r} is already fitted "
                    "and is used as it is. Pass an unfitted one, clone(member)."
                )
        self._set_params("estimators", **params)
        return self

    def get_metadata_routing(self):
        """Return the routing of fit parameters to the members that are fitted here.

        Returns
        -------
        routing : MetadataRouter
        """
        router = MetadataRouter(owner=self)
        mapping = MethodMapping().add(caller="fit", callee="fit")
        for name, estimator in self.estimators:
            if not is_fitted(estimator) and hasattr(estimator, "get_metadata_routing"):
                router.add(method_mapping=mapping, **{name: estimator})
        return router

    def __sklearn_is_fitted__(self):
        if "estimators_" in vars(self):
            return True
        try:
            self.check_members()
        except (TypeError, ValueError):
            return False
        fitted = all(is_fitted(estimator) for _, estimator in self.estimators)
        return fitted and self.pooling != "validation"

    def __sklearn_clone__(self):
        """Clone everything but members that are fitted, which are carried over by reference."""
        try:
            estimators = [
                (name, member if is_fitted(member) else clone_of(member))
                for name, member in self.estimators
            ]
        except (TypeError, ValueError):  # no list of pairs: fit says so
            estimators = copy(self.estimators)
        return clone_with(self, estimators=estimators)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        try:
            parts = [tags_of(estimator) for _, estimator in self.estimators]
            tags.estimator_type = self._kind()
        except (TypeError, ValueError):
            return tags
        own = tags_of(_Stand(self._kind()))
        tags.classifier_tags, tags.regressor_tags = own.classifier_tags, own.regressor_tags
        tags.target_tags.required = True
        several = all(part.target_tags.multi_output for part in parts)
        tags.target_tags.multi_output = several and tags.estimator_type == "regressor"
        if tags.classifier_tags is not None:
            of_parts = [part.classifier_tags for part in parts if part.classifier_tags is not None]
            tags.classifier_tags.multi_class = all(part.multi_class for part in of_parts)
            tags.classifier_tags.poor_score = any(part.poor_score for part in of_parts)
        elif tags.regressor_tags is not None:
            of_parts = [part.regressor_tags for part in parts if part.regressor_tags is not None]
            tags.regressor_tags.poor_score = any(part.poor_score for part in of_parts)
        for name in ("sparse", "allow_nan", "string", "categorical"):
            accepted = all(getattr(part.input_tags, name) for part in parts)
            setattr(tags.input_tags, name, accepted)
        tags.input_tags.positive_only = any(part.input_tags.positive_only for part in parts)
        tags.non_deterministic = any(part.non_deterministic for part in parts)
        return tags


def _are_pairs(estimators):
    """Tell whether this is a list of (name, estimator)."""
    return isinstance(estimators, list | tuple) and all(
        isinstance(pair, list | tuple) and len(pair) == 2 and isinstance(pair[0], str)
        for pair in estimators
    )


def as_teacher(teacher):
    """Return a list of (name, estimator) as a :class:`TeacherEnsemble`; all else as it is."""
    return TeacherEnsemble(teacher) if isinstance(teacher, list) else teacher


class _Stand:
    """An estimator of a kind, for the tags that go with it."""

    def __init__(self, kind):
        self.kind = kind

    def __sklearn_tags__(self):
        from sklearn.utils import ClassifierTags, RegressorTags

        tags = tags_of(object())
        tags.estimator_type = self.kind
        tags.classifier_tags = ClassifierTags() if self.kind == "classifier" else None
        tags.regressor_tags = RegressorTags() if self.kind == "regressor" else None
        return tags


def _fitted(member, X, y, params):
    """Return the reader of a fitted member."""
    if member.reader.fitted:
        return member.reader
    return member.reader.fit(own_rows(member.rows(X)), own_rows(y), **params)


def _ask(reader, X, classes):
    """Return what a member says of rows, with the classes that it does not know as NaN."""
    if not reader.of_classes:
        return reader.ask(X, classes)[0]
    known = getattr(reader.classifier, "classes_", None)
    known = classes if known is None else np.asarray(known)
    return reader.ask(X, classes, must_know=classes[np.isin(classes, known)])[0]


def _ask_values(reader, X):
    """Return the values of a member, however many outputs it has."""
    with_std = reader.with_std
    bare = ValueReader(reader.teacher, True)
    first = np.asarray(bare.teacher.predict(X)) if hasattr(bare.teacher, "predict") else None
    n_outputs = 1 if first is None or first.ndim == 1 else first.shape[1]
    if first is not None and not with_std and not bare.modules:
        return as_values(first, n_rows(X), n_outputs, f"The teacher {bare.name} returned")
    return reader.ask(X, np.arange(n_outputs))[0]


def _stacked(values, ensemble):
    shapes = {name: v.shape for (name, _), v in zip(ensemble.estimators, values, strict=True)}
    if len(set(shapes.values())) > 1:
        raise ValueError(
            f"The members of {name_of(ensemble)} give values of different shapes: {shapes}."
        )
    return np.array(values)


def _check_alike(lists):
    """Raise ValueError if classes are names here and numbers there."""
    text = {classes.dtype.kind in "OUS" for classes in lists}
    if len(text) > 1:
        raise ValueError(
            "The members have classes of different types, such as "
            f"{short([classes[0] for classes in lists])}. Fit them on labels of one type."
        )


def _check_columns(member, X):
    """Raise ValueError if a fitted member was fitted on other columns than it would get."""
    theirs = getattr(member.reader.teacher, "feature_names_in_", None)
    ours = column_names(X)
    if not member.reader.fitted:
        return
    if theirs is not None and ours is not None and list(theirs) != list(ours):
        raise ValueError(
            f"The member {member.name!r} was fitted on the columns {short(list(theirs))}, and X "
            f"has {short(list(ours))}. Say which it sees: columns={{{member.name!r}: [...]}}."
        )
    n_theirs = getattr(member.reader.teacher, "n_features_in_", None)
    width = X.shape[1] if len(getattr(X, "shape", ())) == 2 else None
    if isinstance(n_theirs, int) and width is not None and width != n_theirs:
        raise ValueError(
            f"The member {member.name!r} was fitted on {n_theirs} columns, and gets {width}. Say "
            f"which it sees: columns={{{member.name!r}: [...]}}."
        )


def _kind_of(estimator):
    declared = tags_of(estimator).estimator_type or getattr(estimator, "_estimator_type", None)
    return declared or name_of(estimator)
