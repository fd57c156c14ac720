"""Keys by content: equal for equal things, in whatever process and copy."""

import sys
from types import CodeType, FunctionType

from joblib.hashing import NumpyHasher


def content_key(*things):
    """Return a digest of what things hold, to be the key of a cache.

    joblib's own hash takes every copy of a torch tensor for another one, so that no process finds
    what another has computed, and fails on lambdas and on classes that a worker process knows
    only by value. Here tensors count by their bytes, functions and classes of the main script by
    their code, and other functions and classes by their names.

    Parameters
    ----------
    *things : object

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If a thing has no content that could be compared.
    """
    try:
        return _ContentHasher(hash_name="md5").hash(things)
    except Exception as error:
        raise TypeError(
            f"memory cannot tell by content whether it has seen this before: {error}. Leave "
            "memory out, or replace what cannot be pickled in teacher, rows or fit parameters."
        ) from error


class _ContentHasher(NumpyHasher):
    """A pickler into a hash that puts content in the place of what is pickled by identity."""

    def save(self, obj):
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(obj, torch.Tensor):
            obj = _of_tensor(obj)
        elif isinstance(obj, FunctionType):
            obj = _of_function(obj)
        elif isinstance(obj, type) and obj.__module__ == "__main__":
            obj = _of_class(obj)
        super().save(obj)


def _of_tensor(tensor):
    values = tensor.detach().cpu()
    if values.layout is not sys.modules["torch"].strided:
        values = values.to_dense()
    # NumPy has no bfloat16: the bytes say all there is.
    as_bytes = values.contiguous().reshape(-1).view(sys.modules["torch"].uint8).numpy().tobytes()
    return "tensor", str(tensor.dtype), tuple(tensor.shape), as_bytes


def _of_function(function):
    if function.__module__ != "__main__" and "<" not in function.__qualname__:
        return "function", function.__module__, function.__qualname__
    # A method that calls super() holds its own class: by name, or this would never end.
    cells = tuple(
        cell.cell_contents.__qualname__
        if isinstance(cell.cell_contents, type)
        else cell.cell_contents
        for cell in function.__closure__ or ()
    )
    defaults = function.__defaults__, function.__kwdefaults__
    return "function", _of_code(function.__code__), defaults, cells


def _of_class(cls):
    members = {k: _unwrapped(v) for k, v in vars(cls).items() if k not in _NO_CONTENT}
    return "class", cls.__qualname__, cls.__bases__, sorted(members), list(members.values())


#: Members of a class that Python adds by itself.
_NO_CONTENT = {"__dict__", "__weakref__", "__doc__", "__module__", "__annotations__", "_abc_impl"}


def _unwrapped(member):
    if isinstance(member, classmethod | staticmethod):
        return type(member).__name__, member.__func__
    if isinstance(member, property):
        return "property", member.fget, member.fset
    return member


def _of_code(code):
    constants = tuple(_of_code(c) if isinstance(c, CodeType) else c for c in code.co_consts)
    return code.co_code, code.co_names, repr(constants)
