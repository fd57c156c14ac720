"""What cannot work is refused in words, and leaves everything as it was."""

import warnings
from contextlib import contextmanager

import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    BaggingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LinearRegression,
    Ridge,
    SGDClassifier,
)
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    ShuffleSplit,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import (
    KNeighborsClassifier,
    KNeighborsRegressor,
    RadiusNeighborsClassifier,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_distill import (
    DistillationClassifier,
    SampledLabels,
    TargetRegression,
    WeightedLabels,
)
from tests.stubs import (
    Calls,
    CentroidClassifier,
    ExtraColumnTeacher,
    InfiniteTeacher,
    MissingColumnTeacher,
    MissingRowTeacher,
    NaNTeacher,
    NegativeTeacher,
    OneDimensionalTeacher,
    RaisingStudent,
    RaisingTeacher,
    StrangerTeacher,
    UnnormalizedTeacher,
)


class Doubler(BaseEstimator):
    """Resamples rows, in the manner of imbalanced-learn."""

    def fit_resample(self, X, y):
        return np.r_[X, X], np.r_[y, y]

    def fit(self, X, y=None):
        return self

    def transform(self, X):
        return X


X, y = (part[::5] for part in load_iris(return_X_y=True))
N = len(y)
FRAME = pd.DataFrame(X, columns=["a", "b", "c", "d"])
TEACHER = CentroidClassifier().fit(X, y)
P = TEACHER.predict_proba(X)
TREE = DecisionTreeClassifier(max_depth=2, random_state=0)
STUMP = DecisionTreeClassifier(max_depth=1)
GOOD = {"teacher": TEACHER, "student": TREE}


@contextmanager
def refused(model, error, match):
    """Expect an error, and the model and all that it holds as before."""
    attributes, content = dict(vars(model)), joblib.hash(model)
    with pytest.raises(error, match=match):
        yield
    assert vars(model).keys() == attributes.keys()
    assert all(vars(model)[key] is value for key, value in attributes.items())
    assert joblib.hash(model) == content


def assert_refuses(error, match, *, params=(), **data):
    """Expect ``fit`` to fail without a trace, on a new model and on one that was fitted before."""
    data = {"X": X, "y": y} | data
    for model in (DistillationClassifier(**GOOD), DistillationClassifier(**GOOD).fit(X, y)):
        model.set_params(**dict(params))
        with refused(model, error, match):
            model.fit(**data)


# -- the teacher's output ---------------------------------------------------------

BAD_TEACHERS = [
    (NaNTeacher, "NaNTeacher returned NaN or infinite probabilities for 2 of {n} rows.*drop them"),
    (InfiniteTeacher, "InfiniteTeacher returned NaN or infinite probabilities for 2 of {n} rows"),
    (NegativeTeacher, "NegativeTeacher returned negative .* for 2 of {n} rows.*softmax"),
    (UnnormalizedTeacher, "UnnormalizedTeacher .* not sum to one for 2 of {n} rows. Normalise"),
    (MissingRowTeacher, r"MissingRowTeacher .* shape \({n_minus_one}, 3\); expected \({n}, 3\)"),
    (ExtraColumnTeacher, r"ExtraColumnTeacher .* shape \({n}, 4\); expected \({n}, 3\)"),
    (MissingColumnTeacher, r"MissingColumnTeacher .* shape \({n}, 2\); expected \({n}, 3\)"),
    (OneDimensionalTeacher, r"OneDimensionalTeacher .* shape \({n},\); expected \({n}, 3\)"),
]


@pytest.mark.parametrize(
    ("teacher", "match"), BAD_TEACHERS, ids=lambda v: getattr(v, "__name__", "")
)
def test_a_fitted_teacher_that_talks_nonsense_is_named(teacher, match):
    match = match.format(n=N, n_minus_one=N - 1)
    assert_refuses(ValueError, match, params={"teacher": teacher().fit(X, y)})


@pytest.mark.parametrize(
    ("teacher", "match"), BAD_TEACHERS, ids=lambda v: getattr(v, "__name__", "")
)
def test_an_unfitted_teacher_that_talks_nonsense_is_named(teacher, match):
    match = match.format(n=N // 2, n_minus_one=N // 2 - 1)
    assert_refuses(ValueError, match, params={"teacher": teacher(), "cv": 2})


def test_nonsense_about_unlabeled_rows_is_refused():
    assert_refuses(ValueError, "NaN or infinite .* for 1 of 3 rows", X_unlabeled=_with_nan(X[:3]))


@pytest.mark.filterwarnings("ignore:The teacher StrangerTeacher has only predict")
def test_a_predicted_label_outside_the_classes_is_refused():
    match = f"StrangerTeacher predicted labels that are not among its classes for 1 of {N} rows"
    assert_refuses(ValueError, match, params={"teacher": StrangerTeacher().fit(X, y)})


@pytest.mark.parametrize("teacher", [LinearRegression(), LinearRegression().fit(X, y)])
def test_a_regressor_is_no_teacher_of_classes(teacher):
    match = "teacher LinearRegression must be a classifier. Got a regressor.*teacher_output=P"
    assert_refuses(ValueError, match, params={"teacher": teacher})


@pytest.mark.parametrize(
    "Y", [np.c_[y, y], np.c_[y, y > 0]], ids=["same classes", "different classes"]
)
def test_a_multi_output_teacher_is_refused(Y):
    teacher = DecisionTreeClassifier(max_depth=2).fit(X, Y)
    assert_refuses(
        ValueError, "DecisionTreeClassifier .*multi-output", params={"teacher": teacher}
    )


def test_labels_the_teacher_never_saw_are_named():
    match = r"teacher does not know the classes \[7\] found in y\. Refit it .* or drop these rows"
    assert_refuses(ValueError, match, y=np.r_[7, y[1:]])


def test_labels_of_another_type_are_labels_the_teacher_never_saw():
    assert_refuses(ValueError, r"does not know the classes \['0', '1', '2'\]", y=y.astype(str))


def test_a_frozen_teacher_that_was_never_fitted_is_refused():
    params = {"teacher": FrozenEstimator(CentroidClassifier())}
    assert_refuses(NotFittedError, "not fitted yet", params=params)


@pytest.mark.parametrize("teacher", ["forest", object(), StandardScaler()])
def test_what_cannot_predict_is_no_teacher(teacher):
    match = "'teacher' parameter of DistillationClassifier must be .*Got "
    assert_refuses(ValueError, match, params={"teacher": teacher})


def test_a_teacher_that_raises_half_way_leaves_no_trace():
    for at in (0, 1):
        model = DistillationClassifier(RaisingTeacher(at=at, calls=Calls()).fit(X, y), TREE)
        with refused(model, RuntimeError, "the power went out in predict_proba"):
            model.fit(X, y, X_unlabeled=X[:2])
    for method, at in [("fit", 0), ("fit", 2), ("predict_proba", 1)]:
        model = DistillationClassifier(RaisingTeacher(method, at, Calls()), TREE, cv=2)
        with refused(model, RuntimeError, f"the power went out in {method}"):
            model.fit(X, y)


def test_a_student_that_raises_half_way_leaves_no_trace():
    assert_refuses(
        RuntimeError, "the power went out in the student", params={"student": RaisingStudent()}
    )


# -- teacher_output ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("output", "match"),
    [
        (P[:, :2], rf"teacher_output .*shape \({N}, 2\); expected \({N}, 3\)"),
        (P[:-1], rf"teacher_output .*shape \({N - 1}, 3\); expected \({N}, 3\)"),
        (P[:, 1], rf"teacher_output .*shape \({N},\); expected \({N}, 3\)"),
        (np.log(P), f"teacher_output .*negative .* for {N} of {N} rows.*scipy.special.softmax"),
        (3 * P, f"teacher_output .*not sum to one for {N} of {N} rows. Normalise"),
        (np.where(np.arange(N)[:, None] < 4, np.nan, P), "teacher_output .*NaN .* for 4 of"),
        (
            pd.DataFrame(P, columns=["p", "q", "r"]),
            r"teacher_output .*classes are \[0, 1, 2\]. Rename .* or pass .to_numpy\(\)",
        ),
        (pd.DataFrame(P, columns=[0, 0, 0]), "columns named .* some twice. Name each column"),
        (pd.DataFrame(P[:, :2], columns=[0, 1]), r"teacher_output .*classes \[2\]"),
    ],
    ids=[
        "columns",
        "rows",
        "one column",
        "logits",
        "not one",
        "nan",
        "names",
        "one name",
        "column missing",
    ],
)
def test_unfit_teacher_output_is_refused(output, match):
    assert_refuses(ValueError, match, params={"teacher": None}, teacher_output=output)


def test_teacher_output_with_two_columns_of_one_name_is_refused():
    output = pd.DataFrame(np.c_[P, 0 * P], columns=[0, 1, 2, 0, 1, 2])
    match = "teacher_output .*(same name|twice|more than once|duplicate|unique)"
    assert_refuses(ValueError, match, params={"teacher": None}, teacher_output=output)


def test_a_teacher_and_its_output_are_one_too_many():
    assert_refuses(ValueError, "both a teacher and teacher_output.*teacher=None", teacher_output=P)


def test_neither_a_teacher_nor_its_output_is_one_too_few():
    match = "teacher=None and no teacher_output.*Pass a teacher, or.*or alpha=0"
    assert_refuses(ValueError, match, params={"teacher": None})


# -- y ----------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0, 0.5])
@pytest.mark.parametrize(
    ("labels", "match"),
    [
        (None, "requires y to be passed, but the target y is None"),
        (np.zeros(N, dtype=int), r"at least two classes.*one class: \[0\].*Collect"),
        (np.where(y == 0, np.nan, y), "Input y contains NaN"),
        (pd.Series(np.where(y == 0, None, "a"), dtype="str"), "contains NaN"),
        (pd.Series(np.where(y == 0, pd.NA, "a"), dtype="object"), "contains NaN"),
        (np.c_[y, y], rf"1d array, got an array of shape \({N}, 2\)"),
        (X[:, 0] + 0.01, "Unknown label type: continuous"),
        (y[:-1], f"inconsistent numbers of samples: .*{N}, {N - 1}"),
    ],
    ids=["None", "one class", "nan", "missing string", "NA", "2-D", "continuous", "short"],
)
def test_unfit_labels_are_refused(labels, match, alpha):
    assert_refuses(ValueError, match, params={"alpha": alpha}, y=labels)


# -- X_unlabeled ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "unlabeled", "match"),
    [
        (X, X[:, :3], rf"X_unlabeled must have as many columns.*\({N}, 4\).*\({N}, 3\)"),
        (X, X[0], r"X_unlabeled must have as many columns.*\(4,\)"),
        (X, X.tolist(), "X_unlabeled must be .* a ndarray. Got a list.* Convert X_unlabeled to a"),
        (X, sparse.csr_array(X), "Got a sparse matrix instead. Convert X_unlabeled to a ndarray"),
        (X, FRAME, "Got a pandas data frame instead. Convert X_unlabeled to a ndarray"),
        (sparse.csr_array(X), X, "a sparse matrix. Got a ndarray instead. Convert"),
        (sparse.csr_array(X), sparse.csr_array(X[:, :2]), "as many columns as X"),
        (FRAME, X, "a pandas data frame. Got a ndarray instead. Convert"),
        (FRAME, FRAME["a"], "a pandas data frame. Got a pandas series instead"),
        (FRAME, pl.DataFrame(X, schema=list("abcd")), "Got a polars data frame instead"),
        (FRAME, FRAME[["b", "a", "c", "d"]], r"columns of X, .*\['a', 'b', .*Got \['b', 'a', "),
        (FRAME, FRAME[["a", "b"]], r"columns of X, .*'d'\]. Got \['a', 'b'\] instead"),
    ],
)
@pytest.mark.parametrize("alpha", [0, 0.5])
def test_unlabeled_rows_of_another_kind_are_refused(rows, unlabeled, match, alpha):
    params = {"alpha": alpha, "teacher": GaussianNB()}
    assert_refuses(ValueError, match, params=params, X=rows, X_unlabeled=unlabeled)


def test_unknown_categories_in_unlabeled_rows_are_named():
    colour = pd.Categorical(np.where(y == 0, "red", "blue"))
    frame = pd.DataFrame({"size": X[:, 0], "colour": colour})
    unlabeled = pd.DataFrame({"size": [5.0, 6], "colour": pd.Categorical(["red", "mauve"])})
    teacher = make_pipeline(_SizeOnly(), GaussianNB())
    match = (
        r"Column 'colour' of X_unlabeled has categories that X does not have: \['mauve'\].* Add"
    )
    params = {"teacher": teacher, "student": CentroidClassifier()}
    assert_refuses(ValueError, match, params=params, X=frame, X_unlabeled=unlabeled)


def test_unlabeled_rows_without_a_teacher_are_refused():
    match = "X_unlabeled needs a teacher.*Pass a teacher, or leave X_unlabeled out"
    data = {"teacher_output": P, "X_unlabeled": X[:2]}
    assert_refuses(ValueError, match, params={"teacher": None}, **data)


def test_values_per_row_of_X_do_not_stretch_to_unlabeled_rows():
    match = r"fit parameters \['prior'\] have one value for each row of X.*Leave one of them out"
    params = {"student": BiasedTree()}
    assert_refuses(ValueError, match, params=params, prior=np.ones(N), X_unlabeled=X[:2])


# -- sample_weight ----------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0, 0.5])
@pytest.mark.parametrize(
    ("weights", "match"),
    [
        (np.r_[-1, np.ones(N - 1)], "sample_weight must be non-negative.*Got 1 negative"),
        (np.ones(N - 1), rf"sample_weight must have shape \({N},\).*Got shape \({N - 1},\)"),
        (np.ones((N, 1)), rf"sample_weight must have shape \({N},\).*Got shape \({N}, 1\)"),
        (np.zeros(N), "sample_weight .*positive weight"),
        (np.full(N, np.nan), "sample_weight contains NaN"),
        (np.r_[np.inf, np.ones(N - 1)], "sample_weight contains infinity"),
        ((y == 0).astype(float), r"two classes.*positive weight.*\[0\]"),
    ],
    ids=["negative", "short", "2-D", "zero", "nan", "infinite", "one class left"],
)
def test_unfit_weights_are_refused(weights, match, alpha):
    assert_refuses(ValueError, match, params={"alpha": alpha}, sample_weight=weights)


@pytest.mark.parametrize(
    ("student", "alpha"),
    [(KNeighborsClassifier(), 0), (KNeighborsRegressor(), 0), (KNeighborsRegressor(), 0.5)],
)
def test_weights_for_a_student_that_takes_none_are_refused(student, alpha):
    match = f"{type(student).__name__} takes no sample_weight in fit.*Leave sample_weight out, or"
    params = {"student": student, "alpha": alpha}
    assert_refuses(TypeError, match, params=params, sample_weight=np.arange(N))


@pytest.mark.parametrize("student", [KNeighborsClassifier(), KNeighborsRegressor()])
def test_equal_weights_are_no_weights(student):
    model = DistillationClassifier(TEACHER, student, alpha=0)
    weighted = clone(model).fit(X, y, sample_weight=np.full(N, 2.0))
    np.testing.assert_array_equal(weighted.predict(X), model.fit(X, y).predict(X))


def test_weights_under_the_name_of_the_last_step_are_refused_in_words():
    student = make_pipeline(StandardScaler(), TREE)
    data = {"decisiontreeclassifier__sample_weight": np.arange(N)}
    match = "decisiontreeclassifier__sample_weight.* sample_weight="
    assert_refuses((TypeError, ValueError), match, params={"student": student}, **data)


def test_an_argument_that_the_student_does_not_take_is_refused():
    match = "DecisionTreeClassifier.fit.* unexpected keyword argument 'bias'"
    assert_refuses(TypeError, match, bias=1)


# -- students and strategies ------------------------------------------------------


@pytest.mark.parametrize(
    ("student", "match"),
    [
        (KMeans(), "KMeans cannot learn .*no classifier, regressor or torch module. Use one"),
        (FrozenEstimator(TREE), "FrozenEstimator cannot be a student, since .* Pass what is in"),
        (FrozenEstimator(clone(TREE).fit(X, y)), "FrozenEstimator cannot be a student"),
    ],
    ids=["KMeans", "frozen", "frozen and fitted"],
)
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_a_student_that_nothing_can_teach_gets_the_reason(student, match, in_pipeline):
    student = make_pipeline(StandardScaler(), student) if in_pipeline else student
    assert_refuses(TypeError, match, params={"student": student})


@pytest.mark.parametrize("strategy", ["weighted-labels", SampledLabels(2)], ids=str)
def test_copies_for_a_student_that_splits_the_rows_deep_inside_are_refused(strategy):
    student = BaggingClassifier(SGDClassifier(early_stopping=True))
    name = getattr(strategy, "name", strategy)
    match = (
        f"BaggingClassifier cannot be taught by '{name}', which would put copies of one row on "
        r"both sides of the student's own split \(estimator__early_stopping=True\).*Use "
    )
    assert_refuses(TypeError, match, params={"student": student, "strategy": strategy})


def test_weights_of_classes_in_each_bootstrap_cannot_be_kept():
    student = RandomForestClassifier(class_weight="balanced_subsample")
    match = r"class_weight='balanced_subsample' \(use 'balanced'\)"
    assert_refuses(TypeError, match, params={"student": student})


def test_class_weights_cannot_be_searched_inside_the_student():
    student = GridSearchCV(TREE, [{"max_depth": [1]}, {"class_weight": [None, "balanced"]}])
    match = "GridSearchCV cannot learn .* would weigh tempered labels .*search outside"
    assert_refuses(TypeError, match, params={"student": student})


@pytest.mark.parametrize(
    ("student", "strategy", "other"),
    [
        (TREE, "target-regression", "weighted-labels"),
        (TREE, TargetRegression(), "weighted-labels"),
        (Ridge(), "weighted-labels", "target-regression"),
        (Ridge(), WeightedLabels(), "target-regression"),
        (Ridge(), SampledLabels(), "target-regression"),
        (KNeighborsClassifier(), "weighted-labels", "sampled-labels"),
        (KNeighborsRegressor(), "sampled-labels", "target-regression"),
        (RadiusNeighborsClassifier(), "weighted-labels", "sampled-labels"),
    ],
)
def test_a_strategy_that_does_not_fit_names_the_one_that_does(student, strategy, other):
    wanted = getattr(strategy, "name", strategy)
    match = (
        f"{type(student).__name__} cannot be taught by '{wanted}', which needs a.*Use "
        f"strategy='{other}', or 'auto'"
    )
    assert_refuses(TypeError, match, params={"student": student, "strategy": strategy})


@pytest.mark.parametrize("n_draws", [0, -1, 2.5, "5"])
def test_the_number_of_draws_is_a_positive_whole_number(n_draws):
    match = r"'n_draws' parameter of SampledLabels must be an int in .*\[1, inf\) or None\. Got "
    params = {"student": KNeighborsClassifier(), "strategy": SampledLabels(n_draws)}
    assert_refuses(ValueError, match, params=params)


@pytest.mark.parametrize("student", ["tree", object()])
def test_what_cannot_be_fitted_and_predict_is_no_student(student):
    match = "'student' parameter of DistillationClassifier must be an object implementing 'fit'"
    assert_refuses(ValueError, match, params={"student": student})


# -- parameters -------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [-0.1, 1.1, np.nan, np.inf, "0.5", None, [0.5]])
def test_alpha_is_a_share(alpha):
    match = r"'alpha' parameter of .* must be a float in .*\[0.*1.*\] or .*'auto'.*Got "
    assert_refuses(ValueError, match, params={"alpha": alpha})


@pytest.mark.parametrize("temperature", [0, -1, np.nan, np.inf, "4", None, [4]])
def test_temperature_is_positive_and_finite(temperature):
    match = (
        r"'temperature' parameter of DistillationClassifier must be a float in .*\(0.*inf.*Got "
    )
    assert_refuses(ValueError, match, params={"temperature": temperature})


@pytest.mark.parametrize(
    "params",
    [
        {"strategy": "labels"},
        {"strategy": None},
        {"strategy": 3},
        {"cv": "prefit"},
        {"cv": 1},
        {"cv": 2.5},
        {"memory": 3},
        {"n_jobs": "2"},
        {"random_state": "a"},
        {"verbose": "x"},
    ],
    ids=str,
)
def test_other_parameters_are_checked_by_name(params):
    (name,) = params
    match = f"'{name}' parameter of DistillationClassifier must be .*Got "
    assert_refuses(ValueError, match, params=params)


@pytest.mark.parametrize(
    ("cv", "n_left_out"),
    [
        (ShuffleSplit(1, test_size=5, random_state=0), N - 5),
        ([(np.arange(5, N), np.arange(5))], N - 5),
    ],
)
def test_splits_that_leave_rows_out_are_refused(cv, n_left_out):
    match = f"cv leaves {n_left_out} of {N} rows without.*Use .*StratifiedKFold, or cv='in-sample'"
    y_mixed = np.tile([0, 1, 2], N // 3)  # every fold has all the classes
    params = {"teacher": GaussianNB(), "cv": cv}
    assert_refuses(ValueError, match, params=params, y=y_mixed)


def test_splits_of_other_rows_are_refused():
    params = {"teacher": GaussianNB(), "cv": [(np.arange(5, 900), np.arange(5))]}
    assert_refuses(ValueError, f"cv has splits of other rows than the {N} of X", params=params)


def test_columns_of_one_name_and_unlabelled_rows_are_refused():
    frame = FRAME.set_axis(list("abba"), axis=1)
    params = {"teacher": GaussianNB()}
    match = "several columns of one name.*Rename"
    assert_refuses(ValueError, match, params=params, X=frame, X_unlabeled=frame[:5])


def test_an_unfitted_xgboost_teacher_takes_positions_only():
    teacher = make_pipeline(StandardScaler(), pytest.importorskip("xgboost").XGBClassifier())
    match = "Pipeline takes no labels but 0 to 2. Encode y"
    assert_refuses(ValueError, match, params={"teacher": teacher}, y=y.astype(str))


def test_half_precision_is_enough_for_a_student_that_answers_in_it():
    rows = np.tile(X, (30, 1)).astype(np.float16)
    model = DistillationClassifier(None, GaussianNB(var_smoothing=0.1), alpha=1, temperature=2)
    model.fit(rows, np.tile(y, 30), teacher_output=np.tile(P, (30, 1)))
    np.testing.assert_allclose(model.predict_proba(rows).sum(axis=1), 1, atol=1e-6)


def test_more_folds_than_rows_are_refused():
    params = {"teacher": GaussianNB(), "cv": N + 1}
    assert_refuses(ValueError, f"n_splits={N + 1}", params=params)


def test_a_splitter_by_group_needs_groups():
    params = {"teacher": GaussianNB(), "cv": GroupKFold(2)}
    assert_refuses(ValueError, "GroupKFold.* needs groups.*groups=", params=params)


# -- parameters of a fitted teacher -----------------------------------------------


@pytest.mark.parametrize(
    ("teacher", "key"),
    [
        (clone(STUMP).fit(X, y), "teacher__max_depth"),
        (FrozenEstimator(clone(STUMP).fit(X, y)), "teacher__estimator__max_depth"),
        (
            make_pipeline(StandardScaler(), clone(STUMP)).fit(X, y),
            "teacher__decisiontreeclassifier__max_depth",
        ),
    ],
    ids=["estimator", "frozen", "pipeline"],
)
def test_setting_a_parameter_of_a_fitted_teacher_is_refused(teacher, key):
    match = (
        rf"Cannot set \['{key}'\].*{type(teacher).__name__} is already fitted.*clone\(teacher\)"
    )
    for model in (
        DistillationClassifier(teacher, TREE, alpha=0.5, temperature=2),
        DistillationClassifier(teacher, TREE, alpha=0.5, temperature=2).fit(X, y),
    ):
        with refused(model, ValueError, match):
            model.set_params(alpha=0.1, **{key: 5})


def test_searching_over_a_parameter_of_a_fitted_teacher_is_refused():
    teacher = clone(STUMP).fit(X, y)
    before = joblib.hash(teacher)
    model = DistillationClassifier(teacher, TREE)
    search = GridSearchCV(model, {"teacher__max_depth": [1, 2]}, cv=2)
    with pytest.raises(ValueError, match=r"teacher DecisionTreeClassifier is\s+already fitted"):
        search.fit(X, y)
    assert joblib.hash(teacher) == before
    assert model.teacher is teacher


def test_a_parameter_may_be_set_together_with_the_unfitted_teacher_it_belongs_to():
    model = DistillationClassifier(clone(STUMP).fit(X, y), TREE)
    model.set_params(teacher=clone(STUMP), teacher__max_depth=5)
    assert model.teacher.max_depth == 5
    model.set_params(teacher__max_depth=6)
    assert model.teacher.max_depth == 6


def test_a_model_that_was_refused_can_be_mended_and_fitted():
    model = DistillationClassifier(NaNTeacher().fit(X, y), TREE)
    with pytest.raises(ValueError, match="NaN"):
        model.fit(X, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(teacher=TEACHER).fit(X, y)
    reference = DistillationClassifier(**GOOD).fit(X, y)
    np.testing.assert_array_equal(model.predict_proba(X), reference.predict_proba(X))


def test_predicting_before_fit_is_refused():
    for method in ("predict", "predict_proba", "predict_log_proba"):
        with pytest.raises(NotFittedError, match="DistillationClassifier instance is not fitted"):
            getattr(DistillationClassifier(**GOOD), method)(X)


# -- what is wrong with the student is found before the teacher is fitted -----------


@pytest.mark.parametrize(
    ("params", "fit_params", "error", "match"),
    [
        ({}, {"bias": 1}, TypeError, "DecisionTreeClassifier.fit.*unexpected.*'bias'"),
        ({}, {"groups": y}, TypeError, "DecisionTreeClassifier.fit.*unexpected.*'groups'"),
        (
            {"student": make_pipeline(StandardScaler(), TREE)},
            {"check_input": True},
            TypeError,
            "No step .* parameter 'check_input'. Write decisiontreeclassifier__check_input",
        ),
        ({"student": DecisionTreeClassifier(max_depth="3")}, {}, ValueError, "'max_depth' .*'3'"),
        (
            {"student": make_pipeline(StandardScaler(with_mean="no"), TREE)},
            {},
            ValueError,
            "'with_mean' parameter of StandardScaler",
        ),
        (
            {"student": make_pipeline(StandardScaler(), Doubler(), TREE)},
            {},
            TypeError,
            r"Doubler resamples rows.*make_pipeline\(Doubler\(\), DistillationClassifier",
        ),
        ({"student": KMeans()}, {}, TypeError, "KMeans cannot learn"),
        ({"strategy": WeightedLabels(max_copies=1)}, {}, ValueError, "'max_copies'"),
        ({"student": DecisionTreeClassifier}, {}, TypeError, r"student=Dec.* is a class.*fier\("),
        ({"student": torch.nn.Linear}, {}, TypeError, r"student=Linear is a class.*Linear\("),
        ({"strategy": WeightedLabels}, {}, TypeError, r"strategy=Weigh.* is a class.*Labels\("),
        ({"cv": GroupKFold}, {}, TypeError, r"cv=GroupKFold is a class.*GroupKFold\("),
        ({"cv": GroupKFold(2)}, {}, ValueError, r"GroupKFold.* needs groups.*fit\(.*groups"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else None,
)
@pytest.mark.parametrize("alpha", [0, 0.5])
def test_mistakes_are_found_before_the_teacher_is_fitted(params, fit_params, error, match, alpha):
    if alpha == 0 and isinstance(params.get("cv"), GroupKFold):
        return  # unused
    if alpha == 0 and isinstance(params.get("strategy"), WeightedLabels):
        return  # unused
    calls = Calls()
    teacher = RaisingTeacher("fit", 0, calls)
    params = params | {"teacher": teacher, "alpha": alpha}
    with pytest.raises(error, match=match) as info:
        DistillationClassifier(TEACHER, TREE).set_params(**params).fit(X, y, **fit_params)
    assert not calls
    assert len(str(info.value)) < 300


@pytest.mark.parametrize(
    ("teacher", "match"),
    [
        (DecisionTreeClassifier, r"teacher=DecisionTreeClassifier is a class.*Classifier\("),
        (torch.nn.Linear, r"teacher=Linear is a class. Pass an instance, Linear\("),
        ([TEACHER, TEACHER], r"or a list of \(name, estimator\). Got a list of 2. Name them"),
        ({"a": TEACHER}, "Got a dict of 1. Name them"),
        (TEACHER.predict_proba, r"Got a function.*teacher=None and fit\(.*teacher_output"),
        (assert_refuses, "Got a function.*teacher_output"),
    ],
    ids=["class", "module class", "list", "dict", "method", "function"],
)
@pytest.mark.parametrize("alpha", [0, 0.5])
def test_what_is_not_one_object_is_no_teacher(teacher, match, alpha):
    assert_refuses(TypeError, match, params={"teacher": teacher, "alpha": alpha})


@pytest.mark.parametrize("labels", [y - 1, (y - 1).astype(float)], ids=["int", "float"])
def test_the_mark_of_unlabelled_rows_is_noticed(labels):
    with pytest.warns(UserWarning, match="class -1 beside 0.*X_unlabeled"):
        DistillationClassifier(GaussianNB(), TREE, alpha=0).fit(X, labels)
    for names in (np.where(y == 0, -1, 1), (y - 1).astype(str)):
        DistillationClassifier(GaussianNB(), TREE, alpha=0).fit(X, names)


@pytest.mark.parametrize("fitted", [False, True])
def test_a_method_that_the_student_lacks_names_the_student(fitted):
    model = DistillationClassifier(TEACHER, SVC())
    if fitted:
        model.fit(X, y)
    assert not hasattr(model, "predict_proba")
    with pytest.raises(AttributeError, match="no attribute 'predict_proba'") as error:
        model.predict_proba(X)
    assert "student SVC gives no predict_proba. Use one that does" in str(error.value.__cause__)


def test_rows_to_stop_early_by_are_not_sliced_with_the_copies():
    class Stopper(DecisionTreeClassifier):
        def fit(self, X, y, sample_weight=None, X_val=None, y_val=None):
            self.val_ = X_val, y_val
            return super().fit(X, y, sample_weight)

    model = DistillationClassifier(TEACHER, Stopper())
    model.fit(X, y, X_unlabeled=X[:3], X_val=X + 1, y_val=y)
    np.testing.assert_array_equal(model.student_.val_[0], X + 1)
    np.testing.assert_array_equal(model.student_.val_[1], y)


def test_a_regressor_cannot_stop_early_by_labels():
    class Stopper(DecisionTreeRegressor):
        def fit(self, X, y, sample_weight=None, eval_set=None):
            return super().fit(X, y, sample_weight)

    params = {"student": Stopper()}
    match = "Stopper regresses on log-odds, and eval_set has labels.*Leave it out"
    with pytest.raises(TypeError, match=match):
        DistillationClassifier(TEACHER, **params).fit(X, y, eval_set=[(X, y)])


def test_transformers_of_the_student_keep_the_number_of_rows():
    student = make_pipeline(FunctionTransformer(lambda rows: rows[:4]), TREE)
    with pytest.raises(ValueError, match=f"transformers of the student made 4 rows of {N}. They"):
        DistillationClassifier(TEACHER, student).fit(X, y)


def test_rows_in_a_dict_are_refused_in_words():
    assert_refuses(TypeError, "X is a dict. Pass an array.*preprocess=", X={"a": X, "b": X})


def test_no_rows_are_one_class_too_few():
    assert_refuses(ValueError, "Found array with 0 sample|at least two classes", X=X[:0], y=y[:0])


@pytest.mark.parametrize("alpha", [0, 0.5])
def test_truth_values_as_objects_are_truth_values(alpha):
    model = DistillationClassifier(GaussianNB(), TREE, alpha=alpha)
    plain = clone(model).fit(X, y == 1)
    objects = clone(model).fit(X, (y == 1).astype(object))
    assert objects.classes_.dtype == bool
    np.testing.assert_array_equal(objects.predict_proba(X), plain.predict_proba(X))


class BiasedTree(DecisionTreeClassifier):
    """Takes one more argument in ``fit``."""

    def fit(self, X, y, sample_weight=None, prior=None):
        return super().fit(X, y, sample_weight)


class _SizeOnly(StandardScaler):
    """Takes one column of a data frame."""

    def fit(self, X, y=None):
        return super().fit(X[["size"]])

    def transform(self, X):
        return super().transform(X[["size"]])


def _with_nan(rows):
    rows = rows.copy()
    rows[0, 0] = np.nan
    return rows


def test_labels_of_several_types_are_refused():
    mixed = np.array([1, "one", 2.5] * (N // 3), dtype=object)
    match = r"several types, \['float', 'int', 'str'\].*astype\(str\)"
    assert_refuses(TypeError, match, y=mixed)


def test_masked_labels_are_refused():
    masked = np.ma.MaskedArray(y, np.arange(N) == 3)
    assert_refuses(ValueError, "masked labels. Drop these rows", y=masked)
    DistillationClassifier(**GOOD).fit(X, np.ma.MaskedArray(y))  # nothing is masked
