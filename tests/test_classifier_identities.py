"""What must hold exactly, whatever the data."""

import warnings

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_distill import DistillationClassifier, SampledLabels
from sklearn_distill.tempering import temper

X, y = load_iris(return_X_y=True)
# Rows of iris repeat; a student with free logits must be able to tell them apart.
X = X + 1e-3 * np.arange(len(X))[:, None] * [1, 0, 0, 0]
WEIGHT = np.random.RandomState(0).uniform(0.1, 3, len(y))


def soft_teacher(X, y, floor=0.03):
    """Probabilities far from 0 and 1: no label is negligible, none is floored."""
    proba = GaussianNB(var_smoothing=0.1).fit(X, y).predict_proba(X) + floor
    return proba / proba.sum(axis=1, keepdims=True)


def blend(proba, y, alpha):
    return (1 - alpha) * np.eye(proba.shape[1])[y] + alpha * proba


# -- alpha = 0 is the student alone ---------------------------------------------------------

PLAIN = {
    "tree": DecisionTreeClassifier(random_state=3, min_samples_leaf=4),
    "logistic": LogisticRegression(),
    "pipeline": make_pipeline(StandardScaler(), LogisticRegression()),
    "nested pipeline": make_pipeline(
        StandardScaler(), make_pipeline(StandardScaler(), GaussianNB())
    ),
    "forest": RandomForestClassifier(n_estimators=5, random_state=0, class_weight="balanced"),
    "neighbours": KNeighborsClassifier(),
    "margins": LinearSVC(random_state=0),
}


@pytest.mark.parametrize("temperature", [1, 4])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("student", PLAIN.values(), ids=PLAIN)
def test_alpha_zero_is_bit_identical_to_the_student_alone(student, weighted, temperature):
    if weighted and isinstance(student, KNeighborsClassifier):
        pytest.skip("takes no weights")
    weight = WEIGHT if weighted else None
    bare = clone(student)
    if not weighted:
        bare.fit(X, y)
    elif hasattr(bare, "steps"):
        name, last = bare.steps[-1]
        inner = f"{last.steps[-1][0]}__" if hasattr(last, "steps") else ""
        bare.fit(X, y, **{f"{name}__{inner}sample_weight": weight})
    else:
        bare.fit(X, y, sample_weight=weight)
    model = DistillationClassifier(
        RandomForestClassifier(), student, alpha=0, temperature=temperature
    ).fit(X, y, sample_weight=weight)
    for method in ("predict", "predict_proba", "decision_function"):
        if hasattr(bare, method):
            np.testing.assert_array_equal(getattr(model, method)(X), getattr(bare, method)(X))
    assert model.teacher_ is None


# -- a student with free logits learns the blend, at every temperature -----------------------

FREE = {
    "tree": DecisionTreeClassifier(random_state=0),
    "pipeline": make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)),
    "regression tree": DecisionTreeRegressor(random_state=0),
}


@pytest.mark.parametrize("temperature", [0.5, 1, 2, 4, 8])
@pytest.mark.parametrize("alpha", [0.3, 1])
@pytest.mark.parametrize("student", FREE.values(), ids=FREE)
@pytest.mark.parametrize("binary", [True, False])
def test_a_student_with_free_logits_learns_the_blend_at_every_temperature(
    student, alpha, temperature, binary
):
    target = (y == 2).astype(int) if binary else y
    proba = soft_teacher(X, target, floor=0.2)
    model = DistillationClassifier(None, student, alpha=alpha, temperature=temperature)
    model.fit(X, target, teacher_output=proba)
    # Trees take targets closer than 1e-7 for equal.
    np.testing.assert_allclose(
        model.predict_proba(X), blend(proba, target, alpha), rtol=0, atol=1e-7
    )


# The same at the edges: nothing is soft, light, or without weights.
CERTAIN = np.eye(3)[GaussianNB().fit(X, y).predict(X)] * (1 - 3e-12) + 1e-12
EDGES = {
    "tree": DecisionTreeClassifier(random_state=0),
    "tree in a pipeline": make_pipeline(StandardScaler(), DecisionTreeClassifier(random_state=0)),
    "regression tree": DecisionTreeRegressor(random_state=0),
}


@pytest.mark.parametrize("class_weight", [None, {0: 1, 1: 3, 2: 0.5}], ids=["", "class weights"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
@pytest.mark.parametrize("proba", [soft_teacher(X, y), CERTAIN], ids=["soft", "certain"])
@pytest.mark.parametrize("temperature", [1, 2, 8])
@pytest.mark.parametrize("alpha", [0, 1e-6, 0.05, 0.5, 1])
@pytest.mark.parametrize("student", EDGES.values(), ids=EDGES)
def test_a_free_student_learns_the_blend_at_the_edges(
    student, alpha, temperature, proba, weight, class_weight
):
    student, is_regressor = clone(student), isinstance(student, DecisionTreeRegressor)
    expected = blend(proba, y, alpha)
    if class_weight is not None:
        if is_regressor:
            pytest.skip("has no class weights")
        last = student[-1] if hasattr(student, "steps") else student
        last.set_params(class_weight=class_weight)
        expected = expected * list(class_weight.values())
        expected /= expected.sum(axis=1, keepdims=True)
    model = DistillationClassifier(None, student, alpha=alpha, temperature=temperature)
    model.fit(X, y, sample_weight=weight, teacher_output=proba)
    # A regression tree learns logarithms, of which those of labels have a floor, and takes targets
    # closer than 1e-7 for equal.
    atol = 2e-4 if is_regressor else 1e-6
    np.testing.assert_allclose(model.predict_proba(X), expected, rtol=0, atol=atol)
    if is_regressor:
        assert model.decoder_.scale == pytest.approx(temperature, rel=1e-2)
    else:
        assert model.decoder_.power == pytest.approx(temperature if alpha else 1, rel=1e-3)


NOISY = make_classification(3000, 8, n_informative=4, flip_y=0.3, random_state=0)
SMALL = {
    "tree": DecisionTreeClassifier(max_leaf_nodes=12, random_state=0),
    "logistic": LogisticRegression(),
    "naive Bayes": GaussianNB(),
    "regression tree": DecisionTreeRegressor(max_leaf_nodes=12, random_state=0),
    "ridge": Ridge(),
}


@pytest.mark.parametrize("temperature", [1, 2, 4, 8])
@pytest.mark.parametrize("proba", ["soft", "certain"])
@pytest.mark.parametrize("student", SMALL.values(), ids=SMALL)
def test_nothing_jumps_as_alpha_goes_to_zero(student, proba, temperature):
    if isinstance(student, GaussianNB) and temperature == 8:
        pytest.skip("1e-6 is not near 0: its eighth root is .18, which moves means and variances")
    data, labels = NOISY
    train, test = slice(0, 1500), slice(1500, None)
    P = soft_teacher(data, labels)
    if proba == "certain":
        P = np.eye(2)[P.argmax(axis=1)] * (1 - 2e-12) + 1e-12

    def loss(alpha):
        model = DistillationClassifier(None, student, alpha=alpha, temperature=temperature)
        model.fit(data[train], labels[train], teacher_output=P[train])
        return log_loss(labels[test], model.predict_proba(data[test]))

    assert loss(1e-6) == pytest.approx(loss(0), abs=0.03)
    # What was learned from hard labels is not sharpened on the way, either.
    if proba == "soft":
        assert loss(0.05) < loss(0) + 0.03


def test_the_power_is_readable_and_between_one_and_the_temperature():
    data, labels = NOISY
    student = DecisionTreeClassifier(max_leaf_nodes=12, random_state=0)
    powers = []
    for alpha in (0, 1e-6, 1e-3, 0.05, 0.5, 1):
        model = DistillationClassifier(None, student, alpha=alpha, temperature=4)
        model.fit(data, labels, teacher_output=soft_teacher(data, labels))
        powers.append(model.decoder_.power)
    assert powers[0] == 1
    assert powers == sorted(powers)
    assert 3 < powers[-1] <= 4


@pytest.mark.parametrize("temperature", [1, 4])
def test_one_nearest_neighbour_with_whole_counts_learns_the_blend(temperature):
    # Tempered targets that are multiples of 1/10 give whole numbers of copies: nothing is random.
    tempered = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.5, 0.3]])[y]
    proba = temper(tempered, 1 / temperature)
    model = DistillationClassifier(
        None,
        KNeighborsClassifier(n_neighbors=1),
        alpha=1,
        temperature=temperature,
        strategy=SampledLabels(n_draws=10),
    ).fit(X, y, teacher_output=proba)
    np.testing.assert_allclose(model.predict_proba(X), proba, atol=1e-12)


def test_the_student_alone_gives_tempered_probabilities():
    proba = soft_teacher(X, y)
    model = DistillationClassifier(None, DecisionTreeClassifier(), alpha=1, temperature=4)
    model.fit(X, y, teacher_output=proba)
    np.testing.assert_allclose(model.student_.predict_proba(X), temper(proba, 4), atol=1e-9)


def test_a_logistic_student_decides_as_its_probabilities_say():
    model = DistillationClassifier(None, LogisticRegression(), temperature=4, alpha=0.5)
    model.fit(X, y, teacher_output=soft_teacher(X, y))
    np.testing.assert_allclose(
        log_softmax(model.decision_function(X), axis=1), model.predict_log_proba(X), atol=1e-9
    )


# -- copies of rows with weights are the soft cross-entropy ----------------------------------


def soft_cross_entropy(theta, X, target, weight, C):
    """Objective of a multinomial LogisticRegression on soft targets."""
    theta = theta.reshape(target.shape[1], -1)
    log_q = log_softmax(X @ theta[:, :-1].T + theta[:, -1], axis=1)
    return -C * np.sum(weight[:, None] * target * log_q) + 0.5 * np.sum(theta[:, :-1] ** 2)


@pytest.mark.parametrize("temperature", [1, 4])
@pytest.mark.parametrize("weighted", [False, True])
def test_weighted_labels_minimise_the_soft_cross_entropy(temperature, weighted):
    proba, alpha, C = soft_teacher(X, y), 0.6, 0.7
    weight = WEIGHT if weighted else np.ones(len(y))
    model = DistillationClassifier(
        None,
        LogisticRegression(C=C, tol=1e-10, max_iter=5000),
        alpha=alpha,
        temperature=temperature,
    ).fit(X, y, sample_weight=weight if weighted else None, teacher_output=proba)
    target = temper(blend(proba, y, alpha), temperature)
    theta = np.column_stack([model.student_.coef_, model.student_.intercept_]).ravel()

    def objective(theta):
        return soft_cross_entropy(theta, X, target, weight, C)

    # Central differences of the reference objective vanish where the student stopped ...
    step = 1e-5 * np.eye(len(theta))
    gradient = [(objective(theta + h) - objective(theta - h)) / 2e-5 for h in step]
    np.testing.assert_allclose(gradient, 0, atol=1e-4)
    # ... and an optimiser of its own finds nothing better.
    best = minimize(objective, np.zeros_like(theta), method="L-BFGS-B", options={"maxiter": 5000})
    assert objective(theta) <= best.fun + 1e-6


@pytest.mark.parametrize(
    "settings",
    [
        {"max_leaf_nodes": 8},
        {"min_samples_leaf": 12},
        {"min_samples_split": 31, "max_depth": 6},
        {"min_samples_leaf": 0.1},
        {"min_weight_fraction_leaf": 0.07},
    ],
    ids=str,
)
def test_a_tree_on_weighted_labels_is_the_tree_on_soft_targets(settings):
    # Gini impurity of weighted labels is half the squared error of the probabilities, so that a
    # multi-output regression tree is the reference, also for settings that count rows.
    data, labels = make_classification(
        400, 6, n_informative=4, n_classes=3, flip_y=0.1, random_state=1
    )
    proba = soft_teacher(data, labels)
    reference = DecisionTreeRegressor(random_state=0, **settings)
    reference.fit(data, temper(proba, 2))
    model = DistillationClassifier(
        None, DecisionTreeClassifier(random_state=0, **settings), alpha=1, temperature=2
    ).fit(data, labels, teacher_output=proba)
    assert model.student_.get_n_leaves() == reference.get_n_leaves()
    np.testing.assert_allclose(
        model.student_.predict_proba(data), reference.predict(data), atol=1e-12
    )


def test_hard_labels_from_a_certain_teacher_are_the_hard_labels():
    certain = np.eye(3)[y]
    model = DistillationClassifier(
        None, DecisionTreeClassifier(max_leaf_nodes=5, random_state=0), alpha=1, temperature=1
    ).fit(X, y, teacher_output=certain)
    twin = DecisionTreeClassifier(max_leaf_nodes=5, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), twin.predict(X))


# -- weights, rows without labels, smoothness --------------------------------------------------


def test_whole_weights_are_repeated_rows():
    times = np.random.RandomState(0).randint(0, 4, len(y))
    repeated = np.repeat(np.arange(len(y)), times)
    proba = soft_teacher(X, y)
    for student in (
        DecisionTreeClassifier(max_leaf_nodes=6, random_state=0),
        DecisionTreeRegressor(max_leaf_nodes=6, random_state=0),
        LogisticRegression(tol=1e-10, max_iter=5000),
    ):
        model = DistillationClassifier(None, student, alpha=0.5, temperature=2)
        weighted = clone(model).fit(X, y, sample_weight=times, teacher_output=proba)
        longer = clone(model).fit(X[repeated], y[repeated], teacher_output=proba[repeated])
        np.testing.assert_allclose(weighted.predict_proba(X), longer.predict_proba(X), atol=1e-5)


def test_the_scale_of_weights_changes_nothing():
    teacher = GaussianNB(var_smoothing=0.1).fit(X, y)
    extra = X[:40] + 0.05
    model = DistillationClassifier(
        teacher, DecisionTreeClassifier(max_leaf_nodes=6, random_state=0)
    )
    once = clone(model).fit(X, y, sample_weight=WEIGHT, X_unlabeled=extra)
    tenfold = clone(model).fit(X, y, sample_weight=8 * WEIGHT, X_unlabeled=extra)
    np.testing.assert_array_equal(once.predict_proba(X), tenfold.predict_proba(X))


def test_rows_without_labels_learn_the_teacher_alone():
    teacher = GaussianNB(var_smoothing=0.1).fit(X, y)
    extra = X + np.array([0, 0.5, 0, 0])
    model = DistillationClassifier(
        teacher, DecisionTreeClassifier(random_state=0), alpha=0.2, temperature=2
    ).fit(X, y, X_unlabeled=extra)
    np.testing.assert_allclose(model.predict_proba(extra), teacher.predict_proba(extra), atol=5e-3)


@pytest.mark.parametrize("temperature", [1, 2, 4])
def test_predictions_tend_to_the_hard_labels_as_alpha_does_to_zero(temperature):
    data, labels = make_classification(300, 5, flip_y=0.2, random_state=0)
    proba = soft_teacher(data, labels)
    student = DecisionTreeClassifier(max_depth=2, random_state=0)
    plain = clone(student).fit(data, labels).predict_proba(data)
    distances = []
    for alpha in (0.1, 1e-3, 1e-6, 1e-12):
        model = DistillationClassifier(None, student, alpha=alpha, temperature=temperature)
        model.fit(data, labels, teacher_output=proba)
        distances.append(np.abs(model.predict_proba(data) - plain).max())
    # At temperature T the share of an unlikely class falls as alpha^(1/T).
    assert distances[-1] < 1e-3
    assert distances[-1] < distances[0]


def test_out_of_fold_labels_are_those_of_teachers_that_did_not_see_the_row():
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(3, shuffle=True, random_state=0)
    teacher = GaussianNB(var_smoothing=0.1)
    proba = cross_val_predict(teacher, X, y, cv=folds, method="predict_proba")
    student = DecisionTreeClassifier(max_leaf_nodes=6, random_state=0)
    inside = DistillationClassifier(teacher, student, cv=3, random_state=0).fit(X, y)
    outside = DistillationClassifier(None, student).fit(X, y, teacher_output=proba)
    np.testing.assert_allclose(inside.predict_proba(X), outside.predict_proba(X), atol=1e-12)
    np.testing.assert_array_equal(
        inside.teacher_.predict_proba(X), clone(teacher).fit(X, y).predict_proba(X)
    )


def test_in_sample_labels_are_those_of_the_fitted_teacher():
    teacher = GaussianNB(var_smoothing=0.1)
    student = DecisionTreeClassifier(max_leaf_nodes=6, random_state=0)
    unfitted = DistillationClassifier(
        teacher, student, cv="in-sample", alpha=0.5, temperature=2
    ).fit(X, y)
    fitted = DistillationClassifier(
        clone(teacher).fit(X, y), student, alpha=0.5, temperature=2
    ).fit(X, y)
    np.testing.assert_array_equal(unfitted.predict_proba(X), fitted.predict_proba(X))


@pytest.mark.parametrize("n_jobs", [2, 3])
def test_parallel_labelling_changes_nothing(n_jobs):
    student = DecisionTreeClassifier(max_leaf_nodes=6, random_state=0)
    for teacher in (GaussianNB(), GaussianNB().fit(X, y)):
        alone = DistillationClassifier(teacher, student).fit(X, y, X_unlabeled=X[:7])
        parallel = DistillationClassifier(teacher, student, n_jobs=n_jobs)
        parallel.fit(X, y, X_unlabeled=X[:7])
        np.testing.assert_array_equal(alone.predict_proba(X), parallel.predict_proba(X))


def test_the_global_random_state_is_not_touched():
    before = np.random.get_state()[1].copy()  # noqa: NPY002 (the legacy state is what we check)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        DistillationClassifier(GaussianNB(), KNeighborsClassifier()).fit(X, y)
    np.testing.assert_array_equal(np.random.get_state()[1], before)  # noqa: NPY002


def test_nothing_is_printed_unless_verbose(capsys):
    model = DistillationClassifier(GaussianNB(), DecisionTreeClassifier(), cv=2).fit(X, y)
    assert capsys.readouterr() == ("", "")
    model.set_params(verbose=1).fit(X, y)
    printed = capsys.readouterr()
    assert "labels from the teacher" in printed.out
    assert "out-of-fold labels of GaussianNB" in printed.err
