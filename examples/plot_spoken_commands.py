"""
================================================
Spoken commands: answer here, or ask the server?
================================================

A box on a shelf understands most commands by counting words, in the time of a blink. A language
model on a server understands more, and needs a connection. The box is to answer what it is sure of
and ask about the rest, and not one command in a hundred may be carried out otherwise than the
server would have done it. :class:`~sklearn_distill.CascadeClassifier` finds the line, and an audit
tells when the promise does not hold any more.

A language model of 90 MB is downloaded the first time; then it takes a minute or two.

.. image:: /_static/gallery/spoken_commands.png
   :alt: How many commands are sent to the server, by what is promised.
"""

# sphinx_gallery_thumbnail_path = "_static/gallery/spoken_commands.png"

# %%
# Commands
# --------
# Sentences that Home Assistant made templates of, for 24 intents: *turn on the lamp in the
# kitchen*, *ten more minutes for the pizza*. Two fifths of the templates are put aside: ways of
# asking that nobody thought of. Of the others some have labels, more were recorded, some are
# to calibrate by, and the rest is to see whether it is true.

import time
from pathlib import Path

import numpy as np
import real_data  # next to this file: it downloads the data and keeps them

began = time.perf_counter()


def say(text):
    print(f"[{time.perf_counter() - began:4.0f} s] {text}", flush=True)


sentences, intents, templates = real_data.voice_intents(n_per_intent=400)
rng = np.random.default_rng(0)
unheard = np.concatenate(
    [
        rng.permutation(numbers)[: round(0.4 * len(numbers))]
        for numbers in (np.unique(templates[intents == intent]) for intent in np.unique(intents))
    ]
)
later = np.isin(templates, unheard)
heard = rng.permutation(np.flatnonzero(~later))
learn, recorded, calibrate, new = np.split(heard, [600, 2200, 3900])
later = rng.permutation(np.flatnonzero(later))
parts = {"with labels": learn, "recorded": recorded, "to calibrate by": calibrate}
parts |= {"new": new, "later": later}
say(", ".join(f"{len(rows):,} {name}" for name, rows in parts.items()))

# %%
# Teacher and student
# -------------------
# The teacher is MiniLM with a logistic regression on the mean of its token vectors. The student
# counts words and pairs of words, and learns what the teacher says of the recorded commands, most
# of which nobody has labelled.

import torch
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from sklearn_distill import CascadeClassifier, DistillationClassifier

logging.disable_progress_bar()
folder = real_data.sentence_encoder()
tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
body = AutoModel.from_pretrained(folder, local_files_only=True).eval()


class SentenceVectors(TransformerMixin, BaseEstimator):
    """The mean of the token vectors of a sentence."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        vectors = []
        for start in range(0, len(X), 256):
            tokens = tokenizer(
                list(X[start : start + 256]),
                padding="max_length",
                truncation=True,
                max_length=16,
                return_tensors="pt",
            )
            with torch.inference_mode():
                found = body(**tokens).last_hidden_state
            real = tokens["attention_mask"][:, :, None]
            vectors.append(((found * real).sum(dim=1) / real.sum(dim=1)).numpy())
        return np.concatenate(vectors)


teacher = make_pipeline(
    SentenceVectors(), StandardScaler(), LogisticRegression(C=0.1, max_iter=300)
)
teacher.fit(sentences[learn], intents[learn])
say(f"teacher: {teacher.score(sentences[new], intents[new]):.1%} of new commands")

words = make_pipeline(
    TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=30, max_iter=300)
)
student = DistillationClassifier(teacher, words, alpha=0.5, temperature=1)
student.fit(sentences[learn], intents[learn], X_unlabeled=sentences[recorded])
on_labels = clone(words).fit(sentences[learn], intents[learn])
say(f"student on labels: {on_labels.score(sentences[new], intents[new]):.1%}")
say(f"student: {student.score(sentences[new], intents[new]):.1%}")

# %%
# The promise
# -----------
# The calibration commands need no labels: what counts is what the server would have said. A
# sentence with words that nobody has used before is not like the calibration rows, so a small
# outlier detector on the counts of words is put in front.

from sklearn.ensemble import IsolationForest

cascade = CascadeClassifier(
    student,
    teacher,
    target=0.99,
    novelty=make_pipeline(
        TfidfVectorizer(binary=True, use_idf=False, max_features=300),
        IsolationForest(contamination=0.01, random_state=0),
    ),
).fit(sentences[calibrate])
say(cascade.promise_)


def judge(rows, name):
    answers, deferred = cascade.predict(sentences[rows], return_deferred=True)
    said = teacher.predict(sentences[rows])
    say(
        f"{name}: {deferred.mean():.1%} asked, {np.mean(answers != said):.2%} answered otherwise; "
        f"right: {np.mean(answers == intents[rows]):.1%}"
    )
    return said


said_new = judge(new, "new commands")
seconds = cascade.expected_latency(sentences[new[:50]])
say(", ".join(f"{name}: {1e3 * value:.2f} ms" for name, value in seconds.items()))

# %%
# What would a point estimate have promised? The most generous threshold at which one in a hundred
# of the *calibration* commands is answered otherwise:

proba = student.predict_proba(sentences[calibrate])
wrong = student.classes_[proba.argmax(axis=1)] != teacher.predict(sentences[calibrate])
order = np.argsort(-proba.max(axis=1))
last = np.flatnonzero(np.cumsum(wrong[order]) <= 0.01 * len(order))[-1]
threshold = proba.max(axis=1)[order[last]]
proba = student.predict_proba(sentences[new])
otherwise = student.classes_[proba.argmax(axis=1)] != said_new
broken = np.mean(otherwise & (proba.max(axis=1) >= threshold))
say(f"point estimate: {broken:.2%} of new commands answered otherwise")

# %%
# People find new words
# ---------------------
# Later the templates that were put aside come in. The promise was about commands like those of the
# calibration, and these are not, so that nobody knows whether it still holds. Half of them are
# sent to the server as well, to compare, and the audit would say if it had seen enough. It has
# not: the student is less sure of new words, and asks more often.

said_later = judge(later, "later commands")
audit = cascade.audit(sentences[new], said_new)
say(f"new commands: {audit}")
audit = cascade.audit(sentences[later[::2]], said_later[::2], after=audit)
say(f"later commands: {audit}")

# %%
# In a picture
# ------------
# How much has to be sent to the server, by what is promised, and by how the words were taught.

import matplotlib.pyplot as plt

limits = np.array([0.1, 0.05, 0.03, 0.02, 0.01, 0.005, 0.003])
said = teacher.predict_proba(sentences[calibrate])
shares = [
    [
        CascadeClassifier(model, target=1 - limit)
        .fit(sentences[calibrate], teacher_output=said)
        .deferral_rate_
        for model in (on_labels, student)
    ]
    for limit in limits
]
on_labels_only, taught = np.array(shares).T
figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
ax.plot(limits, on_labels_only, "s--", color="#e69f00", label="words, taught by labels")
ax.plot(limits, taught, "o-", color="#0072b2", label="words, taught by the teacher")
ax.set(xscale="log", xlabel="Commands that may be carried out otherwise, at most")
ax.set(ylabel="Commands that are sent to the server", ylim=(0, 1))
ax.xaxis.set_major_formatter("{x:.1%}")
ax.yaxis.set_major_formatter("{x:.0%}")
ax.spines[["top", "right"]].set_visible(False)
ax.legend(frameon=False)
picture = Path(real_data.__file__).with_name("spoken_commands.png")
figure.savefig(picture, dpi=110)
say(f"picture saved to {picture}")

# %%
# What was deferred is what the next student learns most from, and the teacher has answered it
# already.

hard = sentences[later[: len(later) // 2]]
hard = hard[cascade.defer(hard)]
more = np.concatenate([sentences[recorded], hard])
again = clone(student).fit(sentences[learn], intents[learn], X_unlabeled=more)
rest = later[len(later) // 2 :]
for name, model in {"this student": student, "the next one": again}.items():
    say(f"{name}: {model.score(sentences[rest], intents[rest]):.1%} of later commands")
