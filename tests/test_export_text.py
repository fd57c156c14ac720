import sqlite3

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from sklearn_distill import DistillationClassifier
from sklearn_distill.export import export_sql, export_text, monotone_directions
from tests.exported_models import fitted, frame, numbers


def answers(sql, X):
    """Return what a database computes for the rows of a frame."""
    base = sqlite3.connect(":memory:")
    base.create_function("EXP", 1, lambda x: float(np.exp(x)))
    X = X.astype({c: object for c in X.columns if isinstance(X[c].dtype, pd.CategoricalDtype)})
    X.assign(place=range(len(X))).to_sql("rows", base, index=False)
    found = base.execute(f"SELECT {sql} FROM rows ORDER BY place").fetchall()
    return np.array(found)[:, 0].astype(float)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", ["one-hot tree", "ordinal tree", "mixed tree"])
def test_sql_of_trees_gives_what_the_model_gives(kind, n_classes):
    model, X = fitted(kind, n_classes)
    sql_rows = X.assign(level=X.level.astype(str), flag=X.flag.astype(int))
    for k, positive in enumerate(model.classes_):
        sql = export_sql(model, X, positive=positive)
        found = answers(sql, sql_rows)
        np.testing.assert_allclose(found, model.predict_proba(X)[:, k], atol=1e-15)


def test_sql_of_linear_models_and_regressors(tmp_path):
    X, y = numbers()
    X = pd.DataFrame(X, columns=["a", 'b"', "c c", "d", "e", "f"])
    path = tmp_path / "model.sql"
    for model in (
        make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y),
        LogisticRegression(max_iter=5000).fit(X[["a", "d"]], y),
    ):
        rows = X[list(model.feature_names_in_)]
        sql = export_sql(model, rows, path=path)
        assert path.read_text() == sql + "\n"
        np.testing.assert_allclose(answers(sql, rows), model.predict_proba(rows)[:, 1], atol=1e-13)
        sql = export_sql(model, rows, positive="no")
        np.testing.assert_allclose(answers(sql, rows), model.predict_proba(rows)[:, 0], atol=1e-13)
    for model in (Ridge(), DecisionTreeRegressor(max_depth=3)):
        model.fit(X, X["a"])
        np.testing.assert_allclose(answers(export_sql(model, X), X), model.predict(X), atol=1e-12)


def test_a_distilled_tree_as_text_has_the_probabilities_that_it_gives():
    X, y = frame()
    X = X.assign(age=X.age.fillna(50))
    columns = ["amount", "age"]
    student = make_pipeline(StandardScaler(), DecisionTreeClassifier(max_leaf_nodes=3))
    model = DistillationClassifier(
        DecisionTreeClassifier(min_samples_leaf=30).fit(X[columns], y),
        student,
        temperature=3,
        alpha=1,
    ).fit(X[columns], y)
    text = export_text(model, X[columns])
    first = text.splitlines()[0]
    assert first.startswith("amount <= ")
    at = float(first.partition("<= ")[2].partition(":")[0])
    lowest, highest = X.amount.min(), X.amount.max()
    assert lowest < at < highest  # in the user's own units
    for row in (X[columns].iloc[[X.amount.argmin()]], X[columns].iloc[[X.amount.argmax()]]):
        shown = f"{model.classes_[1]}: {model.predict_proba(row)[0, 1]:.3f}"
        assert shown in text


def test_text_names_categories_missing_values_and_weights():
    model, X = fitted("one-hot tree")
    text = export_text(model, X)
    assert " in {" in text
    assert "or missing" in text
    X, y = numbers()
    card = export_text(make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y), X)
    head, *lines = card.splitlines()
    assert head.startswith('log-odds of per"haps = ')
    weights = [abs(float(line.split()[0])) for line in lines]
    assert weights == sorted(weights, reverse=True)
    assert "over" in lines[0]


def test_what_cannot_be_read_is_refused():
    X, _ = numbers()
    with pytest.raises(TypeError, match="single trees and linear models of numbers. Got 4 trees"):
        export_text(fitted("forest")[0], X)
    with pytest.raises(TypeError, match="Got a network"):
        export_sql(fitted("network")[0], X)
    with pytest.raises(TypeError, match="a linear model of categories"):
        export_text(*fitted("one-hot regression"))
    with pytest.raises(ValueError, match="positive must be one of"):
        export_sql(*fitted("tree"), positive="maybe")
    with pytest.raises(ValueError, match="more than two classes"):
        export_sql(*fitted("logistic regression", 3))
    with pytest.raises(ValueError, match="positive is for classifiers"):
        export_sql(Ridge().fit(X, X[:, 0]), X, positive=1)


def test_directions_are_those_of_the_constraint_and_of_nothing_else():
    X, y = numbers()
    kept = HistGradientBoostingClassifier(max_iter=10, monotonic_cst=[1, 0, -1, 0, 0, 0])
    kept.fit(X, y)
    found = monotone_directions(kept, X)
    assert found["x0"] in ("increasing", "constant")
    assert found["x2"] in ("decreasing", "constant")
    free = monotone_directions(HistGradientBoostingClassifier(max_iter=10).fit(X, y), X)
    assert free["x1"] == "neither"
    # Of a distilled student: the constraint of the student holds, the teacher has none.
    student = DecisionTreeClassifier(max_leaf_nodes=20, monotonic_cst=[1, 1, 1, 1, 1, 1])
    model = DistillationClassifier(
        HistGradientBoostingClassifier(max_iter=10).fit(X, y), student, temperature=2, alpha=1
    ).fit(X, y)
    assert set(monotone_directions(model, X).values()) <= {"increasing", "constant"}
    with pytest.raises(TypeError, match="Only trees"):
        monotone_directions(fitted("logistic regression")[0], X)
