"""Build a static page on which two distilled students answer without a server.

A tree of 64 leaves judges card payments, as JavaScript and in ONNX Runtime Web side by side; a
word counter understands typed commands, and says when it would rather ask the server. The page is
written to ``examples/browser/site``; it needs nothing from elsewhere once it is built:

    python -m http.server -d examples/browser/site

Each student is compared with its model in Python when it is exported, and once more by the page
itself, on 200 rows that Python's answers come with.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from lightgbm import LGBMClassifier
from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from sklearn_distill import CascadeClassifier, DistillationClassifier
from sklearn_distill.export import export_js, export_onnx

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
import real_data  # noqa: E402

#: The release of ONNX Runtime Web that is put beside the page, and which of its files.
ORT = "onnxruntime-web@1.30.0"
ORT_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)
N_CHECKS = 200
N_SLIDERS = 6


def fraud(site):
    """Export the tree that judges payments; return what the page needs to know of it."""
    X, y = real_data.credit_card_fraud()
    # Numbers as a phone has them.
    names, X, y = list(map(str, X.columns)), X.to_numpy(np.float32), np.asarray(y)
    cut = int(0.7 * len(y))
    # All frauds of the first days, and every tenth honest payment.
    rows = np.flatnonzero((y[:cut] == 1) | (np.arange(cut) % 10 == 0))
    weight = np.where(y[rows] == 1, 1.0, 10.0)
    teacher = VotingClassifier(
        [
            ("trees", ExtraTreesClassifier(100, min_samples_leaf=2, n_jobs=-1, random_state=0)),
            ("booster", LGBMClassifier(n_estimators=100, learning_rate=0.05, verbose=-1)),
        ],
        voting="soft",
    )
    student = DecisionTreeClassifier(max_leaf_nodes=64, random_state=0)
    model = DistillationClassifier(
        teacher.fit(X[rows], y[rows], sample_weight=weight), student, temperature=4, alpha=1
    )
    model.fit(X[rows], y[rows], sample_weight=weight)
    test, y_test = X[cut:], y[cut:]
    for file in (
        export_js(model, site / "fraud.js", test[:20_000]),
        export_onnx(model, site / "fraud.onnx", test[:20_000]),
    ):
        print(file)
    score = model.predict_proba(test)[:, 1]
    print(f"average precision on later payments: {average_precision_score(y_test, score):.3f}")
    frauds = np.flatnonzero(y_test == 1)
    some = np.random.default_rng(0).choice(len(test), N_CHECKS - len(frauds[:60]), replace=False)
    checks = np.concatenate([frauds[:60], some])
    strongest = np.argsort(-model.student_.feature_importances_)[:N_SLIDERS]
    return {
        "columns": names,
        "typical": np.median(test, axis=0).tolist(),
        "fraud": test[frauds[score[frauds].argmax()]].tolist(),
        "sliders": [
            {
                "column": int(j),
                "low": float(np.quantile(test[:, j], 0.0005)),
                "high": float(np.quantile(test[:, j], 0.9995)),
            }
            for j in strongest
        ],
        "rows": test[checks].tolist(),
        "answers": model.predict_proba(test[checks])[:, 1].tolist(),
    }


def voice(site):
    """Export the word counter that understands commands; return what the page needs of it."""
    texts, intents, templates = real_data.voice_intents(n_per_intent=150)
    # Sentences of one template are much alike: none is on both sides.
    drawn = np.random.default_rng(0).permutation(np.unique(templates))
    held_out = np.isin(templates, drawn[: len(drawn) // 4])
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True)
    teacher = make_pipeline(letters, LogisticRegression(C=30, max_iter=2000))
    teacher.fit(texts[~held_out], intents[~held_out])
    counter = TfidfVectorizer(ngram_range=(1, 2), max_features=1000)
    student = make_pipeline(counter, LogisticRegression(C=30, max_iter=2000))
    model = DistillationClassifier(teacher, student, temperature=1, alpha=0.5)
    model.fit(texts[~held_out], intents[~held_out])
    accuracy = np.mean(model.predict(texts[held_out]) == intents[held_out])
    print(f"accuracy on sentences of other templates: {accuracy:.3f}")
    # From where on the page answers by itself: at most one answer in twenty is another than the
    # teacher's, on sentences such as those that are held out.
    calibrate = np.random.default_rng(1).permutation(np.flatnonzero(held_out))
    cascade = CascadeClassifier(model, teacher, target=0.95).fit(texts[calibrate])
    print(cascade.promise_)
    # The exporter writes the regression; counting words is a dozen lines on the page.
    words, regression = model.student_.steps[0][1], model.student_.steps[1][1]
    numbers = words.transform(texts).toarray()
    print(export_js(regression, site / "voice.js", numbers))
    some = np.random.default_rng(0).choice(np.flatnonzero(held_out), N_CHECKS, replace=False)
    # At alpha=.5 and T=1 there is nothing to undo: the regression's answers are the model's.
    answers = model.predict_proba(texts[some])
    assert np.abs(answers - regression.predict_proba(numbers[some])).max() < 1e-12
    vocabulary = sorted(words.vocabulary_, key=words.vocabulary_.get)
    return {
        "vocabulary": vocabulary,
        "idf": words.idf_.tolist(),
        "texts": texts[some].tolist(),
        "labels": model.predict(texts[some]).tolist(),
        "answers": answers.max(axis=1).tolist(),
        "accuracy": float(accuracy),
        "threshold": float(min(cascade.threshold_, 0.99)),
        "promise": cascade.promise_,
    }


def vendor_runtime(site):
    """Put ONNX Runtime Web beside the page; without npm the page does without."""
    npm = shutil.which("npm")
    if npm is None:
        print("npm is not installed: the page will only have the student in JavaScript")
        return False
    cached = real_data.cache_folder() / ORT.replace("@", "-")
    if not all((cached / name).is_file() for name in ORT_FILES):
        with TemporaryDirectory() as folder:
            subprocess.run([npm, "pack", "--silent", ORT], cwd=folder, check=True)
            (archive,) = Path(folder).glob("*.tgz")
            cached.mkdir(parents=True, exist_ok=True)
            with tarfile.open(archive) as package:
                for name in ORT_FILES:
                    content = package.extractfile(f"package/dist/{name}").read()
                    (cached / name).write_bytes(content)
    (site / "ort").mkdir(exist_ok=True)
    for name in ORT_FILES:
        shutil.copy(cached / name, site / "ort" / name)
    return True


def build(site):
    """Write the page and everything that it needs to a folder."""
    site.mkdir(parents=True, exist_ok=True)
    facts = {"fraud": fraud(site), "voice": voice(site), "runtime": vendor_runtime(site)}
    (site / "facts.json").write_text(json.dumps(facts))
    for name in ("index.html", "page.js"):
        shutil.copy(HERE / name, site / name)
    total = sum(path.stat().st_size for path in site.rglob("*") if path.is_file())
    print(f"built: {site}, {total / 1e6:.1f} MB; serve it with")
    print(f"    python -m http.server -d {site}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", type=Path, default=HERE / "site", help="where to write it")
    build(parser.parse_args().site)
