"""Students in files of skops: loading one runs none of its code."""

import json
import warnings
import zipfile
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from sklearn_distill.export.files import check_writable, kept_if_proved
from sklearn_distill.export.parity import ParityError
from sklearn_distill.export.readers._model import rows_of_student, standalone_of
from sklearn_distill.utils.dispatch import name_of

#: What is added to the archive.
VERSIONS = "sklearn_distill.json"

#: Packages whose release decides how a saved object is read.
PACKAGES = ("sklearn-distill", "scikit-learn", "numpy", "scipy", "xgboost", "lightgbm", "catboost")

#: Types that are looked at after loading, and so need no trust in advance.
CHECKED = {
    "sklearn.tree._tree.Tree",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
}

#: Types that only hold values, or functions that only look, which skops does not list.
HARMLESS = {
    "collections.OrderedDict",
    "functools.partial",
    "numpy.dtype",
    "sklearn.compose._column_transformer._RemainderColsList",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.utils.validation.check_array",
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.link.MultinomialLogit",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfMultinomialLoss",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn._loss._loss.CyHalfMultinomialLoss",
    "sklearn._loss._loss.CyHalfSquaredError",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
}


def save_model(model, path, X_sample=None):
    """Save a model in a file that can be loaded without running code that is in it.

    Of a :class:`~sklearn_distill.DistillationClassifier` its ``standalone()`` student is saved,
    without teacher and training rows. The format is that of skops, with the releases of the
    packages beside it. The file is reloaded before it is kept.

    Parameters
    ----------
    model : estimator
        Fitted.
    path : str or Path
        The file, ``student.skops`` for example.
    X_sample : rows, default=None
        What the reloaded model must predict the same for, to the last bit.

    Returns
    -------
    Path

    Raises
    ------
    ParityError
        If the reloaded model predicts something else.
    TypeError
        If skops cannot save it, as torch networks.
    ImportError
        If skops is not installed.
    OSError
        If the file cannot be written. Nothing is left behind.

    See Also
    --------
    load_model : Loads it.
    export_onnx : A file that does not depend on releases of Python packages.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill.export import load_model, save_model
    >>> X, y = load_iris(return_X_y=True)
    >>> tree = DecisionTreeClassifier(random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     path = save_model(tree, Path(folder) / "tree.skops", X)
    ...     loaded = load_model(path)
    >>> loaded.get_depth() == tree.get_depth()
    True
    """
    path = check_writable(path)
    skops = _skops()
    student = standalone_of(model)
    with kept_if_proved(path) as temporary:
        try:
            skops.dump(student, temporary)
            with zipfile.ZipFile(temporary, "a") as archive:
                archive.writestr(VERSIONS, json.dumps(_versions()))
            # What was written a moment ago by ourselves is trusted; loading it asks again.
            trusted = skops.get_untrusted_types(file=temporary)
            loaded = load_model(temporary, trusted=trusted)
            if X_sample is not None:
                _compare(student, loaded, rows_of_student(model, X_sample))
        except (OSError, ParityError):
            raise
        except Exception as error:  # of torch tensors and of compiled types
            raise TypeError(
                f"skops cannot save {name_of(student)}: {error}. Export it to ONNX, or save the "
                "state_dict of a network."
            ) from error
    return path


def load_model(path, *, trusted=()):
    """Load a model that :func:`save_model` has saved.

    Types of scikit-learn, NumPy and this package are known. Trees are compiled code that follows
    node numbers without looking: theirs are looked at before the model is handed out. Any other
    type in the file is refused unless it is named in ``trusted``.

    Parameters
    ----------
    path : str or Path
    trusted : sequence of str, default=()
        Further types that may be made, as the error names them. Making one can run code: name
        only types of packages that you know.

    Returns
    -------
    estimator

    Raises
    ------
    TypeError
        If the file holds a type that is not known or trusted.
    ValueError
        If it is no such file, is damaged, or a tree in it is not sound.

    Warns
    -----
    UserWarning
        If packages have other releases than when the file was saved; it says which.

    See Also
    --------
    save_model : Saves it.
    """
    skops = _skops()
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            then = json.loads(archive.read(VERSIONS)) if VERSIONS in names else None
        unknown = set(skops.get_untrusted_types(file=path))
    except (zipfile.BadZipFile, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is no model that save_model has saved, or damaged.") from error
    if then is None:
        raise ValueError(f"{path} was not written by sklearn_distill.export.save_model.")
    ours = {name for name in unknown if name.startswith("sklearn_distill.") and _is_own(name)}
    strange = sorted(unknown - ours - CHECKED - HARMLESS - set(trusted))
    if strange:
        raise TypeError(
            f"{path} holds the types {strange}, which are not known to be harmless. If you know "
            "where the file comes from, load it with trusted=[...] of these names."
        )
    _warn_of_changes(then, path)
    model = skops.load(path, trusted=sorted(unknown))
    _check_trees(model, path)
    return model


def _skops():
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(
            "Saving without pickle needs skops: pip install 'sklearn-distill[skops]'"
        ) from error
    return skops.io


def _is_own(name):
    """Tell whether a type of this package is one of the few that students are made of."""
    module, _, kind = name.rpartition(".")
    return (
        module in ("sklearn_distill._distilled", "sklearn_distill.decoding")
        and kind.isidentifier()
    )


def _versions():
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _warn_of_changes(then, path):
    now = _versions()
    changed = [
        f"{name} {then[name]}, here {now.get(name, 'not installed')}"
        for name in then
        if then[name] != now.get(name) and name in then
    ]
    if changed:
        warnings.warn(
            f"{path} was saved with {'; '.join(changed)}. Models are not made to be loaded with "
            "other releases: compare its predictions, or export it to ONNX where it was trained.",
            stacklevel=3,
        )


def _compare(student, loaded, X):
    for method in ("predict_proba", "predict"):
        if hasattr(student, method):
            wanted, given = getattr(student, method)(X), getattr(loaded, method)(X)
            if not np.array_equal(wanted, given):
                raise ParityError(
                    f"The reloaded {name_of(student)} does not {method} the same. Nothing was "
                    "written."
                )


def _check_trees(thing, path, seen=None):
    """Look at every tree in a model; raise ValueError if one could lead out of its arrays."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, str | bytes | int | float | type(None)):
        return
    seen.add(id(thing))
    kind = f"{type(thing).__module__}.{type(thing).__qualname__}"
    if kind == "sklearn.tree._tree.Tree":
        leaf = thing.children_left == -1
        _check_nodes(thing.children_left, thing.children_right, leaf, path)
        inner = thing.feature[~leaf]
        if ((inner < 0) | (inner >= thing.n_features)).any():
            raise ValueError(f"A tree in {path} asks about columns that there are not.")
    elif kind.endswith("predictor.TreePredictor"):
        nodes = thing.nodes
        leaf = nodes["is_leaf"].astype(bool)
        _check_nodes(nodes["left"], nodes["right"], leaf, path)
        sets = nodes["bitset_idx"][nodes["is_categorical"].astype(bool) & ~leaf]
        if (sets >= len(thing.raw_left_cat_bitsets)).any():
            raise ValueError(f"A tree in {path} has categories that there are not.")
    elif isinstance(thing, np.ndarray):
        for item in thing.ravel() if thing.dtype == object else ():
            _check_trees(item, path, seen)
    elif isinstance(thing, dict):
        for item in thing.values():
            _check_trees(item, path, seen)
    elif isinstance(thing, list | tuple | set):
        for item in thing:
            _check_trees(item, path, seen)
    elif hasattr(thing, "__dict__"):
        _check_trees(vars(thing), path, seen)


def _check_nodes(left, right, leaf, path):
    """Every node but a leaf must have two children, each of them after it."""
    at = np.arange(len(left), dtype=np.int64)[~leaf]
    for children in (left, right):
        inner = np.asarray(children)[~leaf].astype(np.int64)
        if not len(left) or ((inner <= at) | (inner >= len(left))).any():
            raise ValueError(
                f"A tree in {path} is not sound: its nodes lead outside of it, or in a circle. "
                "Do not use this file."
            )
