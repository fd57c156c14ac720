"""Where rows come from: files and frames, cut into partitions that are read in batches.

A partition is what is labelled, written and recognised as a whole. Those of files and of frames
in this process are found here; those of a cluster's frames come to a worker as frames.
"""

import hashlib
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sklearn_distill.scale._folds import hash_keys
from sklearn_distill.scale._form import kinds_of_frame, kinds_of_schema
from sklearn_distill.utils.rows import n_rows

#: Rows of a partition: row groups of a file are put together until there are as many.
PARTITION_ROWS = 262_144

#: Bytes that are read ahead from a column of a file.
READ_AHEAD = 1 << 20


@dataclass(frozen=True, eq=False)
class ParquetPartition:
    """Some row groups, one after the other, of a Parquet file.

    Attributes
    ----------
    name : str
    filesystem : pyarrow.fs.FileSystem
    path : str
    row_groups : tuple of int
    group_rows : tuple of int
        Number of rows of each.
    first_row : int
        Position of its first row among all of the source.
    fingerprint : str
        Of what the file says of these row groups.
    """

    name: str
    filesystem: object
    path: str
    row_groups: tuple
    group_rows: tuple
    first_row: int
    fingerprint: str

    @property
    def n_rows(self):
        """Number of rows."""
        return sum(self.group_rows)

    @property
    def what(self):
        """What it is, for messages."""
        first, last = self.row_groups[0], self.row_groups[-1]
        return f"{self.path} (row groups {first} to {last})"

    def opened(self, columns):
        """Return itself: the file is read batch by batch."""
        return self

    def groups(self, batch_rows):
        """Return the numbers of rows of the pieces that can be read on their own."""
        return list(self.group_rows)

    def batches(self, columns, batch_rows, group=None):
        """Give the rows as pandas frames, one batch after the other, none of two row groups.

        With a group, those of the one of this number.
        """
        for i in self.row_groups if group is None else self.row_groups[group : group + 1]:
            for batch in read_batches(
                self.filesystem, self.path, batch_rows, columns=columns, row_groups=[i]
            ):
                yield batch.to_pandas()


@dataclass(frozen=True, eq=False)
class FramePartition:
    """A pandas frame that is here, or that is made when it is asked for.

    Attributes
    ----------
    name : str or None
        None takes one by content.
    frame : pandas.DataFrame or callable
        A callable returns the frame.
    what : str
    first_row : int or None
        None where rows have no order.
    fingerprint : str or None
        None until it is opened.
    """

    name: str | None
    frame: object
    what: str
    first_row: int | None = None
    fingerprint: str | None = None

    def opened(self, columns):
        """Return the partition with its frame, and its fingerprint by content."""
        frame = self.frame() if callable(self.frame) else self.frame
        missing = [name for name in columns if name not in frame]
        if missing:
            raise ValueError(
                f"{self.what} lacks the columns {missing}: it has {list(frame.columns)}. All "
                "partitions must have the columns of the first one."
            )
        fingerprint = fingerprint_of_frame(frame[list(columns)])
        name = self.name or f"part-{fingerprint[:24]}"
        return FramePartition(name, frame, self.what, self.first_row, fingerprint)

    def groups(self, batch_rows):
        """Return the numbers of rows of the pieces that can be read on their own."""
        n = len(self.frame)
        return [min(batch_rows, n - start) for start in range(0, n, batch_rows)]

    def batches(self, columns, batch_rows):
        """Give the rows as pandas frames, one batch after the other."""
        for start in range(0, len(self.frame), batch_rows):
            yield self.frame[list(columns)].iloc[start : start + batch_rows]


@dataclass(frozen=True, eq=False)
class FileSource:
    """Parquet files.

    Attributes
    ----------
    filesystem : pyarrow.fs.FileSystem
    files : tuple of str
    kinds : dict of str to str
        Kind of each column.
    partitions : tuple of ParquetPartition
    scheme : str
        What stands before a path in its address.
    """

    filesystem: object
    files: tuple
    kinds: dict
    partitions: tuple
    scheme: str = ""

    ordered, can_be_read_again = True, True

    @classmethod
    def of(cls, source):
        """Return the source of a path, several, or a pyarrow data set."""
        scheme = ""
        if hasattr(source, "files"):
            filesystem, files = source.filesystem, sorted(source.files)
        else:
            paths = list(source) if isinstance(source, list | tuple) else [source]
            schemes = {str(path).rpartition("://")[0] for path in paths}
            if len(schemes) > 1:
                raise ValueError(
                    f"The source has files of several file systems: {list(map(str, paths))[:8]}. "
                    "Copy them to one, or label each on its own."
                )
            filesystem, files = None, []
            for path in paths:
                filesystem, where = filesystem_of(path)
                files += _parquet_files(filesystem, where)
            scheme = "".join(f"{one}://" for one in schemes if one)
        if not files:
            raise ValueError(
                f"There are no Parquet files in {source}. Pass a file, a folder of files that end "
                "in .parquet, or a list of files."
            )
        kinds, partitions, first_row = None, [], 0
        for path in files:
            for partition, of_file in _partitions_of_file(filesystem, path, first_row):
                _check_kinds(of_file, kinds, path)
                kinds = of_file if kinds is None else _more_known(kinds, of_file)
                name = f"part-{len(partitions):06d}"
                partitions.append(ParquetPartition(name, filesystem, path, *partition))
                first_row += partitions[-1].n_rows
        if kinds is None:
            raise ValueError(f"There are no rows in {source}.")
        return cls(filesystem, tuple(files), kinds, tuple(partitions), scheme)

    @property
    def addresses(self):
        """Where the files are, in a form that finds them again."""
        return [self.scheme + path for path in self.files]

    @property
    def n_rows(self):
        """Number of rows."""
        return sum(partition.n_rows for partition in self.partitions)

    def head(self, n):
        """Return the first rows as a pandas frame."""
        return next(self.partitions[0].batches(None, n))

    def columns(self, names, batch_rows=1 << 18):
        """Give these columns of all rows, frame by frame."""
        for partition in self.partitions:
            yield from partition.batches(list(names), batch_rows)


@dataclass(frozen=True, eq=False)
class LazySource:
    """A frame in this process: of pandas, pyarrow or polars, or a lazy one of polars.

    Attributes
    ----------
    kinds : dict of str to str
    partitions : tuple of FramePartition
    n_rows : int
    """

    kinds: dict
    partitions: tuple
    n_rows: int

    ordered, can_be_read_again = True, False

    @classmethod
    def of(cls, frame):
        """Return the source of a frame."""
        if hasattr(frame, "collect_schema") and hasattr(frame, "collect"):
            import polars

            n = int(frame.select(polars.len()).collect().item())
            example = frame.head(1000).collect().to_pandas()
        else:
            n = n_rows(frame)
            example = _as_pandas(frame[:1000])
        starts = range(0, n, PARTITION_ROWS)
        partitions = tuple(
            FramePartition(
                f"part-{i:06d}",
                _Slice(frame, start, min(PARTITION_ROWS, n - start)),
                f"rows {start} to {min(start + PARTITION_ROWS, n) - 1}",
                start,
            )
            for i, start in enumerate(starts)
        )
        if not partitions:
            raise ValueError("There are no rows in the source.")
        return cls(kinds_of_frame(example), partitions, n)

    def head(self, n):
        """Return the first rows as a pandas frame."""
        return self.partitions[0].frame(n)

    def columns(self, names, batch_rows=None):
        """Give these columns of all rows, frame by frame."""
        for partition in self.partitions:
            yield partition.frame()[list(names)]


@dataclass(frozen=True, eq=False)
class _Slice:
    """Rows of a frame, taken when they are asked for."""

    frame: object
    start: int
    length: int

    def __call__(self, most=None):
        length = self.length if most is None else min(most, self.length)
        if hasattr(self.frame, "collect_schema") and hasattr(self.frame, "collect"):
            return self.frame.slice(self.start, length).collect().to_pandas()
        return _as_pandas(self.frame[self.start : self.start + length])


def _as_pandas(frame):
    return frame.to_pandas() if hasattr(frame, "to_pandas") else frame.reset_index(drop=True)


def filesystem_of(path):
    """Return the file system and the path on it of a path or an address such as s3://bucket/x."""
    from pyarrow import fs

    text = str(path)
    if "://" in text:
        return fs.FileSystem.from_uri(text)
    return fs.LocalFileSystem(), str(Path(text).expanduser().resolve())


def read_batches(filesystem, path, batch_rows, columns=None, row_groups=None, rows=None):
    """Give Arrow batches of a Parquet file, without holding more of it than they need.

    Of the whole, of some row groups, or of those that a range of rows is made of.
    """
    import pyarrow.parquet as pq

    with (
        filesystem.open_input_file(path) as file,
        pq.ParquetFile(file, pre_buffer=False, buffer_size=READ_AHEAD) as parquet,
    ):
        if row_groups is None:
            ends = np.cumsum([parquet.metadata.row_group(i).num_rows for i in
                              range(parquet.num_row_groups)])  # fmt: skip
            first, last = (0, ends[-1]) if rows is None else rows
            row_groups = np.flatnonzero((ends > first) & (ends <= last)).tolist()
        yield from parquet.iter_batches(
            batch_rows, row_groups=list(row_groups), columns=columns, use_threads=False
        )


def _parquet_files(filesystem, path):
    from pyarrow import fs

    info = filesystem.get_file_info(path)
    if info.type == fs.FileType.File:
        return [path]
    if info.type == fs.FileType.NotFound:
        raise FileNotFoundError(f"There is no Parquet file or folder {path}.")
    found = filesystem.get_file_info(fs.FileSelector(path, recursive=True))
    return sorted(
        one.path
        for one in found
        if one.type == fs.FileType.File
        and one.base_name.endswith((".parquet", ".pq"))
        and not one.base_name.startswith(("_", "."))
    )


def _partitions_of_file(filesystem, path, first_row):
    """Yield (row groups, their rows, first row, fingerprint), and the kinds of columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with filesystem.open_input_file(path) as file, pq.ParquetFile(file) as parquet:
            metadata, kinds = parquet.metadata, kinds_of_schema(parquet.schema_arrow)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(
            f"{path} is no whole Parquet file: {error}. Write it again, or leave it out."
        ) from error
    sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    groups, last = [], max((i for i, n in enumerate(sizes) if n), default=-1)
    for i, size in enumerate(sizes):
        groups += [i] if size else []
        n = sum(sizes[j] for j in groups)
        if n and (n >= PARTITION_ROWS or i == last):
            of_groups = tuple(groups), tuple(sizes[j] for j in groups)
            yield (*of_groups, first_row, _of_groups(metadata, groups, path)), kinds
            first_row, groups = first_row + n, []


def _of_groups(metadata, groups, path):
    """Return a digest of what a file's metadata say of some row groups."""
    digest = hashlib.sha1(Path(path).name.encode(), usedforsecurity=False)
    for i in groups:
        group = metadata.row_group(i)
        for j in range(group.num_columns):
            column = group.column(j)
            found = [column.path_in_schema, column.physical_type, column.num_values]
            found += [column.total_compressed_size, column.total_uncompressed_size]
            if column.is_stats_set and column.statistics.has_min_max:
                found += [column.statistics.min, column.statistics.max]
            digest.update(repr((i, found)).encode())
    return digest.hexdigest()


def fingerprint_of_frame(frame):
    """Return a digest of names and values."""
    import pandas as pd

    digest = hashlib.sha1(usedforsecurity=False)
    for name in frame.columns:
        digest.update(str(name).encode())
        values = frame[name]
        if str(values.dtype) == "category":
            values = values.astype(values.cat.categories.dtype)
        digest.update(pd.util.hash_pandas_object(values, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _check_kinds(kinds, first, path):
    if first is None:
        return
    missing = sorted(first.keys() - kinds.keys())
    if missing:
        raise ValueError(
            f"{path} lacks the columns {missing} of the first file: it has {list(kinds)}. Rewrite "
            "it, or leave it out."
        )
    for name, kind in first.items():
        if None not in (kind, kinds[name]) and kind != kinds[name]:
            raise ValueError(
                f"Column {name!r} is a {kinds[name]} in {path}, and a {kind} in the first file. "
                "Cast it, or leave the file out."
            )


def _more_known(kinds, others):
    return {name: others[name] if kind is None else kind for name, kind in kinds.items()}


def concatenated(frames):
    """Return frames below each other."""
    import pandas as pd

    frames = list(frames)
    return frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)


def rows_with_label(frames, target):
    """Return the rows of frames that have a label, in one frame."""
    return concatenated(frame[frame[target].notna()] for frame in frames)


def count_doubles(read, key):
    """Return in how many rows a key comes again, without holding all keys in memory.

    Keys that only grow repeat nowhere. Else, hashes of the keys are sorted into files by their
    first bits, and each file is looked at alone.

    Parameters
    ----------
    read : callable
        Returns an iterable of data frames, from the beginning each time.
    key : str

    Returns
    -------
    n_doubles : int
    """
    if _grow(read(), key):
        return 0
    n, files = 0, {}
    with tempfile.TemporaryDirectory() as folder:
        with ExitStack() as stack:
            for frame in read():
                hashes = hash_keys(frame[key])
                n += len(hashes)
                bucket = (hashes >> np.uint64(56)).astype(np.int64)
                order = np.argsort(bucket, kind="stable")
                ends = np.cumsum(np.bincount(bucket, minlength=256))
                for b, part in enumerate(np.split(hashes[order], ends[:-1])):
                    if len(part) and b not in files:
                        files[b] = stack.enter_context(open(f"{folder}/{b}", "wb"))
                    if len(part):
                        part.tofile(files[b])
        return n - sum(len(np.unique(np.fromfile(f"{folder}/{b}", np.uint64))) for b in files)


def _grow(frames, key):
    """Tell whether keys are whole numbers, each larger than the one before it."""
    last = None
    for frame in frames:
        keys = frame[key].to_numpy()
        if not len(keys):
            continue
        whole = keys.dtype.kind in "iu"
        if not whole or not (keys[1:] > keys[:-1]).all() or (last is not None and keys[0] <= last):
            return False
        last = keys[-1]
    return True
