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

    figure, ((a, b), (c, d)) = plt.subplots(2, 2, figsize=(11, 9), layout="constrained")
    target, said, weight = (report.said_[name] for name in ("target", "said", "weight"))
    target.draw_fidelity(FidelityDisplay, said["teacher"], said["distilled"], a)
    a.set_title("What the two say", loc="left")
    shown = {name: said[name] for name in ("teacher", "distilled", "hard") if name in said}
    target.draw_reliability(ReliabilityDisplay, shown, weight, b)
    b.set_title("Whether it is true", loc="left")
    TradeOffDisplay.from_report(report, ax=c)
    c.set_title("What it costs", loc="left")
    SlicesDisplay.from_report(report, ax=d)
    d.set_title("Who lost by it", loc="left")
    return figure
