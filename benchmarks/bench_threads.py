"""How many threads of torch train a network fastest, alone and beside a busy process.

Every figure is the time of two threads divided by that of one, medians of interleaved runs in one
process; below 1 the second thread helps. "busy" is with a process that computes all the time on
each core but one. The last column says what training here takes: one thread below ``SMALL``
multiplications in a forward pass over a batch.

    python benchmarks/bench_threads.py
"""

import argparse
import multiprocessing
import os
import time

import numpy as np
import torch
from torch import nn

from sklearn_distill.nn.threads import SMALL, counting

#: Width of two hidden layers, and rows per batch.
SIZES = [(64, 32), (64, 256), (128, 256), (256, 256), (512, 256), (1024, 256), (2048, 256)]

COLUMNS = 30


def mlp(width):
    torch.manual_seed(0)
    layers = [nn.Linear(COLUMNS, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, 2))


def train(width, batch, steps):
    """The loop that one would write, on one batch."""
    module = mlp(width)
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.01)
    X, y = torch.randn(batch, COLUMNS), torch.arange(batch) % 2
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(X), y).backward()
        optimizer.step()


def multiplications(width, batch):
    module = mlp(width)
    with counting(module) as work:
        module(torch.zeros(batch, COLUMNS))
    return work.multiplications


def ratio(width, batch, seconds, repeats):
    """Return the median time with two threads over that with one."""
    start = time.perf_counter()
    train(width, batch, 5)
    steps = max(2, int(5 * seconds / (time.perf_counter() - start)))
    taken = {1: [], 2: []}
    for _ in range(repeats):
        for threads, times in taken.items():
            torch.set_num_threads(threads)
            start = time.perf_counter()
            train(width, batch, steps)
            times.append(time.perf_counter() - start)
    return np.median(taken[2]) / np.median(taken[1])


def spin():
    while True:
        pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=0.3, help="per run")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    found = {}
    for state in ("alone", "busy"):
        busy = [
            multiprocessing.get_context("spawn").Process(target=spin, daemon=True)
            for _ in range(os.cpu_count() - 1 if state == "busy" else 0)
        ]
        for process in busy:
            process.start()
        time.sleep(5 * bool(busy))  # until they have imported everything
        for size in SIZES:
            found[state, size] = ratio(*size, options.seconds, options.repeats)
        for process in busy:
            process.terminate()
    print("width  rows   million multiplications   alone   busy   taken")
    for width, batch in SIZES:
        work = multiplications(width, batch)
        alone, busy = (found[state, (width, batch)] for state in ("alone", "busy"))
        taken = "one thread" if work < SMALL else "as set"
        print(f"{width:5}  {batch:4}  {work / 1e6:23.2f}  {alone:6.2f}  {busy:5.2f}   {taken}")


if __name__ == "__main__":
    main()
