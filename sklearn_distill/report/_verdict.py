"""What the figures come to, in words. The rules are few, and in this file."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Verdict:
    """What a report comes to.

    The first of these that holds is its ``code``. A difference is *clear* if its 95 % interval, by
    the paired bootstrap over the test rows, does not hold zero.

    ==================  =========================================================================
    ``weak-teacher``    A rival that learned from labels alone is clearly better than the teacher,
                        and the distilled student is not clearly better than that rival.
    ``loss``            The same student on hard labels is clearly better than the distilled one.
    ``better-rival``    The tuned one, the best of the same budget, or a linear model is clearly
                        better than the distilled one.
    ``gain``            The distilled student is clearly better than the same one on hard labels,
                        and than that one tuned, where there is one.
    ``no-gain``         None of these.
    ``unknown``         There are no rivals, or the score is not defined on the test rows.
    ==================  =========================================================================

    Parameters
    ----------
    code : str
        One of those above.
    headline : str
        The same in a sentence.
    remarks : tuple of str
        What is kept of the teacher, and what else is to be known.
    """

    code: str
    headline: str
    remarks: tuple = ()

    def __str__(self):
        """Say it."""
        return " ".join([self.headline, *self.remarks])


def judge(score_name, values, gains, over_teacher, what, kept, target):
    """Return the verdict.

    Parameters
    ----------
    score_name : str
    values : dict of str to float
        Of "teacher", "distilled" and the rivals.
    gains : dict of str to Interval
        By how much the distilled student is better than each rival.
    over_teacher : dict of str to Interval
        By how much the teacher is better than each rival.
    what : dict of str to str
        What kind of model a rival is.
    kept : str
        What the student keeps of the teacher, a sentence; empty if nobody knows.
    target : OfClasses or OfValues
        What rivals, and what is real, are called in sentences.

    Returns
    -------
    Verdict
    """
    if np.isnan(values["distilled"]) or np.isnan(values["teacher"]):
        headline = f"Nobody knows: {score_name} is not defined on these test rows."
        return Verdict("unknown", headline)
    remarks = [kept] if kept else []
    if not gains:
        return Verdict(
            "unknown", "Nobody knows whether it was worth it: there are no rivals.", (*remarks,)
        )

    def named(rival):
        kind = f" ({what[rival]})" if rival == "same-budget" and what.get(rival) else ""
        return f"{target.called[rival]}{kind}"

    def by(gain):
        low, high = sorted((gain.lower, gain.upper), key=abs)
        if np.isnan(low) or low * high < 0:
            return _short(abs(gain.value))
        return f"{_short(abs(gain.value))} ({_short(abs(low))} to {_short(abs(high))})"

    best_first = sorted(gains, key=lambda rival: -values[rival])
    stronger = [r for r in best_first if over_teacher[r].below and not gains[r].above]
    better = [r for r in best_first if gains[r].below and r != "hard"]
    hard, tuned = gains.get("hard"), gains.get("tuned")
    if stronger:
        headline = (
            f"The teacher is weaker than {named(stronger[0])} in {score_name}, "
            f"{_short(values['teacher'])} against {_short(values[stronger[0]])}: mend the teacher "
            "first, or do without."
        )
        return Verdict("weak-teacher", headline, (*remarks,))
    if hard is not None and hard.below:
        headline = f"Distillation loses {by(hard)} of {score_name} to {named('hard')}: "
        headline += f"keep {target.real}."
        return Verdict("loss", headline, (*remarks,))
    if better:
        rival = better[0]
        headline = (
            f"{_capital(named(rival))} does better, by {by(gains[rival])} of {score_name}: use it."
        )
        if hard is not None and hard.above:
            remarks.append(f"Over {named('hard')} distillation gains {by(hard)}.")
        return Verdict("better-rival", headline, (*remarks,))
    as_good = [r for r in best_first if r not in ("hard", "tuned") and not gains[r].above]
    if as_good:
        rival = as_good[0]
        remarks.append(
            f"{_capital(named(rival))} does as well: the difference is {_either(gains[rival])}."
        )
    if hard is not None and hard.above and (tuned is None or tuned.above):
        over = "" if tuned is None else f", and {by(tuned)} over the tuned one"
        headline = f"Distillation gains {by(hard)} of {score_name} over {named('hard')}{over}."
        return Verdict("gain", headline, (*remarks,))
    if hard is not None and hard.above:
        headline = (
            f"No gain: what distillation gains over {named('hard')}, {by(hard)} of {score_name}, "
            f"vanishes against the tuned one ({_either(tuned)})."
        )
        return Verdict("no-gain", headline, (*remarks,))
    first = hard if hard is not None else gains[best_first[0]]
    over = target.on_real if hard is not None else named(best_first[0])
    headline = f"No gain in {score_name} over {over}: {_either(first)}."
    return Verdict("no-gain", headline, (*remarks,))


def kept_of(score_label, teacher, student, latency_ratio, bytes_ratio):
    """Say what the student keeps of the teacher, and at what price."""
    price = []
    if latency_ratio is not None:
        price.append(f"{_part(latency_ratio)} its latency")
    if bytes_ratio is not None:
        price.append(f"{_part(bytes_ratio)} its bytes")
    at = f", at {' and '.join(price)}" if price else ""
    if teacher > 0:
        return f"It keeps {100 * student / teacher:.1f} % of the teacher's {score_label}{at}."
    student, teacher = (f"{score:.3g}".replace("0.", ".", 1) for score in (student, teacher))
    return f"Its {score_label} is {student}, the teacher's {teacher}{at}."


def _part(ratio):
    """Write how small a part is: 1/3,400 of, or a number of times if it is none."""
    if ratio <= 0 or not np.isfinite(ratio):
        return "an unknown part of"
    if ratio > 0.5:
        return f"{ratio:.2g} times"
    times = 1 / ratio
    digits = max(0, int(np.floor(np.log10(times))) - 1)
    return f"1/{round(times, -digits):,.0f} of"


def _either(gain):
    half = (gain.upper - gain.lower) / 2
    return f"{_short(gain.value, True)} inside ±{_short(half)}"


def _short(value, signed=False):
    small = value != 0 and abs(value) < 0.0005
    written = f"{value:.1g}" if small else f"{value:.3f}"
    text = f"+{written}" if signed and value >= 0 else written
    return text.replace("0.", ".", 1) if text.lstrip("+-").startswith("0.") else text


def _capital(text):
    return text[0].upper() + text[1:]
