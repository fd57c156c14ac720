"""Who gets which argument of ``fit``, with scikit-learn's metadata routing on and off."""

from inspect import signature

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import BaggingClassifier, HistGradientBoostingClassifier
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold, cross_validate
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier
from tests.stubs import (
    Calls,
    CentroidClassifier,
    RecordingClassifier,
    RecordingRegressor,
    RecordingTransformer,
    WeightlessClassifier,
)

X, y = (part[::5] for part in load_iris(return_X_y=True))
N = len(y)
WEIGHTS = np.linspace(1, 3, N)
TEACHER = CentroidClassifier().fit(X, y)
P = TEACHER.predict_proba(X)
TREE = DecisionTreeClassifier(max_depth=2, random_state=0)


@pytest.fixture(params=[False, True], ids=["routing off", "routing on"])
def routing(request):
    """Run the test in both modes."""
    with config_context(enable_metadata_routing=request.param):
        yield request.param


@pytest.fixture
def routing_on():
    with config_context(enable_metadata_routing=True):
        yield


def distilled(teacher=TEACHER, student=TREE, *, alpha=0.5, temperature=2, **params):
    return DistillationClassifier(
        teacher, student, alpha=alpha, temperature=temperature, random_state=0, **params
    )


def weight_of_rows(call):
    """Return the weight that each row of X got, summed over its copies."""
    total = {tuple(row): 0.0 for row in X}
    for row, weight in zip(call["X"], call["sample_weight"], strict=True):
        total[tuple(row)] += weight
    return np.array([total[tuple(row)] for row in X])


def positions(rows):
    """Return where each of these rows stands in X."""
    place = {tuple(row): i for i, row in enumerate(X)}
    return [place[tuple(row)] for row in rows]


# -- weights ----------------------------------------------------------------------


def test_the_rows_of_these_tests_can_be_told_apart():
    assert positions(X) == list(range(N))


def test_weights_reach_the_student(routing):
    calls = Calls()
    distilled(student=RecordingClassifier(calls)).fit(X, y, sample_weight=WEIGHTS)
    (call,) = calls.of("fit")
    np.testing.assert_allclose(weight_of_rows(call), WEIGHTS, rtol=1e-12)


def test_weights_reach_the_student_without_a_teacher_as_they_are(routing):
    calls = Calls()
    distilled(student=RecordingClassifier(calls), alpha=0).fit(X, y, sample_weight=WEIGHTS)
    (call,) = calls.of("fit")
    np.testing.assert_array_equal(call["sample_weight"], WEIGHTS)
    np.testing.assert_array_equal(call["X"], X)


def test_weights_reach_a_regressor_as_they_are(routing):
    calls = Calls()
    distilled(student=RecordingRegressor(calls)).fit(X, y, sample_weight=WEIGHTS)
    np.testing.assert_array_equal(calls[0]["sample_weight"], WEIGHTS)


def test_weights_reach_a_regressor_of_one_output_per_class(routing):
    """scikit-learn's wrapper would ask for a request that the user cannot know of."""

    class OneOutput(RecordingRegressor):
        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.target_tags.multi_output = False
            return tags

    calls = Calls()
    distilled(student=OneOutput(calls)).fit(X, y, sample_weight=WEIGHTS)
    assert len(calls) == 3
    for call in calls:
        np.testing.assert_array_equal(call["sample_weight"], WEIGHTS)


@pytest.mark.parametrize("cv", [KFold(2), "in-sample"])
def test_weights_reach_an_unfitted_teacher_fold_by_fold(routing, cv):
    calls = Calls()
    teacher = RecordingClassifier(calls)
    if routing:
        teacher.set_fit_request(sample_weight=True)
    y_mixed = np.tile([0, 1, 2], N // 3)
    distilled(teacher, cv=cv).fit(X, y_mixed, sample_weight=WEIGHTS)
    rows_of = [range(N)]
    if cv != "in-sample":
        rows_of += [train for train, _ in cv.split(X)]
    assert len(calls.of("fit")) == len(rows_of)
    for call, rows in zip(calls.of("fit"), rows_of, strict=True):
        np.testing.assert_array_equal(call["X"], X[rows])
        np.testing.assert_array_equal(call["sample_weight"], WEIGHTS[rows])


def test_a_teacher_that_takes_no_weights_is_spoken_of():
    calls = Calls()
    model = distilled(WeightlessClassifier(calls), cv="in-sample")
    with pytest.warns(UserWarning, match="WeightlessClassifier does not take sample_weight"):
        model.fit(X, y, sample_weight=WEIGHTS)
    assert len(calls.of("fit")) == 1
    model.fit(X, y, sample_weight=np.full(N, 2.0))  # equal weights say nothing


def test_a_teacher_may_decline_weights(routing_on):
    calls = Calls()
    teacher = RecordingClassifier(calls).set_fit_request(sample_weight=False)
    distilled(teacher, cv="in-sample").fit(X, y, sample_weight=WEIGHTS)
    assert calls.of("fit")[0]["sample_weight"] is None


def test_a_teacher_that_said_nothing_about_weights_must_say(routing_on):
    model = distilled(CentroidClassifier(), cv="in-sample")
    with pytest.raises(UnsetMetadataPassedError, match=r"sample_weight.*CentroidClassifier.fit"):
        model.fit(X, y, sample_weight=WEIGHTS)
    model.fit(X, y)


def test_a_fitted_teacher_need_not_say_anything_about_weights(routing):
    for teacher in (TEACHER, FrozenEstimator(TEACHER)):
        distilled(teacher).fit(X, y, sample_weight=WEIGHTS)
    distilled(None).fit(X, y, sample_weight=WEIGHTS, teacher_output=P)


@pytest.mark.parametrize("request_of_student", [None, True, False])
def test_the_student_need_not_request_weights(routing_on, request_of_student):
    calls = Calls()
    student = RecordingClassifier(calls)
    if request_of_student is not None:
        student.set_fit_request(sample_weight=request_of_student)
    distilled(student=student).fit(X, y, sample_weight=WEIGHTS)
    np.testing.assert_allclose(weight_of_rows(calls.of("fit")[0]), WEIGHTS, rtol=1e-12)


@pytest.mark.parametrize("alpha", [0, 0.5])
@pytest.mark.parametrize("nested", [False, True])
def test_weights_reach_the_last_step_of_a_student_past_a_scaler(routing, alpha, nested):
    """StandardScaler takes weights too; unasked, it gets none."""
    calls, scaler_calls = Calls(), Calls()
    last = RecordingClassifier(calls)
    student = make_pipeline(
        RecordingTransformer(scaler_calls),
        make_pipeline(StandardScaler(), last) if nested else last,
    )
    distilled(student=student, alpha=alpha).fit(X, y, sample_weight=WEIGHTS)
    (call,) = calls.of("fit")
    assert call["sample_weight"].sum() == pytest.approx(WEIGHTS.sum())
    assert scaler_calls.of("fit")[0]["sample_weight"] is None


def test_a_scaler_of_the_student_gets_weights_on_request(routing):
    calls, scaler_calls = Calls(), Calls()
    scaler = RecordingTransformer(scaler_calls)
    student = make_pipeline(scaler, RecordingClassifier(calls))
    extra = {}
    if routing:
        scaler.set_fit_request(sample_weight=True)
    else:
        extra = {"recordingtransformer__sample_weight": WEIGHTS}
    distilled(student=student).fit(X, y, sample_weight=WEIGHTS, **extra)
    (scaler_call,) = scaler_calls.of("fit")
    np.testing.assert_array_equal(scaler_call["sample_weight"], WEIGHTS)
    np.testing.assert_allclose(weight_of_rows(calls.of("fit")[0]), WEIGHTS, rtol=1e-12)


@pytest.mark.parametrize("alpha", [0, 0.5])
def test_scaler_and_student_may_both_request_weights(routing_on, alpha):
    calls, scaler_calls = Calls(), Calls()
    student = make_pipeline(
        RecordingTransformer(scaler_calls).set_fit_request(sample_weight=True),
        RecordingClassifier(calls).set_fit_request(sample_weight=True),
    )
    distilled(student=student, alpha=alpha).fit(X, y, sample_weight=WEIGHTS)
    np.testing.assert_array_equal(scaler_calls.of("fit")[0]["sample_weight"], WEIGHTS)
    np.testing.assert_allclose(weight_of_rows(calls.of("fit")[0]), WEIGHTS, rtol=1e-12)


@pytest.mark.parametrize("alpha", [0, 0.5])
@pytest.mark.parametrize("request_inside", [None, True, False])
def test_a_student_that_holds_an_estimator_takes_weights_in_both_modes(alpha, request_inside):
    student = BaggingClassifier(clone(TREE), n_estimators=2, random_state=0)
    model = distilled(student=student, alpha=alpha)
    expected = clone(model).fit(X, y, sample_weight=WEIGHTS).predict_proba(X)
    with config_context(enable_metadata_routing=True):
        if request_inside is not None:
            student.estimator.set_fit_request(sample_weight=request_inside)
        model.fit(X, y, sample_weight=WEIGHTS)
    np.testing.assert_array_equal(model.predict_proba(X), expected)


def test_weights_reach_the_last_step_of_a_teacher(routing):
    calls, scaler_calls = Calls(), Calls()
    scaler, last = RecordingTransformer(scaler_calls), RecordingClassifier(calls)
    if routing:
        scaler.set_fit_request(sample_weight=False)
        last.set_fit_request(sample_weight=True)
    distilled(make_pipeline(scaler, last), cv="in-sample").fit(X, y, sample_weight=WEIGHTS)
    np.testing.assert_array_equal(calls.of("fit")[0]["sample_weight"], WEIGHTS)
    assert scaler_calls.of("fit")[0]["sample_weight"] is None


def test_both_modes_give_the_same_model():
    student = make_pipeline(StandardScaler(), TREE)
    fitted = []
    for mode in (False, True):
        with config_context(enable_metadata_routing=mode):
            teacher = CentroidClassifier()
            if mode:
                teacher.set_fit_request(sample_weight=True)
            model = distilled(teacher, student, cv=2)
            fitted.append(model.fit(X, y, sample_weight=WEIGHTS, X_unlabeled=X[:4] + 0.1))
    np.testing.assert_array_equal(fitted[0].predict_proba(X), fitted[1].predict_proba(X))


def test_weights_follow_the_rows_of_a_cross_validation(routing):
    calls = Calls()
    model = distilled(student=RecordingClassifier(calls), alpha=0)
    if routing:
        model.set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
    y_mixed, cv = np.tile([0, 1, 2], N // 3), KFold(2)
    cross_validate(model, X, y_mixed, cv=cv, params={"sample_weight": WEIGHTS})
    for call, (train, _) in zip(calls.of("fit"), cv.split(X), strict=True):
        np.testing.assert_array_equal(call["sample_weight"], WEIGHTS[train])


def test_weights_that_nobody_asked_for_are_refused_by_the_search(routing_on):
    with pytest.raises(UnsetMetadataPassedError, match=r"DistillationClassifier.*set_fit_request"):
        cross_validate(distilled(), X, y, params={"sample_weight": WEIGHTS})


# -- X_unlabeled and teacher_output through a search --------------------------------


def requesting(model, routing, *names):
    return model.set_fit_request(**dict.fromkeys(names, True)) if routing else model


@pytest.mark.parametrize("convert", [np.asarray, pd.DataFrame, lambda rows: rows.tolist()])
@pytest.mark.parametrize("search", ["cross_validate", "GridSearchCV"])
def test_unlabeled_rows_reach_every_fold_whole(routing, search, convert):
    calls = Calls()
    unlabeled = X[:5] + 100
    model = requesting(distilled(student=RecordingClassifier(calls)), routing, "X_unlabeled")
    rows, new = convert(X), convert(unlabeled)
    if search == "cross_validate":
        cross_validate(model, rows, y, cv=2, params={"X_unlabeled": new})
    else:
        GridSearchCV(model, {"temperature": [2]}, cv=2).fit(rows, y, X_unlabeled=new)
    assert len(calls.of("fit")) == (2 if search == "cross_validate" else 3)
    for call in calls.of("fit"):
        seen = np.asarray(call["X"])
        np.testing.assert_array_equal(
            np.unique(seen[seen[:, 0] > 50], axis=0), np.unique(unlabeled, axis=0)
        )


def test_as_many_unlabeled_rows_as_rows_of_X_are_sliced_by_the_search(routing):
    """scikit-learn takes them for one value per row, as the docstring of ``fit`` says."""
    calls = Calls()
    model = requesting(distilled(student=RecordingClassifier(calls)), routing, "X_unlabeled")
    cross_validate(model, X, y, cv=2, params={"X_unlabeled": X + 100})
    for call in calls.of("fit"):
        assert len(np.unique(call["X"][call["X"][:, 0] > 50], axis=0)) == N // 2


@pytest.mark.parametrize(
    "output",
    [P, pd.DataFrame(P[:, ::-1], columns=[2, 1, 0]), P.tolist()],
    ids=["array", "named columns", "list"],
)
@pytest.mark.parametrize("search", ["fit", "cross_validate", "GridSearchCV"])
def test_teacher_output_follows_the_rows(routing, search, output):
    def run(teacher, **params):
        calls = Calls()
        model = requesting(
            distilled(teacher, RecordingClassifier(calls)),
            routing and teacher is None,
            "teacher_output",
        )
        if search == "fit":
            model.fit(X, y, **params)
        elif search == "cross_validate":
            cross_validate(model, X, y, cv=3, params=params, error_score="raise")
        else:
            GridSearchCV(model, {"alpha": [0.5, 1]}, cv=3, error_score="raise").fit(X, y, **params)
        return calls.of("fit")

    for expected, got in zip(run(TEACHER), run(None, teacher_output=output), strict=True):
        np.testing.assert_array_equal(got["y"], expected["y"])
        np.testing.assert_allclose(got["sample_weight"], expected["sample_weight"], rtol=1e-9)


def test_a_pipeline_can_transform_unlabeled_rows_too(routing_on):
    calls = Calls()
    teacher = CentroidClassifier().fit(StandardScaler().fit_transform(X), y)
    model = distilled(teacher, RecordingClassifier(calls)).set_fit_request(X_unlabeled=True)
    whole = Pipeline(
        [("scale", StandardScaler()), ("model", model)], transform_input=["X_unlabeled"]
    )
    unlabeled = X[:5] + 100
    whole.fit(X, y, X_unlabeled=unlabeled)
    scaled = StandardScaler().fit(X).transform(unlabeled)
    seen = calls.of("fit")[0]["X"]
    np.testing.assert_array_equal(
        np.unique(seen[seen[:, 0] > 50], axis=0), np.unique(scaled, axis=0)
    )


# -- groups -----------------------------------------------------------------------

GROUPS = np.arange(N) % 5


def test_groups_reach_the_splitter(routing):
    calls = Calls()
    distilled(RecordingClassifier(calls), cv=GroupKFold(5)).fit(X, y, groups=GROUPS)
    held_out = calls.of("predict_proba")
    assert len(held_out) == 5
    assert {len(call["X"]) for call in held_out} == {N // 5}
    for call in held_out:
        rows = positions(call["X"])
        assert len(set(GROUPS[rows])) == 1


def test_groups_reach_the_splitters_outside_and_inside(routing_on):
    calls = Calls()
    model = distilled(RecordingClassifier(calls), cv=GroupKFold(2))
    cross_validate(model, X, y, cv=GroupKFold(5), params={"groups": GROUPS}, error_score="raise")
    for call in calls.of("predict_proba"):
        rows = positions(call["X"])
        assert len(set(GROUPS[rows])) == 2  # of the four groups that the outer split left


def test_groups_that_no_splitter_wants_are_refused(routing_on):
    with pytest.raises(TypeError, match=r"unexpected argument.*groups"):
        distilled(CentroidClassifier(), cv=KFold(2)).fit(X, y, groups=GROUPS)


# -- fit parameters of the student ------------------------------------------------

COLOURS = np.arange(N) * 10


def colour_of_rows(call):
    """Return the colour that came with each copy of a row, and the one it should have."""
    rows = positions(call["X"])
    return np.asarray(call["colour"]), COLOURS[rows]


@pytest.mark.parametrize("convert", [np.asarray, list, pd.Series])
@pytest.mark.parametrize("strategy", ["weighted-labels", "sampled-labels"])
@pytest.mark.parametrize("in_pipeline", [False, True])
def test_one_value_per_row_follows_the_copies(routing, strategy, in_pipeline, convert):
    calls = Calls()
    last = RecordingClassifier(calls)
    if routing:
        last.set_fit_request(colour=True)
    student = make_pipeline(RecordingTransformer(Calls()), last) if in_pipeline else last
    key = "recordingclassifier__colour" if in_pipeline and not routing else "colour"
    distilled(student=student, strategy=strategy).fit(X, y, **{key: convert(COLOURS)})
    (call,) = calls.of("fit")
    assert len(call["X"]) > N
    got, expected = colour_of_rows(call)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("colour", ["mauve", 3, None, np.arange(4), {"a": 1}])
def test_other_values_reach_the_student_as_they_are(routing, colour):
    calls = Calls()
    student = RecordingClassifier(calls)
    if routing:
        student.set_fit_request(colour=True)
    for alpha in (0, 0.5):
        distilled(student=student, alpha=alpha).fit(X, y, colour=colour, X_unlabeled=X[:2])
        assert calls.of("fit")[-1]["colour"] is colour


def test_a_nested_step_is_reached_by_its_path():
    calls = Calls()
    student = make_pipeline(StandardScaler(), make_pipeline(RecordingClassifier(calls)))
    distilled(student=student).fit(X, y, pipeline__recordingclassifier__colour="mauve")
    assert calls.of("fit")[0]["colour"] == "mauve"


def test_what_nobody_requested_is_refused(routing_on):
    student = RecordingClassifier()
    with pytest.raises(UnsetMetadataPassedError, match=r"colour.*RecordingClassifier.fit"):
        distilled(student=student).fit(X, y, colour="mauve")
    with pytest.raises(TypeError, match=r"unexpected argument.*scent"):
        distilled(student=student).fit(X, y, scent="rose")


def test_a_value_may_go_to_the_teacher_alone(routing_on):
    calls, teacher_calls = Calls(), Calls()
    teacher = RecordingClassifier(teacher_calls).set_fit_request(colour=True)
    student = RecordingClassifier(calls).set_fit_request(colour=False)
    distilled(teacher, student, cv=2).fit(X, y, colour=COLOURS)
    assert calls.of("fit")[0]["colour"] is None
    for call in teacher_calls.of("fit"):
        np.testing.assert_array_equal(*colour_of_rows(call))


def test_a_value_may_go_under_two_names(routing_on):
    calls, teacher_calls = Calls(), Calls()
    teacher = RecordingClassifier(teacher_calls).set_fit_request(colour="teacher_colour")
    student = RecordingClassifier(calls).set_fit_request(colour="student_colour")
    model = distilled(teacher, student, cv=2)
    model.fit(X, y, teacher_colour="red", student_colour="blue")
    assert {call["colour"] for call in teacher_calls.of("fit")} == {"red"}
    assert calls.of("fit")[0]["colour"] == "blue"


@pytest.mark.skipif(
    "X_val" not in signature(HistGradientBoostingClassifier.fit).parameters,
    reason="needs scikit-learn 1.7",
)
def test_validation_rows_of_the_user_are_the_ones_a_boosted_student_stops_on():
    class RecordingBooster(HistGradientBoostingClassifier):
        def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
            seen.append((X_val, y_val))
            return super().fit(
                X, y, sample_weight, X_val=X_val, y_val=y_val, sample_weight_val=sample_weight_val
            )

    seen = []
    student = RecordingBooster(max_iter=2, early_stopping=True)
    X_val, y_val = X[::2] + 0.1, y[::2]
    distilled(student=student).fit(X, y, X_val=X_val, y_val=y_val)
    ((got_X, got_y),) = seen
    np.testing.assert_array_equal(got_X, X_val)
    np.testing.assert_array_equal(got_y, y_val)


# -- get_metadata_routing ---------------------------------------------------------


@pytest.mark.parametrize(
    ("teacher", "routed"),
    [
        (None, False),
        (TEACHER, False),
        (FrozenEstimator(TEACHER), False),
        (make_pipeline(StandardScaler(), clone(TREE)).fit(X, y), False),
        (clone(TEACHER), True),
        (make_pipeline(StandardScaler(), clone(TREE)), True),
        (GridSearchCV(TREE, {"max_depth": [1]}), True),
    ],
    ids=["none", "fitted", "frozen", "fitted pipeline", "unfitted", "unfitted pipeline", "search"],
)
@pytest.mark.parametrize(
    "student",
    [TREE, make_pipeline(StandardScaler(), TREE), BaggingClassifier(TREE)],
    ids=["tree", "pipeline", "bagging"],
)
def test_routing_is_known_before_fit(routing, teacher, routed, student):
    model = distilled(teacher, student)
    described = model.get_metadata_routing()
    text = str(described)
    assert ("teacher" in described._route_mappings) == routed
    assert "student" in described._route_mappings
    for name in ("sample_weight", "X_unlabeled", "teacher_output"):
        assert name in text


def test_a_splitter_is_part_of_the_routing(routing):
    assert (
        "splitter"
        in distilled(CentroidClassifier(), cv=GroupKFold(2)).get_metadata_routing()._route_mappings
    )
    assert (
        "splitter"
        not in distilled(CentroidClassifier(), cv=3).get_metadata_routing()._route_mappings
    )


def test_asking_for_the_routing_changes_nothing(routing_on):
    student = make_pipeline(StandardScaler(), clone(TREE).set_fit_request(sample_weight=True))
    model = distilled(CentroidClassifier(), student)
    last = student[-1]
    before = str(last.get_metadata_routing())
    model.get_metadata_routing()
    assert str(last.get_metadata_routing()) == before
    assert model.student is student
    assert student[-1] is last


def test_requests_survive_a_clone(routing_on):
    for teacher in (TEACHER, CentroidClassifier()):
        model = distilled(teacher).set_fit_request(X_unlabeled=True, sample_weight=True)
        assert str(clone(model).get_metadata_routing()) == str(model.get_metadata_routing())
