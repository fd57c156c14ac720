"""scikit-learn's own checks, over many combinations of teacher, student and strategy.

Every failure that is expected stands beside its instance, with the reason. Where the reason is
that a library fails without us, that is tested too; a declared failure that passes is an error.
"""

from importlib.util import find_spec

import numpy as np
import pytest
import sklearn
import skorch
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import (
    BayesianRidge,
    LogisticRegression,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils import check_array, estimator_checks
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks
from torch import nn

from sklearn_distill import (
    DistillationClassifier,
    DistillationClassifierCV,
    DistillationRegressor,
    DistillationRegressorCV,
    GradientRegression,
    GradientTraining,
    MutualDistillationClassifier,
    SampledLabels,
    SelfDistillationClassifier,
    SelfDistillationRegressor,
    SoftBoosting,
    TargetRegression,
    TeacherEnsemble,
    TorchTeacher,
    WeightedLabels,
)
from sklearn_distill.utils.pipelines import with_last_step

LOGISTIC = LogisticRegression(max_iter=500)
FOREST = RandomForestClassifier(n_estimators=5, random_state=0)
TREE = DecisionTreeClassifier(max_depth=4, random_state=0)
REGRESSION_TREE = DecisionTreeRegressor(max_depth=4, random_state=0)
# It stops as soon as it may: the tolerance is huge.
PERCEPTRON = MLPClassifier(
    (8,), learning_rate_init=0.05, tol=9.0, n_iter_no_change=30, random_state=0
)
BOOSTED = HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=3, early_stopping=False)


def distilled(teacher, student, *, alpha=0.5, temperature=2, **params):
    return DistillationClassifier(
        teacher, student, alpha=alpha, temperature=temperature, random_state=0, **params
    )


def searched(teacher, student, **params):
    few = {"alphas": (0, 1), "temperatures": (2,), "cv": 3, "random_state": 0}
    return DistillationClassifierCV(teacher, student, **few | params)


# -- teachers that are fitted for whatever data a check makes ------------------------------

#: The labels of all checks. A teacher may know more classes than y has.
LABELS = np.array([-1, 0, 1, 2, 3, "one", "two", "three"], dtype=object)


class ReadyTeacher:
    """Has no fit; answers rows of any width."""

    def __repr__(self):
        # The name of a test, which must be the same in every process.
        return f"{type(self).__name__}()"

    classes_ = LABELS

    def predict_proba(self, X):
        X = check_array(X)
        angle = np.arange(X.shape[1] * len(LABELS)).reshape(-1, len(LABELS))
        proba = np.exp(np.tanh(X @ np.cos(angle)))
        return proba / proba.sum(axis=1, keepdims=True)


class ReadyModule(nn.Module):
    """The same for up to 64 columns."""

    def __init__(self):
        super().__init__()
        angle = torch.arange(64.0 * len(LABELS)).reshape(64, -1)
        self.weight = nn.Parameter(torch.cos(angle))

    def forward(self, X):
        return torch.tanh(X.to(self.weight) @ self.weight[: X.shape[-1]])


# -- networks, which must be made for the number of classes --------------------------------


class Layers(nn.Sequential):
    def __init__(self, n_outputs=2):
        super().__init__(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(n_outputs))


class Outputs(skorch.callbacks.Callback):
    """Gives the module of a net as many outputs as there are classes."""

    def __repr__(self):
        # The name of a test, which must be the same in every process.
        return f"{type(self).__name__}()"

    def on_train_begin(self, net, X=None, y=None, **kwargs):
        net.set_params(module__n_outputs=len(np.unique(np.asarray(y))))


class BareModule(DistillationClassifier):
    """Its student ends in a module that has as many outputs as there are classes."""

    def _new_student(self, X, classes):
        return with_last_step(super()._new_student(X, classes), Layers(len(classes)))


class BinaryNet(skorch.NeuralNetBinaryClassifier):
    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


SHORT_OF_VALUES = GradientRegression(max_epochs=5, lr=0.05)
SHORT = GradientTraining(max_epochs=5, lr=0.05)
SETTINGS = {"optimizer": torch.optim.Adam, "lr": 0.05, "max_epochs": 5, "batch_size": 32}
NET = skorch.NeuralNetClassifier(
    Layers, criterion=nn.CrossEntropyLoss, callbacks=[Outputs()], verbose=0, **SETTINGS
)
BINARY_NET = BinaryNet(Layers(1), verbose=0, **SETTINGS)


# -- why checks fail -----------------------------------------------------------------------

#: What fails without us too: (class name, check) -> estimator.
BARE_FAILURES = {}


def bare_fails(estimator, *checks):
    name = type(estimator).__name__
    BARE_FAILURES.update({(name, check): estimator for check in checks})
    return dict.fromkeys(checks, f"bare {name} fails it too")


WEIGHTS_ON_DENSE = "check_sample_weight_equivalence_on_dense_data"
WEIGHTS_ON_SPARSE = "check_sample_weight_equivalence_on_sparse_data"
WEIGHTS = (WEIGHTS_ON_DENSE, WEIGHTS_ON_SPARSE)
# scikit-learn 1.6 leaves the second out where a step refuses sparse rows.
WEIGHTS_WITH_SCALER = WEIGHTS[: 1 if sklearn.__version__.startswith("1.6.") else 2]

SCALER_TAKES_NO_WEIGHTS = dict.fromkeys(
    WEIGHTS_WITH_SCALER, "as in scikit-learn, the transformers of a Pipeline see no weights"
)
TEACHER_TAKES_NO_WEIGHTS = dict.fromkeys(
    WEIGHTS, "the teacher takes no weights: it is fitted on rows that are repeated, or are not"
)
TEACHER_TAKES_NO_WEIGHTS_ON_DENSE = dict.fromkeys([WEIGHTS_ON_DENSE], "as above")
DRAWS_DIFFER = dict.fromkeys(
    WEIGHTS, "a weighted row draws its labels otherwise than a repeated one"
)
DRAWS_DIFFER_ON_DENSE = dict.fromkeys(WEIGHTS_WITH_SCALER, "as above")
STUDENT_PREDICTS_NAN = {
    "check_estimators_nan_inf": "the teacher refuses NaN in fit, the student predicts with it"
}
BALANCED_COUNTS_ROWS = dict.fromkeys(
    WEIGHTS, "scikit-learn's trees balance the classes by rows, not by weights"
)
BATCHES_COUNT_ROWS = dict.fromkeys(
    WEIGHTS, "batches have so many rows, whatever these weigh: the steps are others"
)
BATCHES_COUNT_ROWS_ON_DENSE = dict.fromkeys([WEIGHTS_ON_DENSE], "as above")
NETWORK = {
    **BATCHES_COUNT_ROWS,
    "check_n_features_in_after_fitting": "networks do not count columns",
    "check_n_features_in": "networks do not count columns",
}
SKORCH_NET = {
    "check_classifiers_train": "torch says in its own words that a row has too few columns"
}
NETWORK_ALONE = {
    **NETWORK,
    "check_dtype_object": "what is no number is refused in words of our own",
    "check_estimators_empty_data_messages": "a lazy layer learns from no columns, too",
}

READY = ReadyTeacher()
TWO = [("logistic", LOGISTIC), ("bayes", GaussianNB())]
CV_ASKS_FOR_CLONES = {
    WEIGHTS_ON_DENSE: "the check sets cv, which asks for clones of a teacher that has no fit",
}
DESCENT = SGDClassifier(loss="log_loss", random_state=0)
CALIBRATED = CalibratedClassifierCV(GaussianNB(), cv=2)
BOOSTED_REGRESSOR = HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=3)


INSTANCES = {
    # -- scikit-learn's classifiers
    "tree from logistic, in-sample, T=1": (
        distilled(LOGISTIC, TREE, temperature=1, cv="in-sample"),
        STUDENT_PREDICTS_NAN,
    ),
    "tree from logistic, in-sample, T=8": (
        distilled(LOGISTIC, TREE, temperature=8, cv="in-sample"),
        STUDENT_PREDICTS_NAN,
    ),
    "tree from logistic, out-of-fold, alpha=1": (
        distilled(LOGISTIC, TREE, alpha=1, cv=2, strategy=WeightedLabels()),
        STUDENT_PREDICTS_NAN,
    ),
    "tree from logistic, hard labels": (distilled(LOGISTIC, TREE, alpha=0), {}),
    "tree without a teacher": (distilled(None, TREE, alpha=0), {}),
    "tree by the rules from logistic": (
        distilled(LOGISTIC, TREE, alpha="auto", temperature="auto", cv=2),
        STUDENT_PREDICTS_NAN,
    ),
    "logistic by the rules from tree": (
        distilled(TREE, LOGISTIC, alpha="auto", temperature="auto"),
        {},
    ),
    "search over tree from logistic": (searched(LOGISTIC, TREE), STUDENT_PREDICTS_NAN),
    "search over logistic from tree, not nested": (searched(TREE, LOGISTIC, nested=False), {}),
    "balanced tree from logistic": (
        distilled(LOGISTIC, clone(TREE).set_params(class_weight="balanced"), cv="in-sample"),
        STUDENT_PREDICTS_NAN | BALANCED_COUNTS_ROWS,
    ),
    "logistic from tree, in-sample, alpha=1": (
        distilled(TREE, LOGISTIC, temperature=1, alpha=1, cv="in-sample"),
        {},
    ),
    "balanced logistic from logistic, out-of-fold": (
        distilled(LOGISTIC, clone(LOGISTIC).set_params(class_weight="balanced"), cv=2),
        {},
    ),
    "logistic from nearest neighbours": (
        distilled(KNeighborsClassifier(3), LOGISTIC, cv=2),
        TEACHER_TAKES_NO_WEIGHTS,
    ),
    "logistic from linear SVC": (
        distilled(LinearSVC(random_state=0), LOGISTIC, cv="in-sample"),
        {},
    ),
    "naive Bayes from tree, in-sample": (distilled(TREE, GaussianNB(), cv="in-sample"), {}),
    "naive Bayes from discriminant analysis": (
        distilled(LinearDiscriminantAnalysis(), GaussianNB(), cv=2, temperature=1),
        TEACHER_TAKES_NO_WEIGHTS_ON_DENSE,
    ),
    "logistic pipeline from naive Bayes, out-of-fold": (
        distilled(GaussianNB(), make_pipeline(StandardScaler(), LOGISTIC), cv=2),
        SCALER_TAKES_NO_WEIGHTS,
    ),
    "tree from logistic pipeline": (
        distilled(make_pipeline(StandardScaler(), LOGISTIC), TREE, cv=2),
        SCALER_TAKES_NO_WEIGHTS | STUDENT_PREDICTS_NAN,
    ),
    "forest from logistic": (
        distilled(LOGISTIC, RandomForestClassifier(3, random_state=0), cv="in-sample"),
        STUDENT_PREDICTS_NAN | bare_fails(FOREST, *WEIGHTS),
    ),
    "linear SVC from forest, out-of-fold": (
        distilled(FOREST, LinearSVC(random_state=0, max_iter=20_000), cv=2),
        bare_fails(FOREST, *WEIGHTS),
    ),
    "SVC from logistic": (
        distilled(LOGISTIC, SVC(), cv="in-sample"),
        bare_fails(SVC(), *WEIGHTS),
    ),
    "ridge classifier from forest, in-sample": (
        distilled(FOREST, RidgeClassifier(), cv="in-sample"),
        bare_fails(FOREST, *WEIGHTS),
    ),
    "stochastic gradient descent from logistic": (
        distilled(LOGISTIC, DESCENT, cv=2),
        bare_fails(DESCENT, *WEIGHTS),
    ),
    "perceptron from logistic": (
        distilled(LOGISTIC, PERCEPTRON, cv="in-sample", strategy="weighted-labels"),
        {},
    ),
    "boosted classifier from logistic": (
        distilled(LOGISTIC, BOOSTED, cv="in-sample"),
        STUDENT_PREDICTS_NAN,
    ),
    "boosted classifier from tree, T=1": (
        distilled(TREE, BOOSTED, cv=2, temperature=1),
        bare_fails(BOOSTED, WEIGHTS_ON_DENSE),
    ),
    "logistic from boosted classifier": (
        distilled(BOOSTED, LOGISTIC, cv=2),
        bare_fails(BOOSTED, WEIGHTS_ON_DENSE),
    ),
    "distilled student of a distilled teacher": (
        distilled(distilled(LOGISTIC, TREE, cv="in-sample"), LOGISTIC, cv="in-sample"),
        {},
    ),
    # -- teachers that are fitted, and used as they are
    "tree from a teacher without fit": (
        distilled(READY, TREE),
        STUDENT_PREDICTS_NAN | CV_ASKS_FOR_CLONES,
    ),
    "naive Bayes from a teacher without fit, T=1": (
        distilled(READY, GaussianNB(), temperature=1),
        CV_ASKS_FOR_CLONES,
    ),
    "logistic from a module": (
        distilled(TorchTeacher(ReadyModule(), classes=LABELS), LOGISTIC),
        {
            "check_estimators_overwrite_params": "joblib hashes a copy of a module otherwise",
            "check_dtype_object": "what is no number is refused in words of our own",
        }
        | CV_ASKS_FOR_CLONES
        | {WEIGHTS_ON_SPARSE: CV_ASKS_FOR_CLONES[WEIGHTS_ON_DENSE]},
    ),
    # -- several teachers
    **{
        f"several teachers, {pooling}": (TeacherEnsemble(TWO, pooling=pooling), {})
        for pooling in ("arithmetic", "geometric", "confidence")
    },
    "several teachers, validation": (
        TeacherEnsemble(TWO, pooling="validation"),
        {},
    ),
    "several regressors": (TeacherEnsemble([("a", Ridge()), ("b", BayesianRidge())]), {}),
    "several regressors, confidence": (
        TeacherEnsemble([("a", BayesianRidge()), ("b", BayesianRidge(alpha_1=1))]).set_params(
            pooling="confidence"
        ),
        {"check_dtype_object": "BayesianRidge itself has no deviations of rows of objects"},
    ),
    "tree from several teachers": (distilled(TWO, TREE, cv=2), STUDENT_PREDICTS_NAN),
    "tree from several teachers, confidence": (
        distilled(TeacherEnsemble(TWO, pooling="confidence"), TREE, cv="in-sample"),
        STUDENT_PREDICTS_NAN,
    ),
    "tree of some columns": (
        distilled(LOGISTIC, TREE, cv="in-sample", student_columns=slice(None)),
        STUDENT_PREDICTS_NAN,
    ),
    # -- values
    "tree of values, searched": (
        DistillationRegressorCV(Ridge(), REGRESSION_TREE, cv=3, random_state=0),
        STUDENT_PREDICTS_NAN,
    ),
    "ridge of values, searched, not nested": (
        DistillationRegressorCV(
            REGRESSION_TREE, Ridge(), alphas=(0, 0.5), cv=2, nested=False, random_state=0
        ),
        {},
    ),
    **{
        f"{type(student).__name__} of values from {type(teacher).__name__}, {settings}": (
            DistillationRegressor(teacher, student, random_state=0, **settings),
            failures,
        )
        for teacher, student, settings, failures in (
            (Ridge(), REGRESSION_TREE, {"alpha": 0.5, "cv": 2}, STUDENT_PREDICTS_NAN),
            (Ridge(), REGRESSION_TREE, {"alpha": 1, "cv": "in-sample"}, STUDENT_PREDICTS_NAN),
            (
                None,
                REGRESSION_TREE,
                {"alpha": 0},
                {"check_regressors_train": "the check sets alpha, and there is no teacher"},
            ),
            (REGRESSION_TREE, Ridge(), {"alpha": 0.5, "cv": "in-sample"}, {}),
            (
                BayesianRidge(),
                Ridge(),
                {"alpha": 1, "trust": "std", "cv": "in-sample"},
                {"check_dtype_object": "BayesianRidge itself has no deviations of such rows"},
            ),
            (
                Ridge(),
                make_pipeline(StandardScaler(), Ridge()),
                {"alpha": 0.5, "cv": 2},
                SCALER_TAKES_NO_WEIGHTS,
            ),
            (
                Ridge(),
                QuantileRegressor(alpha=0),
                {"alpha": 0.5, "cv": "in-sample"},
                dict.fromkeys(WEIGHTS, "with twice the rows the best line is not the only one"),
            ),
            (
                Ridge(),
                KNeighborsRegressor(3),
                {"alpha": 0.5, "cv": "in-sample"},
                dict.fromkeys(
                    [*WEIGHTS, "check_sample_weights_not_overwritten"],
                    "nearest neighbours take no weights, and say so",
                ),
            ),
            (
                Ridge(),
                BOOSTED_REGRESSOR,
                {"alpha": 0.5, "cv": "in-sample"},
                STUDENT_PREDICTS_NAN | bare_fails(BOOSTED_REGRESSOR, WEIGHTS_ON_DENSE),
            ),
            (Ridge(), PoissonRegressor(), {"alpha": 0.5, "cv": "in-sample"}, {}),
            (REGRESSION_TREE, Ridge(), {"alpha": "auto"}, {}),
            (
                [("a", Ridge()), ("b", BayesianRidge())],
                REGRESSION_TREE,
                {"alpha": 0.5, "cv": "in-sample"},
                STUDENT_PREDICTS_NAN,
            ),
        )
    },
    "default network of values from ridge": (
        DistillationRegressor(Ridge(), alpha=0.5, cv=2, random_state=0, strategy=SHORT_OF_VALUES),
        BATCHES_COUNT_ROWS | STUDENT_PREDICTS_NAN,
    ),
    # -- models that teach themselves
    "logistic, born again": (
        SelfDistillationClassifier(LOGISTIC, n_generations=1, cv=3),
        {},
    ),
    "mean of trees, born again": (
        SelfDistillationClassifier(
            TREE, n_generations=2, early_stopping=False, average=True, cv=2, temperature=2
        ),
        {},
    ),
    "ridge, born again": (
        SelfDistillationRegressor(Ridge(), n_generations=1, cv=2, nested=False),
        {},
    ),
    "mean of regression trees, born again": (
        SelfDistillationRegressor(
            REGRESSION_TREE, n_generations=2, early_stopping=False, average=True, cv=2
        ),
        {},
    ),
    "trees that learn from each other": (
        MutualDistillationClassifier(
            [("a", TREE), ("b", DecisionTreeClassifier(max_depth=2, random_state=0))],
            cv=3,
            n_rounds=1,
            keep="average",
        ),
        {},
    ),
    "logistic and tree that learn from each other": (
        MutualDistillationClassifier([("a", LOGISTIC), ("b", TREE)], cv=3, n_rounds=1, keep="a"),
        {},
    ),
    # -- regressors
    "ridge from logistic, out-of-fold": (distilled(LOGISTIC, Ridge(), cv=2), {}),
    "ridge from tree, alpha=1": (
        distilled(TREE, Ridge(), cv="in-sample", strategy=TargetRegression(), alpha=1),
        {},
    ),
    "tree regressor from logistic": (
        distilled(LOGISTIC, REGRESSION_TREE, cv="in-sample", strategy="target-regression"),
        STUDENT_PREDICTS_NAN,
    ),
    "boosted regressor (one output) from tree": (
        distilled(TREE, BOOSTED_REGRESSOR, cv="in-sample"),
        bare_fails(BOOSTED_REGRESSOR, WEIGHTS_ON_DENSE),
    ),
    # -- labels that are drawn
    "tree from logistic, sampled, T=8": (
        distilled(LOGISTIC, TREE, cv="in-sample", strategy=SampledLabels(2), temperature=8),
        STUDENT_PREDICTS_NAN | DRAWS_DIFFER,
    ),
    "nearest neighbours from logistic, sampled": (
        distilled(LOGISTIC, KNeighborsClassifier(3), strategy="sampled-labels", cv="in-sample"),
        DRAWS_DIFFER,
    ),
    "discriminant analysis from tree, sampled": (
        distilled(TREE, LinearDiscriminantAnalysis(), strategy=SampledLabels(3), cv="in-sample"),
        DRAWS_DIFFER_ON_DENSE,
    ),
    "perceptron from logistic, sampled": (
        distilled(LOGISTIC, PERCEPTRON, cv="in-sample", strategy=SampledLabels(2)),
        DRAWS_DIFFER,
    ),
    "calibrated naive Bayes from logistic, drawn once": (
        distilled(LOGISTIC, CALIBRATED, cv="in-sample", strategy=SampledLabels(1)),
        DRAWS_DIFFER,
    ),
    "calibrated linear SVC from tree": (
        distilled(TREE, CalibratedClassifierCV(LinearSVC(random_state=0), cv=2), cv="in-sample"),
        DRAWS_DIFFER,
    ),
    # -- networks
    "default from logistic, out-of-fold": (
        distilled(LOGISTIC, None, cv=2, strategy=SHORT),
        BATCHES_COUNT_ROWS | STUDENT_PREDICTS_NAN,
    ),
    "default from tree, in-sample, alpha=1": (
        distilled(TREE, None, cv="in-sample", strategy=SHORT, alpha=1, temperature=1),
        BATCHES_COUNT_ROWS,
    ),
    "default, hard labels": (distilled(None, None, alpha=0, strategy=SHORT), BATCHES_COUNT_ROWS),
    "module from logistic, out-of-fold": (
        BareModule(LOGISTIC, Layers(), cv=2, strategy=SHORT),
        NETWORK,
    ),
    "module from tree, in-sample, T=8": (
        BareModule(TREE, Layers(), cv="in-sample", temperature=8, strategy=SHORT),
        NETWORK,
    ),
    "module pipeline from logistic": (
        BareModule(LOGISTIC, make_pipeline(StandardScaler(), Layers()), cv=2, strategy=SHORT),
        BATCHES_COUNT_ROWS_ON_DENSE,
    ),
    "module, hard labels": (
        BareModule(None, Layers(), alpha=0, strategy=SHORT),
        NETWORK_ALONE | {"check_fit1d": "torch says in its own words that X is a vector"},
    ),
    "net from logistic, out-of-fold": (
        distilled(LOGISTIC, NET, cv=2, strategy="gradient"),
        NETWORK | SKORCH_NET,
    ),
    "net, hard labels": (distilled(None, NET, alpha=0), NETWORK_ALONE | SKORCH_NET),
    "binary net from logistic": (
        distilled(LOGISTIC, BINARY_NET, cv="in-sample"),
        {
            **NETWORK,
            **SKORCH_NET,
            "check_classifier_not_supporting_multiclass": "the number of outputs is named instead",
        },
    ),
}

# -- boosters, where they are installed ----------------------------------------------------

NOT_AN_ARRAY = ("check_sample_weights_not_an_array", "check_classifier_data_not_an_array")
SPARSE = ("check_estimator_sparse_array", "check_estimator_sparse_matrix")
EMPTY = "check_estimators_empty_data_messages"
EMPTY_WARNING = "ignore:.*Empty dataset at worker"  # of XGBoost
ONE_ROW = "check_fit2d_predict1d"


def light(booster):
    """Return the expected failures of LightGBM: by each strategy, alone, and as a teacher."""
    common = bare_fails(booster, *WEIGHTS, SPARSE[0])
    predicts = {
        "check_estimator_sparse_tag": "LightGBM learns from a csr_array and cannot predict with "
        f"one: without us {SPARSE[0]} says so"
    }
    sparse = bare_fails(booster, SPARSE[1])
    return (
        common | sparse | STUDENT_PREDICTS_NAN,
        common | sparse | predicts,
        common | sparse,
        common | sparse | predicts,
        common | predicts,
    )


def extreme(booster):
    """Return the same of XGBoost."""
    rounded = dict.fromkeys(WEIGHTS, "the sums of XGBoost are rounded to single precision")
    student = {
        **rounded,
        **bare_fails(booster, *SPARSE, ONE_ROW),
        "check_n_features_in_after_fitting": "XGBoost has its own words, and a tag that lets it "
        "off this check (no_validation)",
    }
    teacher = bare_fails(
        booster,
        EMPTY,
        *NOT_AN_ARRAY,
        "check_estimators_dtypes",
        "check_sample_weights_pandas_series",
        "check_sample_weights_shape",
        "check_sample_weights_not_overwritten",
        "check_classifiers_classes",
        "check_fit2d_1feature",
    )
    return (
        student | STUDENT_PREDICTS_NAN,
        student,
        student | bare_fails(booster, EMPTY),
        teacher | bare_fails(booster, *SPARSE),
        teacher | rounded,
    )


def cat(booster):
    """Return the same of CatBoost."""
    common = bare_fails(booster, *WEIGHTS, SPARSE[0], "check_estimator_sparse_tag")
    arrays = bare_fails(booster, *NOT_AN_ARRAY, SPARSE[1])
    columns = bare_fails(
        booster, "check_n_features_in_after_fitting", "check_classifiers_train", ONE_ROW
    )
    words = bare_fails(booster, EMPTY, "check_dtype_object")
    student = common | arrays | columns
    return (
        student | STUDENT_PREDICTS_NAN,
        student,
        student | words | bare_fails(booster, "check_fit1d"),
        common | arrays | words,
        common | words,
    )


def boosters():
    """Yield a small booster of each library that is installed, and the failures of its roles."""
    settings = {"n_estimators": 10, "random_state": 0}
    if find_spec("lightgbm"):
        from lightgbm import LGBMClassifier

        booster = LGBMClassifier(
            num_leaves=4, min_child_samples=2, n_jobs=1, verbose=-1, **settings
        )
        yield booster, light(booster)
    if find_spec("xgboost"):
        from xgboost import XGBClassifier

        booster = XGBClassifier(max_depth=2, n_jobs=1, **settings)
        yield booster, extreme(booster)
    if find_spec("catboost"):
        from catboost import CatBoostClassifier

        if " object at " in repr(CatBoostClassifier()):  # old ones have no words of their own
            CatBoostClassifier.__repr__ = lambda self: f"CatBoostClassifier({self.get_params()})"

        settings |= {"depth": 2, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
        booster = CatBoostClassifier(**settings)
        yield booster, cat(booster)


for booster, failures in boosters():
    name = type(booster).__name__
    roles = {
        f"{name} from logistic, in-sample": distilled(
            LOGISTIC, booster, cv="in-sample", strategy=SoftBoosting()
        ),
        f"{name} from tree, weighted labels": distilled(
            TREE, booster, cv=2, strategy="weighted-labels"
        ),
        f"{name}, hard labels": distilled(None, booster, alpha=0),
        f"tree from {name}, T=8": distilled(booster, TREE, cv="in-sample", temperature=8),
        f"logistic from {name}, T=1": distilled(booster, LOGISTIC, cv=2, temperature=1),
    }
    INSTANCES.update(zip(roles, zip(roles.values(), failures, strict=True), strict=True))


# -- the checks ----------------------------------------------------------------------------

NAME_OF = {id(estimator): name for name, (estimator, _) in INSTANCES.items()}


def expected_failures(estimator):
    return INSTANCES[NAME_OF[id(estimator)]][1]


@pytest.fixture
def double_precision():
    """Let modules be made in the precision that the checks compare in."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


# The teachers that know nothing of a check's labels are meant to; the others say what they are.
@pytest.mark.filterwarnings(
    "ignore:.* of the probability on the classes",
    "ignore:The teacher's first choice is the real label",
    "ignore:The teacher LinearSVC has no predict_proba",
    "ignore:The teacher .* does not take sample_weight",
    "ignore:CalibratedClassifierCV learns from",
    "ignore:.*alpha=0. .* labels alone",
    EMPTY_WARNING,
)
@pytest.mark.filterwarnings("ignore:The member")
@parametrize_with_checks(
    [estimator for estimator, _ in INSTANCES.values()], expected_failed_checks=expected_failures
)
def test_keeps_the_contract_of_scikit_learn(estimator, check, double_precision):
    check(estimator)


@pytest.mark.parametrize("name", INSTANCES)
def test_what_is_expected_to_fail_is_checked(name):
    """A failure that is expected and passes is an error already; this finds the misspelt."""
    estimator, failures = INSTANCES[name]
    checks = {check.func.__name__ for _, check in estimator_checks_generator(estimator)}
    # Which steps of a Pipeline take sparse rows differs between releases.
    assert set(failures) - {WEIGHTS_ON_SPARSE} <= checks


@pytest.mark.parametrize(("name", "check"), BARE_FAILURES)
@pytest.mark.filterwarnings(EMPTY_WARNING)
def test_what_is_said_to_fail_without_us_does(name, check):
    check_of = getattr(estimator_checks, check)
    check_of("LogisticRegression", clone(LOGISTIC))  # the check itself is in order
    with pytest.raises(Exception):  # noqa: B017, PT011 (whatever the library raises)
        check_of(name, clone(BARE_FAILURES[name, check]))
