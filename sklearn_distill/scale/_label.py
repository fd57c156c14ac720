"""label_transfer_set: the labels of a teacher for more rows than one machine holds."""

import importlib.metadata
import importlib.util
from time import perf_counter

import numpy as np

from sklearn_distill.scale._engines import ENGINES, EXTRAS, ClusterSource, engine_of, lost_worker
from sklearn_distill.scale._fits import fit_teachers, folds_of, key_of, rows_to_learn_from
from sklearn_distill.scale._form import RowForm
from sklearn_distill.scale._job import POSITION, LabellingJob
from sklearn_distill.scale._sink import LAYOUT, Sink
from sklearn_distill.scale._sources import (
    FileSource,
    LazySource,
    count_doubles,
    filesystem_of,
)
from sklearn_distill.scale._stored import (
    BATCH_ROWS,
    StoredTransferSet,
    classes_to_json,
    log_proba_columns,
)
from sklearn_distill.teachers import Remarks, TeacherReader, as_teacher, warn_how_it_is_read
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.rows import check_whole_number, short

#: Rows that a teacher is asked about before anything is started.
ROWS_TO_TRY = 32


def label_transfer_set(
    teacher,
    source,
    sink,
    *,
    classes=None,
    columns=None,
    like=None,
    key=None,
    target=None,
    sample_weight=None,
    keep_rows=None,
    cv=None,
    batch_rows=BATCH_ROWS,
    engine="auto",
    n_jobs=None,
    verbose=0,
):
    """Label more rows than one machine holds, and write what the teacher says to Parquet.

    The rows are labelled partition by partition, batch by batch, and never lie in memory as a
    whole. Each partition becomes a file of its own, which is there as a whole or not at all. If
    something stops the work, a killed worker, a full disk or a partition that the teacher refuses,
    call it again with the same arguments: what is finished is recognised and not done again. So it
    is if the source has grown.

    Parameters
    ----------
    teacher : estimator, torch module, booster, or list of (name, estimator)
        Fitted: used as it is. Not fitted: it is fitted on the rows that have a label, which must
        fit into memory, and these are labelled out-of-fold (``target``, ``cv``). It is shipped to
        each worker once; torch modules go to the accelerator of their worker, if it has one. A
        teacher that is not fitted is fitted anew if the work is resumed: give it a random state.
    source : str, path, list of these, pyarrow data set, data frame, lazy frame or cluster's frame
        - Parquet: a file, a folder, an address such as ``s3://bucket/folder``, several of these,
          or a :class:`pyarrow.dataset.Dataset` of files. Row groups are the partitions; small
          ones are put together.
        - A pandas or polars data frame, a pyarrow table, or a polars lazy frame.
        - A Dask data frame, a Ray data set, or a Spark data frame. The last two have no order of
          rows, and need a ``key``.
    sink : str or path
        The folder to write to, or an address as above. It must be new, or hold an unfinished or
        finished transfer set of the same teacher. Workers must reach it by the same name.
    classes : array-like of shape (n_classes,), default=None
        All classes, which get a column each, in sorted order. None takes the teacher's
        ``classes_``.
    columns : list of str, default=None
        Columns that the teacher sees, in its order. None takes those of ``like``, else those that
        the teacher remembers, else all but ``key``, ``target`` and ``sample_weight``.
    like : data frame or ndarray, default=None
        Some rows, such as ``X_train[:1]``, in the form in which the teacher learned: columns are
        cast to the same types, with the same categories; an array has them handed over as arrays.
        None hands over arrays if the teacher was fitted without names and all columns are
        numbers, and data frames otherwise. Needed where columns are categories.
    key : str, default=None
        Column that tells the rows apart. It is written beside the labels, so that they can be
        joined to anything, and must not repeat. None writes the position of each row in the
        source instead.
    target : str, default=None
        Column with the real labels; missing where nobody knows them.
    sample_weight : str, default=None
        Column with the weights of the rows.
    keep_rows : bool, default=None
        Whether the teacher's columns are written too, so that a student can learn from the sink
        alone. None does so unless the source is Parquet, which can be read again.
    cv : int or HashKFold, default=None
        Folds in which the rows with a label are labelled by clones that have not seen them, made
        by a hash of the key: the same on every engine. None is 5 for a teacher that is not
        fitted; a fitted one is used as it is.
    batch_rows : int, default=65536
        Rows that a worker holds and asks the teacher about at a time.
    engine : {"auto", "joblib", "dask", "ray", "spark"}, default="auto"
        What runs the work. "auto" takes the one that a cluster's frame lies on, else joblib:
        threads of this process, or the workers of a ``joblib.parallel_config``. "dask" takes the
        current client, "ray" and "spark" the current session.
    n_jobs : int, default=None
        Partitions that are labelled at a time, for ``engine="joblib"``.
    verbose : int, default=0
        Whether to show a bar with partitions and rows per second. Spark has its own: what it has
        done comes back at the end.

    Returns
    -------
    transfer_set : StoredTransferSet
        To learn from by :meth:`DistillationClassifier.fit_transfer_set`.

    Raises
    ------
    ValueError
        If partitions differ in columns or types, or have categories that ``like`` has not; keys
        repeat; the sink is another teacher's; or the teacher refuses rows. Partitions that failed
        are named, the others are kept.
    RuntimeError
        If workers were lost for good.
    ImportError
        If the engine is not installed.

    See Also
    --------
    StoredTransferSet : Opens what was written.
    DistillationClassifier.fit_transfer_set : Teaches a student with it.
    HashKFold : The folds.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sklearn.linear_model import SGDClassifier
    >>> import pandas as pd
    >>> from sklearn_distill import DistillationClassifier, label_transfer_set
    >>> X, y = make_classification(2000, random_state=0)
    >>> frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(20)])
    >>> folder = tempfile.mkdtemp()
    >>> frame.to_parquet(f"{folder}/rows.parquet", row_group_size=500)
    >>> teacher = RandomForestClassifier(random_state=0).fit(frame[:300], y[:300])
    >>> transfer_set = label_transfer_set(teacher, f"{folder}/rows.parquet", f"{folder}/labels")
    >>> transfer_set
    StoredTransferSet of 2000 rows and 2 classes, labelled by RandomForestClassifier, in 1 part
    >>> student = SGDClassifier(loss="log_loss", random_state=0)
    >>> model = DistillationClassifier(None, student).fit_transfer_set(transfer_set)
    >>> bool(model.score(frame[300:], y[300:]) > 0.8)
    True
    """
    check_whole_number(batch_rows, "batch_rows")
    source, engine_name = _open_source(source, engine)
    if n_jobs is not None and engine_name != "joblib":
        raise ValueError(
            f"n_jobs={n_jobs} is for engine='joblib'. {engine_name.capitalize()} runs as many "
            "tasks as its workers have room for: set their number there."
        )
    reader = TeacherReader.of(as_teacher(teacher))
    if reader.fitted:
        reader.known_classes(() if classes is None else classes)  # raises if it is no classifier
    folds = folds_of(cv, reader, target)
    own = [name for name in (key, target, sample_weight) if name is not None]
    _check_own_columns(own, source.kinds)
    if key is None:
        _check_needs_no_key(source, engine_name, folds)
    others = {name: kind for name, kind in source.kinds.items() if name not in own}
    # Who is fitted for it will remember the names.
    expected = _names_of(reader) if reader.fitted else list(others)
    form = RowForm.of(others, columns=columns, like=like, expected=expected)
    rows = None
    if folds is not None:
        rows = rows_to_learn_from(source, form, key, target, sample_weight)
    classes = np.unique(_known_classes(reader, rows) if classes is None else classes)
    if keep_rows is None:
        keep_rows = not source.can_be_read_again
    kept = form.columns if keep_rows else ()
    _check_names(classes, [*own, *kept], key)
    if key is None and isinstance(source, ClusterSource):
        source = source.with_positions()
    made_with = {
        "teacher": reader.name,
        "teacher_key": key_of(reader, rows, folds),
        **classes_to_json(classes),
        "form": form.to_json(),
        "rows_kept": bool(keep_rows),
        "key": key,
        "target": target,
        "sample_weight": sample_weight,
        "folds": None if folds is None else [folds.n_splits, folds.random_state],
    }
    sink = Sink(*filesystem_of(sink))
    _check_sink(sink, made_with)
    if key is not None and hasattr(source, "columns"):
        _check_keys(lambda: source.columns([key]), key)
    engine = ENGINES[engine_name]()
    job = LabellingJob(
        sink, form, classes, key, target, sample_weight, kept, folds, batch_rows, made_with
    )
    listed = {
        "layout": LAYOUT,
        **made_with,
        "source": getattr(source, "addresses", None),
        "versions": _versions(reader),
        "parts": None,
    }
    summaries, waiting = _already_there(job, source)
    if waiting != []:
        if folds is None:
            warn_how_it_is_read(reader)
            readers = [reader]
        else:
            readers = fit_teachers(engine, reader, rows, folds, n_jobs)
        job = job.tried_out(readers, source.head(ROWS_TO_TRY))
        sink.write_list(listed)
        found = _run(engine, job, source, waiting, readers, n_jobs)
        summaries += _progress(found, waiting, verbose)
    parts = _checked(summaries, source, key)
    if key is not None and not hasattr(source, "columns"):
        written = StoredTransferSet._of_parts(sink, listed | {"parts": parts})
        _check_keys(lambda: written.frames([key]), key)
    sink.write_list(listed | {"parts": parts})
    sink.delete_leftovers([part["name"] for part in parts])
    reader.warn_of(sum((summary.remarks for summary in summaries), Remarks()))
    return StoredTransferSet._of_parts(sink, listed | {"parts": parts})


# -- before anything expensive -----------------------------------------------------------------


def _open_source(source, engine):
    """Return the source, and the name of the engine."""
    if engine != "auto" and engine not in ENGINES:
        raise ValueError(f"engine must be one of {['auto', *ENGINES]}. Got {engine!r} instead.")
    for package in ("pandas", "pyarrow"):
        _check_installed(package, "Parquet files", "scale")
    lies_on = engine_of(source)
    if lies_on is not None:
        if engine not in ("auto", lies_on):
            raise ValueError(
                f"The source lies on {lies_on}, and engine={engine!r} cannot reach it. Leave "
                "engine out, or write the source to Parquet first."
            )
        return ClusterSource.of(source, lies_on), lies_on
    engine = "joblib" if engine == "auto" else engine
    if engine in EXTRAS:
        package = {"spark": "pyspark"}.get(engine, engine)
        _check_installed(package, f"engine={engine!r}", EXTRAS[engine])
    if hasattr(source, "files") or isinstance(source, str | list | tuple):
        return FileSource.of(source), engine
    if hasattr(source, "__fspath__"):
        return FileSource.of(source), engine
    if hasattr(source, "collect_schema") or hasattr(source, "columns"):
        return LazySource.of(source), engine
    raise TypeError(
        f"source must be Parquet files or a data frame, of pandas, polars, pyarrow, Dask, Ray or "
        f"Spark. Got a {name_of(source)}. Make a frame of it."
    )


def _check_installed(package, what, extra):
    if importlib.util.find_spec(package) is None:
        raise ImportError(
            f"{what} needs {package}, which is not installed: pip install "
            f"'sklearn-distill[{extra}]'."
        )


def _check_needs_no_key(source, engine, folds):
    if not source.ordered:
        raise ValueError(
            f"Rows of a {engine.capitalize()} frame have no order by which they could be told "
            "apart. Name the column that does it: key='...'."
        )
    if folds is not None:
        raise ValueError(
            "Folds are made by a hash of the key, so that they are the same on every engine. "
            "Name the column: key='...'."
        )


def _known_classes(reader, rows):
    """Return the classes of the labels that a teacher learns from, or of a fitted one."""
    known = getattr(reader.classifier, "classes_", None) if rows is None else rows["y"]
    if known is None:
        raise ValueError(
            f"The teacher {reader.name} has no classes_. Pass classes=[...]: its columns are "
            "taken in their sorted order."
        )
    return known


def _check_own_columns(own, kinds):
    missing = [name for name in own if name not in kinds]
    if missing:
        raise ValueError(
            f"The source has no columns {short(missing)}; it has {short(list(kinds))}. Mend "
            "key, target or sample_weight."
        )
    if len(set(own)) < len(own):
        raise ValueError(f"key, target and sample_weight must be three columns. Got {own}.")


def _check_names(classes, others, key):
    ours = set(log_proba_columns(classes)) | ({POSITION} if key is None else set())
    both = sorted(ours & set(others))
    if both:
        raise ValueError(
            f"The columns {both} of the source have names that the labels get. Rename them, or "
            "set keep_rows=False."
        )


def _names_of(reader):
    names = getattr(reader.teacher, "feature_names_in_", None)
    return None if names is None else [str(name) for name in names]


def _check_sink(sink, made_with):
    """Refuse a folder that holds anything but a transfer set made in this way."""
    found = sink.read_list()
    if found is None:
        others = [name for name in sink.files() if not name.startswith(".")]
        if others:
            raise ValueError(
                f"The sink {sink.folder} is not empty and holds no transfer set: "
                f"{short(sorted(others), 3)}. Name another folder, or empty it."
            )
        return
    # Other folds make another teacher: what can be named is named first.
    for name in dict.fromkeys([*_NAMED_FIRST, *made_with]):
        value = made_with[name]
        if found.get(name) == value:
            continue
        if name in ("teacher", "teacher_key"):
            said = f"was labelled by another teacher, a {found.get('teacher')}"
        elif name in ("form", "rows_kept"):
            said = f"holds rows in another form ({name})"
        else:
            said = f"was written with {name}={found.get(name)!r}, and not {value!r}"
        raise ValueError(
            f"The transfer set in {sink.folder} {said}. Name another folder, or delete this one "
            "to label the rows anew."
        )


_NAMED_FIRST = ("teacher", "folds", "key", "target", "sample_weight", "teacher_key")


def _check_keys(read, key):
    n = count_doubles(read, key)
    if n:
        raise ValueError(
            f"The key {key!r} repeats in {n} rows: it does not tell the rows apart. Drop the "
            "doubles, or name another column."
        )


def _versions(reader):
    names = {"sklearn-distill", "scikit-learn", "numpy", "pandas", "pyarrow"}
    library = type(reader.teacher).__module__.partition(".")[0]
    names |= {library} & {"torch", "xgboost", "lightgbm", "catboost"}
    found = {}
    for name in sorted(names):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


# -- the work ------------------------------------------------------------------------------------


def _already_there(job, source):
    """Return summaries of the parts that are there, and the partitions that are not.

    None for the latter where only the workers can look at them.
    """
    if isinstance(source, ClusterSource):
        return [], None
    if not isinstance(source, FileSource):
        return [], list(source.partitions)
    found = [job.find(partition) for partition in source.partitions]
    waiting = [p for p, summary in zip(source.partitions, found, strict=True) if summary is None]
    return [summary for summary in found if summary is not None], waiting


def _run(engine, job, source, partitions, readers, n_jobs):
    """Yield the summary of each partition, in any order."""
    try:
        if partitions is None:
            yield from engine.map_frames(job, source, readers)
        else:
            yield from engine.map(job, partitions, readers, n_jobs)
    except Exception as error:
        in_words = lost_worker(error)
        if in_words is None:
            raise
        raise in_words from error


def _progress(summaries, partitions, verbose):
    """Yield summaries; show a bar with rows per second if it is wanted."""
    if not verbose:
        yield from summaries
        return
    from tqdm.auto import tqdm

    total = None if partitions is None else len(partitions)
    start, rows = perf_counter(), 0
    with tqdm(total=total, desc="[sklearn_distill] partitions labelled") as bar:
        for summary in summaries:
            rows += summary.n_rows if summary.seconds else 0
            bar.set_postfix_str(f"{rows / (perf_counter() - start):,.0f} rows/s")
            bar.update()
            yield summary


def _checked(summaries, source, key):
    """Return the list of parts; raise an error if one is missing, or there twice."""
    failed = [summary for summary in summaries if summary.error is not None]
    if failed:
        first = failed[0]
        kind = ValueError if all(isinstance(s.error, ValueError) for s in failed) else RuntimeError
        said = str(first.error).rstrip(".")
        raise kind(
            f"{len(failed)} of {len(summaries)} partitions could not be labelled. Of "
            f"{first.what}: {name_of(first.error)}: {said}. The other partitions are kept: "
            "mend these and call it again, and only they are labelled."
        ) from first.error
    names = [summary.name for summary in summaries]
    if len(set(names)) < len(names):
        raise ValueError(
            f"Several blocks hold the very same rows: the key {key!r} repeats. Drop the doubles."
        )
    expected = getattr(source, "n_rows", None)
    found = sum(summary.n_rows for summary in summaries)
    if expected is not None and found != expected:
        raise RuntimeError(
            f"{found} rows are labelled, and the source has {expected}: it has changed meanwhile. "
            "Call it again."
        )
    return [
        {
            "name": summary.name,
            "fingerprint": summary.fingerprint,
            "n_rows": summary.n_rows,
            "n_labeled": summary.n_labeled,
            "labeled_weight": summary.labeled_weight,
            "unlabeled_weight": summary.unlabeled_weight,
            "n_zeros": summary.n_zeros,
            "groups": summary.groups,
        }
        for summary in sorted(summaries, key=lambda summary: summary.name)
    ]
