"""Configuration of the documentation: ``make docs`` builds it with warnings as errors."""

import os
import re
import tomllib
from pathlib import Path

import sklearn_distill

root = Path(__file__).parents[1]
settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))

project = "sklearn_distill"
author = "The sklearn_distill developers"
copyright = f"2026, {author}"
release = version = sklearn_distill.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.extlinks",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
    "numpydoc",
    "myst_parser",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_templates"]
default_role = "literal"
add_module_names = False
toc_object_entries_show_parents = "hide"
suppress_warnings = ["config.cache"]  # functions in sphinx_gallery_conf cannot be pickled

extlinks = {
    "doi": ("https://doi.org/%s", "doi:%s"),
    "arxiv": ("https://arxiv.org/abs/%s", "arXiv:%s"),
}
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_validation_checks = set(settings["tool"]["numpydoc_validation"]["checks"])
# What comes from scikit-learn or Python is documented there. The fields of a record are described
# as its attributes, and not once more as parameters.
numpydoc_validation_exclude = {
    r"\.(get_params|set_params|get_metadata_routing|set_\w+_request)$",
    r"\.(TransferSet|SoftTargets|\w*Decoder)$",
    r"^(?!sklearn_distill\.)",
}

# Some examples download data or take minutes. They are shown without being run, unless asked for
# (make docs-gallery).
slow_examples = [
    "plot_boosters",
    "plot_digit_images",
    "plot_few_labels",
    "plot_flights",
    "plot_fraud_detection",
    "plot_fraud_report",
    "plot_privileged_columns",
    "plot_self_taught",
    "plot_several_teachers",
    "plot_spoken_commands",
    "plot_values",
    "plot_voice_intents",
]
run_all_examples = os.environ.get("SKLEARN_DISTILL_RUN_ALL_EXAMPLES") == "1"
not_run = "" if run_all_examples else rf"(?!({'|'.join(slow_examples)})\.py)"
sphinx_gallery_conf = {
    "examples_dirs": str(root / "examples"),
    "gallery_dirs": "auto_examples",
    "ignore_pattern": r"^(?!(.*[/\\])?plot_\w+\.py$)",
    "filename_pattern": rf"[/\\]{not_run}plot_",
    "doc_module": ("sklearn_distill",),
    "backreferences_dir": "generated/backreferences",
    "reference_url": {"sklearn_distill": None},
    "remove_config_comments": True,
    "show_memory": False,
}

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["landing.css"]
html_title = "sklearn_distill"
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
PAGES = ("index", "install", "user_guide", "boosters", "networks", "proof", "cascade")
PAGES += ("changelog", "contributing")
html_sidebars = {page: [] for page in PAGES}


def unlink_inherited(app, what, name, obj, options, lines):
    """Keep the text, and drop the target, of links that lead into scikit-learn's own pages."""
    if (getattr(obj, "__module__", None) or "").startswith("sklearn."):
        lines[:] = [
            re.sub(r":(?:ref|term):`([^`<]*?)(?:\s*<[^`]*>)?`", r"\1", line) for line in lines
        ]


def setup(app):
    app.connect("autodoc-process-docstring", unlink_inherited)
