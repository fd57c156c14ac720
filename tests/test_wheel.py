"""What is built from the sources can be installed where there is nothing, and runs there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PROGRAM = """
import sklearn_distill
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier
assert "site-packages" in sklearn_distill.__file__, sklearn_distill.__file__
X, y = load_breast_cancer(return_X_y=True)
teacher = RandomForestClassifier(20, random_state=0).fit(X[::2], y[::2])
student = DecisionTreeClassifier(max_leaf_nodes=8, random_state=0)
model = sklearn_distill.DistillationClassifier(teacher, student, alpha=1, temperature=2)
model.fit(X[::2], y[::2])
rows = X[::2], y[::2], X[1::2], y[1::2]
report = sklearn_distill.distillation_report(model, *rows, rivals=["hard"], stability=0)
print(report.verdict.code)
"""


@pytest.mark.slow
def test_a_wheel_installs_and_runs_in_an_empty_environment(tmp_path):
    def run(*command):
        done = subprocess.run(
            [*map(str, command)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    pip = "-m", "pip", "--disable-pip-version-check"
    run(sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", tmp_path / "dist", ROOT)
    (wheel,) = (tmp_path / "dist").glob("sklearn_distill-*.whl")
    run(sys.executable, "-m", "venv", tmp_path / "empty")
    python = tmp_path / "empty" / "bin" / "python"
    run(python, *pip, "install", "-c", ROOT / "constraints.txt", wheel)
    # Neither onnx nor matplotlib nor pandas is there: whatever needs them is left out in words.
    assert run(python, "-c", PROGRAM).strip() in ("gain", "no-gain")
