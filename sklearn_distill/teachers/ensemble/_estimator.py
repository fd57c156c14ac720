"""Several teachers as one."""

from copy import copy
from numbers import Integral, Real

import numpy as np
from sklearn.base import MetaEstimatorMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils import (
    Bunch,
    ClassifierTags,
    RegressorTags,
    assert_all_finite,
    column_or_1d,
)
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_consistent_length

from sklearn_distill.teachers._reader import TeacherReader, is_fitted
from sklearn_distill.teachers._values import ValueReader, check_real_values
from sklearn_distill.teachers.ensemble._members import (
    Member,
    all_classes,
    are_pairs,
    ask,
    ask_values,
    check_pairs,
    kind_of,
    reader_of,
)
from sklearn_distill.teachers.ensemble._pooling import ClassPooling, ValuePooling
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
from sklearn_distill.utils.dispatch import name_of, tags_of
from sklearn_distill.utils.pipelines import weight_keyword
from sklearn_distill.utils.rows import (
    check_weights,
    column_names,
    indexable_rows,
    n_rows,
    own_rows,
    short,
)

#: Folds of the rows on which ``pooling="validation"`` compares members that are not fitted.
FOLDS = 5


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
        kept = own_rows(X), own_rows(y)
        readers = Parallel(n_jobs=self.n_jobs)(
            delayed(Member.fitted)(member, *kept, params[member.name]) for member in members
        )
        pooling, losses = self.get_pooling(), None
        weights = pooling.given
        if self.pooling == "validation":
            columns, target = self._asked(readers, y)
            answers = self._out_of_fold(members, readers, X, y, columns, params)
            ready = {m.name: a for m, a in zip(members, answers, strict=True) if m.reader.fitted}
            pooling.warn_of_memory(ready, target)
            weights = pooling.find_weights(answers, target, sample_weight)
            losses = pooling.losses(answers, weights, target, sample_weight)
        self._keep(readers, weights, X, losses, y)
        return self

    def _checked_y(self, y, sample_weight):
        if self._kind() == "regressor":
            return check_real_values(y)
        if np.ma.getmask(y).any():
            raise ValueError("Input y contains masked labels. Drop these rows, or label them.")
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

    def _asked(self, readers, y):
        """Return what members are asked for, and y as positions of classes or matrix of values."""
        if self._kind() == "classifier":
            classes = all_classes(readers, np.unique(y))
            return classes, np.searchsorted(classes, y)
        target = y.reshape(len(y), -1).astype(np.float64)
        return np.arange(target.shape[1]), target

    def _out_of_fold(self, members, readers, X, y, columns, params):
        """Return what members say of the rows, those that were fitted here out-of-fold."""
        of_classes = self._kind() == "classifier"
        folds = FOLDS if self.cv is None else self.cv
        if isinstance(folds, int | np.integer):
            # A class of fewer rows than folds is missed by some of them.
            most = np.unique(y, return_counts=True)[1].max() if of_classes else len(y)
            kind = StratifiedKFold if of_classes else KFold
            folds = kind(max(2, min(folds, most)), shuffle=True, random_state=0)
        splits = list(check_cv(folds, y, classifier=of_classes).split(indexable_rows(X), y))
        answers = []
        for member, whole in zip(members, readers, strict=True):
            rows = indexable_rows(member.rows(X))
            if member.reader.fitted:
                answers.append(ask(whole, rows, columns))
                continue
            said = np.full((n_rows(X), len(columns)), np.nan)
            for train, test in splits:
                of_fold = slice_params(X, params[member.name], indices=train)
                twin = member.reader.fit(take_rows(rows, train), y[train], **of_fold)
                said[test] = ask(twin, take_rows(rows, test), columns)
            answers.append(said)
        return np.array(answers)

    def _keep(self, readers, weights, X, losses, y):
        self._columns = {member.name: member.columns for member in self.members(X, anew=True)}
        self.estimators_ = [reader.teacher for reader in readers]
        names = [name for name, _ in self.estimators]
        self.named_estimators_ = Bunch(**dict(zip(names, self.estimators_, strict=True)))
        self.weights_ = weights / weights.sum()
        for name in ("losses_", "better_alone_", "n_features_in_", "feature_names_in_"):
            vars(self).pop(name, None)
        if losses is not None:
            self.losses_, self.better_alone_ = losses
        if self._kind() == "classifier":
            self._classes = all_classes(readers, np.unique(y))
        if len(getattr(X, "shape", ())) == 2:
            self.n_features_in_ = X.shape[1]
            names = column_names(X)
            if names is not None and all(isinstance(name, str) for name in names):
                self.feature_names_in_ = np.asarray(names, dtype=object)

    # -- for whoever asks the members one by one ------------------------------------------

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
        wanted = self.columns or {}
        strange = [name for name in wanted if name not in names]
        if strange:
            raise ValueError(
                f"columns of {name_of(self)} names {short(strange)}, and the members are "
                f"{short(names)}. Use their names."
            )
        known = {} if anew else vars(self)
        columns = known.get("_columns")
        if columns is None:
            columns = {
                name: None if X is None else Columns.of(X, wanted[name], f"columns[{name!r}]")
                for name in wanted
            }
        estimators = known.get("estimators_", [estimator for _, estimator in self.estimators])
        reader = reader_of(self._kind())
        members = [
            Member(name, reader.of(estimator), columns.get(name))
            for name, estimator in zip(names, estimators, strict=True)
        ]
        if X is not None and "_columns" not in known:
            for member in members:
                member.check_columns(X)
        return members

    def params_of_members(self, sample_weight, fit_params):
        """Return the arguments for the ``fit`` of each member, by its name.

        Parameters
        ----------
        sample_weight : ndarray of shape (n_samples,) or None
        fit_params : dict

        Returns
        -------
        dict of str to dict
        """
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

    def get_pooling(self):
        """Return how answers of the members become one.

        Returns
        -------
        Pooling

        Raises
        ------
        ValueError
            If the weights are not one for each member.
        """
        names, weights = [name for name, _ in self.estimators], self.weights
        weights = np.ones(len(names)) if weights is None else np.asarray(weights, np.float64)
        good = weights.shape == (len(names),) and np.isfinite(weights).all() and weights.any()
        if not good or (weights < 0).any():
            raise ValueError(
                f"weights of {name_of(self)} must be {len(names)} numbers that are not negative, "
                f"one for each member, and not all zero. Got {self.weights!r}."
            )
        pooling = ClassPooling if self._kind() == "classifier" else ValuePooling
        return pooling(names, self.pooling, weights / weights.sum(), self.probability_floor)

    def with_fitted(self, readers, weights, X, losses, y):
        """Return a fitted ensemble of members that were fitted elsewhere.

        Parameters
        ----------
        readers : list of TeacherReader
        weights : ndarray of shape (n_estimators,)
        X : rows
            That they were fitted on.
        losses : tuple or None
            What ``Pooling.losses`` returned.
        y : ndarray
            Labels or values of the rows.

        Returns
        -------
        TeacherEnsemble
        """
        twin = clone(self)
        twin._keep(readers, weights, X, losses, y)
        return twin

    def member(self, name, X):
        """Return a fitted member by its name, and the columns of X that it sees.

        Parameters
        ----------
        name : str
        X : rows

        Returns
        -------
        member : estimator
        rows : rows

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
        """Return a clone in which every member that can be fitted is not fitted.

        Returns
        -------
        TeacherEnsemble
        """
        estimators = []
        for name, estimator in self.estimators:
            reader = TeacherReader.of(estimator)
            keeps = reader.fitted and not reader.can_be_fitted
            estimators.append((name, estimator if keeps else clone_of(thawed(estimator))))
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
        check_pairs(self.estimators)
        names = [name for name, _ in self.estimators]
        self._validate_names(names)
        self._kind()
        return names

    def _kind(self):
        return kind_of(self.estimators)

    # -- predictions -------------------------------------------------------------------

    def _fitted_members(self, X):
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(
                f"This {name_of(self)} instance is not fitted yet. Call 'fit' with appropriate "
                "arguments before using this estimator."
            )
        return self.members(X)

    def _weights(self, pooling):
        return vars(self).get("weights_", pooling.given)

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
        pooling, members, std = self.get_pooling(), self._fitted_members(X), None
        with_std = return_std or pooling.needs_std
        readers = [ValueReader(m.reader.teacher, True, with_std) for m in members]
        values = [ask_values(r, m.rows(X)) for r, m in zip(readers, members, strict=True)]
        shapes = {member.name: v.shape for member, v in zip(members, values, strict=True)}
        if len(set(shapes.values())) > 1:
            raise ValueError(
                f"The members of {name_of(self)} give values of different shapes: {shapes}."
            )
        values = np.array(values)
        if with_std:
            values, std = np.split(values, 2, axis=2)
        weights = self._weights(pooling)
        pooled = pooling.pool(values, weights, std=std)
        flat = (lambda a: a[:, 0]) if pooled.shape[1] == 1 else (lambda a: a)
        if not return_std:
            return flat(pooled)
        return flat(pooled), flat(pooling.spread(values, std, pooled, weights))

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
        pooling, members = self.get_pooling(), self._fitted_members(X)
        answers = [ask(m.reader, m.rows(X), self.classes_) for m in members]
        return pooling.pool(np.array(answers), self._weights(pooling))

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
        return all_classes([member.reader for member in self.members()], None)

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
            Such as ``pooling="geometric"``, ``forest=other`` or ``forest__max_depth=3``.

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If a parameter of a fitted member is set.
        """
        estimators = params.get("estimators", self.estimators)
        given = dict(estimators) if are_pairs(estimators) else {}
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
        ready = are_pairs(self.estimators) and bool(self.estimators)
        ready = ready and all(is_fitted(estimator) for _, estimator in self.estimators)
        return ready and self.pooling != "validation"

    def __sklearn_clone__(self):
        """Clone everything but members that are fitted, which are carried over by reference."""
        estimators = copy(self.estimators)
        if are_pairs(estimators):  # if not, fit says so
            estimators = [(n, m if is_fitted(m) else clone_of(m)) for n, m in estimators]
        return clone_with(self, estimators=estimators)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        if not are_pairs(self.estimators) or not self.estimators:
            return tags
        parts = [tags_of(estimator) for _, estimator in self.estimators]
        tags.target_tags.required = True
        tags.estimator_type = self._kind()
        if tags.estimator_type == "classifier":
            of_parts = [part.classifier_tags for part in parts if part.classifier_tags is not None]
            tags.classifier_tags = ClassifierTags(
                multi_class=all(part.multi_class for part in of_parts),
                poor_score=any(part.poor_score for part in of_parts),
            )
        else:
            of_parts = [part.regressor_tags for part in parts if part.regressor_tags is not None]
            tags.regressor_tags = RegressorTags(any(part.poor_score for part in of_parts))
            tags.target_tags.multi_output = all(part.target_tags.multi_output for part in parts)
        for name in ("sparse", "allow_nan", "string", "categorical"):
            accepted = all(getattr(part.input_tags, name) for part in parts)
            setattr(tags.input_tags, name, accepted)
        tags.input_tags.positive_only = any(part.input_tags.positive_only for part in parts)
        tags.non_deterministic = any(part.non_deterministic for part in parts)
        return tags


def as_teacher(teacher):
    """Return a list of (name, estimator) as a :class:`TeacherEnsemble`; all else as it is."""
    return TeacherEnsemble(teacher) if isinstance(teacher, list) else teacher
