"""What imports what, and what an import costs."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sklearn_distill

PACKAGE = Path(sklearn_distill.__file__).parent

# Data goes one way: a room imports only from rooms to its left, or from itself.
ROOMS = [
    ["utils"],
    ["losses"],
    ["hints", "augmentation", "calibration", "doubts", "trust", "tempering", "pooling"],
    ["nn"],
    ["teachers"],
    ["labelling", "scale"],
    ["targets"],
    ["decoding"],
    ["strategies", "rules"],
    ["_base", "_distilled", "_streaming"],
    ["_classifier", "_regressor", "_comparison", "_generations"],
    ["_search"],
    ["_classifier_cv", "_regressor_cv", "_self_distillation", "_mutual", "_assistants"],
    ["_multi_output"],
    ["metrics"],
    ["export"],
    ["display", "candidates", "footprint"],
    ["selection", "cascade"],
    ["report"],
    ["__init__"],
]
POSITION = {room: i for i, rooms in enumerate(ROOMS) for room in rooms}
HEAVY = {"torch", "skorch", "numba", "matplotlib", "pandas", "polars", "tqdm"}
HEAVY |= {
    "pyarrow",
    "dask",
    "distributed",
    "ray",
    "pyspark",
    "xgboost",
    "lightgbm",
    "catboost",
    "onnx",
}


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module]
        else:
            continue
        for name in names:
            first, _, rest = name.partition(".")
            if first == "sklearn_distill":
                yield rest.partition(".")[0] or "__init__"


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE))
)
def test_rooms_import_only_from_rooms_on_their_left(path):
    here = room_of(path)
    assert here in POSITION, f"{here} has no place in ROOMS: give it one"
    for there in imported_rooms(path):
        assert there == here or POSITION[there] < POSITION[here], f"{here} imports {there}"


def test_private_names_of_scikit_learn_are_imported_in_one_file_only():
    for path in PACKAGE.rglob("*.py"):
        if path.name == "_sklearn_private.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "sklearn":
                private = [a.name for a in node.names if a.name.startswith("_")]
                private += [part for part in node.module.split(".") if part.startswith("_")]
                assert not private, f"{path.name} imports {private} from {node.module}"


def test_importing_the_package_imports_nothing_heavy():
    # scikit-learn itself may import some of them; only what it does not is ours.
    ours, theirs = (
        subprocess.run(
            [
                sys.executable,
                "-c",
                f"import sys, {what}; print(sorted({HEAVY} & {{*sys.modules}}))",
            ],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for what in ("sklearn_distill", "sklearn.ensemble, sklearn.model_selection")
    )
    assert ours == theirs
    assert "torch" not in ours


def test_every_public_name_is_there_and_documented():
    for name in sklearn_distill.__all__:
        assert getattr(sklearn_distill, name).__doc__
    listed = (PACKAGE.parent / "docs" / "reference.rst").read_text()
    changes = (PACKAGE.parent / "CHANGELOG.md").read_text()
    for name in set(sklearn_distill.__all__) - {"__version__"}:
        assert name in listed
        assert name in changes
