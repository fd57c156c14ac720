"""More rows than one machine holds: what labelling and learning from disk cost, and are worth.

Three million real flights (was it late by more than an hour?), and these rows again and again,
with noise, in the larger files. Each measurement runs in a process of its own; times are of one
run and compared with each other only.

    python benchmarks/scale.py throughput   # labelling, against the teacher in memory; engines
    python benchmarks/scale.py costs        # time and memory at 1, 3, 10 and 30 million rows
    python benchmarks/scale.py students     # 10,000 labels and all rows, against labels alone
    python benchmarks/scale.py small        # boosters in the bytes of the tree, on labels alone
    python benchmarks/scale.py table FILE   # of the lines that "students" has printed
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

from real_data import cache_folder, flights_file

COLUMNS = ["day", "weekday", "minute", "distance", "origin", "destination"]
BATCH = 65_536
N_LABELED = 10_000
MILLION = 1_000_000


# -- rows ----------------------------------------------------------------------------------------


def rows_file(n_rows):
    """Return the path of a file of so many flights; beyond three million they come again."""
    path = cache_folder() / f"flights-{n_rows}-v1.parquet"
    if path.exists():
        return path
    frame = pd.read_parquet(flights_file())
    rng, made = np.random.default_rng(0), path.with_suffix(".tmp")
    writer, written = None, 0
    while written < n_rows:
        part = frame[: n_rows - written].copy()
        part["id"] += written
        if written:
            for name in ("minute", "distance"):
                part[name] = (part[name] + rng.integers(-3, 4, len(part))).clip(0).astype("int16")
        table = pa.Table.from_pandas(part, preserve_index=False)
        writer = writer or pq.ParquetWriter(made, table.schema)
        writer.write_table(table, row_group_size=BATCH)
        written += len(part)
    writer.close()
    made.rename(path)
    return path


def labeled_rows(seed=0, n_rows=N_LABELED):
    frame = pd.read_parquet(flights_file())
    return frame.sample(n_rows, random_state=seed)


def make_teacher(kind="forest", seed=0, trees=100):
    from lightgbm import LGBMClassifier
    from sklearn.ensemble import RandomForestClassifier

    if kind == "booster":
        return LGBMClassifier(
            n_estimators=300, learning_rate=0.03, num_leaves=15, min_child_samples=20,
            colsample_bytree=0.7, subsample=0.7, subsample_freq=1, random_state=seed, verbose=-1,
        )  # fmt: skip
    return RandomForestClassifier(trees, min_samples_leaf=5, random_state=seed)


def peak_megabytes():
    """Return the largest size that this process has had in memory, as Linux counts it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def in_a_process(what, **settings):
    """Run a measurement in a process of its own and return what it found."""
    done = subprocess.run(
        [sys.executable, __file__, "one", json.dumps({"what": what} | settings)],
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


# -- measurements, each in a process of its own --------------------------------------------------


def own_throughput(n_rows, trees, engine="joblib"):
    """Rows per second of the teacher itself, in batches of rows that are in a worker's memory."""
    few = labeled_rows()
    teacher = make_teacher(trees=trees).fit(few[COLUMNS], few["late"])
    with _cluster(engine, 1) as cluster:
        seconds = cluster.run(_ask_in_memory, teacher, str(rows_file(n_rows)))
    return {"rows_per_second": n_rows / seconds}


def _ask_in_memory(teacher, path):
    """Return the seconds that a teacher takes for the rows of a file, once they are read."""
    warnings.filterwarnings("ignore")
    X = pd.read_parquet(path, columns=COLUMNS)
    start = time.perf_counter()
    for first in range(0, len(X), BATCH):
        teacher.predict_proba(X.iloc[first : first + BATCH])
    return time.perf_counter() - start


def label(n_rows, engine="joblib", workers=1, sink=None, trees=100):
    """Rows per second and peak memory of labelling."""
    from sklearn_distill import label_transfer_set

    few = labeled_rows()
    teacher = make_teacher(trees=trees).fit(few[COLUMNS], few["late"])
    before = peak_megabytes()
    with tempfile.TemporaryDirectory() as folder, _cluster(engine, workers):
        start = time.perf_counter()
        label_transfer_set(
            teacher, rows_file(n_rows), sink or f"{folder}/sink", columns=COLUMNS, key="id",
            engine=engine.partition(", ")[0], n_jobs=workers if engine == "joblib" else None,
        )  # fmt: skip
        seconds = time.perf_counter() - start
    return {
        "rows_per_second": n_rows / seconds, "seconds": seconds, "peak_mb": peak_megabytes(),
        "before_mb": before,
    }  # fmt: skip


def _imported(frames):
    from sklearn_distill import label_transfer_set  # noqa: F401

    yield from frames


class _cluster:
    """Local clusters of three kinds, with workers that have one thread each.

    Dask has its workers give memory back at once, which costs; "dask, untrimmed" does not.
    """

    def __init__(self, engine, workers):
        self.engine, _, how = engine.partition(", ")
        self.workers, self.trims = workers, not how

    def __enter__(self):
        if self.engine == "dask":
            import dask
            from distributed import Client, LocalCluster

            if not self.trims:
                setting = "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_"
                dask.config.set({setting: None})
            self.cluster = LocalCluster(
                n_workers=self.workers, threads_per_worker=1, dashboard_address=None
            )
            self.client = Client(self.cluster)
            self.client.run(lambda: __import__("sklearn_distill").label_transfer_set)
        if self.engine == "ray":
            import ray

            ray.init(num_cpus=self.workers, include_dashboard=False, log_to_driver=False,
                     logging_level="error")  # fmt: skip
            warm = ray.remote(lambda: __import__("sklearn_distill").label_transfer_set and 1)
            ray.get([warm.remote() for _ in range(2 * self.workers)])
        if self.engine == "spark":
            from pyspark.sql import SparkSession

            os.environ["PYSPARK_PYTHON"] = sys.executable
            builder = SparkSession.builder.master(f"local[{self.workers}]")
            self.session = builder.config("spark.ui.enabled", "false").getOrCreate()
            frame = self.session.range(self.workers).repartition(self.workers)
            frame.mapInPandas(_imported, "id long").collect()
        return self

    def run(self, function, *args):
        """Return what a function returns on one of the workers."""
        if self.engine == "dask":
            return self.client.submit(function, *args, pure=False).result()
        if self.engine == "ray":
            import ray

            return ray.get(ray.remote(function).remote(*args))
        if self.engine == "spark":
            calls = self.session.sparkContext.parallelize(range(self.workers), self.workers)
            return calls.map(lambda _: function(*args)).collect()[0]
        return function(*args)

    def __exit__(self, *exception):
        if self.engine == "dask":
            self.client.close()
            self.cluster.close()
        if self.engine == "spark":
            self.session.stop()


def learn(n_rows, student, sink):
    """Seconds and peak memory of a student that learns from disk, one pass."""
    from sklearn_distill import DistillationClassifier, GradientTraining, StoredTransferSet

    model = DistillationClassifier(
        None, make_student(student), random_state=0,
        strategy=GradientTraining(max_epochs=1) if student == "network" else "auto",
    )  # fmt: skip
    stored = StoredTransferSet(sink)
    before = peak_megabytes()
    start = time.perf_counter()
    model.fit_transfer_set(stored, **({} if "booster" in student else {"max_epochs": 1}))
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_mb": peak_megabytes(), "before_mb": before}


def read(n_rows, sink):
    """Seconds of reading rows and labels, in random order."""
    from sklearn_distill import StoredTransferSet

    stored = StoredTransferSet(sink)
    start = time.perf_counter()
    found = sum(len(batch.labels) for batch in stored.batches(shuffle=True))
    assert found == n_rows
    return {"seconds": time.perf_counter() - start, "peak_mb": peak_megabytes()}


def make_student(name):
    from lightgbm import LGBMClassifier
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import SGDClassifier
    from sklearn.naive_bayes import GaussianNB
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    from torch import nn
    from xgboost import XGBClassifier

    if name == "linear":
        columns = make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["origin", "destination", "weekday"]),
            remainder=StandardScaler(),
        )
        return make_pipeline(columns, SGDClassifier(loss="log_loss", random_state=0))
    if name == "network":
        wide = nn.Linear(len(COLUMNS), 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
        return make_pipeline(StandardScaler(), nn.Sequential(*wide, nn.Linear(64, 2)))
    if name == "booster":
        return LGBMClassifier(n_estimators=50, num_leaves=8, verbose=-1, random_state=0)
    if name == "xgboost booster":
        return XGBClassifier(n_estimators=50, max_depth=3)
    return GaussianNB()


MEASUREMENTS = {
    "own_throughput": own_throughput, "label": label, "learn": learn, "read": read
}  # fmt: skip


# -- the parts -----------------------------------------------------------------------------------


def throughput(n_rows=3 * MILLION, trees=200):
    """Print rows per second of the teacher alone, in a worker's memory, and of labelling there."""
    settings = {"n_rows": n_rows, "trees": trees}
    for engine in ("joblib", "dask", "dask, untrimmed", "ray", "spark"):
        try:
            own = in_a_process("own_throughput", engine=engine, **settings)["rows_per_second"]
        except RuntimeError as error:
            print(engine, "is not here:", str(error).splitlines()[-1])
            continue
        print(f"{engine:15} the teacher alone {own:9,.0f} rows/s", flush=True)
        found = {}
        for workers in (1, 2):
            one = in_a_process("label", engine=engine, workers=workers, **settings)
            found[workers] = one["rows_per_second"]
            print(
                f"{engine:15} {workers} worker{'s' * (workers > 1):1}         "
                f"{found[workers]:9,.0f} rows/s  {found[workers] / own:.2f} of the teacher's own, "
                f"{found[workers] / found[1]:.2f} of one worker",
                flush=True,
            )


def costs(sizes=(MILLION, 3 * MILLION, 10 * MILLION, 30 * MILLION)):
    """Print seconds and peak memory of all steps, and what a billion rows would take."""
    learners = ("linear", "naive Bayes", "network", "booster", "xgboost booster")
    steps, found = ("labelling", "reading", *learners), {}
    for n_rows in sizes:
        rows_file(n_rows)
        with tempfile.TemporaryDirectory() as folder:
            settings = {"n_rows": n_rows, "sink": f"{folder}/sink"}
            for step in steps:
                how = {"labelling": "label", "reading": "read"}.get(step, "learn")
                further = {"student": step} if how == "learn" else {}
                one = found[step, n_rows] = in_a_process(how, **settings, **further)
                print(
                    f"{n_rows / MILLION:5g} million  {step:15} {one['seconds']:8.1f} s "
                    f"{one['peak_mb']:6.0f} MB",
                    flush=True,
                )
    last, before = sizes[-1], sizes[-3]
    print(f"peak at {last / MILLION:g} million rows, over that at {before / MILLION:g} million")
    for step in steps:
        large, small = (found[step, n_rows]["peak_mb"] for n_rows in (last, before))
        each = (large - small) * 2**20 / (last - before)
        print(f"{step:15} {large / small:5.2f}, or {each:5.1f} bytes for each row more")
    print("seconds = a + b * rows, fitted to all sizes but the largest, and what it says of that")
    n = np.array(sizes, dtype=float)
    for step in steps:
        seconds = np.array([found[step, n_rows]["seconds"] for n_rows in sizes])
        b, a = np.polyfit(n[:-1], seconds[:-1], 1, w=1 / seconds[:-1])
        said = a + b * n[-1]
        print(
            f"{step:15} {b * MILLION:6.2f} s per million; at {last / MILLION:g} million "
            f"{said:7.1f} s foretold, {seconds[-1]:7.1f} s measured ({said / seconds[-1]:.2f}); "
            f"a billion: {(a + b * 1e9) / 3600:5.1f} h"
        )


FIELDS = ["seed", "student", "way", "auc", "ap", "log_loss", "seconds", "bytes", "model"]


def students(seeds=3):
    """Print a line for each seed, student and way of teaching."""
    from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
    from sklearn.model_selection import RandomizedSearchCV

    from sklearn_distill import DistillationClassifier, label_transfer_set
    from sklearn_distill.footprint import artefact_of, measure
    from sklearn_distill.selection import select_student

    warnings.filterwarnings("ignore")
    frame = pd.read_parquet(flights_file())
    lines = csv.DictWriter(sys.stdout, FIELDS)
    lines.writeheader()
    for seed in range(seeds):
        test = frame.sample(300_000, random_state=1000 + seed)
        rest = frame.drop(test.index)
        few = rest.sample(N_LABELED, random_state=seed)
        rest = rest.assign(late=rest["late"].where(rest.index.isin(few.index)).astype("Int8"))

        def score(model, student, way, seconds, *, n_bytes="", what="", test=test, seed=seed):
            p = model.predict_proba(test[COLUMNS])[:, 1]
            y = test["late"]
            scores = roc_auc_score(y, p), average_precision_score(y, p), log_loss(y, p)
            line = seed, student, way, *scores, seconds, n_bytes, what
            lines.writerow(dict(zip(FIELDS, line, strict=True)))
            sys.stdout.flush()

        with tempfile.TemporaryDirectory() as folder:
            rest.to_parquet(f"{folder}/rows.parquet", row_group_size=BATCH)
            start = time.perf_counter()
            teacher = make_teacher("booster", seed).fit(few[COLUMNS], few["late"])
            score(teacher, "teacher", "labels", time.perf_counter() - start)
            stored = label_transfer_set(
                make_teacher("booster", seed), f"{folder}/rows.parquet", f"{folder}/sink",
                columns=COLUMNS, key="id", target="late", n_jobs=2,
            )  # fmt: skip
            for name in ("tree", "linear", "booster", "network"):
                student, grid = _student_and_grid(name)
                start = time.perf_counter()
                hard = DistillationClassifier(None, student, alpha=0, random_state=seed)
                hard.fit(few[COLUMNS], few["late"])
                score(hard, name, "labels", time.perf_counter() - start)
                start = time.perf_counter()
                search = RandomizedSearchCV(
                    hard, grid, n_iter=20, scoring="neg_log_loss", cv=5, random_state=seed,
                    n_jobs=2,
                ).fit(few[COLUMNS], few["late"])  # fmt: skip
                seconds = time.perf_counter() - start
                score(search, name, "labels, tuned", seconds, what=str(search.best_params_))
                start = time.perf_counter()
                model = DistillationClassifier(None, student, random_state=seed)
                if name == "tree":  # which needs all rows in memory: as many as it takes
                    batch = stored.sample(500_000)
                    model = DistillationClassifier(teacher, student, random_state=seed)
                    model.fit(few[COLUMNS], few["late"], X_unlabeled=batch.X)
                else:
                    model.fit_transfer_set(stored)
                seconds = time.perf_counter() - start
                artefact = artefact_of(model, test[COLUMNS][:1000])
                n_bytes = measure({name: artefact}, test[COLUMNS][:1000])[name].n_bytes
                score(model, name, "transfer set", seconds, n_bytes=n_bytes)
                start = time.perf_counter()
                rival = select_student(
                    None, few[COLUMNS], few["late"], target="classes", max_bytes=n_bytes,
                    scoring="neg_log_loss", n_jobs=2, random_state=seed,
                )  # fmt: skip
                seconds = time.perf_counter() - start
                score(
                    rival.best_estimator_, name, "best of its bytes", seconds,
                    n_bytes=rival.n_bytes_, what=rival.best_name_,
                )  # fmt: skip


def small(seeds=3):
    """Print a line for each seed and booster of seven kilobytes, its learning rate tuned.

    The catalogue of "best of its bytes" has none between 8 and 30 trees of 4 leaves.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import average_precision_score, log_loss, roc_auc_score
    from sklearn.model_selection import GridSearchCV

    from sklearn_distill.footprint import artefact_of, measure

    frame = pd.read_parquet(flights_file())
    lines = csv.DictWriter(sys.stdout, FIELDS)
    lines.writeheader()
    for seed in range(seeds):
        test = frame.sample(300_000, random_state=1000 + seed)
        few = frame.drop(test.index).sample(N_LABELED, random_state=seed)
        for trees, leaves in ((20, 4), (10, 8)):
            booster = HistGradientBoostingClassifier(
                max_iter=trees, max_leaf_nodes=leaves, early_stopping=False, random_state=0
            )
            start = time.perf_counter()
            search = GridSearchCV(
                booster, {"learning_rate": [0.1, 0.2, 0.3, 0.4]}, scoring="neg_log_loss", cv=5
            ).fit(few[COLUMNS], few["late"])
            seconds = time.perf_counter() - start
            some = few[COLUMNS][:1000]
            artefact = artefact_of(search.best_estimator_, some)
            n_bytes = measure({"booster": artefact}, some)["booster"].n_bytes
            p, y = search.predict_proba(test[COLUMNS])[:, 1], test["late"]
            scores = roc_auc_score(y, p), average_precision_score(y, p), log_loss(y, p)
            line = seed, f"{trees} x {leaves}", "labels, tuned", *scores, seconds, n_bytes
            lines.writerow(dict(zip(FIELDS, (*line, str(search.best_params_)), strict=True)))


def _student_and_grid(name):
    """Return a student, and what is tuned of it on labels."""
    from sklearn.tree import DecisionTreeClassifier

    from sklearn_distill import GradientTraining

    if name == "tree":
        student = DecisionTreeClassifier(max_leaf_nodes=64, min_samples_leaf=20, random_state=0)
        return student, {
            "student__max_leaf_nodes": [8, 16, 32, 64],
            "student__min_samples_leaf": [20, 50, 100, 200],
        }
    grids = {
        "linear": {"student__sgdclassifier__alpha": np.logspace(-5, -1, 20)},
        "booster": {
            "student__learning_rate": [0.01, 0.02, 0.05, 0.1],
            "student__min_child_samples": [20, 50, 100, 200],
            "student__reg_lambda": [0, 1, 10, 100],
        },
        "network": {
            "strategy": [
                GradientTraining(epochs, lr=lr, weight_decay=decay)
                for epochs in (5, 10, 20, 40)
                for lr in (1e-3, 3e-3, 1e-2)
                for decay in (1e-3, 1e-2, 1e-1)
            ]
        },
    }
    return make_student(name), grids[name]


def table(lines):
    """Print means over seeds of each student and way, with the spread of the seeds."""
    found = lines.groupby(["student", "way"], sort=False)[FIELDS[3:8]]
    means, spread = found.mean(), found.std()
    for key, row in means.iterrows():
        cells = (f"{name} {row[name]:.4f} ± {spread.loc[key, name]:.4f}" for name in FIELDS[3:6])
        size = f"{row['bytes'] / 1000:7.0f} kB" if row["bytes"] > 0 else ""
        print(f"{key[0]:8} {key[1]:17} {'  '.join(cells)}  {row['seconds']:6.0f} s {size}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = {"throughput": throughput, "costs": costs, "students": students, "small": small}
    parser.add_argument("what", choices=[*parts, "table", "one"])
    parser.add_argument("file", nargs="?")
    args = parser.parse_args()
    if args.what == "one":
        settings = json.loads(args.file)
        warnings.filterwarnings("ignore")
        print(json.dumps(MEASUREMENTS[settings.pop("what")](**settings)))
    elif args.what == "table":
        table(pd.read_csv(args.file))
    else:
        parts[args.what]()
