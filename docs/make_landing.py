"""Draw the picture of the landing page, for light and for dark pages.

The figures are those of the table in README.md (examples/plot_fraud_detection.py).

    python docs/make_landing.py
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

STATIC = Path(__file__).with_name("_static")
BLUE, ORANGE = {"light": "#0072b2", "dark": "#56b4e9"}, {"light": "#d55e00", "dark": "#e69f00"}


def draw(theme):
    ink = "#1f2933" if theme == "light" else "#e6e6e6"
    plt.rcParams.update(
        {
            **{"text.color": ink, "axes.labelcolor": ink, "axes.edgecolor": ink},
            **{"xtick.color": ink, "ytick.color": ink, "font.size": 11},
            **{"axes.spines.top": False, "axes.spines.right": False},
        }
    )
    figure, ax = plt.subplots(figsize=(7.2, 3.5), layout="constrained")
    ax.axhline(0.818, color=ink, lw=1, ls="--", alpha=0.4)
    ax.plot(9729, 0.818, "*", color=ink, ms=20)
    ax.annotate("teacher: 600 trees, 18 MB", (9729, 0.818), (-4, -14), **_text("right", "top"))
    ax.plot(7, 0.621, "o", color=ORANGE[theme], mfc="none", mew=2.5, ms=11)
    ax.annotate("taught by the labels", (7, 0.621), (14, 0), **_text("left", "center"))
    ax.plot(7, 0.772, "o", color=BLUE[theme], ms=12)
    ax.annotate("taught by the teacher", (7, 0.772), (14, 0), **_text("left", "center"))
    ax.annotate(
        "one tree of 64 leaves,\n9 kB as an ONNX file",
        (7, 0.697),
        (14, 0),
        **_text("left", "center"),
    )
    arrow = {"arrowstyle": "-|>", "color": BLUE[theme], "lw": 2, "shrinkA": 9, "shrinkB": 9}
    ax.annotate("", (7, 0.772), (7, 0.621), arrowprops=arrow)
    ax.set(xscale="log", xlim=(3, 2.5e4), ylim=(0.59, 0.85))
    ax.set(xlabel="Time for one payment (µs)", ylabel="Average precision")
    figure.savefig(STATIC / f"landing-{theme}.png", dpi=110, transparent=True)
    plt.close(figure)


def _text(ha, va):
    return {"textcoords": "offset points", "ha": ha, "va": va}


if __name__ == "__main__":
    STATIC.mkdir(exist_ok=True)
    for theme in ("light", "dark"):
        draw(theme)
