"""Recipes for other packages, as the documentation shows them; run by ``make interoperation``."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import DistillationClassifier

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
teacher = RandomForestClassifier(50, random_state=0).fit(X_train, y_train)
student = DecisionTreeClassifier(max_leaf_nodes=8, random_state=0)
model = DistillationClassifier(teacher, student, alpha=1.0, temperature=2.0)
model.fit(X_train, y_train)


def test_skore():
    pytest.importorskip("skore")
    # [skore]
    import skore

    from sklearn_distill import distillation_report
    from sklearn_distill.metrics import make_fidelity_scorer

    report = skore.EstimatorReport(
        model.standalone(),
        X_test=X_test,
        y_test=y_test,
        pos_label=1,
    )
    report.metrics.add(make_fidelity_scorer("agreement", teacher), name="agreement")

    class WorthDistilling(skore.Check):
        code = "KD001"
        title = "Distillation against labels alone"
        report_types = ["estimator"]
        severity = "issue"
        slow = True

        def check_function(self, report):
            rows = X_train, y_train, report.X_test, report.y_test
            verdict = distillation_report(report.estimator_, *rows, teacher=teacher).verdict
            return None if verdict.code == "gain" else str(verdict)

    report.checks.add([WorthDistilling()])
    # [end]
    assert report.metrics.agreement() == pytest.approx(
        np.mean(teacher.predict(X_test) == model.predict(X_test))
    )
    found = report.checks.summarize().frame(section="issue").set_index("code")
    assert "No gain" in found.loc["KD001", "explanation"]


def test_fairlearn():
    fairlearn = pytest.importorskip("fairlearn.metrics")
    groups = np.where(X_test["mean area"] > 700, "large", "small")
    # [fairlearn]
    from fairlearn.metrics import MetricFrame

    from sklearn_distill.metrics import agreement_score, js_divergence

    # What MetricFrame calls y_true is the teacher, and y_pred the student.
    labels = MetricFrame(
        metrics=agreement_score,
        y_true=teacher.predict(X_test),
        y_pred=model.predict(X_test),
        sensitive_features=groups,
    )

    # It cuts arrays of one dimension: of two classes the probability of the second is enough.
    def divergence(of_teacher, of_student):
        both = (np.column_stack([1 - p, p]) for p in (of_teacher, of_student))
        return js_divergence(*both)

    parted = MetricFrame(
        metrics=divergence,
        y_true=teacher.predict_proba(X_test)[:, 1],
        y_pred=model.predict_proba(X_test)[:, 1],
        sensitive_features=groups,
    )
    # [end]
    assert fairlearn.MetricFrame is MetricFrame
    large = groups == "large"
    assert labels.by_group["large"] == pytest.approx(
        agreement_score(teacher.predict(X_test[large]), model.predict(X_test[large]))
    )
    assert parted.by_group.min() > 0
