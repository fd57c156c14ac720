"""What several benchmarks have in common: one line of CSV per model, and a table of a file."""

import argparse
import csv
import sys
import warnings

import pandas as pd


def main(doc, parts, table, columns, seeds=3):
    """Run a part of a benchmark, or print the table of a run.

    Parameters
    ----------
    doc : str
        For the help.
    parts : dict of str to (sequence of str, callable)
        The data sets of each part, and ``run(name, seed)``, which yields dicts.
    table : callable
        Prints the table of a data frame.
    columns : sequence of str
        Of the lines.
    seeds : int
        How many there are unless told otherwise.
    """
    parser = argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=[*parts, "table"])
    parser.add_argument("file", nargs="?")
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--sets", nargs="*")
    args = parser.parse_args()
    if args.what == "table":
        table(pd.read_csv(args.file))
        return
    warnings.filterwarnings("ignore")
    sets, run = parts[args.what]
    lines = csv.DictWriter(sys.stdout, columns)
    lines.writeheader()
    for name in args.sets or sets:
        for seed in range(args.seeds):
            for row in run(name, seed):
                lines.writerow(row)
                sys.stdout.flush()
