"""Programs as C."""

import ctypes
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sklearn_distill.export.code import CodeWriter, described, indented, wrapped
from sklearn_distill.export.files import check_writable, kept_if_proved
from sklearn_distill.export.folding import fold
from sklearn_distill.export.proof import Proof, answering, program_of, sample_for


def export_c(model, path, X_sample=None, *, dtype="double", name=None, tolerance=1e-5):
    """Write a model to a C header that needs nothing but a C99 compiler.

    The header has three functions: ``NAME_predict_proba(x, proba)``, ``NAME_predict(x)``, which
    returns the position of the likeliest class, and ``NAME_label(position)``; for a regressor it
    has ``NAME_predict(x, y)``. They use no heap and no state, so that any number of threads may
    call them. A column of text is handed over as the position of the category, in the order at the
    head of the file.

    *It is proved before it is kept*, as by :func:`export_onnx`: compiled, and compared with the
    model on ``X_sample`` and at every threshold. Where there is no C compiler, what is compared is
    the arithmetic that was written down, computed in Python; the result says so.

    Parameters
    ----------
    model : estimator
        Fitted: trees, forests, boosters, linear models and networks of dense layers, also behind
        scalers, imputers and encoders.
    path : str or Path
        The header.
    X_sample : array, sparse matrix or data frame of shape (n_samples, n_features), default=None
        Rows as the model will see them. None makes some up; a model of text columns needs a data
        frame.
    dtype : {"double", "float"}, default="double"
        The type of all numbers. Microcontrollers compute in float; then every threshold is the
        largest float that is not above the model's own.
    name : str, default=None
        What the names of functions begin with. None takes that of the file.
    tolerance : float, default=1e-5
        Largest difference of a probability, or of a value relative to the largest one.

    Returns
    -------
    ExportedFile
        Among the rest, how many bytes of code and tables, and of stack, it takes with ``-Os``.

    Raises
    ------
    ParityError
        If the code answers otherwise than the model; it shows the worst row.
    NotFittedError
        If the model is not fitted.
    TypeError
        If the student is of a kind that cannot be written down; it says which can.
    ValueError
        If an argument is out of its range.
    OSError
        If the file cannot be written. Nothing is left behind.

    See Also
    --------
    export_js : JavaScript instead of C.
    export_onnx : ONNX instead of C.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill.export import export_c
    >>> X, y = load_iris(return_X_y=True)
    >>> tree = DecisionTreeClassifier(max_leaf_nodes=4, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     file = export_c(tree, Path(folder) / "iris.h", X)
    ...     code = file.path.read_text()
    >>> "static void iris_predict_proba(const double *x, double *proba)" in code
    True
    """
    path = check_writable(path)
    if dtype not in ("double", "float"):
        raise ValueError(f"dtype must be 'double' or 'float'. Got {dtype!r} instead.")
    name = identifier(path.stem if name is None else name)
    grid = "float64" if dtype == "double" else "float32"
    proof = Proof(model, sample_for(model) if X_sample is None else X_sample, grid)
    program = fold(program_of(proof), np.dtype(grid))
    with kept_if_proved(path) as temporary:
        temporary.write_text(CWriter(program, name, dtype).text(), encoding="utf-8")
        compiled = _compiled(temporary, name, dtype)
        run = program.run if compiled is None else compiled.run
        difference = proof.compare(answering(run, program), tolerance)
    if compiled is None:
        return proof.exported(path, "C", difference, "Python, for want of a C compiler")
    return proof.exported(path, "C", difference, "the compiled code", **compiled.sizes)


def identifier(name):
    """Return a name that C takes, as near to the given one as may be."""
    name = re.sub(r"\W", "_", str(name), flags=re.ASCII)
    return name if re.match("[A-Za-z_]", name) else f"model_{name}"


class CWriter(CodeWriter):
    """Writes a folded program as a C99 header.

    Parameters
    ----------
    program : Program
    name : str
        What all names begin with.
    real : {"double", "float"}, default="double"
    """

    def __init__(self, program, name, real="double"):
        super().__init__(program)
        self.name, self.real = name, real
        self.dtype = np.float32 if real == "float" else np.float64
        self.suffix = "f" if real == "float" else ""

    def text(self):
        """Return the header."""
        if self.program.classes is None:
            self._regressor(self.sums())
        else:
            self._classifier(self.sums())
        text = "\n\n".join(self.parts)
        include = ""
        if re.search(rf"\b(isnan|INFINITY|NAN|(exp|log|tanh|expm1|log1p){self.suffix})\b", text):
            include = "#include <math.h>\n\n"
        about = "\n".join(f"   x[{line}" for line in map(_numbered, described(self.program)))
        guard = f"{self.name.upper()}_H"
        return (
            f"/* Written by sklearn_distill. The inputs, in this order (NAN is missing; where\n"
            f"   categories have numbers, any other one is an unknown category):\n{about} */\n"
            f"#ifndef {guard}\n#define {guard}\n\n{include}{text}\n\n#endif\n"
        )

    def _regressor(self, sums):
        self._enum("n_outputs", self.n_sums)
        self.parts.append(f"/* Writes {self.name}_n_outputs values. */")
        self.function("predict", {"x": "in", "y": "out"}, [f"{sums}(x, y);"])

    def _classifier(self, sums):
        classes = self.program.classes
        self._enum("n_classes", len(classes))
        self.parts.append("/* Writes the probability of each class. */")
        lines = self.probabilities(sums)
        proba = self.function("predict_proba", {"x": "in", "proba": "out"}, lines)
        self.parts.append("/* Returns the position of the likeliest class. */")
        lines = [
            self.array("proba", len(classes)),
            self.variable("best", "int", "0"),
            f"{proba}(x, proba);",
            f"{self.loop('k', len(classes), '1')} if (proba[k] > proba[best]) best = k;",
            "return best;",
        ]
        self.function("predict", {"x": "in"}, lines, returns="int")
        labels = wrapped([f'"{_inside_string(str(c))}"' for c in classes])
        self.parts.append(
            "/* Returns the label of the class at a position. */\n"
            f"static const char *{self.name}_label(int position) {{\n"
            f"    static const char *const labels[] = {{{labels}}};\n"
            "    return labels[position];\n}"
        )

    def _enum(self, what, number):
        n_inputs = len(self.program.inputs)
        self.parts.append(
            f"enum {{ {self.name}_n_inputs = {n_inputs}, {self.name}_{what} = {number} }};"
        )

    def number(self, value):
        """Return a literal of the shortest form that reads back as the same number."""
        value = self.dtype(value)
        if np.isnan(value):
            return "NAN"
        if np.isinf(value):
            return "INFINITY" if value > 0 else "-INFINITY"
        text = repr(float(str(value)))
        return (text if "." in text or "e" in text else f"{text}.0") + self.suffix

    def table(self, name, values):
        """Define a constant array of the smallest type that holds the values."""
        values = np.ravel(values)
        if values.dtype.kind in "iu":
            kind, shown = _smallest(values), map(str, values.tolist())
        else:
            kind, shown = self.real, map(self.number, values)
        name = f"{self.name}_{name}"
        self.parts.append(f"static const {kind} {name}[{len(values)}] = {{{wrapped(shown)}}};")
        return name

    def function(self, name, arguments, lines, returns=None):
        """Define a static function."""
        kinds = {"in": f"const {self.real} *", "out": f"{self.real} *", "int": "int "}
        kinds["real"] = f"{self.real} "
        shown = ", ".join(f"{kinds[kind]}{argument}" for argument, kind in arguments.items())
        unused = [a for a in arguments if not re.search(rf"\b{a}\b", " ".join(lines))]
        lines = [f"(void){a};" for a in unused] + lines
        result = {None: "void", "int": "int", "real": self.real}[returns]
        body = "\n".join(indented(lines))
        name = f"{self.name}_{name}"
        self.parts.append(f"static {result} {name}({shown}) {{\n{body}\n}}")
        return name

    def variable(self, name, kind="real", value=None):
        """Return a declaration."""
        kind = self.real if kind == "real" else "int"
        return f"{kind} {name};" if value is None else f"{kind} {name} = {value};"

    def array(self, name, size):
        """Return the declaration of an array on the stack."""
        return f"{self.real} {name}[{size}];"

    def loop(self, name, end, start="0"):
        """Return the head of a loop."""
        return f"for (int {name} = {start}; {name} < {end}; {name}++)"

    def math(self, name):
        """Return what a function of math.h is called for the type of numbers."""
        return name if name == "isnan" else name + self.suffix

    def whole(self, expression):
        """Return a number as an int."""
        return f"(int){expression}"


def _numbered(line):
    number, _, rest = line.partition("  ")
    plain = re.sub(r"[^\x20-\x7e]", "?", rest).replace("*/", "* /").replace("/*", "/ *")
    return f"{number}]  {plain}"


def _smallest(values):
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    for kind, first, last in (
        ("unsigned char", 0, 2**8 - 1),
        ("signed char", -(2**7), 2**7 - 1),
        ("unsigned short", 0, 2**16 - 1),
        ("short", -(2**15), 2**15 - 1),
    ):
        if first <= low and high <= last:
            return kind
    return "int"


def _inside_string(text):
    """Return text as the inside of a C string: UTF-8, what is not plain ASCII in octal."""
    plain = set(range(0x20, 0x7F)) - set(b'"\\?')
    return "".join(chr(b) if b in plain else f"\\{b:03o}" for b in text.encode())


# -- compiling -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Compiled:
    run: object
    sizes: dict


def _compiled(header, name, dtype):
    """Return what a header computes, compiled and loaded; None without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return None
    regressor = f"{name}_n_outputs" in header.read_text(encoding="utf-8")
    call = f"{name}_predict(x, y)" if regressor else f"{name}_predict_proba(x, y)"
    width = f"{name}_n_outputs" if regressor else f"{name}_n_classes"
    include = f'#include "{header.resolve()}"\n'
    # Contraction into fused operations would round otherwise than the model did.
    command = [compiler, "-std=c99", "-pedantic", "-ffp-contract=off"]
    with TemporaryDirectory() as folder:
        folder = Path(folder)
        (folder / "main.c").write_text(
            f"{include}void answer(const {dtype} *x, {dtype} *y, long n) {{\n"
            f"    for (long i = 0; i < n; i++, x += {name}_n_inputs, y += {width}) {call};\n}}\n"
            f"int n_values(void) {{ return {width}; }}\n"
        )
        library = folder / "model.so"
        _run(
            [
                *command,
                "-O2",
                "-shared",
                "-fPIC",
                str(folder / "main.c"),
                "-o",
                str(library),
                "-lm",
            ]
        )
        loaded = ctypes.CDLL(str(library))
        one = f"{include}void f(const {dtype} *x, {dtype} *y) {{ {call}; }}\n"
        sizes = _sizes(command, one, folder)
    number, n_values = np.float64 if dtype == "double" else np.float32, loaded.n_values()

    def run(numbers):
        X = np.ascontiguousarray(numbers, dtype=number)
        y = np.empty((len(X), n_values), dtype=number)
        pointers = [a.ctypes.data_as(ctypes.c_void_p) for a in (X, y)]
        loaded.answer(*pointers, ctypes.c_long(len(X)))
        return y.astype(np.float64)

    return _Compiled(run, sizes)


def _run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(
            f"{command[0]} does not compile the header: {done.stderr[:500]}. This is a fault of "
            "sklearn_distill; please report it."
        )
    return done.stdout


def _sizes(command, code, folder):
    """Return the bytes of code and tables, and of stack, of a function with -Os."""
    source, made = folder / "one.c", folder / "one.o"
    source.write_text(code)
    small = ["-Os", "-fstack-usage", "-fno-asynchronous-unwind-tables"]
    try:
        _run([*command, *small, "-c", str(source), "-o", str(made)])
        size = _run(["size", str(made)]).splitlines()[1].split()
        usage = (folder / "one.su").read_text().splitlines()
        stack = max(int(line.split("\t")[1]) for line in usage)
        return {"code_bytes": int(size[0]) + int(size[1]), "stack_bytes": stack}
    except (RuntimeError, OSError, IndexError, ValueError):
        return {}  # another compiler, which counts otherwise
