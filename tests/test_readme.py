"""The README's example runs, and prints what the README says it prints."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```\s*```text\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize(("code", "printed"), BLOCKS)
def test_the_example_prints_what_the_readme_says(code, printed, capsys):
    exec(compile(code, "README.md", "exec"), {})
    said = capsys.readouterr().out
    number = r"-?\d+\.\d+"
    assert re.sub(number, "#", said).split() == re.sub(number, "#", printed).split()
    found, expected = ([float(x) for x in re.findall(number, text)] for text in (said, printed))
    # Other versions of scikit-learn grow slightly other trees.
    assert found == pytest.approx(expected, abs=0.02)


def test_there_is_an_example():
    assert BLOCKS
