"""A transfer set on disk: what a teacher said of rows, and the rows, batch by batch."""

from itertools import islice
from typing import NamedTuple

import numpy as np

from sklearn_distill.scale._form import RowForm
from sklearn_distill.scale._sink import LAYOUT, LIST, Sink
from sklearn_distill.scale._sources import (
    FileSource,
    concatenated,
    filesystem_of,
    read_batches,
)

#: Rows of a batch unless told otherwise.
BATCH_ROWS = 65_536

#: Where rows are shuffled: row groups that are read at once, and batches that are mixed, as long
#: as these do not take more bytes.
MIXED_GROUPS, POOL_BATCHES, POOL_BYTES = 8, 8, 1 << 28


class TransferBatch(NamedTuple):
    """Some rows of a transfer set.

    Attributes
    ----------
    X : pandas.DataFrame or ndarray
        In the form in which the teacher took them.
    log_proba : ndarray of float32, shape (n_rows, n_classes)
        The teacher's; -inf for exact zeros, NaN for classes that it did not know.
    labels : ndarray of int, shape (n_rows,)
        Position of the real label among the classes; -1 where there is none.
    sample_weight : ndarray of shape (n_rows,) or None
    """

    X: object
    log_proba: np.ndarray
    labels: np.ndarray
    sample_weight: np.ndarray | None


class StoredTransferSet:
    """A transfer set that :func:`label_transfer_set` has written, opened for reading.

    The folder holds Parquet files that any other tool reads: the key of each row (or its
    position), a column ``log_proba_...`` for each class, the real label and the weight where they
    were named, and the rows themselves, unless they can be read again from the Parquet files they
    came from.

    Parameters
    ----------
    path : str or path
        The folder, or its address on another file system, such as ``s3://bucket/folder``.
    source : str, path, list of these or pyarrow data set, default=None
        Where the rows are, if their files were moved since.

    Attributes
    ----------
    classes : ndarray of shape (n_classes,)
    n_rows, n_labeled : int
        All rows, and those with a real label.
    n_parts : int
        Files.
    columns : list of str
        Those that the teacher saw.
    teacher, teacher_key : str
        Class of the teacher, and a digest of its content.
    versions : dict of str to str
        Of the libraries that it was written with.

    Raises
    ------
    FileNotFoundError
        If there is no transfer set.
    ValueError
        If it is not finished, or its rows are not where they were.

    See Also
    --------
    label_transfer_set : Writes one.
    DistillationClassifier.fit_transfer_set : Learns from one.

    Examples
    --------
    >>> import tempfile
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from sklearn_distill import StoredTransferSet, label_transfer_set
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> folder = tempfile.mkdtemp()
    >>> teacher = GaussianNB().fit(X, y)
    >>> transfer_set = label_transfer_set(teacher, X, f"{folder}/labels")
    >>> stored = StoredTransferSet(f"{folder}/labels")
    >>> stored
    StoredTransferSet of 150 rows and 3 classes, labelled by GaussianNB, in 1 part
    >>> batch = next(stored.batches(batch_rows=50))
    >>> batch.X.shape, batch.log_proba.shape
    ((50, 4), (50, 3))
    """

    def __init__(self, path, *, source=None):
        sink = Sink(*filesystem_of(path))
        found = sink.read_list()
        if found is None:
            raise FileNotFoundError(
                f"There is no transfer set in {path}: it has no {LIST}. Write one by "
                "label_transfer_set(teacher, source, sink)."
            )
        if found["layout"] != LAYOUT:
            raise ValueError(
                f"The transfer set in {path} has the layout {found['layout']}, and this release "
                f"reads {LAYOUT}. Label the rows again."
            )
        if found["parts"] is None:
            written = [name for name in sink.files() if name.startswith("part-")]
            raise ValueError(
                f"The transfer set in {path} is not finished: {len(written)} parts are written. "
                "Call label_transfer_set again with the same arguments: it goes on where it was."
            )
        self._set(sink, found, source)

    @classmethod
    def _of_parts(cls, sink, found):
        """Return one whose list says this, written or not."""
        stored = object.__new__(cls)
        stored._set(sink, found, None)
        return stored

    def _set(self, sink, found, source):
        self.sink = sink
        self._found = found
        self.classes = classes_from_json(found)
        self.form = RowForm.from_json(found["form"])
        self._parts = found["parts"]
        self._source = None
        if not found["rows_kept"]:
            self._source = self._open_source(found["source"] if source is None else source)

    def _open_source(self, source):
        if source is None:
            raise ValueError(
                "The transfer set does not hold its rows, and does not know where they are. Say "
                "it: StoredTransferSet(path, source=...)."
            )
        try:
            opened = FileSource.of(source)
        except FileNotFoundError as error:
            raise ValueError(
                f"The rows of the transfer set are not where they were: {error} Say where they "
                "are: StoredTransferSet(path, source=...)."
            ) from error
        partitions = {partition.name: partition for partition in opened.partitions}
        for part in self._parts:
            there = partitions.get(part["name"])
            if there is None or there.fingerprint != part["fingerprint"]:
                raise ValueError(
                    f"The rows of the transfer set have changed since they were labelled: "
                    f"{'rows are missing' if there is None else there.what}. Call "
                    "label_transfer_set again: it labels what is new."
                )
        return partitions

    n_rows = property(lambda self: sum(part["n_rows"] for part in self._parts))
    n_labeled = property(lambda self: sum(part["n_labeled"] for part in self._parts))
    n_parts = property(lambda self: len(self._parts))
    columns = property(lambda self: list(self.form.columns))
    teacher = property(lambda self: self._found["teacher"])
    teacher_key = property(lambda self: self._found["teacher_key"])
    versions = property(lambda self: dict(self._found["versions"]))

    def __repr__(self):
        parts = "1 part" if self.n_parts == 1 else f"{self.n_parts} parts"
        return (
            f"StoredTransferSet of {self.n_rows} rows and {len(self.classes)} classes, labelled "
            f"by {self.teacher}, in {parts}"
        )

    @property
    def labeled_weight(self):
        """Weight of all rows that have a real label, and number of those if none were given."""
        return sum(part["labeled_weight"] for part in self._parts)

    @property
    def unlabeled_weight(self):
        """The same of those that have none."""
        return sum(part["unlabeled_weight"] for part in self._parts)

    @property
    def has_zeros(self):
        """Whether a teacher gave an exact zero to a class in any row."""
        return any(part["n_zeros"] for part in self._parts)

    def part(self, i):
        """Return the transfer set of one part, for a worker of its own.

        Parameters
        ----------
        i : int
            From 0 to ``n_parts`` - 1.

        Returns
        -------
        part : StoredTransferSet
        """
        return self._with(self._parts[i : i + 1])

    def _with(self, parts):
        twin = object.__new__(type(self))
        vars(twin).update(vars(self), _parts=parts)
        if self._source is not None:
            twin._source = {part["name"]: self._source[part["name"]] for part in parts}
        return twin

    def batches(self, batch_rows=BATCH_ROWS, *, shuffle=False, random_state=0):
        """Give the rows batch by batch; of the whole no more is in memory than that.

        Parameters
        ----------
        batch_rows : int, default=65536
            Rows of a batch. Without ``shuffle`` a part ends with a smaller one.
        shuffle : bool, default=False
            Whether row groups come in a random order, of which eight are read at once, and the
            rows of eight batches are mixed (of fewer, where these take more than 256 MB). All
            batches but the last then have ``batch_rows`` rows. Row groups of a million rows are
            mixed worse than smaller ones.
        random_state : int, default=0
            Seeds it.

        Yields
        ------
        batch : TransferBatch
        """
        if not shuffle:
            for part in self._parts:
                for frames in self._frames(part, batch_rows):
                    yield self._batch(*frames, part)
            return
        rng = np.random.default_rng(random_state)
        yield from self._mixed(batch_rows, rng)

    def _mixed(self, batch_rows, rng):
        """Give batches of rows from several places, in random order.

        Row groups come in random order, several of them in turn a piece each. A pool of some
        batches is shuffled, and half of it is given: neighbours in the files, which are alike in
        what changes with time, are spread over many batches.
        """
        units = self._units()
        piece = max(1, batch_rows // MIXED_GROUPS)
        waiting = iter([units[i] for i in rng.permutation(len(units))])

        def opened(part, group):
            return (self._batch(*found, part) for found in self._frames(part, piece, group))

        reading = [opened(*unit) for unit in islice(waiting, MIXED_GROUPS)]
        pool, n, full = [], 0, None
        while reading:
            for stream in list(reading):
                found = next(stream, None)
                if found is None:
                    reading.remove(stream)
                    reading += [opened(*unit) for unit in islice(waiting, 1)]
                    continue
                pool.append(found)
                n += len(found.labels)
                full = full or batch_rows * _batches_of_pool(found, batch_rows)
            if reading and n >= full:
                pool = [_shuffled(pool, rng)]
                while n >= max(batch_rows, full // 2 + 1):
                    yield take_batch(pool[0], np.arange(batch_rows))
                    pool, n = [take_batch(pool[0], np.arange(batch_rows, n))], n - batch_rows
        while n:
            pool = [_shuffled(pool, rng)]
            yield take_batch(pool[0], np.arange(min(batch_rows, n)))
            pool = [take_batch(pool[0], np.arange(min(batch_rows, n), n))]
            n = len(pool[0].labels)

    def sample(self, n, random_state=0):
        """Return rows from up to 64 row groups anywhere: the first ones of each.

        Parameters
        ----------
        n : int
            Rows, about.
        random_state : int, default=0
            Seeds the choice.

        Returns
        -------
        batch : TransferBatch
        """
        units = self._units()
        chosen = sorted(np.random.default_rng(random_state).permutation(len(units))[:64])
        each, pieces = -(-n // len(chosen)), []
        for part, group in (units[i] for i in chosen):
            pieces.append(self._batch(*next(iter(self._frames(part, each, group))), part))
        return _concatenated(pieces)

    def _units(self):
        """Return what can be read on its own: the row groups of all parts."""
        return [(part, group) for part in self._parts for group in range(len(part["groups"]))]

    def read(self):
        """Return all rows at once.

        Returns
        -------
        batch : TransferBatch
        """
        return _concatenated(list(self.batches()))

    def frames(self, columns=None, batch_rows=BATCH_ROWS):
        """Give what the files hold, labels and key, as pandas frames, in the order of the parts.

        Parameters
        ----------
        columns : list of str, default=None
            Some of them only.
        batch_rows : int, default=65536

        Yields
        ------
        frame : pandas.DataFrame
        """
        for part in self._parts:
            yield from self._labels(part, batch_rows, columns)

    def _labels(self, part, batch_rows, columns=None, group=None):
        path, rows = self.sink.path(f"{part['name']}.parquet"), None
        if group is not None:
            first = sum(part["groups"][:group])
            rows = first, first + part["groups"][group]
        for batch in read_batches(
            self.sink.filesystem, path, batch_rows, columns=columns, rows=rows
        ):
            yield batch.to_pandas()

    def _frames(self, part, batch_rows, group=None):
        """Yield frames of rows and frames of labels, side by side; of one row group if given."""
        if self._source is None:
            for frame in self._labels(part, batch_rows, group=group):
                yield frame, frame
            return
        rows = self._source[part["name"]].batches(self.columns, batch_rows, group)
        labels = self._labels(part, batch_rows, self._own_columns(), group)
        yield from _side_by_side(rows, labels)

    def _own_columns(self):
        further = [self._found[name] for name in ("target", "sample_weight")]
        return [*log_proba_columns(self.classes), *(name for name in further if name)]

    def _batch(self, rows, labels, part):
        target, weight = self._found["target"], self._found["sample_weight"]
        log_proba = labels[log_proba_columns(self.classes)].to_numpy(np.float32)
        return TransferBatch(
            self.form.take(rows, part["name"]),
            log_proba,
            positions(labels[target], self.classes) if target else np.full(len(labels), -1),
            labels[weight].to_numpy(np.float64) if weight else None,
        )


def _side_by_side(rows, labels):
    """Cut two streams of frames, that have the same rows in sum, into pairs of equal length."""
    rows, labels = iter(rows), iter(labels)
    left = right = None
    while True:
        left = next(rows, None) if left is None or not len(left) else left
        right = next(labels, None) if right is None or not len(right) else right
        if left is None or right is None:
            if left is not right:
                raise ValueError("The files of rows and labels differ in length.")
            return
        n = min(len(left), len(right))
        yield left.iloc[:n], right.iloc[:n]
        left, right = left.iloc[n:], right.iloc[n:]


def _batches_of_pool(batch, batch_rows):
    """Return how many batches of rows like these are mixed."""
    X = batch.X
    size = X.nbytes if isinstance(X, np.ndarray) else X.memory_usage(index=False, deep=True).sum()
    size = (size + batch.log_proba.nbytes) / len(batch.labels) * batch_rows
    return int(np.clip(POOL_BYTES // size, 1, POOL_BATCHES))


def _concatenated(pieces):
    if len(pieces) == 1:
        return pieces[0]
    X, log_proba, labels, weight = zip(*pieces, strict=True)
    return TransferBatch(
        np.concatenate(X) if isinstance(X[0], np.ndarray) else concatenated(X),
        np.concatenate(log_proba),
        np.concatenate(labels),
        None if weight[0] is None else np.concatenate(weight),
    )


def _shuffled(pieces, rng):
    whole = _concatenated(pieces)
    return take_batch(whole, rng.permutation(len(whole.labels)))


def take_batch(batch, rows):
    """Return some rows of a batch."""
    X = batch.X
    return TransferBatch(
        X[rows] if isinstance(X, np.ndarray) else X.iloc[rows].reset_index(drop=True),
        batch.log_proba[rows],
        batch.labels[rows],
        None if batch.sample_weight is None else batch.sample_weight[rows],
    )


def log_proba_columns(classes):
    """Return the name of the column of each class."""
    return [f"log_proba_{label}" for label in classes.tolist()]


def positions(values, classes):
    """Return the position of each label among the classes; -1 where there is none.

    Raises
    ------
    ValueError
        For a label that is no class.
    """
    import pandas as pd

    values = pd.Series(values)
    known = values.notna().to_numpy()
    labels = np.full(len(values), -1)
    own = {label: i for i, label in enumerate(classes.tolist())}
    own |= {str(label): i for label, i in own.items() if not isinstance(label, str)}
    codes, found = pd.factorize(values[known])
    where = [own.get(label, -1) for label in np.asarray(found).tolist()]
    strange = [label for label, i in zip(found, where, strict=True) if i < 0]
    if strange:
        raise ValueError(
            f"There are labels that the teacher does not know: {strange[:8]}. It knows "
            f"{classes.tolist()[:8]}. Mend them, or leave these rows without a label."
        )
    labels[known] = np.array(where, dtype=int)[codes] if len(codes) else 0
    return labels


def classes_to_json(classes):
    """Return what JSON can hold of classes."""
    return {"classes": classes.tolist(), "classes_dtype": classes.dtype.str}


def classes_from_json(found):
    """Return the classes that :func:`classes_to_json` wrote."""
    dtype = found["classes_dtype"]
    return np.array(found["classes"], dtype=object if dtype == "|O" else dtype)
