import os
import shutil
import subprocess

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill.export import ParityError, export_c, export_js
from sklearn_distill.export.c import CWriter
from sklearn_distill.export.folding import fold
from sklearn_distill.export.parity import edge_rows
from sklearn_distill.export.program import LEAF, NotReadable
from sklearn_distill.export.readers import read_model
from sklearn_distill.export.rows import RowFormat
from tests.exported_models import ON_FRAMES, ON_NUMBERS, fitted, frame, numbers

KINDS = [*ON_NUMBERS, "network", *ON_FRAMES]
#: These compute in float32 themselves.
SINGLE = ("xgboost", "network")
needs_cc = pytest.mark.skipif(
    shutil.which("cc") is None or shutil.which("size") is None, reason="no C compiler"
)
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js")


def exact(kind):
    if "normal" in kind:  # whose distribution function is another one in scipy
        return 1e-11
    return 1e-6 if any(name in kind for name in SINGLE) else 1e-12


# -- the common form -----------------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_a_program_computes_what_the_model_predicts(kind, n_classes):
    model, X = fitted(kind, n_classes)
    program = read_model(model, X)
    rows = RowFormat(X, program.inputs)
    numbers_ = rows.encode(X)
    wanted = model.predict_proba(X)
    np.testing.assert_allclose(program.run(numbers_), wanted, atol=exact(kind))
    for grid in (np.float64, np.float32):
        folded = fold(program, grid)
        given = numbers_.astype(grid).astype(float)
        wanted = model.predict_proba(rows.decode(given))
        np.testing.assert_allclose(folded.run(given), wanted, atol=exact(kind))


@pytest.mark.parametrize("kind", ["scaled tree", "quantile booster", "xgboost", "one-hot tree"])
@pytest.mark.parametrize("grid", [np.float32, np.float64])
def test_rows_at_edges_reach_every_split_and_both_of_its_sides(kind, grid):
    model, X = fitted(kind)
    program = fold(read_model(model, X), grid)
    rows = RowFormat(X, program.inputs)
    edges, missing, _ = edge_rows(program, rows.encode(X).astype(grid).astype(float), grid)
    trees = program.body
    reached = {node: set() for node in trees.splits.tolist()}
    for row in np.concatenate([edges, missing]):
        for root in trees.roots:
            at = root
            while trees.feature[at] != LEAF:
                x = row[trees.feature[at]]
                if at in trees.codes:
                    go = trees._by_category(at, np.array([x]))[0]
                else:
                    go = trees.missing_left[at] if np.isnan(x) else x <= trees.threshold[at]
                reached[at].add(bool(go))
                at = trees.left[at] if go else trees.right[at]
    assert all(reached.values())
    both = np.mean([len(sides) == 2 for sides in reached.values()])
    assert both > 0.95  # a few splits cannot be passed both ways


def test_folding_finds_the_largest_number_that_goes_left():
    model, X = fitted("scaled tree")
    program = read_model(model, X)
    scaler, tree = model.student_.steps[0][1], model.student_.steps[1][1]
    for grid in (np.float32, np.float64):
        folded = fold(program, grid)
        for node in folded.body.splits:
            j, at = folded.body.feature[node], grid(folded.body.threshold[node])
            rows = np.zeros((2, X.shape[1]))
            rows[:, j] = [at, np.nextafter(at, grid(np.inf))]
            scaled = scaler.transform(rows)[:, j].astype(np.float32)
            original = tree.tree_.threshold[node]
            assert scaled[0] <= original < scaled[1]


def test_what_is_not_read_says_so():
    X, y = numbers()
    with pytest.raises(NotReadable, match="the student KNeighborsClassifier"):
        read_model(KNeighborsClassifier().fit(X, y), X)


# -- C -------------------------------------------------------------------------------------------


@needs_cc
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_c_of_every_kind(kind, n_classes, tmp_path):
    model, X = fitted(kind, n_classes)
    file = export_c(model, tmp_path / "student.h", X)
    assert file.max_difference <= exact(kind)
    assert file.checked_by == "the compiled code"
    assert 0 < file.code_bytes < file.n_bytes
    assert os.listdir(tmp_path) == ["student.h"]


@needs_cc
@pytest.mark.parametrize(
    "kind", [k for k in ON_NUMBERS if "hist" not in k and "quantile" not in k]
)
def test_c_in_single_precision(kind, tmp_path):
    model, X = fitted(kind)
    file = export_c(model, tmp_path / "student.h", X.astype(np.float32), dtype="float")
    assert file.max_difference <= 1e-5


@needs_cc
def test_a_tree_of_64_leaves_takes_less_than_4_kilobytes(tmp_path):
    X, y = numbers()
    tree = DecisionTreeClassifier(max_leaf_nodes=64, random_state=0).fit(X, y)
    for dtype in ("double", "float"):
        file = export_c(tree, tmp_path / "tree.h", X.astype(np.float32), dtype=dtype)
        assert file.code_bytes <= 4096
        assert file.stack_bytes <= 256
    assert "malloc" not in file.path.read_text()


@needs_cc
@pytest.mark.parametrize("kind", ["tree", "native lightgbm", "mlp", "sgd", "normal quantile mlp"])
def test_the_header_compiles_without_a_warning_as_c_and_as_c_plus_plus(kind, tmp_path):
    model, X = fitted(kind, 3)
    header = export_c(model, tmp_path / "a model.h", X).path
    program = '#include <stdio.h>\n#include "a model.h"\nint main(void) {\n'
    program += f"    double x[{X.shape[1]}] = {{0}}, p[3];\n"
    program += "    a_model_predict_proba(x, p);\n"
    program += (
        '    printf("%.17g %s", p[1], a_model_label(a_model_predict(x)));\n    return 0;\n}\n'
    )
    strict = ["-Wall", "-Wextra", "-Wconversion", "-Wno-sign-conversion", "-Werror", "-pedantic"]
    compilers = [["cc", "-std=c99"]]
    if shutil.which("c++"):
        compilers.append(["c++", "-std=c++11"])
    for i, compiler in enumerate(compilers):
        source = tmp_path / f"main.{'c' if i == 0 else 'cpp'}"
        source.write_text(program)
        command = [*compiler, *strict, "-I", str(tmp_path), str(source), "-lm"]
        done = subprocess.run(
            [*command, "-o", str(tmp_path / "main")], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        said = subprocess.run([str(tmp_path / "main")], capture_output=True, text=True).stdout
        proba, _, label = said.partition(" ")
        rows = RowFormat(X, read_model(model, X).inputs)
        row = rows.decode(np.zeros((1, X.shape[1])))
        assert float(proba) == pytest.approx(model.predict_proba(row)[0, 1], abs=1e-12)
        assert label == model.predict(row)[0]
    assert header.exists()


@needs_cc
@pytest.mark.parametrize("several", [False, True])
def test_c_of_regressors(several, tmp_path):
    X, _ = numbers()
    model = MultiOutputRegressor(LinearRegression()) if several else Ridge()
    model.fit(X, X[:, :2] if several else X[:, 0])
    file = export_c(model, tmp_path / "values.h")  # without a sample
    assert file.max_difference < 1e-12
    assert f"n_outputs = {1 + several} " in file.path.read_text()


def test_without_a_compiler_the_arithmetic_is_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    model, X = fitted("tree")
    for export, name in ((export_c, "a.h"), (export_js, "a.js")):
        file = export(model, tmp_path / name, X)
        assert "for want of" in str(file)
        assert file.code_bytes is None


@needs_cc
def test_a_broken_writer_is_caught(tmp_path, monkeypatch):
    right = CWriter.number
    monkeypatch.setattr(CWriter, "number", lambda self, v: right(self, round(float(v), 3)))
    model, X = fitted("tree")
    with pytest.raises(ParityError, match="The worst is number"):
        export_c(model, tmp_path / "a.h", X)
    assert os.listdir(tmp_path) == []


def test_bad_arguments_of_c_and_javascript(tmp_path):
    model, X = fitted("tree")
    with pytest.raises(ValueError, match="dtype must be 'double' or 'float'"):
        export_c(model, tmp_path / "a.h", X, dtype="half")
    for export in (export_c, export_js):
        with pytest.raises(NotFittedError):
            export(DecisionTreeClassifier(), tmp_path / "a.h", X)
        with pytest.raises(
            TypeError, match=r"KNeighborsClassifier .*These can be: decision trees"
        ):
            export(KNeighborsClassifier().fit(*numbers()), tmp_path / "a.h", X)
        with pytest.raises(FileNotFoundError):
            export(model, tmp_path / "no" / "a.h", X)
        with pytest.raises(IsADirectoryError):
            export(model, tmp_path, X)
    assert os.listdir(tmp_path) == []


# -- JavaScript ----------------------------------------------------------------------------------


@needs_node
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_javascript_of_every_kind(kind, n_classes, tmp_path):
    model, X = fitted(kind, n_classes)
    file = export_js(model, tmp_path / "student.mjs", X)
    assert file.max_difference <= exact(kind)
    assert file.checked_by == "Node.js"


def run(tmp_path, code):
    script = tmp_path / "main.mjs"
    script.write_text(f'import * as model from "./student.mjs";\n{code}')
    done = subprocess.run(["node", str(script)], capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else done.stderr


@needs_node
def test_javascript_takes_arrays_objects_and_categories(tmp_path):
    model, X = fitted("one-hot tree")
    export_js(model, tmp_path / "student.mjs", X)
    X, _ = frame()
    row = X[X.kind.notna() & X.age.notna()].iloc[[0]]
    as_object = row.astype({"level": int}).to_json(orient="records")[1:-1]
    ask = f"const row = {as_object};\nconsole.log(model.predictProba(row)[1]);"
    wanted = model.predict_proba(row)[0, 1]
    assert float(run(tmp_path, ask)) == pytest.approx(wanted, abs=1e-15)
    ask = f"console.log(model.predict(Object.values({as_object})), model.classes.length);"
    assert run(tmp_path, ask) == f"{model.predict(row)[0]} 2"
    ask = f'console.log(model.predictProba({{...{as_object}, country: "Atlantis"}})[1]);'
    wanted = model.predict_proba(row.assign(country="Atlantis"))[0, 1]
    assert float(run(tmp_path, ask)) == pytest.approx(wanted, abs=1e-15)


@needs_node
def test_javascript_refuses_what_the_model_does_not_take(tmp_path):
    model, X = fitted("logistic regression")
    export_js(model, tmp_path / "student.mjs", X)
    ask = "model.predict({})"
    assert "TypeError: the row lacks the column x0" in run(tmp_path, ask.format("{}"))
    assert "expected 6 values, got 2" in run(tmp_path, "model.predict([1, 2])")
    assert "takes no missing values" in run(tmp_path, "model.predict([1, 2, 3, 4, 5, null])")
    assert "expected a number, got string" in run(tmp_path, "model.predict([1, 2, 3, 4, 5, '6'])")
    assert "expected an array" in run(tmp_path, "model.predict(3)")
    model, X = fitted("mixed tree")
    export_js(model, tmp_path / "student.mjs", X)
    ask = 'model.predict([1, 2, 0, "Atlantis", "x", "1"])'
    assert "column country: unknown category Atlantis" in run(tmp_path, ask)


@needs_node
def test_javascript_keeps_the_type_of_labels(tmp_path):
    for labels, shown in (("int", "number"), ("bool", "boolean"), ("string", "string")):
        model, X = fitted("tree", 2, 4.0, labels)
        export_js(model, tmp_path / "student.mjs", X)
        assert run(tmp_path, "console.log(typeof model.predict([0, 0, 0, 0, 0, 0]))") == shown


@pytest.mark.parametrize("kind", ["scaled tree", "squeezed tree"])
def test_scalers_are_imitated_in_the_precision_of_the_rows(kind):
    X, y = numbers()
    X = X.astype(np.float32)
    model = ON_NUMBERS[kind]().fit(X, y)
    program = read_model(model, X)
    np.testing.assert_array_equal(program.featurize(X), model[:-1].transform(X))
    folded = fold(program, np.float32)
    edges, _, _ = edge_rows(folded, X.astype(float), np.float32)
    wanted = model.predict_proba(edges.astype(np.float32))
    np.testing.assert_allclose(folded.run(edges), wanted, atol=1e-15)
