"""The pictures of a report, side by side."""

from sklearn_distill.display import (
    FidelityDisplay,
    ReliabilityDisplay,
    SlicesDisplay,
    TradeOffDisplay,
)


def draw(report):
    """Return a figure of four pictures."""
    import matplotlib.pyplot as plt

    said = report.said_
    figure, ((a, b), (c, d)) = plt.subplots(2, 2, figsize=(11, 9), layout="constrained")
    teacher, student = said["proba"]["teacher"], said["proba"]["distilled"]
    classes = said["classes"]
    FidelityDisplay.from_predictions(teacher[:, -1], student[:, -1], name=classes[-1], ax=a)
    a.set_title("What the two say", loc="left")
    shown = {n: said["proba"][n] for n in ("teacher", "distilled", "hard") if n in said["proba"]}
    ReliabilityDisplay.from_predictions(
        classes[said["positions"]],
        shown,
        labels=classes,
        sample_weight=said["weight"],
        ax=b,
    )
    b.set_title("Whether it is true", loc="left")
    TradeOffDisplay.from_report(report, ax=c)
    c.set_title("What it costs", loc="left")
    SlicesDisplay.from_report(report, ax=d)
    d.set_title("Who lost by it", loc="left")
    return figure
