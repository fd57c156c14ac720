"""Files that are there whole or not at all, and what was found about them."""

import os
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written, reloaded and compared with its model.

    Parameters
    ----------
    path : Path
    n_bytes : int
    kind : str
        What it holds.
    n_rows : int
        Rows of the sample that were compared.
    n_edges : int
        Rows that were made for the comparison: at the thresholds of trees and the numbers next to
        them, with missing values, with unknown categories.
    max_difference : float
        Largest difference of a probability (or of a value, relative to the largest one).
    checked_by : str
        What computed the answers of the file.
    notes : tuple of str
        What was not compared, and why.
    code_bytes, stack_bytes : int or None
        Of C: what code and tables take, and the stack of a call, compiled for small size.
    """

    path: Path
    n_bytes: int
    kind: str
    n_rows: int
    n_edges: int
    max_difference: float
    checked_by: str
    notes: tuple = ()
    code_bytes: int | None = None
    stack_bytes: int | None = None

    def __str__(self):
        """Say it in a sentence or two."""
        compiled = ""
        if self.code_bytes is not None:
            compiled = f" ({self.code_bytes:,} compiled, {self.stack_bytes} of stack)"
        said = (
            f"{self.path.name}: {self.kind}, {self.n_bytes:,} bytes{compiled}; largest difference "
            f"{self.max_difference:.1e} on {self.n_rows:,} rows and {self.n_edges:,} made at "
            f"edges, computed by {self.checked_by}"
        )
        return ". ".join([said, *self.notes])


def check_writable(path):
    """Return a path as a Path, or say now why nothing can be written there.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder. Pass the name of a file in it.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent}. Make it first.")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(f"No files may be written to the folder {path.parent}.")
    return path


@contextmanager
def kept_if_proved(path):
    """Give a temporary name next to ``path``; move the file there if nothing is raised."""
    path = check_writable(path)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
    os.close(handle)
    try:
        yield Path(name)
        # As any file that is written there, and not for its owner alone.
        os.chmod(name, 0o666 & ~_umask())
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
