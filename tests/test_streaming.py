"""Students that learn from a transfer set on disk, and batch by batch, are those of fit."""

import pickle

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import (
    LogisticRegression,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.metrics import log_loss
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.validation import has_fit_parameter

from sklearn_distill import (
    DistillationClassifier,
    GradientTraining,
    LayerHint,
    StoredTransferSet,
    label_transfer_set,
)
from sklearn_distill.export import export_onnx
from sklearn_distill.labelling import label
from sklearn_distill.scale import _sources
from sklearn_distill.strategies.boosting import _xgboost
from tests.transfer_sets import COLUMNS, make_rows, make_teacher

torch = pytest.importorskip("torch")
N_LABELED = 300


@pytest.fixture(scope="module")
def rows():
    return make_rows()


@pytest.fixture(scope="module", params=[2, 3])
def situation(request, rows, tmp_path_factory):
    """Rows, labels of the first ones, a teacher that gives no zeros, and a transfer set."""
    frame = rows.copy()
    if request.param == 3:
        frame["late"] = frame.late.mask(frame.late.notna() & (frame.a > 1), "much")
    labeled = frame[:N_LABELED]
    teacher = LogisticRegression(C=0.1).fit(labeled[COLUMNS], labeled.late)
    folder = tmp_path_factory.mktemp("transfer")
    frame.to_parquet(folder / "rows.parquet", row_group_size=400)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sources, "PARTITION_ROWS", 800)
        stored = label_transfer_set(
            teacher, folder / "rows.parquet", folder / "sink", target="late", batch_rows=300
        )
    return frame, teacher, stored


def in_memory(model, frame, teacher):
    """Return the model that learns the same rows in memory."""
    labeled, others = frame[:N_LABELED], frame[N_LABELED:]
    return (
        clone(model)
        .set_params(teacher=teacher)
        .fit(labeled[COLUMNS], labeled.late, X_unlabeled=others[COLUMNS])
    )


def cross_entropy(model, frame, teacher):
    """Return the cross-entropy of the model with the teacher: what both were to learn."""
    p = np.exp(next(label(teacher, [frame[COLUMNS]])))
    return -(p * model.predict_log_proba(frame[COLUMNS])).sum(axis=1).mean()


# -- the same student as in memory ---------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.3, 1.0])
def test_naive_bayes_is_the_same(alpha, situation):
    frame, teacher, stored = situation
    model = DistillationClassifier(None, GaussianNB(), alpha=alpha, temperature=1)
    here = model.fit_transfer_set(stored, batch_rows=700).predict_proba(frame[COLUMNS])
    there = in_memory(model, frame, teacher).predict_proba(frame[COLUMNS])
    np.testing.assert_allclose(here, there, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("temperature", [1.0, 3.0])
@pytest.mark.parametrize("on_disk", [False, True])
@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_boosters_are_the_same(library, on_disk, temperature, situation, monkeypatch):
    """To rounding, since bins of 3,000 rows are found alike in one piece and in many."""
    frame, teacher, stored = situation
    xgboost = pytest.importorskip("xgboost")
    student = LGBMClassifier(n_estimators=8, verbose=-1, random_state=0)
    if library == "xgboost":
        student = xgboost.XGBClassifier(n_estimators=8, max_depth=3, max_bin=4096)
    if on_disk:
        monkeypatch.setattr(_xgboost, "MOST_IN_MEMORY", 0)
        if library == "lightgbm" or not hasattr(xgboost, "ExtMemQuantileDMatrix"):
            pytest.skip("only XGBoost keeps what it has read on disk")
    model = DistillationClassifier(None, student, alpha=0.5, temperature=temperature)
    model.fit_transfer_set(stored, batch_rows=700)
    there = in_memory(model, frame, teacher)
    np.testing.assert_allclose(
        model.predict_proba(frame[COLUMNS]), there.predict_proba(frame[COLUMNS]), atol=2e-4
    )
    assert model.student_.get_params() == there.student_.get_params()
    assert list(model.feature_names_in_) == COLUMNS


@pytest.mark.parametrize(
    "student",
    [
        SGDClassifier(loss="log_loss", random_state=0),
        SGDRegressor(random_state=0),
        make_pipeline(StandardScaler(), MLPClassifier((8,), random_state=0)),
        MLPRegressor(hidden_layer_sizes=(8,), random_state=0),
        "network",
    ],
    ids=lambda student: student if student == "network" else type(student).__name__,
)
def test_students_that_go_downhill_arrive_at_the_same_place(student, situation):
    """Both have gone all the way: how far one got on the way depends on where it started."""
    frame, teacher, stored = situation
    if student == "network":
        layers = torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, len(stored.classes))
        student = torch.nn.Sequential(*layers)
    model = DistillationClassifier(None, student, alpha=0.5, temperature=1, random_state=0)
    slow = "MLP" in repr(student)
    if "MLPClassifier" in repr(student) and not has_fit_parameter(
        MLPClassifier(), "sample_weight"
    ):
        pytest.skip("multilayer perceptrons take weights from scikit-learn 1.7 on")
    model.fit_transfer_set(stored, batch_rows=2048, max_epochs=60 if slow else 30)
    there = in_memory(model, frame, teacher)
    here, there = (cross_entropy(m, frame, teacher) for m in (model, there))
    assert here == pytest.approx(there, abs=0.01)


def test_alpha_zero_of_rows_with_labels_is_the_student_alone(rows, tmp_path):
    """To the last bit: the same calls of partial_fit."""
    labeled = rows[:N_LABELED]
    teacher = make_teacher(rows)
    stored = label_transfer_set(teacher, labeled, tmp_path / "sink", target="late")
    student = GaussianNB()
    model = DistillationClassifier(None, student, alpha=0, temperature=1)
    model.fit_transfer_set(stored, batch_rows=100)
    alone = clone(student)
    for start in range(0, N_LABELED, 100):
        part = labeled[start : start + 100]
        alone.partial_fit(part[COLUMNS], part.late, classes=["no", "yes"])
    np.testing.assert_array_equal(
        model.predict_proba(rows[COLUMNS]), alone.predict_proba(rows[COLUMNS])
    )


def test_weights_count_and_so_do_classes(rows, tmp_path):
    """A row of weight 3 is three rows; so is one whose classes weigh 3."""
    teacher = LogisticRegression(C=0.1).fit(rows[:300][COLUMNS], rows.late[:300])
    frame = rows.assign(w=np.where(np.arange(len(rows)) % 2, 1.0, 3.0))
    weighted = label_transfer_set(
        teacher, frame, tmp_path / "weighted", sample_weight="w", columns=COLUMNS
    )
    thrice = frame.loc[np.repeat(frame.index, frame.w.astype(int))]
    repeated = label_transfer_set(teacher, thrice, tmp_path / "thrice", columns=COLUMNS)
    first, second = (
        DistillationClassifier(None, GaussianNB(), temperature=1).fit_transfer_set(stored)
        for stored in (weighted, repeated)
    )
    np.testing.assert_allclose(
        first.predict_proba(rows[COLUMNS]), second.predict_proba(rows[COLUMNS]), rtol=1e-3
    )
    net = torch.nn.Linear(4, 2)
    strategy = GradientTraining(max_epochs=20, class_weight={"no": 1, "yes": 20})
    heavy, plain = (
        DistillationClassifier(None, net, strategy=s, temperature=1, random_state=0)
        .fit_transfer_set(repeated)
        .predict_proba(rows[COLUMNS])[:, 1]
        .mean()
        for s in (strategy, clone(strategy).set_params(class_weight=None))
    )
    assert heavy > plain + 0.2
    students = [SGDClassifier(loss="log_loss", random_state=0, class_weight=w) for w in
                (None, {"no": 1, "yes": 20})]  # fmt: skip
    plain, heavy = (
        DistillationClassifier(None, s, temperature=1)
        .fit_transfer_set(repeated, max_epochs=3)
        .predict_proba(rows[COLUMNS])[:, 1]
        .mean()
        for s in students
    )
    assert heavy > plain + 0.2


def test_unlabeled_weight_bounds_what_the_teacher_alone_says(situation):
    frame, teacher, stored = situation
    model = DistillationClassifier(None, GaussianNB(), alpha=0, temperature=1, unlabeled_weight=1)
    here = model.fit_transfer_set(stored).predict_proba(frame[COLUMNS])
    there = in_memory(model, frame, teacher).predict_proba(frame[COLUMNS])
    np.testing.assert_allclose(here, there, rtol=1e-2, atol=1e-3)


def test_zeros_are_lifted_in_every_batch_or_in_none(rows, tmp_path):
    """Whether a forest gave a zero is known of all rows, and not of those at hand."""
    teacher = make_teacher(rows)
    stored = label_transfer_set(teacher, rows, tmp_path / "sink", columns=COLUMNS)
    assert stored.has_zeros
    small, large = (
        DistillationClassifier(None, BernoulliNB(), temperature=2)
        .fit_transfer_set(stored, batch_rows=batch_rows)
        .student_.feature_log_prob_
        for batch_rows in (7, 3000)
    )
    np.testing.assert_allclose(small, large, rtol=1e-6)


# -- what else a user expects --------------------------------------------------------------------


def test_a_frame_with_categories_and_missing_values(rows, tmp_path):
    frame = rows[COLUMNS].assign(city=pd.Categorical(np.where(rows.a > 0, "ATL", "BOS")))
    frame.loc[::5, "b"] = np.nan
    y = (rows.a > 0).astype(int)
    prepare = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["city"]), remainder="drop"
    )
    teacher = make_pipeline(prepare, LogisticRegression()).fit(frame, y)
    stored = label_transfer_set(teacher, frame, tmp_path / "sink", like=frame[:1])
    student = make_pipeline(clone(prepare), SGDClassifier(loss="log_loss", random_state=0))
    model = DistillationClassifier(None, student).fit_transfer_set(
        str(tmp_path / "sink"), max_epochs=3
    )
    assert model.score(frame, y) > 0.95
    assert model.label_source_ == "stored"
    assert model.teacher_ is None
    default = DistillationClassifier(None, strategy=GradientTraining(max_epochs=2))
    assert default.fit_transfer_set(stored).score(frame, y) > 0.9
    xgboost = pytest.importorskip("xgboost")
    booster = xgboost.XGBClassifier(n_estimators=5, enable_categorical=True, max_depth=2)
    model = DistillationClassifier(None, booster).fit_transfer_set(stored)
    assert model.score(frame, y) > 0.95
    with pytest.raises(ValueError, match="LightGBM reads batches of numbers only"):
        DistillationClassifier(None, LGBMClassifier(verbose=-1)).fit_transfer_set(stored)


def test_what_has_learned_is_a_model_as_any_other(situation, tmp_path):
    frame, _, stored = situation
    student = make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0))
    model = DistillationClassifier(None, student).fit_transfer_set(stored, max_epochs=3)
    standalone = pickle.loads(pickle.dumps(model.standalone()))
    np.testing.assert_array_equal(
        standalone.predict_proba(frame[COLUMNS]), model.predict_proba(frame[COLUMNS])
    )
    X = frame[COLUMNS].to_numpy(np.float32)
    for other in (LGBMClassifier(n_estimators=5, verbose=-1), student):
        model = DistillationClassifier(None, other).fit_transfer_set(stored)
        model = model.standalone()
        if other is student:
            export_onnx(model, tmp_path / "model.onnx", frame[COLUMNS])
        assert model.predict_proba(frame[COLUMNS]).shape == (len(X), len(stored.classes))


def test_columns_of_the_student_alone(situation):
    frame, _, stored = situation
    model = DistillationClassifier(
        None, SGDClassifier(loss="log_loss", random_state=0), student_columns=["a", "b"]
    ).fit_transfer_set(stored, max_epochs=3)
    assert list(model.feature_names_in_) == ["a", "b"]
    np.testing.assert_array_equal(model.predict(frame[["a", "b"]]), model.predict(frame[COLUMNS]))


def test_a_transfer_set_in_memory_goes_to_any_student(situation):
    frame, _, stored = situation
    batch = stored.read()
    model = DistillationClassifier(None, DecisionTreeClassifier(max_depth=3), alpha=1)
    known = np.exp(batch.log_proba)
    y = stored.classes[np.where(batch.labels < 0, known.argmax(axis=1), batch.labels)]
    model.fit(batch.X, y, teacher_output=known)
    assert model.score(frame[COLUMNS], stored.classes[known.argmax(axis=1)]) > 0.5


def test_seeds(situation):
    frame, _, stored = situation

    def proba(seed):
        student = SGDClassifier(loss="log_loss", random_state=0)
        model = DistillationClassifier(None, student, random_state=seed)
        return model.fit_transfer_set(stored, batch_rows=500, max_epochs=2).predict_proba(
            frame[COLUMNS]
        )

    np.testing.assert_array_equal(proba(0), proba(0))
    assert (proba(0) != proba(1)).any()
    net = torch.nn.Linear(4, len(stored.classes))
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    torch_state = torch.random.get_rng_state()
    model = DistillationClassifier(None, net, strategy=GradientTraining(max_epochs=1))
    model.fit_transfer_set(stored)
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002
    assert torch.equal(torch_state, torch.random.get_rng_state())


def test_a_skorch_net_of_the_user(situation):
    skorch = pytest.importorskip("skorch")
    frame, teacher, stored = situation
    n_classes = len(stored.classes)
    net = skorch.NeuralNetClassifier(
        torch.nn.Linear(4, n_classes), criterion=torch.nn.CrossEntropyLoss, max_epochs=3, lr=0.1,
        batch_size=64, verbose=0,
    )  # fmt: skip
    model = DistillationClassifier(None, net, temperature=1, random_state=0)
    model.fit_transfer_set(stored, batch_rows=512)
    assert len(model.student_.history) == 3
    assert all(len(epoch["batches"]) == 1 for epoch in model.student_.history)
    losses = model.student_.history[:, "train_loss"]
    assert losses[2] < losses[0]
    assert losses[2] == model.student_.history[2, "batches", 0, "train_loss"]
    assert model.student_.max_epochs == 3
    assert model.student_.train_split is not None
    longer = model.fit_transfer_set(stored, batch_rows=512, max_epochs=5)
    assert len(longer.student_.history) == 5
    assert cross_entropy(model, frame, teacher) < np.log(n_classes)


# -- partial_fit ---------------------------------------------------------------------------------


@pytest.mark.parametrize("student", [GaussianNB(), SGDClassifier(loss="log_loss", random_state=0)])
@pytest.mark.parametrize("alpha", [0, 0.4, 1])
def test_partial_fit_blends_batch_by_batch(student, alpha, situation):
    frame, teacher, _ = situation
    labeled = frame[:N_LABELED]
    model = DistillationClassifier(teacher, student, alpha=alpha, temperature=1)
    alone = clone(student)
    p = teacher.predict_proba(labeled[COLUMNS])
    m = alpha * p + (1 - alpha) * (labeled.late.to_numpy()[:, None] == teacher.classes_)
    for start in range(0, N_LABELED, 100):
        part = slice(start, start + 100)
        model.partial_fit(labeled[COLUMNS][part], labeled.late[part])
        rows, classes = np.nonzero(m[part] > 0)
        alone.partial_fit(
            labeled[COLUMNS][part].iloc[rows], teacher.classes_[classes],
            classes=teacher.classes_, sample_weight=m[part][rows, classes],
        )  # fmt: skip
    np.testing.assert_allclose(
        model.predict_proba(frame[COLUMNS]), alone.predict_proba(frame[COLUMNS]), rtol=1e-8
    )
    assert model.n_batches_ == 3
    assert model.teacher_ is teacher


def test_partial_fit_without_labels_and_with_weights(situation):
    frame, teacher, _ = situation
    X = frame[COLUMNS]
    model = DistillationClassifier(teacher, GaussianNB())
    for start in range(0, 3000, 500):
        model.partial_fit(X[start : start + 500])
    assert model.alpha_ == 1
    whole = DistillationClassifier(teacher, GaussianNB()).fit(X)
    np.testing.assert_allclose(
        model.predict_proba(X), whole.predict_proba(X), rtol=1e-4, atol=1e-6
    )
    weighted = DistillationClassifier(teacher, GaussianNB())
    weighted.partial_fit(X, sample_weight=np.where(np.arange(3000) < 500, 1.0, 0.0))
    first = DistillationClassifier(teacher, GaussianNB()).partial_fit(X[:500])
    np.testing.assert_allclose(first.predict_proba(X), weighted.predict_proba(X), rtol=1e-6)


def test_partial_fit_at_a_temperature_is_undone(situation):
    frame, teacher, _ = situation
    bare = SGDClassifier(loss="log_loss", average=True, random_state=0)
    student = make_pipeline(StandardScaler(), bare)
    hot = DistillationClassifier(teacher, student, temperature=4)
    for _ in range(20):
        hot.partial_fit(frame[COLUMNS])
    p = np.exp(next(label(teacher, [frame[COLUMNS]])))
    entropy = -(p * np.log(p)).sum(axis=1).mean()
    assert cross_entropy(hot, frame, teacher) < entropy + 0.03
    assert hot.decoder_.power > 3


def test_partial_fit_of_streams_of_text(rows):
    words = np.where(rows.a > 0, "late again", "just in time")
    texts = [f"{word} {i % 7}" for i, word in enumerate(words)]
    y = (rows.a > 0).astype(int)
    teacher = make_pipeline(HashingVectorizer(n_features=64), LogisticRegression()).fit(texts, y)
    student = make_pipeline(HashingVectorizer(n_features=32), SGDClassifier(loss="log_loss"))
    model = DistillationClassifier(teacher, student)
    for start in range(0, 3000, 1000):
        model.partial_fit(texts[start : start + 1000])
    assert model.score(texts, y) > 0.95


def test_who_has_partial_fit(situation):
    frame, teacher, _stored = situation
    for student in (SGDClassifier(), GaussianNB(), make_pipeline(StandardScaler(), GaussianNB())):
        assert hasattr(DistillationClassifier(teacher, student), "partial_fit")
    for student in (DecisionTreeClassifier(), None, torch.nn.Linear(4, 2), LGBMClassifier()):
        assert not hasattr(DistillationClassifier(teacher, student), "partial_fit")
    unfitted = DistillationClassifier(RandomForestClassifier(), GaussianNB())
    assert not hasattr(unfitted, "partial_fit")
    with pytest.raises(AttributeError, match="partial_fit"):
        unfitted.partial_fit(frame[COLUMNS])


def test_partial_fit_refuses_in_words_and_changes_nothing(situation):
    frame, teacher, _ = situation
    X, y = frame[:N_LABELED][COLUMNS], frame.late[:N_LABELED]
    model = DistillationClassifier(teacher, GaussianNB(), alpha=0.5).partial_fit(X, y)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match="labels \\['never'\\], which are not among the classes"):
        model.partial_fit(X, y.replace("yes", "never"))
    with pytest.raises(ValueError, match="must stay what they were at the first call"):
        model.partial_fit(X, y, classes=["no", "yes", "much", "never"])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.partial_fit(X, y[:10])
    with pytest.raises(ValueError, match="feature"):
        model.partial_fit(X[["a", "b"]], y)
    assert pickle.dumps(model) == before
    balanced = SGDClassifier(loss="log_loss", class_weight="balanced")
    with pytest.raises(ValueError, match=r"class_weight='balanced' of the student needs all rows"):
        DistillationClassifier(teacher, balanced).partial_fit(X, y)


class Unweighted(SGDClassifier):
    def fit(self, X, y):
        return super().fit(X, y)

    def partial_fit(self, X, y, classes=None):
        return super().partial_fit(X, y, classes)


def test_a_student_without_weights_learns_from_drawn_labels(situation):
    frame, teacher, stored = situation
    student = Unweighted(loss="log_loss", alpha=0.01, random_state=0)
    model = DistillationClassifier(None, student, temperature=1, random_state=0)
    model.fit_transfer_set(stored, max_epochs=5)
    assert model.strategy_.name == "sampled-labels"
    told = teacher.predict(frame[COLUMNS])
    assert model.score(frame[COLUMNS], told) > 0.6


# -- bad input -----------------------------------------------------------------------------------


def test_a_student_that_cannot_stream_is_told_who_can(situation):
    _, _teacher, stored = situation
    for student in (DecisionTreeClassifier(), GradientBoostingClassifier()):
        with pytest.raises(TypeError, match=r"cannot learn batch by batch.*have partial_fit"):
            DistillationClassifier(None, student).fit_transfer_set(stored)
    with pytest.raises(TypeError, match="by 'target-regression', which needs a regressor"):
        DistillationClassifier(None, GaussianNB(), strategy="target-regression").fit_transfer_set(
            stored
        )
    hints = GradientTraining(hints=[LayerHint("0", "0")])
    with pytest.raises(TypeError, match="hints"):
        DistillationClassifier(None, torch.nn.Linear(4, 2), strategy=hints).fit_transfer_set(
            stored
        )


def test_settings_that_need_a_teacher_or_all_rows(situation, tmp_path):
    _, teacher, stored = situation
    student = GaussianNB()
    with pytest.raises(ValueError, match="teacher has spoken already"):
        DistillationClassifier(teacher, student).fit_transfer_set(stored)
    for settings in ({"calibrate": True}, {"trust": "orthogonal"}, {"augmenter": lambda *a: a}):
        with pytest.raises(ValueError, match="needs all rows at once"):
            DistillationClassifier(None, student, **settings).fit_transfer_set(stored)
    with pytest.raises(ValueError, match="max_epochs must be an int"):
        DistillationClassifier(None, student).fit_transfer_set(stored, max_epochs=0)
    with pytest.raises(ValueError, match="batch_rows must be an int"):
        DistillationClassifier(None, student).fit_transfer_set(stored, batch_rows=1.5)
    with pytest.raises(FileNotFoundError, match="no transfer set"):
        DistillationClassifier(None, student).fit_transfer_set(tmp_path)
    with pytest.raises(ValueError, match="stop early"):
        DistillationClassifier(None, LGBMClassifier(early_stopping_round=3)).fit_transfer_set(
            stored
        )


def test_rows_that_have_moved(rows, tmp_path):
    teacher = make_teacher(rows)
    rows.to_parquet(tmp_path / "rows.parquet")
    label_transfer_set(teacher, tmp_path / "rows.parquet", tmp_path / "sink")
    (tmp_path / "rows.parquet").rename(tmp_path / "moved.parquet")
    model = DistillationClassifier(None, GaussianNB())
    with pytest.raises(ValueError, match="not where they were"):
        model.fit_transfer_set(tmp_path / "sink")
    (tmp_path / "rows").mkdir()
    (tmp_path / "moved.parquet").rename(tmp_path / "rows" / "rows.parquet")
    stored = StoredTransferSet(tmp_path / "sink", source=tmp_path / "rows")
    p = np.exp(next(label(teacher, [rows[COLUMNS]])))
    assert log_loss(p.argmax(axis=1), model.fit_transfer_set(stored).predict_proba(rows[COLUMNS]),
                    labels=[0, 1]) < 0.7  # fmt: skip
