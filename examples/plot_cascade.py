"""
===============================================
Answering what is easy, asking about the rest
===============================================

A logistic regression reads handwritten digits on a device, a forest on the server reads them
better. The small model answers where it is sure, and sends the rest. Where the line is, and what
may be promised of it, is a matter of statistics: :class:`~sklearn_distill.CascadeClassifier`.
"""

# %%
# Three parts of the data: one to learn from, one to calibrate by, one to see whether it is true.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_distill import CascadeClassifier, DistillationClassifier

X, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(y))
learn, calibrate, new = np.split(order, [500, 1200])

teacher = ExtraTreesClassifier(300, random_state=0).fit(X[learn], y[learn])
student = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
student = DistillationClassifier(teacher, student, alpha=0.5, temperature=1, cv=5)
student.fit(X[learn], y[learn])
for name, model in {"teacher": teacher, "student": student}.items():
    print(f"{name}: {model.score(X[new], y[new]):.1%} of the digits")

# %%
# A promise
# ---------
# At most two in a hundred answers are to differ from the teacher's. The calibration rows need no
# labels for it.

cascade = CascadeClassifier(student, teacher, target=0.98).fit(X[calibrate])
print(cascade.promise_)
answers, deferred = cascade.predict(X[new], return_deferred=True)
other = np.mean(answers != teacher.predict(X[new]))
print(f"on new digits: {deferred.mean():.1%} deferred, {other:.1%} answered otherwise")
print(f"right: {np.mean(answers == y[new]):.1%}")

# %%
# If the server takes 50 ms and a request costs .01 cents:

print(f"{cascade.expected_cost(student=0.0005, teacher=0.05) * 1000:.1f} ms on average")
print(f"{cascade.expected_cost(student=0, teacher=0.01):.4f} cents on average")

# %%
# What a stricter promise costs
# -----------------------------
# Every promise is checked on the rows that nobody has seen. Without enough calibration rows the
# strictest ones are refused.

targets, shares = [0.9, 0.95, 0.97, 0.98, 0.99, 0.995], []
for target in targets:
    try:
        one = CascadeClassifier(student, teacher, target=target).fit(X[calibrate])
    except ValueError as error:
        print(f"{target:.1%}: {error}")
        continue
    answers, deferred = one.predict(X[new], return_deferred=True)
    shares.append((1 - target, deferred.mean(), np.mean(answers != teacher.predict(X[new]))))

promised, deferred, otherwise = np.array(shares).T
figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
ax.plot(promised, deferred, "o-", color="#0072b2", label="deferred to the teacher")
ax.plot(promised, otherwise, "s--", color="#d55e00", label="answered otherwise, on new rows")
ax.plot(promised, promised, ":", color="#808080", label="what was promised")
ax.set(xlabel="Answers that may differ from the teacher's, at most", ylabel="Share of new rows")
ax.xaxis.set_major_formatter("{x:.0%}")
ax.yaxis.set_major_formatter("{x:.0%}")
ax.spines[["top", "right"]].set_visible(False)
_ = ax.legend(frameon=False)

# %%
# Digits unlike any before
# ------------------------
# The promise is about rows like those of the calibration. Bright noise is not like them, and
# whatever the student thinks of it, it is sent on.

noise = np.random.default_rng(0).uniform(0, 40, size=(5, 64))
print(cascade.defer(noise, return_reason=True)[1])
