"""Where hints and attention help networks: regimes × losses on layers, against soft targets alone.

A regime is a data set, a teacher, a student and how many rows it sees. In each, the same student
is trained on hard labels (alpha=0), on soft targets, and on soft targets with each hint: same
rows, same seed, same initial weights. Printed are accuracies on held-out rows with standard errors
over the seeds, and the gain over soft targets alone, paired by seed. A seed changes the split, the
teacher and the student. Nothing is selected on the held-out rows, and nothing is left out.

    python benchmarks/hints_by_regime.py --regimes letter-tiny --seeds 1  # a minute
    python benchmarks/hints_by_regime.py --seeds 5 --csv hints.csv  # an hour
    python benchmarks/hints_by_regime.py --from-csv hints.csv
"""

import argparse
import sys
import time
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from torch import nn

from sklearn_distill import AttentionHint, DistillationClassifier, GradientTraining, LayerHint

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import real_data

#: Losses that compare one vector per row.
ON_VECTORS = (
    *("fitnets", "vid", "cka", "pkt", "similarity-preserving"),
    *("rkd-distance", "rkd-angle"),
)
HARD, SOFT = "hard labels", "soft targets"


class Regime(NamedTuple):
    data: str
    teacher: object  # n_features, n_classes -> module
    student: object
    hints: dict  # name -> list of hints, of weight 1
    n_train: int  # rows that the student sees
    n_labeled: int | None = None  # and those with a label; None for all
    epochs: int = 40
    batch_size: int = 256
    temperature: float = 3.0
    alpha: float = 0.5


# -- networks ---------------------------------------------------------------------------------


def mlp(*widths, activation=nn.ReLU):
    def make(n_features, n_classes):
        layers, sizes = [], [n_features, *widths]
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), activation()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], n_classes))

    return make


class Tokens(nn.Module):
    """A small FT-Transformer: one token per column, and one that gathers."""

    def __init__(self, n_features, n_classes, n_layers, width, n_heads):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_features, width) / width**0.5)
        self.bias = nn.Parameter(torch.randn(n_features + 1, width) / width**0.5)
        layer = nn.TransformerEncoderLayer(
            width, n_heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, n_layers, enable_nested_tensor=False)
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, n_classes))

    def forward(self, X):
        tokens = nn.functional.pad(X[:, :, None] * self.weight, (0, 0, 1, 0)) + self.bias
        return self.head(self.encoder(tokens)[:, 0])


def tokens(n_layers, width, n_heads):
    return lambda n_features, n_classes: Tokens(n_features, n_classes, n_layers, width, n_heads)


def convolutions(*channels, norm=True):
    def make(n_features, n_classes):
        side, before = int(n_features**0.5), 1
        stages = []
        for after in channels:
            stages.append(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, padding=1),
                    nn.BatchNorm2d(after) if norm else nn.Identity(),
                    nn.ReLU(),
                    nn.MaxPool2d(2),
                )
            )
            before = after
        return nn.Sequential(
            nn.Unflatten(1, (1, side, side)),
            *stages,
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Linear(4 * before, n_classes),
        )

    return make


# -- regimes ----------------------------------------------------------------------------------


def vector_hints(teacher_layer, student_layer, *, jacobian=True):
    hints = {loss: [LayerHint(teacher_layer, student_layer, loss=loss)] for loss in ON_VECTORS}
    if jacobian:
        hints["jacobian"] = [LayerHint("", "", loss="jacobian")]
    return hints


def attention_hints(teacher_layer, student_layer):
    probabilities = AttentionHint(f"{teacher_layer}.self_attn", f"{student_layer}.self_attn")
    states = LayerHint(teacher_layer, student_layer)
    return {
        "attention-probabilities": [probabilities],
        "fitnets (tokens)": [states],
        "attention + fitnets": [probabilities, states],
        "attention-transfer": [LayerHint(teacher_layer, student_layer, "attention-transfer")],
        "vid (tokens)": [LayerHint(teacher_layer, student_layer, "vid")],
        "cka (tokens)": [LayerHint(teacher_layer, student_layer, "cka")],
    }


def image_hints(*pairs):
    def on_all(loss):
        return [LayerHint(*pair, loss=loss) for pair in pairs]

    losses = ("attention-transfer", *ON_VECTORS)
    on_maps = {loss: on_all(loss) for loss in losses}
    return on_maps | {"jacobian": [LayerHint("", "", loss="jacobian")]}


TINY = vector_hints("3", "3")
LETTER_TEACHER, MAPS = mlp(256, 256), image_hints(("1", "1"), ("2", "2"))
TOKEN_TEACHER = tokens(3, 32, 4)
CONV_TEACHER, CONV_STUDENT = convolutions(16, 32), convolutions(4, 8)

REGIMES = {
    # Many labels: two layers of few units, as in the prototypes that found no gain.
    "letter-tiny": Regime("letter", LETTER_TEACHER, mlp(16, 16), TINY, 12_000),
    "optdigits-tiny": Regime("optdigits", LETTER_TEACHER, mlp(8, 8), TINY, 3_900),
    # Deep and narrow, without normalisation: what FitNets were invented for.
    "letter-deep-narrow": Regime(
        "letter", mlp(256, 256, 256), mlp(*[24] * 8), vector_hints("3", "7"), 6_000, epochs=60
    ),
    # The same with four times the steps: is it the result that hints change, or only the speed?
    "letter-deep-narrow-long": Regime(
        "letter",
        mlp(256, 256, 256),
        mlp(*[24] * 8),
        {k: v for k, v in vector_hints("3", "7").items() if k in ("fitnets", "pkt", "jacobian")},
        6_000,
        epochs=240,
    ),
    # Few rows in all, from a teacher that has seen many.
    "letter-few-rows": Regime(
        "letter", LETTER_TEACHER, mlp(64, 64), TINY, 780, epochs=150, batch_size=64
    ),
    # Few labels, and many rows that only the teacher labels.
    "letter-unlabelled": Regime(
        "letter", LETTER_TEACHER, mlp(64, 64), TINY, 6_000, n_labeled=780, epochs=60
    ),
    # Images.
    "images": Regime("images", CONV_TEACHER, CONV_STUDENT, MAPS, 3_400, None, 15, 64),
    "images-few-rows": Regime("images", CONV_TEACHER, CONV_STUDENT, MAPS, 200, None, 100, 32),
    "images-unlabelled": Regime("images", CONV_TEACHER, CONV_STUDENT, MAPS, 3_400, 200, 15, 64),
    # Attention over the columns of a table.
    "letter-attention": Regime(
        *("letter", TOKEN_TEACHER, tokens(1, 16, 2)),
        attention_hints("encoder.layers.2", "encoder.layers.0"),
        *(4_000, None, 30, 128),
    ),
    "letter-attention-few-rows": Regime(
        *("letter", TOKEN_TEACHER, tokens(1, 16, 2)),
        attention_hints("encoder.layers.2", "encoder.layers.0"),
        *(780, None, 120, 64),
    ),
}


def load(name):
    if name == "images":
        X, y = real_data.digit_images()
        # Four dots into one: a quarter of the time, and no easier.
        X = X.reshape(len(X), 14, 2, 14, 2).mean(axis=(2, 4))
        return X.reshape(len(X), -1), y
    X, y = real_data.keel(name)
    return X.to_numpy(), y


# -- one regime, one seed -----------------------------------------------------------------------


def run(name, seed, weights, with_hints):
    """Return one record for each way of training the student."""
    regime = REGIMES[name]
    X_train, X_test, y_train, y_test = split(regime.data, seed)
    shape = X_train.shape[1], y_train.max() + 1
    teacher = trained_teacher(regime.data, regime.teacher, seed)

    # Of the rows that the teacher has seen the student gets what it gets.
    rows = train_test_split(
        np.arange(len(y_train)),
        train_size=min(regime.n_train, len(y_train) - shape[1]),
        stratify=y_train,
        random_state=seed,
    )[0]
    unlabeled = []
    if regime.n_labeled:
        rows, unlabeled = train_test_split(
            rows, train_size=regime.n_labeled, stratify=y_train[rows], random_state=seed
        )
    X_unlabeled = X_train[unlabeled] if len(unlabeled) else None
    data = X_train[rows], y_train[rows]

    student = made(regime.student, shape, seed + 1000)
    model = DistillationClassifier(
        teacher.student_.module_,
        student,
        temperature=regime.temperature,
        alpha=regime.alpha,
        strategy=GradientTraining(
            regime.epochs, batch_size=regime.batch_size, validation_fraction=None
        ),
        random_state=seed,
    )
    records = [record(name, seed, "teacher", teacher, X_test, y_test)]
    # With fewer rows, as many steps: the twin is not to lose by having been trained less.
    steps = [-(-n // regime.batch_size) for n in (len(rows), len(data[0]) + len(unlabeled))]
    hard = clone(model).set_params(
        teacher=None, alpha=0, strategy__max_epochs=regime.epochs * steps[1] // steps[0]
    )
    records.append(record(name, seed, HARD, hard.fit(*data), X_test, y_test))
    model.fit(*data, X_unlabeled=X_unlabeled)
    records.append(record(name, seed, SOFT, model, X_test, y_test))
    for way, hints in (regime.hints if with_hints else {}).items():
        for weight in weights:
            weighted = [replace(hint, weight=weight) for hint in hints]
            model.set_params(strategy__hints=weighted)
            model.fit(*data, X_unlabeled=X_unlabeled)
            label = way if weight == 1 else f"{way} × {weight:g}"
            records.append(record(name, seed, label, model, X_test, y_test))
    return records


@lru_cache(maxsize=2)
def split(data, seed):
    X, y = load(data)
    y = np.unique(y, return_inverse=True)[1]
    X_train, X_test, *labels = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
    if data != "images":
        scaler = StandardScaler().fit(X_train)
        X_train, X_test = (scaler.transform(rows).astype(np.float32) for rows in (X_train, X_test))
    return X_train, X_test, *labels


@lru_cache(maxsize=4)
def trained_teacher(data, make, seed):
    """Return a teacher that has seen all training rows with their labels."""
    X_train, _, y_train, _ = split(data, seed)
    epochs = 15 if data == "images" else 40
    return DistillationClassifier(
        None,
        made(make, (X_train.shape[1], y_train.max() + 1), seed),
        alpha=0,
        strategy=GradientTraining(epochs, batch_size=128, validation_fraction=None),
        random_state=seed,
    ).fit(X_train, y_train)


def made(make, shape, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make(*shape)


def record(regime, seed, way, model, X_test, y_test):
    accuracy = (model.predict(X_test) == y_test).mean()
    proba = model.predict_proba(X_test)[np.arange(len(y_test)), y_test]
    return {
        "regime": regime,
        "seed": seed,
        "way": way,
        "accuracy": accuracy,
        "log_loss": -np.log(proba.clip(1e-7)).mean(),
    }


# -- tables --------------------------------------------------------------------------------------


def summary(results):
    """Return a table with one line for each regime and way."""
    lines = []
    for regime, part in results.groupby("regime", sort=False):
        accuracy = part.pivot(index="seed", columns="way", values="accuracy")
        log_loss = part.pivot(index="seed", columns="way", values="log_loss")
        for way in part["way"].unique():
            gain = (accuracy[way] - accuracy[SOFT]).dropna()
            error = gain.std(ddof=1) / len(gain) ** 0.5
            lines.append(
                {
                    "regime": regime,
                    "way": way,
                    "accuracy": accuracy[way].mean(),
                    "± SE": accuracy[way].std(ddof=1) / len(gain) ** 0.5,
                    "gain over soft": gain.mean() if way != SOFT else np.nan,
                    "± SE ": error if way != SOFT else np.nan,
                    "gain / SE": gain.mean() / error if way != SOFT and error > 0 else np.nan,
                    "seeds won": f"{(gain > 0).sum()} of {len(gain)}" if way != SOFT else "",
                    "log loss": log_loss[way].mean(),
                }
            )
    return pd.DataFrame(lines)


def print_report(results):
    table = summary(results)
    for regime, part in table.groupby("regime", sort=False):
        print(f"\n{regime}")
        text = part.drop(columns="regime").to_string(
            index=False,
            float_format="{:.4f}".format,
            na_rep="",
            formatters={"gain / SE": lambda v: "" if np.isnan(v) else f"{v:.1f}"},
        )
        print(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--regimes", nargs="+", choices=REGIMES, default=list(REGIMES))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--weights", nargs="+", type=float, default=[1.0], help="of each hint")
    parser.add_argument(
        "--no-hints", action="store_true", help="hard labels and soft targets only"
    )
    parser.add_argument("--csv", help="write one line for each model to this file")
    parser.add_argument("--from-csv", nargs="+", help="only print the tables of such files")
    options = parser.parse_args()
    if options.from_csv:
        return print_report(pd.concat(map(pd.read_csv, options.from_csv)))
    torch.set_num_threads(1)  # these networks are too small for more
    began, results = time.perf_counter(), []
    for seed in range(options.seeds):
        for name in options.regimes:
            results += run(name, seed, options.weights, not options.no_hints)
            if options.csv:
                pd.DataFrame(results).to_csv(options.csv, index=False)
            print(
                f"{time.perf_counter() - began:6.0f} s  {name}, seed {seed}",
                file=sys.stderr,
                flush=True,
            )
    return print_report(pd.DataFrame(results))


if __name__ == "__main__":
    main()
