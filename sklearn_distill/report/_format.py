"""One content, written as text, Markdown or HTML."""

import html
import math
from typing import NamedTuple

import numpy as np


class Section(NamedTuple):
    """A heading, maybe a table, and what is said of it."""

    title: str
    header: tuple = ()
    rows: tuple = ()
    text: str = ""


def as_text(sections):
    """Return sections as plain text of at most some 100 columns."""
    parts = []
    for section in sections:
        lines = [section.title, "=" * len(section.title)] if section.title else []
        if section.rows:
            lines += _table(section)
        if section.text:
            lines += _wrapped(section.text)
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _table(section):
    cells = [section.header, *section.rows]
    widths = [max(len(str(row[j])) for row in cells) for j in range(len(section.header))]
    numeric = [all(_is_number(row[j]) for row in section.rows) for j in range(len(widths))]
    return [
        "  ".join(
            str(cell).rjust(width) if right else str(cell).ljust(width)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        ).rstrip()
        for row in cells
    ]


def _wrapped(text):
    import textwrap

    return [line for part in text.split("\n") for line in textwrap.wrap(part, 99) or [""]]


def _is_number(cell):
    text = str(cell).strip()
    return not text or text[0] in "+-−.0123456789–" or text in ("∞",)


def as_markdown(sections):
    """Return sections as Markdown."""
    parts = []
    for section in sections:
        if section.title:
            parts.append(f"## {section.title}")
        if section.rows:
            lines = [section.header, ["--"] * len(section.header), *section.rows]
            lines = [" | ".join(str(c).replace("|", "\\|") for c in row) for row in lines]
            parts.append("\n".join(f"| {line} |" for line in lines))
        if section.text:
            parts.append(section.text.replace("\n", "\n\n"))
    return "\n\n".join(parts) + "\n"


#: Colours are those of the page around it, so that it can be read on light and on dark ones.
_STYLE = """<style scoped>
.distillation-report {max-width: 70em; color: inherit; line-height: 1.4}
.distillation-report h4 {margin: 1.2em 0 .3em}
.distillation-report table {border-collapse: collapse; font-variant-numeric: tabular-nums}
.distillation-report td, .distillation-report th {padding: .15em .7em; text-align: right;
 border-bottom: 1px solid rgba(128, 128, 128, .35); background: none; color: inherit}
.distillation-report td:first-child, .distillation-report th:first-child {text-align: left}
.distillation-report .scroll {overflow-x: auto}
.distillation-report td {white-space: nowrap}
.distillation-report .verdict {font-size: 1.1em; border-left: .3em solid #0072b2;
 padding: .2em .8em}
</style>"""


def as_html(sections):
    """Return sections as a piece of HTML that stands on its own."""
    parts = [_STYLE, '<div class="distillation-report">']
    for i, section in enumerate(sections):
        parts.append(f"<h4>{html.escape(section.title)}</h4>")
        if section.rows:
            head = "".join(f"<th>{html.escape(str(c))}</th>" for c in section.header)
            body = "".join(
                f"<tr>{''.join(f'<td>{html.escape(str(c))}</td>' for c in row)}</tr>"
                for row in section.rows
            )
            parts.append(
                f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
                f"<tbody>{body}</tbody></table></div>"
            )
        for line in section.text.split("\n") if section.text else ():
            kind = ' class="verdict"' if i == 0 else ""
            parts.append(f"<p{kind}>{html.escape(line)}</p>")
    return "\n".join([*parts, "</div>"])


def number(value, digits=3, signed=False):
    """Write a number as tables do: .987, and a dash for one that there is not."""
    if value is None or not math.isfinite(value):
        return "∞" if value is not None and math.isinf(value) else "–"
    if value != 0 and abs(value) < 0.5 * 10.0**-digits:
        return f"{value:{'+' if signed else ''}.1e}"
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    sign = text[0] if text[0] in "+-" else ""
    return (
        sign + text[len(sign) :].removeprefix("0") if text[len(sign) :].startswith("0.") else text
    )


def significant(value, digits=4):
    """Write a number of any size by its first digits."""
    if value is None or not math.isfinite(value):
        return number(value)
    if value == 0 or not 1e-4 <= abs(value) < 1e9:
        return f"{value:.{digits}g}"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def spread(interval, digits=3, signed=False):
    """Write an interval."""
    if np.isnan(interval.lower):
        return "–"
    return f"{number(interval.lower, digits, signed)} to {number(interval.upper, digits, signed)}"


def seconds(value):
    """Write a time in the unit that suits it."""
    if value is None or not math.isfinite(value):
        return "–"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def amount(value):
    """Write a count with thousands apart, large ones rounded."""
    if value is None or not math.isfinite(value):
        return "∞" if value is not None and math.isinf(value) else "–"
    if value >= 1e6:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:,.0f}"
