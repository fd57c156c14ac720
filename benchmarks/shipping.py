"""What a student costs once it has left Python: bytes, one row, and the difference to the model.

One process, one thread; the calls of all artefacts are interleaved round by round, so that a busy
machine slows all of them. `times` is against a forest of 500 trees in scikit-learn, in the same
rounds. C is called through ctypes, which is most of its time; the time inside C is in the last
column, of JavaScript it is that of Node.js.
"""

import argparse
import ctypes
import shutil
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnxruntime
from lightgbm import LGBMClassifier
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits
from xgboost import XGBClassifier

from sklearn_distill import DistillationClassifier
from sklearn_distill.export import OnnxClassifier, export_c, export_js, export_onnx

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import real_data

STUDENTS = {
    "tree, 64 leaves": DecisionTreeClassifier(max_leaf_nodes=64, random_state=0),
    "logistic regression, scaled": make_pipeline(StandardScaler(), LogisticRegression()),
    "forest, 20 trees of 64 leaves": RandomForestClassifier(20, max_leaf_nodes=64, random_state=0),
    "LightGBM, 8 trees of 8 leaves": LGBMClassifier(n_estimators=8, num_leaves=8, verbose=-1),
    "LightGBM, 100 trees of 8 leaves": LGBMClassifier(n_estimators=100, num_leaves=8, verbose=-1),
    "XGBoost, 100 trees of depth 3": XGBClassifier(n_estimators=100, max_depth=3),
    "MLP 64 x 64, scaled": make_pipeline(
        StandardScaler(), MLPClassifier((64, 64), max_iter=30, random_state=0)
    ),
    "student=None": None,
}
N_ROUNDS, N_CALLS = 40, 100


def called_in_c(path, width):
    """Return a call of the header through ctypes, and the nanoseconds of one call inside C."""
    with TemporaryDirectory() as folder:
        main = Path(folder) / "main.c"
        main.write_text(
            f'#include "{path}"\n'
            "void one(const double *x, double *p) { student_predict_proba(x, p); }\n"
            "double many(const double *x, double *p, long n, long rows) {\n"
            "    double total = 0;\n"
            "    for (long i = 0; i < n; i++) {\n"
            f"        student_predict_proba(x + (i % rows) * {width}, p); total += p[0];\n"
            "    }\n    return total;\n}\n"
        )
        library = Path(folder) / "lib.so"
        command = ["cc", "-std=c99", "-O2", "-shared", "-fPIC", str(main), "-o", str(library)]
        subprocess.run([*command, "-lm"], check=True)
        loaded = ctypes.CDLL(str(library))
    loaded.many.restype = ctypes.c_double
    one = loaded.one
    one.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    one.restype = None
    return one, loaded.many


def inside_c(many, X):
    X, p = np.ascontiguousarray(X, dtype=np.float64), np.zeros(2)
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (X, p)]
    n, times = 100_000, []
    for _ in range(7):
        start = time.perf_counter()
        many(*pointers, ctypes.c_long(n), ctypes.c_long(len(X)))
        times.append((time.perf_counter() - start) / n)
    return 1e9 * np.median(times)


def inside_node(path, X):
    code = (
        f'import {{ predictProba }} from "{path}";\n'
        f"const rows = {X[:200].astype(float).tolist()};\n"
        "const times = [];\n"
        "for (let round = 0; round < 9; round++) {\n"
        "  const start = process.hrtime.bigint();\n"
        "  for (let i = 0; i < 20000; i++) predictProba(rows[i % 200]);\n"
        "  times.push(Number(process.hrtime.bigint() - start) / 20000);\n}\n"
        "console.log(times.sort((a, b) => a - b)[4]);\n"
    )
    with TemporaryDirectory() as folder:
        main = Path(folder) / "main.mjs"
        main.write_text(code)
        done = subprocess.run(["node", str(main)], capture_output=True, text=True, check=True)
    return float(done.stdout)


def measure(calls):
    """Return the median seconds of a call of each, interleaved in rounds."""
    times = {name: [] for name in calls}
    for _ in range(N_ROUNDS):
        for name, (call, n) in calls.items():
            call()
            for _ in range(n):
                start = time.perf_counter_ns()
                call()
                times[name].append(time.perf_counter_ns() - start)
    return {name: np.median(found) / 1e9 for name, found in times.items()}


HEAD = (
    "| student | artefact | bytes | one row, p50 (µs) | times the forest | largest Δp "
    "| inside (µs) |"
)


def calls_of(forest, alone, files, row, width):
    """Return what is timed: for each artefact a call for one row, and how many in a round."""
    loaded = OnnxClassifier(files["ONNX"].path)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(files["ONNX"].path, options)
    type_ = session.get_inputs()[0].type
    given = row.astype(np.float64 if "double" in type_ else np.float32)
    one, many = called_in_c(files["C"].path, width)
    row64, p = row.astype(np.float64), np.zeros(2)
    pointers = ctypes.c_void_p(row64.ctypes.data), ctypes.c_void_p(p.ctypes.data)
    keep = row64, p  # as long as the pointers are used

    def in_c():
        assert keep
        one(*pointers)

    return many, {
        "forest of 500 trees": (partial(forest.predict_proba, row), 2),
        "in Python": (partial(alone.predict_proba, row), 10),
        "ONNX, session": (partial(session.run, ["probabilities"], {"X": given}), N_CALLS),
        "ONNX, OnnxClassifier": (partial(loaded.predict_proba, row), N_CALLS),
        "C, by ctypes": (in_c, N_CALLS),
    }


def main(names, folder):
    X, y = real_data.keel("magic")
    X, y = X.to_numpy(np.float32), (np.asarray(y) == "g").astype(int)
    order = np.random.default_rng(0).permutation(len(y))
    train, test = order[:8000], X[order[8000:18000]]
    forest = RandomForestClassifier(500, random_state=0).fit(X[train], y[train])
    print(HEAD)
    print("|--|--|--|--|--|--|--|")
    for name in names:
        model = DistillationClassifier(
            forest, STUDENTS[name], temperature=2, alpha=0.5, random_state=0
        ).fit(X[train], y[train])
        files = {
            "ONNX": export_onnx(model, folder / "student.onnx", test),
            "C": export_c(model, folder / "student.h", test),
            "JavaScript": export_js(model, folder / "student.mjs", test),
        }
        many, calls = calls_of(forest, model.standalone(), files, test[:1], X.shape[1])
        with threadpool_limits(1):
            found = measure(calls)
        reference = found.pop("forest of 500 trees")
        inside = {
            "C, by ctypes": f"{inside_c(many, test) / 1000:.3f}",
            "JavaScript": f"{inside_node(files['JavaScript'].path, test) / 1000:.2f}",
        }
        for artefact in [*found, "JavaScript"]:
            file, seconds = files.get(artefact.partition(",")[0]), found.get(artefact)
            cells = [
                name,
                artefact,
                "" if file is None else f"{file.code_bytes or file.n_bytes:,}",
                "" if seconds is None else f"{1e6 * seconds:.1f}",
                "" if seconds is None else f"{reference / seconds:,.0f}",
                "" if file is None else f"{file.max_difference:.0e}",
                inside.get(artefact, ""),
            ]
            print(f"| {' | '.join(cells)} |", flush=True)
        print(f"| | (the forest: {1e6 * reference:,.0f} µs) | | | | | |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("students", nargs="*", default=list(STUDENTS), help="names of students")
    chosen = parser.parse_args().students
    if shutil.which("cc") is None or shutil.which("node") is None:
        raise SystemExit("This needs a C compiler (cc) and Node.js (node).")
    with TemporaryDirectory() as temporary:
        main(chosen, Path(temporary))
