"""What is done with a partition, on whatever machine: read, ask, write."""

from dataclasses import dataclass, field, replace
from time import perf_counter
from typing import NamedTuple

import numpy as np

from sklearn_distill.scale._form import RowForm
from sklearn_distill.scale._sink import Sink
from sklearn_distill.scale._stored import log_proba_columns, positions
from sklearn_distill.teachers import Remarks
from sklearn_distill.utils._sklearn_private import take_rows
from sklearn_distill.utils.rows import check_weights

#: The column of positions, where there is no key.
POSITION = "position"


class PartSummary(NamedTuple):
    """What became of a partition.

    Attributes
    ----------
    name, what : str
    fingerprint : str
    n_rows, n_labeled : int
    labeled_weight, unlabeled_weight : float
        Sum of the weights of rows with and without a real label.
    n_zeros : int
        Rows to which a teacher gave an exact zero.
    groups : list of int
        Numbers of rows of the pieces that can be read on their own.
    seconds : float
        Of reading, asking and writing; 0 if it was there already.
    remarks : Remarks
    error : Exception or None
        Why it is not there.
    """

    name: str | None
    what: str
    fingerprint: str | None = None
    n_rows: int = 0
    n_labeled: int = 0
    labeled_weight: float = 0.0
    unlabeled_weight: float = 0.0
    n_zeros: int = 0
    groups: list = ()
    seconds: float = 0.0
    remarks: Remarks = Remarks()
    error: Exception | None = None


@dataclass(frozen=True, eq=False)
class LabellingJob:
    """Labels a partition; all that a worker has to know beside the teachers.

    Attributes
    ----------
    sink : Sink
    form : RowForm
    classes : ndarray of shape (n_classes,)
    key, target, sample_weight : str or None
        Columns of the source.
    kept : tuple of str
        Columns that are written beside the labels.
    folds : HashKFold or None
        Of the rows with a label: those of fold k are labelled by the k-th teacher, and all others
        by the last one.
    batch_rows : int
    made_with : dict
        Teacher's key, classes and versions: metadata of each part.
    choices : tuple of Choice
        Where the logarithms of each teacher come from, as far as :meth:`tried_out` has told.
    """

    sink: Sink
    form: RowForm
    classes: np.ndarray
    key: str | None
    target: str | None
    sample_weight: str | None
    kept: tuple
    folds: object
    batch_rows: int
    made_with: dict = field(default_factory=dict)
    choices: tuple = ()

    @property
    def columns(self):
        """Columns that are read."""
        further = [self.key, self.target, self.sample_weight, *self.kept]
        return list(dict.fromkeys([*self.form.columns, *(name for name in further if name)]))

    def __call__(self, readers, partition):
        """Label a partition, unless its part is there, and say what became of it.

        Parameters
        ----------
        readers : list of TeacherReader
            Of each fold, and of all rows.
        partition : ParquetPartition or FramePartition

        Returns
        -------
        PartSummary
            With the error, if there was one: the other partitions go on.
        """
        what = partition.what
        try:
            partition = partition.opened(self.columns)
            found = self.find(partition)
            return self._written(readers, partition) if found is None else found
        except Exception as error:
            return PartSummary(partition.name, what, error=_portable(error))

    def tried_out(self, readers, frame):
        """Do with some rows all that will be done with others, but writing them.

        Returns
        -------
        LabellingJob
            That knows what these rows have told of the teachers.
        """
        readers = [reader.remembering() for reader in readers]
        log_proba, _ = self.ask(readers, frame, "the first rows")
        self._table(frame, log_proba, 0, dict.fromkeys(_COUNTS, 0))
        return replace(self, choices=tuple(reader.choice for reader in readers))

    def ask(self, readers, frame, what):
        """Return what the teachers say of the rows of a frame, and their remarks."""
        X = self.form.take(frame, what)
        if self.folds is None:
            return readers[-1].ask(X, self.classes)
        fold = self.fold_of(frame)
        log_proba = np.full((len(frame), len(self.classes)), np.nan)
        remarks = Remarks()
        for k in np.unique(fold):
            rows, reader = np.flatnonzero(fold == k), readers[k]
            log_proba[rows], more = reader.ask(
                take_rows(X, rows), self.classes, must_know=reader.known_classes(self.classes)
            )
            remarks += more
        return log_proba, remarks

    def fold_of(self, frame):
        """Return the number of the teacher that labels each row."""
        fold = self.folds.fold_of(frame[self.key])
        return np.where(frame[self.target].notna(), fold, self.folds.n_splits)

    def find(self, partition):
        """Return the summary of a part that is there already; None if there is none."""
        found = self.sink.metadata_of_part(partition.name)
        if found is None or found["fingerprint"] != partition.fingerprint:
            return None
        if self.key is None and found["first_row"] != partition.first_row:
            return None  # the same rows, and other positions
        if any(found[name] != value for name, value in self.made_with.items()):
            return None
        counts = {name: found[name] for name in (*_COUNTS, "groups")}
        return PartSummary(partition.name, partition.what, partition.fingerprint, **counts)

    def _written(self, readers, partition):
        start = perf_counter()
        pairs = zip(readers, self.choices, strict=True)
        readers = [reader.remembering(choice) for reader, choice in pairs]
        counts, remarks = dict.fromkeys(_COUNTS, 0), []
        # Written when all batches are through, with the counts in it.
        metadata = {
            "fingerprint": partition.fingerprint,
            "first_row": partition.first_row,
            **self.made_with,
        }

        def tables():
            row = partition.first_row
            for frame in partition.batches(self.columns, self.batch_rows):
                log_proba, more = self.ask(readers, frame, partition.what)
                remarks.append(more)
                yield self._table(frame, log_proba, row, counts)
                row = None if row is None else row + len(frame)
            metadata.update(counts, groups=groups)

        groups = partition.groups(self.batch_rows)
        self.sink.write_part(partition.name, tables(), metadata, self.batch_rows)
        seconds = perf_counter() - start
        return PartSummary(
            partition.name,
            partition.what,
            partition.fingerprint,
            **counts,
            groups=groups,
            seconds=seconds,
            remarks=sum(remarks, Remarks()),
        )

    def _table(self, frame, log_proba, first_row, counts):
        """Return what is written of some rows, and count them."""
        import pyarrow as pa

        columns = {}
        if self.key is not None:
            columns[self.key] = frame[self.key].to_numpy()
            if frame[self.key].isna().any():
                raise ValueError(
                    f"The key {self.key!r} is missing in {int(frame[self.key].isna().sum())} rows."
                )
        else:
            columns[POSITION] = np.arange(first_row, first_row + len(frame))
        log_proba = log_proba.astype(np.float32)
        columns |= dict(zip(log_proba_columns(self.classes), log_proba.T, strict=True))
        known = np.zeros(len(frame), dtype=bool)
        if self.target is not None:
            known = positions(frame[self.target], self.classes) >= 0
        weight = np.ones(len(frame))
        if self.sample_weight is not None:
            weight = _checked(frame[self.sample_weight].to_numpy(np.float64, na_value=np.nan))
        counts["n_rows"] += len(frame)
        counts["n_labeled"] += int(known.sum())
        counts["labeled_weight"] += float(weight[known].sum())
        counts["unlabeled_weight"] += float(weight[~known].sum())
        counts["n_zeros"] += int(np.isneginf(log_proba).any(axis=1).sum())
        further = [self.target, self.sample_weight, *self.kept]
        for name in further:
            if name is not None and name not in columns:
                columns[name] = frame[name]
        return pa.table({name: pa.array(values) for name, values in columns.items()})


_COUNTS = ("n_rows", "n_labeled", "labeled_weight", "unlabeled_weight", "n_zeros")


def _checked(weight):
    if not weight.any():
        return weight  # of one batch; it is the sum of all that must be positive
    return check_weights(weight, len(weight))


def _portable(error):
    """Return an error that comes back from another process as it is, or what it says."""
    try:
        twin = type(error)(*error.args)
        if str(twin) == str(error):
            return twin
    except Exception:
        pass
    return RuntimeError(f"{type(error).__name__}: {error}")
