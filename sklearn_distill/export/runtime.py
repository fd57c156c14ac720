"""Exported files as scikit-learn estimators."""

from pathlib import Path

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from sklearn_distill.export.session import (
    PROBABILITIES,
    ROWS,
    VALUES,
    feed_of,
    read_about,
    session_of,
    unpacked,
)
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.frozen import FrozenMixin


class _OnnxModel(FrozenMixin, BaseEstimator):
    """What classifiers and regressors that run in ONNX Runtime share."""

    def __init__(self, path, *, n_jobs=None):
        self.path = path
        self.n_jobs = n_jobs
        self._open(_bytes_of(path))

    def __getstate__(self):
        state = dict(super().__getstate__())
        del state["_session"]
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        self._open(self._model)

    def set_params(self, **params):
        """Set parameters; a new file is read at once.

        Parameters
        ----------
        **params : dict

        Returns
        -------
        self : object
        """
        super().set_params(**params)
        if params:
            self._open(_bytes_of(self.path) if "path" in params else self._model)
        return self

    @property
    def n_features_in_(self):
        """Number of columns that the file takes."""
        return len(self._about["columns"])

    @property
    def feature_names_in_(self):
        """Names of the columns, if the model was exported with a data frame."""
        if not self._about["named"]:
            raise AttributeError("the model was exported with rows whose columns have no names")
        return np.array([c["name"] for c in self._about["columns"]], dtype=object)

    @property
    def card_(self):
        """What the file says of itself, a dict: kinds, settings, versions, licence."""
        return dict(self._about["card"])

    def _open(self, model):
        self._model = model
        self._session = session_of(model, self.n_jobs)
        about = read_about(self._session.get_modelmeta().custom_metadata_map)
        if about is None:
            raise ValueError(
                f"{name_of(self)} cannot tell what {_named(self.path)} takes and gives: it was "
                "not written by sklearn_distill.export.export_onnx. Use onnxruntime itself."
            )
        self._about = about
        if self._about["task"] != self._task:
            other = {"classifier": "OnnxClassifier", "regressor": "OnnxRegressor"}
            raise ValueError(
                f"{_named(self.path)} holds a {self._about['task']}. Open it with "
                f"{other[self._about['task']]}."
            )
        self._dtype = np.dtype(self._about["dtype"])
        self._text = any("labels" in c for c in self._about["columns"])
        # Plain attributes: a property would cost as much as the trees.
        self._width = len(self._about["columns"])
        self._full = [j for j, ok in enumerate(self._about["nan_allowed"]) if not ok]
        self._test()

    def _test(self):
        """Answer the rows that the file carries, and compare."""
        probes = self._about["probes"]
        feed = {
            name: np.array(value, dtype=object) if isinstance(value, list) else unpacked(value)
            for name, value in probes["rows"].items()
        }
        wanted, given = unpacked(probes["answers"]), self._run(feed)
        if wanted.shape != given.shape:
            raise RuntimeError(
                f"{_named(self.path)} answers with the shape {given.shape} where it said "
                f"{wanted.shape} when it was written. Export the model again."
            )
        scale = 1.0 if self._task == "classifier" else max(1.0, np.abs(wanted).max(initial=0))
        difference = np.abs(wanted - given).max(initial=0) / scale
        if not difference <= self._about["tolerance"]:
            import onnxruntime

            raise RuntimeError(
                f"{_named(self.path)} gives other answers to its own test rows than when it was "
                f"written: they differ by {difference:.1e}. It was written with onnxruntime "
                f"{self._about['card']['versions']['onnxruntime']}, and here is "
                f"{onnxruntime.__version__}. Export the model again with this release, or install "
                "that one."
            )

    def _run(self, feed):
        return self._session.run(self._outputs, feed)[0]

    def _answer(self, X):
        if (
            type(X) is np.ndarray
            and X.ndim == 2
            and X.shape[1] == self._width
            and not self._text
            and X.dtype.kind in "fiub"
            and len(X)
        ):
            rows = np.ascontiguousarray(X, dtype=self._dtype)
            if self._full:
                self._refuse_missing(rows)
            return self._session.run(self._outputs, {ROWS: rows})[0]
        return self._run(self.feed(X))

    def feed(self, X):
        """Return rows in the form that the runtime takes; what is wrong with them raises.

        Parameters
        ----------
        X : rows

        Returns
        -------
        dict of str to ndarray
        """
        columns, missing = self._about["columns"], self._about["missing"]
        if self._about["texts"]:
            return feed_of(_checked_texts(X), columns, texts=True)
        X = self._checked(X, columns)
        feed = feed_of(X, columns, dtype=self._dtype, missing=missing)
        if self._text:
            self._look_at(feed, columns, missing)
        elif self._full:
            self._refuse_missing(feed[ROWS])
        return feed

    def run(self, feed):
        """Return the bare answer of the runtime.

        Parameters
        ----------
        feed : dict of str to ndarray
            What :meth:`feed` has made of rows.

        Returns
        -------
        ndarray
        """
        return self._run(feed)

    def _refuse_missing(self, rows):
        # NaN is the minimum wherever there is one: one pass, and no array of truth values.
        least = np.minimum.reduce(rows, axis=None)
        if least != least:
            lost = np.flatnonzero(np.isnan(rows[:, self._full]).any(axis=0))
            if len(lost):
                self._refuse([self._about["columns"][self._full[j]]["name"] for j in lost])

    def _refuse(self, names):
        raise ValueError(
            f"Input X contains NaN in {names[:5]}. The model in {_named(self.path)} takes no "
            "missing values there. Fill them in, or drop the rows."
        )

    def _checked(self, X, columns):
        """Return rows whose columns are those of the file, or say what is wrong with them."""
        if hasattr(X, "columns"):
            names = [c["name"] for c in columns]
            if self._about["named"]:
                missing = [n for n in names if n not in set(map(str, X.columns))]
                if missing:
                    raise ValueError(
                        f"X lacks the columns {missing}. {name_of(self)} needs {names}, in any "
                        "order; others are ignored."
                    )
                if set(names) - set(X.columns):  # names that are no strings
                    X = X.rename(columns=str)
            elif X.shape[1] == len(columns):
                X = np.asarray(X)
        elif not sparse.issparse(X):
            X = np.asarray(X)
            if X.ndim != 2:
                raise ValueError(
                    f"Expected 2D array, got {X.ndim}D array instead. Pass one row per sample; a "
                    "single row is X.reshape(1, -1)."
                )
        if not hasattr(X, "columns") and X.shape[1] != len(columns):
            raise ValueError(
                f"X has {X.shape[1]} features, but {name_of(self)} is expecting {len(columns)} "
                "features as input."
            )
        if X.shape[0] == 0:
            raise ValueError(
                "Found array with 0 sample(s) while a minimum of 1 is required by "
                f"{name_of(self)}."
            )
        return X

    def _look_at(self, feed, columns, missing):
        for j, column in enumerate(columns):
            values = feed[column["name"]]
            text = "labels" in column
            if j in self._full and (values == missing if text else np.isnan(values)).any():
                self._refuse([column["name"]])
            if text and not column["unknown"]:
                known = {*column["labels"], missing}
                unknown = sorted(set(values.ravel().tolist()) - known)
                if unknown:
                    raise ValueError(
                        f"Found unknown categories {unknown[:5]} in column {column['name']!r}. "
                        f"The model knows {column['labels'][:10]} and refuses others."
                    )


def _checked_texts(X):
    if isinstance(X, str) or getattr(X, "ndim", 1) != 1:
        raise ValueError("X must be a list of texts, one per row.")
    if len(X) == 0:
        raise ValueError("Found array with 0 sample(s) while a minimum of 1 is required.")
    return X


class OnnxClassifier(ClassifierMixin, _OnnxModel):
    """A file that :func:`export_onnx` has written, as a fitted classifier.

    It needs NumPy, scikit-learn and onnxruntime, and neither the student's library nor the
    teacher. Opening it runs no code of others: nothing is unpickled. When it is opened it answers
    the rows that the file carries and compares the answers with those of the day when it was
    written, since runtimes have changed theirs. As with
    :class:`~sklearn.frozen.FrozenEstimator`, ``fit`` changes nothing and ``clone`` returns the
    object itself. It can be pickled, with the bytes of the file in it.

    Parameters
    ----------
    path : str, Path or bytes
        The file, or what it holds.
    n_jobs : int, default=None
        Threads of the session. None means 1, which is fastest for a row; -1 means all cores.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, sorted.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Only if the model was exported with a data frame.
    card_ : dict
        What the file says of itself.

    Raises
    ------
    ValueError
        If the file is damaged, was not written by :func:`export_onnx`, or holds a regressor.
    RuntimeError
        If its answers are not those that it was written with.

    See Also
    --------
    export_onnx : Writes such files.
    OnnxRegressor : The same for values.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill.export import OnnxClassifier, export_onnx
    >>> X, y = load_iris(return_X_y=True)
    >>> tree = DecisionTreeClassifier(max_leaf_nodes=4, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     file = export_onnx(tree, Path(folder) / "tree.onnx", X)
    ...     small = OnnxClassifier(file.path)
    >>> bool((small.predict(X) == tree.predict(X)).all())
    True
    """

    _task, _outputs = "classifier", [PROBABILITIES]

    def __init__(self, path, *, n_jobs=None):
        super().__init__(path, n_jobs=n_jobs)

    @property
    def classes_(self):
        """The classes, sorted."""
        return self._classes

    def _open(self, model):
        super()._open(model)
        self._classes = np.array(self._about["classes"], dtype=self._about["class_dtype"])

    def predict(self, X):
        """Predict the class of each row.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Columns as when the model was exported; of a frame they are found by name.

        Returns
        -------
        y : ndarray of shape (n_samples,)
        """
        return self._classes[self._answer(X).argmax(axis=1)]

    def predict_proba(self, X):
        """Predict the probability of each class, at temperature 1.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Columns as when the model was exported; of a frame they are found by name.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.

        Raises
        ------
        ValueError
            If columns are missing, NaN stands where the model takes none, or a category is new to
            a model that refuses such.
        """
        return self._answer(X).astype(np.float64)

    def predict_log_proba(self, X):
        """Predict the natural logarithm of the probability of each class.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)

        Returns
        -------
        log_proba : ndarray of shape (n_samples, n_classes)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))


class OnnxRegressor(RegressorMixin, _OnnxModel):
    """A file that :func:`export_onnx` has written, as a fitted regressor.

    Everything else is as with :class:`OnnxClassifier`.

    Parameters
    ----------
    path : str, Path or bytes
        The file, or what it holds.
    n_jobs : int, default=None
        Threads of the session. None means 1, which is fastest for a row; -1 means all cores.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns. Only if the model was exported with a data frame.
    card_ : dict
        What the file says of itself.

    See Also
    --------
    export_onnx : Writes such files.
    OnnxClassifier : The same for classes.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn_distill.export import OnnxRegressor, export_onnx
    >>> X, y = load_diabetes(return_X_y=True)
    >>> with TemporaryDirectory() as folder:
    ...     file = export_onnx(Ridge().fit(X, y), Path(folder) / "ridge.onnx", X)
    ...     small = OnnxRegressor(file.path)
    >>> small.predict(X[:2]).shape
    (2,)
    """

    _task, _outputs = "regressor", [VALUES]

    def __init__(self, path, *, n_jobs=None):
        super().__init__(path, n_jobs=n_jobs)

    def predict(self, X):
        """Predict the value of each row.

        Parameters
        ----------
        X : array, sparse matrix or data frame of shape (n_samples, n_features)
            Columns as when the model was exported; of a frame they are found by name.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        values = self._answer(X).astype(np.float64)
        return values[:, 0] if values.shape[1] == 1 else values


def _bytes_of(path):
    if isinstance(path, bytes):
        return path
    try:
        path = Path(path)
    except TypeError as error:
        raise TypeError(f"path must be a str, a Path or bytes. Got {name_of(path)}.") from error
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    return path.read_bytes()


def _named(path):
    return "the model" if isinstance(path, bytes) else str(path)
