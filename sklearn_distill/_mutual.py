"""Models that learn from each other: deep mutual learning, and its like for other students."""

from functools import partial
from numbers import Integral, Real

import numpy as np
from scipy.special import logsumexp
from sklearn.base import MetaEstimatorMixin, clone
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted

from sklearn_distill._classifier import DistillationClassifier, InformedClassifier
from sklearn_distill._distilled import AveragedClassifier, DistilledClassifier
from sklearn_distill._generations import (
    Rows,
    answers_out_of_fold,
    last_that_gains,
    losses_held_out,
    mean_log_proba,
    mean_of_known,
)
from sklearn_distill.decoding import NetworkDecoder
from sklearn_distill.labelling import Labels, fit_and_label, make_splits
from sklearn_distill.strategies import STRATEGIES, GradientTraining, MutualTraining
from sklearn_distill.teachers import TeacherReader
from sklearn_distill.tempering import lift_zeros
from sklearn_distill.utils._sklearn_private import (
    BaseComposition,
    HasMethods,
    Interval,
    StrOptions,
    fit_context,
    slice_params,
)
from sklearn_distill.utils.cloning import clone_of
from sklearn_distill.utils.dispatch import is_module, name_of, tags_of
from sklearn_distill.utils.progress import stage
from sklearn_distill.utils.rows import indexable_rows


def _losses_of_fold(model, rows, params, train, test, parts):
    """Return the losses on some rows of the models of all rounds that are taught on others."""
    own, held_out = rows.of(train), rows.of(test)
    of_train = slice_params(rows.X, params, indices=train)
    present, losses = np.unique(own.y), []
    for models in model._in_turns(own, parts, of_train, model.n_rounds):
        asked = (TeacherReader(one, fitted=True) for one in models)
        said = [reader.ask(held_out.X, rows.columns, present)[0] for reader in asked]
        losses.append([model._losses(answers, held_out) for answers in said])
    return losses


class MutualDistillationClassifier(AveragedClassifier, MetaEstimatorMixin, BaseComposition):
    """Several classifiers, none of them a teacher, that learn from each other.

    Networks, if all are torch modules, are trained together [1]_: in every batch each of them
    learns the labels, and what the others say at that moment. Other models, and mixtures, take
    turns: each is taught, in every round, what the others say of the rows in the mean, by models
    that have not seen the row. Each is kept as it was in the last round before its own log loss,
    on rows that nothing that it was told has seen, no longer falls clearly.

    Parameters
    ----------
    estimators : list of (str, estimator or torch module)
        Two or more, cloned and never fitted themselves. They may be of different kinds.
    alpha : float in [0, 1], default=0.5
        Weight of the others. The loss of [1]_, in which both terms have weight 1, is twice that of
        0.5.
    temperature : float in (0, inf), default=1.0
        Softness of what is taught.
    keep : str, default="best"
        What predicts: "best" is the model with the least log loss on rows held out, "average" the
        mean of all, and otherwise the model of this name.
    together : bool or "auto", default="auto"
        Whether networks are trained together. "auto" does so if all are torch modules.
    n_rounds : int, default=2
        Rounds of those that take turns, at most.
    strategy : str or Strategy, default="auto"
        How a model is taught, as in :class:`DistillationClassifier`; of networks that are trained
        together a :class:`GradientTraining`, with the settings of their training.
    cv : int, splitter or None, default=None
        Folds of what is said, and lost, on rows held out; None is 5. Of those that take turns
        every two folds are left out together: there must be three, and of K folds some K² models
        are fitted for each estimator and round. Networks that are trained together need them for
        ``keep="best"`` only, and are trained once more for each.
    probability_floor : float in (0, 1), default=2e-4
        As in :class:`DistillationClassifier`.
    random_state : int, RandomState instance or None, default=None
        Seeds the folds, and what is drawn in training. The estimators have seeds of their own.
    verbose : int, default=0
        Whether to print the stages.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes found in y, sorted.
    estimators_ : list of DistilledClassifier
        Fitted, in the order of ``estimators``.
    named_estimators_ : Bunch
        The same by name.
    losses_ : dict of str to ndarray of shape (n_rounds + 1,)
        Mean log loss of each on rows held out: on labels alone, and after each round. Of networks
        that are trained together one number, or none if there were no folds.
    kept_ : str
        The name of what predicts, or "average".
    n_features_in_ : int
        Number of features seen during ``fit``. Only if the estimators have it.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features. Only if the estimators have them.

    See Also
    --------
    SelfDistillationClassifier : One model, generation by generation.
    TeacherEnsemble : Several teachers of one student.

    Notes
    -----
    Networks of one architecture must begin with different weights: those that begin alike stay
    alike, and have nothing to tell each other.

    References
    ----------
    .. [1] Y. Zhang, T. Xiang, T. M. Hospedales, H. Lu, "Deep Mutual Learning", CVPR 2018,
       `arXiv:1706.00384 <https://arxiv.org/abs/1706.00384>`_.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill import MutualDistillationClassifier
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> tree = DecisionTreeClassifier(max_leaf_nodes=8, random_state=0)
    >>> linear = make_pipeline(StandardScaler(), LogisticRegression())
    >>> pair = [("tree", tree), ("linear", linear)]
    >>> model = MutualDistillationClassifier(pair, keep="tree").fit(X, y)
    >>> alone, *taught = model.losses_["tree"]
    >>> bool(min(taught) < alone)
    True
    """

    _parameter_constraints: dict = {
        "estimators": [list],
        "alpha": [Interval(Real, 0, 1, closed="both")],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "keep": [str],
        "together": ["boolean", StrOptions({"auto"})],
        "n_rounds": [Interval(Integral, 1, None, closed="left")],
        "strategy": [StrOptions({"auto", *STRATEGIES}), HasMethods(["objection", "teach"])],
        "cv": ["cv_object"],
        "probability_floor": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        estimators,
        *,
        alpha=0.5,
        temperature=1.0,
        keep="best",
        together="auto",
        n_rounds=2,
        strategy="auto",
        cv=None,
        probability_floor=2e-4,
        random_state=None,
        verbose=0,
    ):
        self.estimators = estimators
        self.alpha = alpha
        self.temperature = temperature
        self.keep = keep
        self.together = together
        self.n_rounds = n_rounds
        self.strategy = strategy
        self.cv = cv
        self.probability_floor = probability_floor
        self.random_state = random_state
        self.verbose = verbose

    @fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, sample_weight=None):
        """Fit the models on the labels, and on what the others say.

        Parameters
        ----------
        X : {array-like, sparse matrix, data frame, list} of n_samples rows
            Training rows.
        y : array-like of shape (n_samples,)
            Real labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If there are less than two estimators, two of one name, or networks that begin with the
            same weights; if rows or labels are unfit for use.
        TypeError
            If an estimator cannot learn what others say.
        """
        names = self._check_estimators()
        together = self._are_together()
        first = self._model(self.estimators[0][1], alpha=0.0)
        if y is None:
            first._fit_without_labels(X, sample_weight, None, None, {})
        sample_weight = first._check_rows(X, sample_weight, None)
        y = first._check_labels(X, y)
        classes, _ = first._encode(y, sample_weight)
        if not together:
            for _, estimator in self.estimators:  # before anything is fitted
                self._model(estimator, self.alpha)._choose_strategy(estimator, asks_teacher=True)
        rows = Rows(indexable_rows(X), y, None, classes)
        params = {} if sample_weight is None else {"sample_weight": sample_weight}
        fit = self._fit_together if together else self._fit_in_turns
        models, losses, chosen = fit(rows, params, first._fold_seed())
        kept = self.keep
        if kept == "best":
            kept = min(names, key=chosen.get)
        self.classes_ = classes
        self.estimators_ = models
        self.named_estimators_ = Bunch(**dict(zip(names, models, strict=True)))
        self.losses_ = {name: np.array(of_rounds) for name, of_rounds in losses.items()}
        self.kept_ = kept
        return self

    def _check_estimators(self):
        """Return the names of the estimators, unless something is wrong with these."""
        pairs = all(
            isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str)
            for pair in self.estimators
        )
        if not pairs:
            raise TypeError(
                f"estimators of {name_of(self)} must be a list of (name, estimator). Got "
                f"{self.estimators!r}. Write [('tree', tree), ('net', net)]."
            )
        names = [name for name, _ in self.estimators]
        if len(names) < 2:
            raise ValueError(
                f"{name_of(self)} needs two estimators at least, which learn from each other. Got "
                f"{len(names)}. A single one learns from itself in SelfDistillationClassifier."
            )
        self._validate_names(names)
        if {"best", "average"} & set(names):
            raise ValueError(
                f"Estimators cannot be named 'best' or 'average', which keep has for others. Got "
                f"{names}."
            )
        if self.keep not in ("best", "average", *names):
            raise ValueError(
                f"keep must be 'best', 'average' or one of the names {names}. Got {self.keep!r}."
            )
        for name, estimator in self.estimators:
            if not is_module(estimator) and not hasattr(estimator, "fit"):
                raise TypeError(
                    f"The estimator {name!r} is a {name_of(estimator)}, which has no fit. Pass "
                    "classifiers or torch modules."
                )
        return names

    def _are_together(self):
        """Tell whether the estimators are networks to be trained together."""
        modules = all(is_module(estimator) for _, estimator in self.estimators)
        if self.together == "auto":
            return modules
        if self.together and not modules:
            others = [name for name, estimator in self.estimators if not is_module(estimator)]
            raise ValueError(
                f"together=True trains torch modules in one loop, and {others} are none. Pass "
                "modules, or together=False."
            )
        return bool(self.together)

    def _model(self, estimator, alpha):
        return DistillationClassifier(
            None,
            estimator,
            alpha=alpha,
            temperature=self.temperature,
            strategy=self.strategy,
            probability_floor=self.probability_floor,
            random_state=self.random_state,
        )

    def _losses(self, answers, rows):
        lifted = lift_zeros(answers, self.probability_floor)
        return -lifted[np.arange(len(rows.y)), np.searchsorted(rows.columns, rows.y)]

    def _splits(self, rows, seed):
        return make_splits(self.cv, rows.X, rows.y, seed, {})

    # -- in turns ------------------------------------------------------------------------

    def _fit_in_turns(self, rows, params, seed):
        """Return the models, each of its best round, and the losses of each in all rounds."""
        splits, weight = self._splits(rows, seed), params.get("sample_weight")
        with stage("rounds on rows held out", self.verbose):
            quiet = clone(self).set_params(verbose=0)
            losses_of = partial(_losses_of_fold, quiet, rows, params)
            losses = losses_held_out(losses_of, splits, len(rows.y), None, "")
        best = [last_that_gains(losses[:, k], weight) for k in range(losses.shape[1])]
        rounds = self._in_turns(rows, splits, params, max(best))
        names = [name for name, _ in self.estimators]
        means = {
            name: [mean_of_known(of_round, weight) for of_round in losses[:, k]]
            for k, name in enumerate(names)
        }
        chosen = {name: means[name][number] for name, number in zip(names, best, strict=True)}
        models = [rounds[number][k].standalone() for k, number in enumerate(best)]
        return models, means, chosen

    def _in_turns(self, rows, splits, params, n_rounds):
        """Return the models of each round; those of the first have learned the labels alone."""
        models, answers = [], []
        for name, estimator in self.estimators:
            with stage(f"{name}, on the labels", self.verbose):
                reader, said = fit_and_label(
                    TeacherReader(self._model(estimator, alpha=0.0), fitted=False),
                    *(rows.X, rows.y, None, rows.columns),
                    splits=splits,
                    fit_params=params,
                    n_jobs=None,
                    verbose=0,
                )
            models.append(reader.teacher)
            answers.append(said)
        rounds = [models]
        for number in range(1, n_rounds + 1):
            models = []
            for k, (name, estimator) in enumerate(self.estimators):
                # Those before it in the list have spoken in this round already.
                others = np.array([said for j, said in enumerate(answers) if j != k])
                heard = logsumexp(others, axis=0) - np.log(len(others))
                with stage(f"{name}, round {number}", self.verbose):
                    model, answers[k] = self._taught_and_asked(
                        estimator, rows, heard, splits, params
                    )
                models.append(model)
            rounds.append(models)
        return rounds

    def _taught_and_asked(self, estimator, rows, heard, splits, params):
        """Return a taught model, and what its like say of the rows that they have not seen."""

        def teach(some, said, of_fold):
            model = InformedClassifier._like(self._model(clone_of(estimator), self.alpha))
            model.said, model.classes = Labels(None, said, "out-of-fold"), some.columns
            return model.fit(some.X, some.y, **of_fold)

        model = teach(rows, heard, params)
        said = answers_out_of_fold(
            teach, TeacherReader, rows, heard, splits, params, mean_log_proba
        )
        return model, said

    # -- together ------------------------------------------------------------------------

    def _fit_together(self, rows, params, seed):
        """Return the models of networks that are trained in one loop, and their losses."""
        names = [name for name, _ in self.estimators]
        self._check_weights_differ()
        with stage("networks, together", self.verbose):
            models = self._trained_together(rows, params)
        if self.keep != "best":
            return models, {name: [] for name in names}, {}
        answers = np.full((len(names), len(rows.y), len(rows.columns)), np.nan)
        weight = params.get("sample_weight")
        for train, test in self._splits(rows, seed):
            of_fold = {name: value[train] for name, value in params.items()}
            held_out = Rows(rows.X, rows.y, None, rows.columns).of(test).X
            with stage("networks, together, without a fold", self.verbose):
                twins = self._trained_together(rows.of(train), of_fold)
            for k, twin in enumerate(twins):
                there = np.isin(rows.columns, twin.classes_)
                with np.errstate(divide="ignore"):
                    answers[np.ix_([k], test, there)] = twin.predict_log_proba(held_out)
        losses = [mean_of_known(self._losses(said, rows), weight) for said in answers]
        means = {name: [lost] for name, lost in zip(names, losses, strict=True)}
        return models, means, dict(zip(names, losses, strict=True))

    def _trained_together(self, rows, params):
        from sklearn_distill.nn.peers import Peers

        strategy = GradientTraining() if self.strategy in ("auto", "gradient") else self.strategy
        if not isinstance(strategy, GradientTraining):
            raise TypeError(
                "Networks that are trained together need a GradientTraining as strategy. Got "
                f"{strategy!r}. Set together=False for others."
            )
        peers = Peers(
            [clone_of(module) for _, module in self.estimators], self.alpha, self.temperature
        )
        model = DistillationClassifier(
            None,
            peers,
            alpha=0.0,
            strategy=MutualTraining(**strategy.get_params(deep=False)),
            random_state=self.random_state,
        ).fit(rows.X, rows.y, **params)
        trained, shape = model.student_.module_, model.decoder_.row_shape
        return [
            DistilledClassifier(peer, NetworkDecoder(model.classes_, output=kind, row_shape=shape))
            for peer, kind in zip(trained.peers, trained.kinds, strict=True)
        ]

    def _check_weights_differ(self):
        import torch

        states = [
            (name, dict(module.named_parameters()))
            for name, module in self.estimators
            if not isinstance(module, type)
        ]
        for i, (name, state) in enumerate(states):
            for other, rival in states[:i]:
                same = state.keys() == rival.keys() and all(
                    state[key].shape == rival[key].shape and torch.equal(state[key], rival[key])
                    for key in state
                )
                if same:
                    raise ValueError(
                        f"The networks {other!r} and {name!r} begin with the same weights, so "
                        "that they would stay alike and have nothing to tell each other. Make "
                        "each of them anew."
                    )

    # -- predictions ---------------------------------------------------------------------

    def _averaged_models(self):
        return self.estimators_ if self.kept_ == "average" else None

    def _decoded(self):
        kept = self._kept()
        return kept.decoder, kept.student

    def _kept(self):
        names = [name for name, _ in self.estimators]
        return self.estimators_[0 if self.kept_ == "average" else names.index(self.kept_)]

    def _offers(self, method):
        if "estimators_" in vars(self):
            if self.kept_ == "average":
                return True
            return self._kept()._offers(method)
        return all(
            is_module(estimator) or clone(self._model(estimator, self.alpha))._offers(method)
            for _, estimator in self.estimators
        )

    def standalone(self):
        """Return the model that was kept on its own: to be saved, shipped and exported.

        Returns
        -------
        DistilledClassifier

        Raises
        ------
        ValueError
            With ``keep="average"``: there are several.
        """
        check_is_fitted(self)
        if self.kept_ == "average":
            raise ValueError(
                f"{name_of(self)} with keep='average' is {len(self.estimators_)} students, and "
                "not one. Distil it into a student of its own, or keep one of them."
            )
        return self._kept()

    @property
    def n_features_in_(self):
        """Number of features seen in ``fit``, if the estimators count them."""
        return self._fitted()[0].n_features_in_

    @property
    def feature_names_in_(self):
        """Names of the features seen in ``fit``, if the estimators keep them."""
        return self._fitted()[0].feature_names_in_

    def _fitted(self):
        if "estimators_" not in vars(self):
            raise AttributeError(f"This {name_of(self)} is not fitted yet")
        return self.estimators_

    def get_params(self, deep=True):
        """Return the parameters, with those of the estimators by their names.

        Parameters
        ----------
        deep : bool, default=True

        Returns
        -------
        params : dict
        """
        return self._get_params("estimators", deep=deep)

    def set_params(self, **params):
        """Set parameters, also those of an estimator, as ``tree__max_depth=3``.

        Parameters
        ----------
        **params : dict

        Returns
        -------
        self : object
        """
        self._set_params("estimators", **params)
        return self

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        parts = [tags_of(self._model(estimator, alpha=0.0)) for _, estimator in self.estimators]
        for name in ("sparse", "allow_nan", "string", "categorical"):
            accepted = all(getattr(part.input_tags, name) for part in parts)
            setattr(tags.input_tags, name, accepted)
        tags.input_tags.two_d_array = parts[0].input_tags.two_d_array
        tags.input_tags.positive_only = any(part.input_tags.positive_only for part in parts)
        tags.classifier_tags.multi_class = all(part.classifier_tags.multi_class for part in parts)
        tags.classifier_tags.poor_score = any(part.classifier_tags.poor_score for part in parts)
        tags.non_deterministic = any(part.non_deterministic for part in parts)
        return tags
