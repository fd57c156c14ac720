"""The teachers on their way to the workers: packed once, unpacked once in each process."""

import copy
import pickle
import sys
from dataclasses import dataclass
from threading import Lock
from uuid import uuid4

import numpy as np

from sklearn_distill.teachers import TorchTeacher


@dataclass(frozen=True, eq=False)
class Shipment:
    """Something pickled once, that a process unpickles once, however often it gets it.

    Attributes
    ----------
    payload : ndarray of uint8
        An array, which engines share between the processes of a machine.
    key : str
    """

    payload: np.ndarray
    key: str

    @classmethod
    def of(cls, thing):
        """Pack a thing. Torch modules travel on the CPU: a worker may have no other device."""
        payload = _cloudpickle().dumps(_on_cpu(thing), protocol=pickle.HIGHEST_PROTOCOL)
        return cls(np.frombuffer(payload, dtype=np.uint8), uuid4().hex)

    def unpacked(self):
        """Return the thing, on the device of this worker."""
        with _UNPACKING:
            if self.key not in _UNPACKED:
                thing = pickle.loads(memoryview(np.ascontiguousarray(self.payload)))
                _to_device(thing)
                _UNPACKED.clear()  # of the calls before: a worker may live long
                _UNPACKED[self.key] = thing
            return _UNPACKED[self.key]


_UNPACKED, _UNPACKING = {}, Lock()


def _on_cpu(thing):
    """Return a thing whose torch modules are on the CPU: a copy, if they were not."""
    if all(p.device.type == "cpu" for module in _bare_modules(thing) for p in module.parameters()):
        return thing
    twin = copy.deepcopy(thing)
    for module in _bare_modules(twin):
        module.to("cpu")
    return twin


def _to_device(thing):
    """Move the torch modules of a copy that is ours to the accelerator of this worker."""
    modules = _bare_modules(thing)
    if modules and sys.modules["torch"].cuda.is_available():
        for module in modules:
            module.to("cuda")


def _bare_modules(thing):
    """Return the teachers that are torch modules; a skorch net knows itself where it is."""
    teachers = (reader.classifier for reader in readers_among(thing))
    return [one.module for one in teachers if isinstance(one, TorchTeacher)]


def _cloudpickle():
    """Return the pickler that knows functions and classes of the main script by their content."""
    try:
        import cloudpickle
    except ImportError:  # before 1.6, joblib brought its own
        from joblib.externals import cloudpickle
    return cloudpickle


def readers_among(shared):
    """Return the readers of teachers in a list of whatever."""
    return [one for one in shared if hasattr(one, "modules")] if isinstance(shared, list) else []
