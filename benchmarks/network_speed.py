"""What training and labelling with networks cost, beside a hand-written loop and stock skorch.

One process, one thread setting; every figure is a ratio of medians of interleaved runs.

    python benchmarks/network_speed.py
"""

import argparse
import time
import tracemalloc

import numpy as np
import torch
from skorch import NeuralNetClassifier
from torch import nn

from sklearn_distill import DistillationClassifier, TorchTeacher
from sklearn_distill.nn.net import train_in_memory
from sklearn_distill.nn.objective import Objective

BATCH = 1024


def mlp(n_columns):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(n_columns, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
    )


def net(n_columns, epochs):
    return NeuralNetClassifier(
        mlp(n_columns),
        criterion=nn.CrossEntropyLoss,
        optimizer=torch.optim.AdamW,
        batch_size=BATCH,
        iterator_train__shuffle=True,
        train_split=None,
        max_epochs=epochs,
        verbose=0,
    )


def by_hand(X, labels, log_proba, epochs):
    """The loop that one would write: shuffled slices, Hinton's loss, AdamW."""
    module = mlp(X.shape[1])
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    X, labels = torch.from_numpy(X), torch.from_numpy(labels)
    soft = torch.softmax(torch.from_numpy(log_proba).float() / 4, dim=1)
    losses = []
    for _ in range(epochs):
        order = torch.randperm(len(X))
        for start in range(0, len(X), BATCH):
            rows = order[start : start + BATCH]
            logits = module(X[rows])
            loss = 0.5 * nn.functional.cross_entropy(logits, labels[rows])
            log_q = torch.log_softmax(logits / 4, dim=1)
            loss = loss + 0.5 * 16 * nn.functional.kl_div(log_q, soft[rows], reduction="batchmean")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def ours(X, labels, log_proba, epochs):
    alpha, weight = np.full(len(X), 0.5), np.ones(len(X))
    objective = Objective(labels, log_proba, alpha, weight, 4.0, n_classes=2)
    return train_in_memory(net(X.shape[1], epochs), X, objective)


def ratios(functions, repeats):
    """Return the median seconds of each function, run in turn."""
    taken = {name: [] for name in functions}
    for function in functions.values():
        function()
    for _ in range(repeats):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            taken[name].append(time.perf_counter() - start)
    return {name: float(np.median(times)) for name, times in taken.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=30)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((options.rows, options.columns), dtype=np.float32)
    labels = (X[:, 0] + X[:, 1] ** 2 > 1).astype(np.int64)
    proba = rng.dirichlet([2, 1], size=len(X))
    log_proba = np.log(proba)
    print(f"{options.rows} rows x {options.columns} columns, MLP 64x64, batches of {BATCH}")

    t = ratios(
        {
            "by hand": lambda: by_hand(X, labels, log_proba, options.epochs),
            "ours": lambda: ours(X, labels, log_proba, options.epochs),
            "stock skorch": lambda: net(options.columns, options.epochs).fit(X, labels),
        },
        options.repeats,
    )
    print(f"epoch: {t['ours'] / t['by hand']:.2f} x the loop by hand", end=", ")
    print(f"stock skorch takes {t['stock skorch'] / t['ours']:.2f} x ours")

    model = DistillationClassifier(None, net(options.columns, 1), alpha=1, temperature=2)
    model.fit(X, labels, teacher_output=proba)
    t = ratios(
        {
            "ours": lambda: model.predict_proba(X),
            "stock skorch": lambda: model.student_.predict_proba(X),
        },
        options.repeats,
    )
    print(f"predict_proba: stock skorch takes {t['stock skorch'] / t['ours']:.1f} x ours")

    teacher = TorchTeacher(mlp(options.columns))
    tensor = torch.from_numpy(X)

    def on_slices():
        with torch.no_grad():
            parts = [teacher.module(part) for part in tensor.split(teacher.batch_size)]
            return torch.log_softmax(torch.cat(parts), dim=1)

    t = ratios(
        {"ours": lambda: teacher.predict_log_proba(X), "slices": on_slices}, 4 * options.repeats
    )
    print(f"labelling: {t['ours'] / t['slices']:.2f} x calling the module on slices")

    tracemalloc.start()
    ours(X, labels, log_proba, 1)
    peak = tracemalloc.get_traced_memory()[1]
    print(f"numpy allocates {peak / X.nbytes:.2f} x the size of X while training (no copy of X)")


if __name__ == "__main__":
    main()
