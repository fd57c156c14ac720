"""The text of a program in a language with the syntax of C.

What C and JavaScript have in common is most of it: loops, conditions and arithmetic look the same.
:class:`CodeWriter` writes those, and a language says how it declares, and what its functions are
called.
"""

from abc import ABC, abstractmethod

import numpy as np

from sklearn_distill.export import normal
from sklearn_distill.export.program import LEAST_SCORE, MOST_SCORE, Trees
from sklearn_distill.export.tables import CATEGORIES, LISTED_RIGHT, MISSING_LEFT, tables_of

INDENT = "    "

#: Shares are at least this before their logarithm is taken; the scores are cut off before.
LEAST_SHARE = 1e-9


class CodeWriter(ABC):
    """Writes a folded program; the definitions are collected in ``parts``.

    Parameters
    ----------
    program : Program
    """

    #: What values are stored in.
    dtype = np.float64

    def __init__(self, program):
        self.program = program
        self.parts = []

    # What a language says.

    @abstractmethod
    def number(self, value):
        """Return a number as a literal."""

    @abstractmethod
    def table(self, name, values):
        """Define a constant array; return its name."""

    @abstractmethod
    def function(self, name, arguments, lines, returns=None):
        """Define a function; ``arguments`` maps names to kinds. Return its name."""

    @abstractmethod
    def variable(self, name, kind="real", value=None):
        """Return a declaration; kinds are "real" and "int"."""

    @abstractmethod
    def array(self, name, size):
        """Return the declaration of an array of numbers."""

    @abstractmethod
    def loop(self, name, end, start="0"):
        """Return the head of a loop over ``start, ..., end - 1``."""

    @abstractmethod
    def math(self, name):
        """Return what a function of numbers is called."""

    @abstractmethod
    def whole(self, expression):
        """Return a number as a whole one."""

    # Sums.

    def sums(self):
        """Define the function from inputs to the sums of the body; return its name."""
        if isinstance(self.program.body, Trees):
            return self._trees(tables_of(self.program.body, self.dtype))
        return self._layers(self.program.body.layers)

    @property
    def n_sums(self):
        """How many sums there are."""
        body = self.program.body
        return body.value.shape[1] if isinstance(body, Trees) else body.layers[-1].bias.size

    def _trees(self, tables):
        arguments = {"x": "in", "sum": "out"}
        start = tables.start
        if not len(tables.feature):  # nothing but leaves
            start = start + tables.leaves[~tables.roots].sum(axis=0)
        lines = [f"sum[{k}] = {self.number(s)};" for k, s in enumerate(start)]
        if not len(tables.feature):
            return self.function("sums", arguments, lines)
        feature = self.table("feature", tables.feature)
        left, right = self.table("left", tables.left), self.table("right", tables.right)
        go = self._question(tables)
        leaf, n = self.table("leaf", tables.leaves), tables.leaves.shape[1]
        one = len(tables.roots) == 1
        root = "0" if one else f"{self.table('roots', tables.roots)}[tree]"
        place = "~at" if n == 1 else f"~at * {n} + k"
        add = f"sum[{'0' if n == 1 else 'k'}] += {leaf}[{place}];"
        walk = [
            self.variable("at", "int", root),
            "while (at >= 0) {",
            INDENT + self.variable("value", value=f"x[{feature}[at]]"),
            INDENT + f"at = {go} ? {left}[at] : {right}[at];",
            "}",
            add if n == 1 else f"{self.loop('k', n)} {add}",
        ]
        if not one:
            walk = [f"{self.loop('tree', len(tables.roots))} {{", *indented(walk), "}"]
        return self.function("sums", arguments, lines + walk)

    def _question(self, tables):
        """Return the condition under which a row goes left."""
        threshold = self.table("threshold", tables.threshold)
        go = f"value <= {threshold}[at]"
        if not tables.flags.any():
            return go
        flags = self.table("flags", tables.flags)
        if (tables.flags & CATEGORIES).any():
            codes = self.table("codes", tables.codes)
            listed = self.function(
                "listed",
                {"at": "int", "value": "real"},
                [
                    self.variable("first", "int", self.whole(f"{threshold}[at]")),
                    f"{self.loop('i', self.whole(f'{codes}[first]') + ' + 1', '1')}",
                    INDENT + f"if ({codes}[first + i] == value) return 1;",
                    "return 0;",
                ],
                returns="int",
            )
            in_list = f"{listed}(at, value) != (({flags}[at] & {LISTED_RIGHT}) / {LISTED_RIGHT})"
            go = f"({flags}[at] & {CATEGORIES} ? {in_list} : {go})"
        return f"({self.math('isnan')}(value) ? {flags}[at] & {MISSING_LEFT} : {go})"

    def _layers(self, layers):
        lines, inside = [], "x"
        features = self.program.features
        widths = [layer.bias.size for layer in layers[:-1]]
        if not self.program.is_plain:
            lines.append(f"{self._features()}(x, a);")
            widths.append(len(features))
            inside = "a"
        used = set(inside) - {"x"}
        for i, layer in enumerate(layers):
            out = "sum" if i == len(layers) - 1 else ("b" if inside == "a" else "a")
            used |= {out} - {"sum"}
            weight = self.table(f"weight_{i}", layer.weight)
            bias = self.table(f"bias_{i}", layer.bias)
            n_in, n_out = layer.weight.shape
            # Over the outputs inside: compilers compute several at a time, in the same order.
            add = f"{out}[i] += {inside}[j] * {weight}[j * {n_out} + i];"
            lines += [
                f"{self.loop('i', n_out)} {out}[i] = {bias}[i];",
                f"{self.loop('j', n_in)} {{",
                INDENT + f"{self.loop('i', n_out)} {add}",
                "}",
            ]
            if layer.activation != "identity":
                s = self.variable("s", value=f"{out}[i]")
                made = f"{out}[i] = {self._activation(layer.activation)};"
                lines.append(f"{self.loop('i', n_out)} {{ {s} {made} }}")
            inside = out
        buffers = [self.array(name, max(widths)) for name in sorted(used)]
        return self.function("sums", {"x": "in", "sum": "out"}, buffers + lines)

    def _activation(self, kind):
        one, zero, exp = self.number(1), self.number(0), self.math("exp")
        return {
            "square": "s * s",
            "relu": f"s > {zero} ? s : {zero}",
            "tanh": f"{self.math('tanh')}(s)",
            "logistic": f"{one} / ({one} + {exp}(-s))",
            "silu": f"s / ({one} + {exp}(-s))",
            "leaky-relu": f"s > {zero} ? s : s * {self.number(0.01)}",
            "elu": f"s > {zero} ? s : {self.math('expm1')}(s)",
        }[kind]

    # Features.

    def _features(self):
        """Define the function from inputs to features; return its name."""
        features, inputs = self.program.features, self.program.inputs
        lines, shares = [], {}
        by_table = [f for f in features if f.table is not None]
        place = self._place() if by_table else None
        for source in sorted({f.source for f in by_table}):
            codes = self.table(f"codes_{source}", inputs[source].categories)
            n = len(inputs[source].categories)
            value = f"{place}({codes}, {n}, x[{source}])"
            lines.append(self.variable(f"at_{source}", "int", value))
        if len(by_table) < len(features):
            lines.append(self.variable("v"))
        for j, f in enumerate(features):
            if f.table is not None:
                table = self.table(f"table_{j}", f.table)
                lines.append(f"out[{j}] = {table}[at_{f.source}];")
                continue
            lines.append(f"v = x[{f.source}];")
            lines += [self._step(step, f"{j}_{i}", shares) for i, step in enumerate(f.steps)]
            lines.append(f"out[{j}] = v;")
        return self.function("features", {"x": "in", "out": "out"}, lines)

    def _place(self):
        """Define the function that finds the place of a category."""
        return self.function(
            "place",
            {"codes": "in", "n": "int", "value": "real"},
            [
                f"if ({self.math('isnan')}(value)) return n + 1;",
                f"{self.loop('i', 'n')} if (codes[i] == value) return i;",
                "return n;",
            ],
            returns="int",
        )

    def _step(self, step, key, shares):
        name, values, _ = step
        if name == "quantile":
            knots, y, to_normal = values
            if y not in shares:
                shares[y] = self.table(f"shares_{len(shares)}", np.array(y))
            knots = self.table(f"knots_{key}", np.array(knots))
            share = f"{self._share()}(v, {knots}, {shares[y]}, {len(y)})"
            return f"v = {self._normal_score()}({share});" if to_normal else f"v = {share};"
        nan, one, zero = f"{self.math('isnan')}(v)", self.number(1), self.number(0)
        return {
            "fill": f"if ({nan}) v = {{}};",
            "missing": f"v = {nan} ? {one} : {zero};",
            "subtract": "v -= {};",
            "add": "v += {};",
            "multiply": "v *= {};",
            "divide": "v /= {};",
            "clip": "v = v < {0} ? {0} : v > {1} ? {1} : v;",
        }[name].format(*map(self.number, values))

    def _share(self):
        """Define interpolation from both sides, which differ where knots coincide."""
        return self._once(
            "share",
            {"v": "real", "knots": "in", "shares": "in", "n": "int"},
            [
                f"if ({self.math('isnan')}(v)) return v;",
                f"if (v <= knots[0]) return {self.number(0)};",
                f"if (v >= knots[n - 1]) return {self.number(1)};",
                self.variable("low", "int", "0"),
                self.variable("high", "int", "n"),
                "while (low < high) {",
                INDENT + self.variable("middle", "int", "(low + high) >> 1"),
                INDENT + "if (knots[middle] < v) low = middle + 1; else high = middle;",
                "}",
                self.variable("above", "int", "low"),
                "while (knots[above] == v) above++;",
                "if (above > low) return (shares[low] + shares[above - 1]) / 2;",
                self.variable("part", value="v - knots[low - 1]"),
                "part /= knots[low] - knots[low - 1];",
                "return shares[low - 1] + part * (shares[low] - shares[low - 1]);",
            ],
        )

    def _normal_score(self):
        """Define the normal quantile function, cut off as scikit-learn does."""
        if "normal_score" in self._defined:
            return self._defined["normal_score"]
        for kind, (over, under) in (("centre", normal.CENTRE), ("tail", normal.TAIL)):
            self._defined[kind] = [
                self.table(f"{kind}_over", np.array(over)),
                self.table(f"{kind}_under", np.array(under)),
            ]
        quotient = self._once(
            "quotient",
            {"over": "in", "under": "in", "r": "real"},
            [
                self.variable("a", value="over[7]"),
                self.variable("b", value="under[7]"),
                "for ({} i >= 0; i--) {{ a = a * r + over[i]; b = b * r + under[i]; }}".format(
                    self.variable("i", "int", "6")
                ),
                "return a / b;",
            ],
        )
        half, one, least = self.number(0.5), self.number(1), self.number(LEAST_SHARE)
        low, high = self.number(-LEAST_SCORE), self.number(MOST_SCORE)
        centre, tail = (", ".join(self._defined[kind]) for kind in ("centre", "tail"))
        within = self.number(normal.CENTRE_WITHIN)
        at_centre, at_tail = self.number(normal.CENTRE_AT), self.number(normal.TAIL_AT)
        root = f"{self.math('sqrt')}(-{self.math('log')}(r))"
        return self._once(
            "normal_score",
            {"p": "real"},
            [
                self.variable("q", value=f"p - {half}"),
                f"if ({self.math('isnan')}(p)) return p;",
                f"if ({self.math('fabs')}(q) <= {within})",
                INDENT + f"return q * {quotient}({centre}, {at_centre} - q * q);",
                self.variable("r", value=f"q > 0 ? {one} - p : p"),
                f"if (r < {least}) r = {least};",
                f"r = {quotient}({tail}, {root} - {at_tail});",
                f"if (q > 0) return r > {high} ? {high} : r;",
                f"return r > {low} ? -{low} : -r;",
            ],
        )

    def _once(self, name, arguments, lines):
        if name not in self._defined:
            self._defined[name] = self.function(name, arguments, lines, returns="real")
        return self._defined[name]

    @property
    def _defined(self):
        return self.__dict__.setdefault("_names", {})

    # Outputs.

    def probabilities(self, sums):
        """Return the lines that turn the sums into probabilities in ``proba``."""
        link, k = self.program.link, len(self.program.classes)
        one, exp = self.number(1), self.math("exp")
        if link.kind == "sigmoid":
            scale = f"sum[0] * {self.number(link.scale)}" if link.scale != 1 else "sum[0]"
            return [
                self.array("sum", 1),
                f"{sums}(x, sum);",
                self.variable("z", value=scale),
                f"proba[0] = {one} / ({one} + {exp}(z));",
                f"proba[1] = {one} / ({one} + {exp}(-z));",
            ]
        if link.kind == "proba" and link.scale == 1:
            return [f"{sums}(x, proba);"]
        log1p = self.math("log1p")
        value = {
            "softmax": "proba[k]",
            "proba": f"{self.math('log')}(proba[k])",
            "one-vs-rest": f"(proba[k] < 0 ? proba[k] - {log1p}({exp}(proba[k])) "
            f": -{log1p}({exp}(-proba[k])))",
        }[link.kind]
        value = value if link.scale == 1 else f"{self.number(link.scale)} * {value}"
        return [
            f"{sums}(x, proba);",
            self.variable("top", value=self.number(-np.inf)),
            self.variable("total", value=self.number(0)),
            f"{self.loop('k', k)} {{",
            INDENT + f"proba[k] = {value};",
            INDENT + "if (proba[k] > top) top = proba[k];",
            "}",
            f"{self.loop('k', k)} total += proba[k] = {exp}(proba[k] - top);",
            f"{self.loop('k', k)} proba[k] /= total;",
        ]


def indented(lines):
    """Return lines one level further in."""
    return [INDENT + line for line in lines]


def wrapped(items, width=96):
    """Return literals with commas between them, broken into lines."""
    lines, line = [], ""
    for item in items:
        if line and len(line) + len(item) + 2 > width:
            lines.append(line.rstrip())
            line = ""
        line += f"{item}, "
    lines.append(line.removesuffix(", "))
    return lines[0] if len(lines) == 1 else "\n    " + "\n    ".join(lines) + "\n"


def described(program):
    """Return lines that say what the inputs of a program are."""
    lines = []
    for i, column in enumerate(program.inputs):
        line = f"{i}  {column.name}"
        if column.labels is not None:
            line += ": " + ", ".join(f"{j} = {c}" for j, c in enumerate(column.labels))
        lines.append(line)
    return lines
