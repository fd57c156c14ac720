"""scikit-learn's own checks, over many combinations of teacher, student and strategy."""

import sklearn
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklearn_distill import DistillationClassifier, SampledLabels

LOGISTIC = LogisticRegression(max_iter=500)
FOREST = RandomForestClassifier(n_estimators=5, random_state=0)
TREE = DecisionTreeClassifier(max_depth=4, random_state=0)

WEIGHT_CHECKS = (
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
)
# scikit-learn 1.6 leaves the second out where a step refuses sparse rows.
WEIGHT_CHECKS_ON_DENSE = WEIGHT_CHECKS[: 1 if sklearn.__version__.startswith("1.6.") else 2]
SCALER_TAKES_NO_WEIGHTS = dict.fromkeys(
    WEIGHT_CHECKS_ON_DENSE,
    "as in scikit-learn, the transformers of a Pipeline see no weights",
)
DRAWS_DIFFER = dict.fromkeys(
    WEIGHT_CHECKS,
    "a weighted row draws its labels otherwise than a repeated one",
)
DRAWS_DIFFER_ON_DENSE = dict.fromkeys(WEIGHT_CHECKS_ON_DENSE, "as above")
BOOTSTRAP_DIFFERS = dict.fromkeys(
    WEIGHT_CHECKS, "a forest's bootstrap differs between weighting a row and repeating it"
)
BINS_COUNT_ROWS = dict.fromkeys(
    WEIGHT_CHECKS[:1], "HistGradientBoosting bins and sizes leaves by rows, not by weights"
)
STUDENT_PREDICTS_NAN = {
    "check_estimators_nan_inf": "the teacher refuses NaN in fit, the student predicts with it"
}


def distilled(teacher, student, **params):
    return DistillationClassifier(teacher, student, random_state=0, **params)


INSTANCES = {
    "tree from logistic, in-sample, T=1": (
        distilled(LOGISTIC, TREE, temperature=1, cv="in-sample"),
        STUDENT_PREDICTS_NAN,
    ),
    "tree from logistic, in-sample, T=4": (
        distilled(LOGISTIC, TREE, temperature=4, cv="in-sample"),
        STUDENT_PREDICTS_NAN,
    ),
    "logistic from tree, in-sample, alpha=1": (
        distilled(TREE, LOGISTIC, temperature=1, alpha=1, cv="in-sample"),
        {},
    ),
    "tree from logistic, out-of-fold, T=4": (
        distilled(LOGISTIC, TREE, temperature=4, cv=2),
        STUDENT_PREDICTS_NAN,
    ),
    "tree from logistic, hard labels": (distilled(LOGISTIC, TREE, alpha=0), {}),
    "naive Bayes from tree, in-sample": (distilled(TREE, GaussianNB(), cv="in-sample"), {}),
    "logistic pipeline from naive Bayes, out-of-fold": (
        distilled(GaussianNB(), make_pipeline(StandardScaler(), LOGISTIC), cv=2, temperature=2),
        SCALER_TAKES_NO_WEIGHTS,
    ),
    "tree regressor from logistic, in-sample": (
        distilled(LOGISTIC, DecisionTreeRegressor(max_depth=4, random_state=0), cv="in-sample"),
        STUDENT_PREDICTS_NAN,
    ),
    "ridge from logistic, out-of-fold": (distilled(LOGISTIC, Ridge(), cv=2), {}),
    "boosted regressor (one output) from tree": (
        distilled(
            TREE, HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=3), cv="in-sample"
        ),
        BINS_COUNT_ROWS,
    ),
    "boosted classifier from logistic": (
        distilled(
            LOGISTIC,
            HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=3),
            cv="in-sample",
        ),
        STUDENT_PREDICTS_NAN,
    ),
    "nearest neighbours from logistic, sampled": (
        distilled(LOGISTIC, KNeighborsClassifier(3), strategy="sampled-labels", cv="in-sample"),
        DRAWS_DIFFER,
    ),
    "discriminant analysis from tree, sampled": (
        distilled(TREE, LinearDiscriminantAnalysis(), strategy=SampledLabels(3), cv="in-sample"),
        DRAWS_DIFFER_ON_DENSE,
    ),
    "linear SVC from forest, out-of-fold": (
        distilled(FOREST, LinearSVC(random_state=0, max_iter=20_000), cv=2),
        BOOTSTRAP_DIFFERS,
    ),
    "ridge classifier from forest, in-sample": (
        distilled(FOREST, RidgeClassifier(), cv="in-sample"),
        BOOTSTRAP_DIFFERS,
    ),
    "distilled student of a distilled teacher": (
        distilled(distilled(LOGISTIC, TREE, cv="in-sample"), LOGISTIC, cv="in-sample"),
        {},
    ),
}
NAME_OF = {id(estimator): name for name, (estimator, _) in INSTANCES.items()}


def expected_failures(estimator):
    return INSTANCES[NAME_OF[id(estimator)]][1]


@parametrize_with_checks(
    [estimator for estimator, _ in INSTANCES.values()], expected_failed_checks=expected_failures
)
def test_keeps_the_contract_of_scikit_learn(estimator, check):
    check(estimator)
