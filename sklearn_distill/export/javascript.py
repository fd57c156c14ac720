"""Programs as JavaScript."""

import json
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sklearn_distill.export.code import INDENT, CodeWriter, described, indented, wrapped
from sklearn_distill.export.files import check_writable, kept_if_proved
from sklearn_distill.export.folding import fold
from sklearn_distill.export.proof import Proof, answering, program_of, sample_for


def export_js(model, path, X_sample=None, *, tolerance=1e-5):
    """Write a model to a JavaScript module that depends on nothing.

    The module runs in browsers, Node.js, Deno and workers. It exports ``predictProba(row)``, which
    returns an array, ``predict(row)``, which returns a label, ``columns`` and ``classes``; for a
    regressor ``predict(row)`` returns a number (or an array of several) and there is no
    ``predictProba``. A row is an array in the order of ``columns``, or an object that has them as
    keys; categories are strings, missing values ``null``, ``undefined`` or ``NaN``. What the model
    does not take is refused by a ``TypeError`` or ``RangeError``. In a typed array categories are
    numbers: their positions in the list at the head of the module.

    *It is proved before it is kept*, as by :func:`export_onnx`: run by Node.js, and compared with
    the model on ``X_sample`` and at every threshold. Without Node.js, what is compared is
    the arithmetic that was written down, computed in Python; the result says so.

    Parameters
    ----------
    model : estimator
        Fitted: trees, forests, boosters, linear models and networks of dense layers, also behind
        scalers, imputers and encoders.
    path : str or Path
        The module; its name should end in ``.js`` or ``.mjs``.
    X_sample : array, sparse matrix or data frame of shape (n_samples, n_features), default=None
        Rows as the model will see them. None makes some up; a model of text columns needs a data
        frame.
    tolerance : float, default=1e-5
        Largest difference of a probability, or of a value relative to the largest one.

    Returns
    -------
    ExportedFile

    Raises
    ------
    ParityError
        If the module answers otherwise than the model; it shows the worst row.
    NotFittedError
        If the model is not fitted.
    TypeError
        If the student is of a kind that cannot be written down; it says which can.
    OSError
        If the file cannot be written. Nothing is left behind.

    See Also
    --------
    export_c : C instead of JavaScript.
    export_onnx : ONNX instead of JavaScript.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from sklearn_distill.export import export_js
    >>> X, y = load_iris(return_X_y=True)
    >>> tree = DecisionTreeClassifier(max_leaf_nodes=4, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     file = export_js(tree, Path(folder) / "iris.js", X)
    ...     code = file.path.read_text()
    >>> "export function predictProba(row)" in code
    True
    """
    path = check_writable(path)
    proof = Proof(model, sample_for(model) if X_sample is None else X_sample, "float64")
    program = fold(program_of(proof), np.float64)
    code = JavaScriptWriter(program, proof.nan_allowed, proof.columns).text()
    node = shutil.which("node")
    with kept_if_proved(path) as temporary:
        temporary.write_text(code, encoding="utf-8")
        run = program.run if node is None else _runner(node, code, program)
        difference = proof.compare(answering(run, program), tolerance)
    checked_by = "Python, for want of Node.js" if node is None else "Node.js"
    return proof.exported(path, "JavaScript", difference, checked_by)


class JavaScriptWriter(CodeWriter):
    """Writes a folded program as an ES module.

    Parameters
    ----------
    program : Program
    nan_allowed : list of bool
        Of each column, whether a value may be missing.
    columns : list of dict
        Of each column of text, whether ``unknown`` categories may come.
    """

    def __init__(self, program, nan_allowed, columns):
        super().__init__(program)
        self.nan_allowed, self.columns = nan_allowed, columns

    def text(self):
        """Return the module."""
        program = self.program
        about = "\n".join(f"//   {_one_line(line)}" for line in described(program))
        self._rows()
        sums = self.sums()
        if program.classes is None:
            one = self.n_sums == 1
            lines = [self.array("sum", self.n_sums), f"{sums}(numbers(row), sum);"]
            lines.append("return sum[0];" if one else "return Array.from(sum);")
            self._exported("predict", "row", lines)
        else:
            lines = [
                self.variable("x", value="numbers(row)"),
                self.array("proba", len(program.classes)),
                *self.probabilities(sums),
                "return Array.from(proba);",
            ]
            self.parts.append("/** The probability of each class, in the order of `classes`. */")
            self._exported("predictProba", "row", lines)
            lines = [
                "const proba = predictProba(row);",
                "let best = 0;",
                self.loop("k", len(program.classes), "1"),
                INDENT + "if (proba[k] > proba[best]) best = k;",
                "return classes[best];",
            ]
            self.parts.append("/** The label of the likeliest class. */")
            self._exported("predict", "row", lines)
        return f"// Written by sklearn_distill. The columns:\n{about}\n\n" + "\n\n".join(
            [*self.parts, ""]
        )

    def _rows(self):
        """Define what turns a row of the user into numbers."""
        inputs = self.program.inputs
        names = [i.name for i in inputs]
        labels = [None if i.labels is None else list(i.labels) for i in inputs]
        unknown = [column.get("unknown", True) for column in self.columns]
        self.parts.append(f"export const columns = {_json(names)};")
        if self.program.classes is not None:
            classes = np.asarray(self.program.classes)
            plain = classes.tolist() if classes.dtype.kind in "biuf" else map(str, classes)
            self.parts.append(f"export const classes = {_json(list(plain))};")
        text = any(c is not None for c in labels)
        if text:
            self.parts.append(
                f"const categories = {_json(labels)}.map("
                "(known) => known && new Map(known.map((c, i) => [c, i])));"
            )
            self.parts.append(f"const unknownAllowed = {_json(unknown)};")
        self.parts.append(f"const missingAllowed = {_json(self.nan_allowed)};")
        self.parts.append(_NUMBER.replace("/*text*/", _TEXT if text else ""))
        self.parts.append(_NUMBERS)

    def _exported(self, name, arguments, lines):
        body = "\n".join(indented(lines))
        self.parts.append(f"export function {name}({arguments}) {{\n{body}\n}}")

    def number(self, value):
        """Return a literal."""
        value = float(value)
        if np.isfinite(value):
            return repr(value)
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"

    def table(self, name, values):
        """Define a constant array."""
        values = np.ravel(values)
        if values.dtype.kind in "iu":
            self.parts.append(f"const {name} = [{wrapped(map(str, values.tolist()))}];")
        else:
            shown = wrapped(map(self.number, values))
            self.parts.append(f"const {name} = Float64Array.of({shown});")
        return name

    def function(self, name, arguments, lines, returns=None):
        """Define a function."""
        body = "\n".join(indented(lines))
        self.parts.append(f"function {name}({', '.join(arguments)}) {{\n{body}\n}}")
        return name

    def variable(self, name, kind="real", value=None):
        """Return a declaration."""
        return f"let {name};" if value is None else f"let {name} = {value};"

    def array(self, name, size):
        """Return the declaration of an array."""
        return f"const {name} = new Float64Array({size});"

    def loop(self, name, end, start="0"):
        """Return the head of a loop."""
        return f"for (let {name} = {start}; {name} < {end}; {name}++)"

    def math(self, name):
        """Return what a function is called."""
        return {"isnan": "Number.isNaN", "fabs": "Math.abs"}.get(name, f"Math.{name}")

    def whole(self, expression):
        """Return the number, which is whole."""
        return expression


_TEXT = """
  const known = categories[i];
  if (known && !coded) {
    const code = known.get(String(value));
    if (code !== undefined) return code;
    if (unknownAllowed[i]) return known.size;
    throw new RangeError(`column ${columns[i]}: unknown category ${value}`);
  }"""

_NUMBER = """function number(value, i, coded) {
  if (value === null || value === undefined || Number.isNaN(value)) {
    if (missingAllowed[i]) return NaN;
    throw new RangeError(`column ${columns[i]}: the model takes no missing values there`);
  }/*text*/
  if (typeof value !== "number" && typeof value !== "boolean")
    throw new TypeError(`column ${columns[i]}: expected a number, got ${typeof value}`);
  return Number(value);
}"""

_NUMBERS = """function numbers(row) {
  if (Array.isArray(row) || ArrayBuffer.isView(row)) {
    if (row.length !== columns.length)
      throw new RangeError(`expected ${columns.length} values, got ${row.length}`);
    const coded = ArrayBuffer.isView(row);
    return Float64Array.from(row, (value, i) => number(value, i, coded));
  }
  if (typeof row !== "object" || row === null)
    throw new TypeError("expected an array of values, or an object with the columns as keys");
  return Float64Array.from(columns, (name, i) => {
    if (!(name in row)) throw new TypeError(`the row lacks the column ${name}`);
    return number(row[name], i, false);
  });
}"""


def _json(value):
    # Two characters end a line in JavaScript, and not in JSON.
    return json.dumps(value, ensure_ascii=True)


def _one_line(text):
    return "".join(c if c.isprintable() else "?" for c in text)


_MAIN = """
import {{ readFileSync, writeFileSync }} from "node:fs";
import * as model from "./model.mjs";
const bytes = readFileSync("{rows}");
const rows = new Float64Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 8);
const n = {n_inputs};
const answers = [];
for (let i = 0; i < rows.length; i += n) {{
  const answer = (model.predictProba ?? model.predict)(rows.subarray(i, i + n));
  if (Array.isArray(answer)) for (const value of answer) answers.push(value);
  else answers.push(answer);
}}
writeFileSync("{answers}", new Uint8Array(Float64Array.from(answers).buffer));
"""


def _runner(node, code, program):
    """Return a function of numbers that has Node.js run a module."""

    def run(numbers):
        with TemporaryDirectory() as folder:
            folder = Path(folder)
            (folder / "model.mjs").write_text(code, encoding="utf-8")
            rows, answers = folder / "rows.bin", folder / "answers.bin"
            main = _MAIN.format(
                rows=rows.as_posix(), answers=answers.as_posix(), n_inputs=len(program.inputs)
            )
            (folder / "main.mjs").write_text(main)
            rows.write_bytes(np.ascontiguousarray(numbers, dtype="<f8").tobytes())
            done = subprocess.run(
                [node, str(folder / "main.mjs")], capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise RuntimeError(
                    f"Node.js does not run the module: {done.stderr[:500]}. This is a fault of "
                    "sklearn_distill; please report it."
                )
            values = np.frombuffer(answers.read_bytes(), dtype="<f8")
        return values.reshape(len(numbers), -1)

    return run
