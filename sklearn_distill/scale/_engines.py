"""Engines that run a function on many partitions: joblib, Dask, Ray and Spark, each by its idiom.

What all calls share, the teachers, is shipped to a worker once and unpacked there once.
"""

import pickle
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import partial

import numpy as np
from joblib import effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed

from sklearn_distill.scale._form import kinds_of_frame
from sklearn_distill.scale._job import PartSummary
from sklearn_distill.scale._shipping import Shipment, readers_among
from sklearn_distill.scale._sources import (
    PARTITION_ROWS,
    FramePartition,
    concatenated,
    rows_with_label,
)

#: Extras of the package that install an engine.
EXTRAS = {"dask": "scale", "ray": "ray", "spark": "spark"}

#: Times that an engine tries a partition again whose worker was lost.
RETRIES = 3


class Engine(ABC):
    """Runs ``function(shared, item)``."""

    @abstractmethod
    def map(self, function, items, shared, n_jobs):
        """Yield what a function returns for each of some items, in any order.

        Parameters
        ----------
        function : callable
        items : list
        shared : object
            First argument of all calls.
        n_jobs : int or None
        """


class JoblibEngine(Engine):
    """Threads of this process, or the workers of a ``parallel_config`` of the user's."""

    def map(self, function, items, shared, n_jobs):
        """See :class:`Engine`."""
        backend, _ = get_active_backend(prefer="threads")
        if effective_n_jobs(n_jobs) == 1:
            yield from (function(shared, item) for item in items)
            return
        in_threads = getattr(backend, "supports_sharedmem", False)
        if in_threads:
            call = partial(function, shared)
            # A torch module has one mode and one place for all threads.
            n_jobs = 1 if any(reader.modules for reader in readers_among(shared)) else n_jobs
        else:
            call = partial(_call, function, Shipment.of(shared))
        calls = (delayed(call)(item) for item in items)
        try:
            parallel = Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator_unordered")
        except ValueError:  # multiprocessing and Ray give a list or nothing
            parallel = Parallel(n_jobs=n_jobs, prefer="threads")
        yield from parallel(calls)


class DaskEngine(Engine):
    """The workers of the current Dask client; without one, Dask's threads."""

    def map(self, function, items, shared, n_jobs):
        """See :class:`Engine`."""
        import dask

        client = _dask_client()
        if client is None:
            yield from dask.compute(*(dask.delayed(function)(shared, item) for item in items))
            return
        shipped = _scatter(client, shared)
        futures = client.map(
            partial(_call_turned, function), items, shipped=shipped, pure=False, retries=RETRIES
        )
        yield from _as_completed(futures)

    def map_frames(self, job, source, shared):
        """Yield summaries of the partitions of a Dask data frame."""
        import pandas as pd

        client = _dask_client()
        shipped = shared if client is None else _scatter(client, shared)
        summaries = source.frame[job.columns].map_partitions(
            _label_dask_partition,
            job,
            shipped,
            source.first_rows,
            meta=pd.DataFrame({"summary": pd.Series(dtype=object)}),
        )
        if client is None:
            yield from summaries.compute()["summary"]
            return
        futures = client.compute(summaries.to_delayed(), retries=RETRIES)
        numbers = {future.key: i for i, future in enumerate(futures)}

        def failed(future, error):
            return [PartSummary(None, f"partition {numbers[future.key]}", error=error)]

        for found in _as_completed(futures, failed):
            yield from found if isinstance(found, list) else found["summary"]


class RayEngine(Engine):
    """Tasks of Ray, which tries them again if their worker is lost."""

    def map(self, function, items, shared, n_jobs):
        """See :class:`Engine`."""
        import ray

        shipped = ray.put(Shipment.of(shared))
        remote = ray.remote(max_retries=RETRIES)(_call)
        waiting, running = list(items), []
        most = max(2, 2 * int(ray.cluster_resources().get("CPU", 1)))
        while waiting or running:
            while waiting and len(running) < most:
                running.append(remote.remote(function, shipped, waiting.pop(0)))
            done, running = ray.wait(running, num_returns=1)
            yield from ray.get(done)

    def map_frames(self, job, source, shared):
        """Yield summaries of the blocks of a Ray data set."""
        import ray

        summaries = source.frame.select_columns(job.columns).map_batches(
            _label_ray_block,
            batch_size=None,
            batch_format="pandas",
            fn_args=(job, ray.put(Shipment.of(shared))),
        )
        for row in summaries.iter_rows():
            yield pickle.loads(row["summary"])


class SparkEngine(Engine):
    """Executors of the active Spark session, which may be one of Spark Connect."""

    def map(self, function, items, shared, n_jobs):
        """See :class:`Engine`."""
        session, items = _spark_session(), list(items)
        shipped = _on_executors(session, shared)

        def call(frames):
            for frame in frames:
                for item in frame["item"]:
                    yield _as_bytes(_call(function, shipped(), pickle.loads(item)))

        pickled = [(i, bytes(pickle.dumps(item))) for i, item in enumerate(items)]
        frame = session.createDataFrame(pickled, "number long, item binary")
        # One for each partition, which hashes of the numbers would not be.
        frame = frame.repartitionByRange(max(1, len(items)), "number")
        yield from _results(frame.mapInPandas(call, "result binary"))

    def map_frames(self, job, source, shared):
        """Yield summaries of pieces of the partitions of a Spark data frame."""
        shipped = _on_executors(source.frame.sparkSession, shared)

        def label(frames):
            readers = shipped().unpacked()
            for frame in _joined(frames, PARTITION_ROWS):
                yield _as_bytes(job(readers, FramePartition(None, frame, "rows of a partition")))

        columns = [f"`{name}`" for name in job.columns]
        yield from _results(source.frame.select(*columns).mapInPandas(label, "result binary"))


def _on_executors(session, shared):
    """Return a function that returns the shipment, wherever it is called.

    Spark Connect has no broadcasts: there the shipment travels with each task.
    """
    shipment = Shipment.of(shared)
    context = getattr(session, "sparkContext", None)
    if context is None:
        return lambda: shipment
    broadcast = context.broadcast(shipment)
    return lambda: broadcast.value


def _results(frame):
    # All at once: an iterator would compute one partition after the other.
    for row in frame.collect():
        yield pickle.loads(bytes(row["result"]))


ENGINES = {"joblib": JoblibEngine, "dask": DaskEngine, "ray": RayEngine, "spark": SparkEngine}


# -- frames of an engine's own -----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class ClusterSource:
    """A frame that lies on an engine's workers.

    Attributes
    ----------
    frame : dask.dataframe.DataFrame, ray.data.Dataset or pyspark.sql.DataFrame
    engine : str
    kinds : dict of str to str
    """

    frame: object
    engine: str
    kinds: dict
    first_rows: tuple | None = None

    can_be_read_again = False

    @property
    def ordered(self):
        """Whether its rows have an order, which is the same at every look."""
        return self.engine == "dask"

    @classmethod
    def of(cls, frame, engine):
        """Return the source of a frame."""
        source = cls(frame, engine, {})
        return cls(frame, engine, kinds_of_frame(source.head(1000)))

    def with_positions(self):
        """Return the source with the position of the first row of each partition."""
        lengths = self.frame.map_partitions(len).compute()
        first_rows = np.cumsum([0, *lengths])[:-1]
        return ClusterSource(self.frame, self.engine, self.kinds, tuple(first_rows.tolist()))

    def head(self, n):
        """Return some rows as a pandas frame."""
        if self.engine == "dask":
            return self.frame.head(n, npartitions=-1)
        if self.engine == "ray":
            return self.frame.limit(n).to_pandas()
        return self.frame.limit(n).toPandas()

    def labeled(self, target, columns):
        """Return the rows that have a label, as a pandas frame."""
        frame = self.frame
        if self.engine == "dask":
            return frame[frame[target].notnull()][columns].compute().reset_index(drop=True)
        if self.engine == "ray":
            kept = frame.select_columns(columns).map_batches(
                _rows_with_label, batch_format="pandas", fn_args=(target,)
            )
            return kept.to_pandas(limit=None)
        names = [f"`{name}`" for name in columns]
        return frame.where(frame[target].isNotNull()).select(*names).toPandas()


def engine_of(frame):
    """Return the engine on which a frame lies, or None."""
    library = type(frame).__module__.partition(".")[0]
    if library in ("dask", "dask_expr") and hasattr(frame, "map_partitions"):
        return "dask"
    if library == "ray" and hasattr(frame, "map_batches"):
        return "ray"
    if library == "pyspark" and hasattr(frame, "mapInPandas"):
        return "spark"
    return None


def _label_dask_partition(frame, job, shipped, first_rows, partition_info=None):
    import pandas as pd

    if partition_info is None or (len(frame) == 0 and partition_info["number"] == -1):
        return pd.DataFrame({"summary": pd.Series(dtype=object)})  # Dask asks what comes out
    i = partition_info["number"]
    partition = FramePartition(
        f"part-{i:06d}",
        frame,
        f"partition {i}",
        None if first_rows is None else first_rows[i],
    )
    readers = shipped.unpacked() if isinstance(shipped, Shipment) else shipped
    summaries = [job(readers, partition)] if len(frame) else []
    return pd.DataFrame({"summary": pd.Series(summaries, dtype=object)})


def _label_ray_block(frame, job, shipped):
    if not len(frame):
        return {"summary": np.array([], dtype=object)}
    import ray

    readers = ray.get(shipped).unpacked()
    found = job(readers, FramePartition(None, frame, "a block of rows"))
    return {"summary": np.array([pickle.dumps(found)], dtype=object)}


def _rows_with_label(frame, target):
    return rows_with_label([frame], target)


def _as_bytes(found):
    import pandas as pd

    return pd.DataFrame({"result": [pickle.dumps(found)]})


def _joined(frames, n):
    """Join small frames until there are ``n`` rows."""
    waiting, rows = [], 0
    for frame in frames:
        waiting.append(frame)
        rows += len(frame)
        if rows >= n:
            yield concatenated(waiting)
            waiting, rows = [], 0
    if rows:
        yield concatenated(waiting)


# -- calls -------------------------------------------------------------------------------------


def _call(function, shipped, item):
    return function(shipped.unpacked(), item)


def _call_turned(function, item, shipped):
    return _call(function, shipped, item)


def _scatter(client, shared):
    return client.scatter(Shipment.of(shared), broadcast=True, hash=False)


#: Where engines define what they raise of workers and tasks.
_OF_ENGINES = (
    "joblib.externals.loky",
    "concurrent.futures",
    "distributed",
    "ray",
    "py4j",
    "pyspark",
    "grpc",
)


def _as_completed(futures, failed=None):
    """Yield results as they come; what failed for good is raised when all others are through.

    ``failed(future, error)`` is yielded in place of what the rows themselves raised.
    """
    from distributed import as_completed

    lost = None
    for future in as_completed(futures):
        if future.status == "error":
            error = future.exception()
            if failed is not None and lost_worker(error) is None:
                yield failed(future, error)
            else:
                lost = error
        else:
            yield future.result()
    if lost is not None:
        raise lost


def lost_worker(error):
    """Return an error in words for one of the engine itself; None for any other."""
    if not type(error).__module__.startswith(_OF_ENGINES):
        return None
    said = (str(error).strip().splitlines() or ["without a word"])[0][:200]
    return RuntimeError(
        f"The engine gave up ({type(error).__name__}: {said}). If a worker was lost, memory may "
        "have been short: take fewer jobs, or smaller batch_rows. The finished partitions are "
        "kept: call it again, and it goes on where it was."
    )


def _dask_client():
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return None
    try:
        return distributed.get_client()
    except ValueError:
        return None


def _spark_session():
    from pyspark.sql import SparkSession

    session = SparkSession.getActiveSession()
    if session is None:
        raise RuntimeError(
            "There is no Spark session. Make one: SparkSession.builder.getOrCreate()."
        )
    return session
