"""
=========================================================
Understanding spoken commands with half a language model
=========================================================

A voice assistant at home has to find out what a sentence asks for: *dim the lights in the kitchen*
is about light, *ten more minutes for the pizza* about a timer. A pretrained language model learns
that from a few labelled sentences, but the box on the shelf has no graphics card. This example
fine-tunes such a model, the *teacher*, and then teaches two *students*: one with half of its
layers, in the way of DistilBERT and TinyBERT, and one that merely counts words. DistilBERT kept 97
per cent of its teacher's score and was 40 per cent smaller and 60 per cent faster: does that hold
here?

.. image:: /_static/gallery/voice_intents.png
   :alt: Accuracy and time of the students.
"""

# sphinx_gallery_thumbnail_path = "_static/gallery/voice_intents.png"

# %%
# The sentences, split by template
# --------------------------------
# Home Assistant describes what people say by templates such as ``turn on [the] (light|lamp) in
# {area}``. They are expanded at random, some two hundred sentences for each of 24 intents.
# Sentences of one template are much alike, so the templates are divided and not the sentences.
#
# * Three templates of each intent, ten sentences of each, have labels: somebody sat down and wrote
#   what users might say.
# * Two fifths of the templates are to judge by: ways of asking that nobody thought of.
# * All others stand for what the assistant has recorded since: sentences without labels.

import copy
import pickle
import time
from pathlib import Path

import numpy as np
import real_data  # next to this file: it downloads the data and keeps them

began = time.perf_counter()


def say(text):
    print(f"[{time.perf_counter() - began:4.0f} s] {text}", flush=True)


def split(intents, templates, rng):
    """Return the positions of labelled and unlabelled sentences, and of those to judge by."""
    labeled, unlabeled, test = [], [], []
    for intent in np.unique(intents):
        numbers = rng.permutation(np.unique(templates[intents == intent]))
        n_test = round(0.4 * len(numbers))
        for place, number in enumerate(numbers):
            sentences = rng.permutation(np.flatnonzero(templates == number))
            if place < n_test:
                test.extend(sentences)
            elif place < n_test + 3:
                labeled.extend(sentences[:10])
            else:
                unlabeled.extend(sentences)
    return np.array(labeled), np.array(unlabeled), np.array(test)


sentences, intents, templates = real_data.voice_intents()
labeled, unlabeled, test = split(intents, templates, np.random.default_rng(0))
X_train, y_train, X_unlabeled = sentences[labeled], intents[labeled], sentences[unlabeled]
X_test, y_test = sentences[test], intents[test]
classes = np.unique(intents)
for i in test[:: len(test) // 6]:
    print(f"  {intents[i]:>20}: {sentences[i]}")
say(
    f"{len(labeled)} sentences with labels, {len(unlabeled):,} without, and {len(test):,} of "
    f"{len(np.unique(templates[test]))} other templates to judge by"
)

# %%
# The teacher
# -----------
# MiniLM, a small BERT: six layers of width 384, trained on a billion pairs of sentences. Its
# vectors of the tokens are averaged, a linear layer is put on top, and all of it is fine-tuned on
# the labelled sentences. Sentences are padded or cut to 16 tokens; hardly any has more.

import torch
from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

logging.disable_progress_bar()
folder = real_data.sentence_encoder()
tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)


def tokenize(texts):
    tokens = tokenizer(
        list(texts), padding="max_length", truncation=True, max_length=16, return_tensors="pt"
    )
    return {name: tokens[name] for name in ("input_ids", "attention_mask")}


class IntentNetwork(nn.Module):
    """Logits of the intents from the mean of the token vectors."""

    def __init__(self, body, n_intents):
        super().__init__()
        self.body = body
        self.head = nn.Linear(body.config.hidden_size, n_intents)

    def forward(self, input_ids, attention_mask):
        tokens = self.body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        real = attention_mask[:, :, None]
        return self.head((tokens * real).sum(dim=1) / real.sum(dim=1))


torch.manual_seed(0)
# The plain ("eager") implementation of attention is the one that also says what it looked at.
body = AutoModel.from_pretrained(folder, attn_implementation="eager", local_files_only=True)
pretrained = IntentNetwork(body, len(classes))
batch_size, lr = 32, 2e-4


def n_epochs(n_sentences, n_steps):
    return max(1, round(n_steps * batch_size / n_sentences))


epochs = n_epochs(len(labeled), 120)
net = NeuralNetClassifier(
    copy.deepcopy(pretrained),
    criterion=nn.CrossEntropyLoss,
    optimizer=torch.optim.AdamW,
    max_epochs=epochs,
    batch_size=batch_size,
    iterator_train__shuffle=True,
    train_split=None,
    callbacks=[
        LRScheduler(
            torch.optim.lr_scheduler.OneCycleLR,
            max_lr=lr,
            total_steps=epochs * -(-len(labeled) // batch_size) + 1,
            step_every="batch",
        )
    ],
    verbose=0,
)
net.fit(tokenize(X_train), np.searchsorted(classes, y_train))
say("teacher fine-tuned")

# %%
# ``TorchTeacher`` makes a classifier of texts out of it: ``preprocess`` is what turns texts into
# tokens, and ``classes`` names the outputs.

from sklearn_distill import TorchTeacher

teacher = TorchTeacher(net.module_, classes=classes, preprocess=tokenize, batch_size=256)
decisions = teacher.predict(X_unlabeled)

# %%
# A student with half of the layers
# ---------------------------------
# It starts as the teacher with every other layer left out, the table of word vectors and the last
# layer included. That alone is no good model, since a layer gets what it was not trained for, but
# a good start. It is then taught in four ways, with 120 steps of 32 sentences each:
#
# * on the labels alone;
# * on the *decisions* of the teacher about the unlabelled sentences as well, taken as labels;
# * on its *soft targets*: how probable it holds each intent to be;
# * on soft targets and *hints*: each layer of the student is to give the vectors that the teacher
#   gives two layers on, and to look at the same words. ``mask`` leaves out the padding.
#
# Its twin without any teacher starts from the pretrained layers and learns the labels.
#
# The student is a pipeline from texts to tokens to the network, so that the teacher and all
# students take arrays of texts.

from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_distill import AttentionHint, DistillationClassifier, GradientTraining, LayerHint
from sklearn_distill.losses.features import FitNets


def every_other_layer(network):
    half = copy.deepcopy(network)
    half.body.encoder.layer = half.body.encoder.layer[1::2]
    half.body.config.num_hidden_layers = len(half.body.encoder.layer)
    return half


hints = []
for i in range(3):
    pair = f"body.encoder.layer.{2 * i + 1}", f"body.encoder.layer.{i}"
    attention = [f"{layer}.attention.self" for layer in pair]
    # Both have the same width: no map between them is needed.
    hints += [
        LayerHint(*pair, loss=FitNets(projection=False), mask="attention_mask"),
        AttentionHint(*attention, mask="attention_mask"),
    ]


def distilled(student, X, y, X_unlabeled=None, **params):
    params = {"temperature": 2, "alpha": 0.5} | params
    model = DistillationClassifier(teacher, student, random_state=0, **params)
    return model.fit(X, y, X_unlabeled=X_unlabeled)


def half_taught(X, y, X_unlabeled=None, start=net.module_, hints=None, **params):
    n_sentences = len(X) + (0 if X_unlabeled is None else len(X_unlabeled))
    training = GradientTraining(
        max_epochs=n_epochs(n_sentences, 120),
        batch_size=batch_size,
        lr=lr,
        weight_decay=1e-2,
        validation_fraction=None,
        hints=hints,
    )
    student = make_pipeline(FunctionTransformer(tokenize), every_other_layer(start))
    return distilled(student, X, y, X_unlabeled, strategy=training, **params)


X_both, y_both = np.concatenate([X_train, X_unlabeled]), np.concatenate([y_train, decisions])
ways = {
    "labels, no teacher": {"X": X_train, "y": y_train, "start": pretrained, "alpha": 0},
    "labels": {"X": X_train, "y": y_train, "alpha": 0},
    "teacher's decisions": {"X": X_both, "y": y_both, "alpha": 0},
    "soft targets": {"X": X_train, "y": y_train, "X_unlabeled": X_unlabeled},
    "soft targets, hints": {
        "X": X_train,
        "y": y_train,
        "X_unlabeled": X_unlabeled,
        "hints": hints,
    },
}
models = {("teacher", ""): teacher}
for way, arguments in ways.items():
    models["3 layers", way] = half_taught(**arguments)
    say(f"3 layers: {way}")

# %%
# A student that counts words
# ---------------------------
# Words and pairs of neighbours, weighted by their rarity, and a logistic regression: it knows
# nothing of language but these sentences. Which words there are is taken from all of them, for
# that needs no labels; ``FrozenEstimator`` has the vectoriser keep them, where the steps of a
# pipeline otherwise learn from the labelled rows only. How much the regression is regularised is
# chosen for the twin on labels, with whole templates left out, and kept for the others.

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold

counts = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True).fit(X_both)
word_counter = make_pipeline(FrozenEstimator(counts), LogisticRegression(max_iter=1000))
found = GridSearchCV(
    word_counter,
    {"logisticregression__C": [1, 10, 100]},
    cv=StratifiedGroupKFold(n_splits=3, shuffle=True, random_state=0),
).fit(X_train, y_train, groups=templates[labeled])
word_counter.set_params(**found.best_params_)

models["words", "labels"] = distilled(word_counter, X_train, y_train, alpha=0)
models["words", "teacher's decisions"] = distilled(word_counter, X_both, y_both, alpha=0)
models["words", "soft targets"] = distilled(word_counter, X_train, y_train, X_unlabeled)
say(f"words counted, with C = {found.best_params_['logisticregression__C']}")

# %%
# What was kept, what was lost
# ----------------------------
# *Agreement* is the share of the sentences on which a model decides as the teacher does. *Size* is
# that of the pickled model without the tokenizer, and *latency* the median time from one text to
# its probabilities, on one core; students of one kind take the same time.

import pandas as pd
from threadpoolctl import threadpool_limits


def parts_of(model):
    """What is shipped: the teacher's network, or the steps of the student that learned."""
    if model is teacher:
        return [model.module]
    steps = [step for _, step in model.student_.steps]
    return [getattr(s, "module_", s) for s in steps if not isinstance(s, FunctionTransformer)]


def n_parameters(model):
    last = parts_of(model)[-1]
    if isinstance(last, nn.Module):
        return sum(weights.numel() for weights in last.parameters())
    return last.coef_.size + last.intercept_.size


def latency(model, n_calls=100, n_warm_up=10):
    """Median milliseconds for a single sentence, on one core."""
    milliseconds = []
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for i in range(n_warm_up + n_calls):
            start = time.perf_counter_ns()
            model.predict_proba(X_test[i : i + 1])
            milliseconds.append((time.perf_counter_ns() - start) / 1e6)
    torch.set_num_threads(n_threads)
    return np.median(milliseconds[n_warm_up:])


said = {key: model.predict(X_test) for key, model in models.items()}
accuracy = {key: np.mean(answers == y_test) for key, answers in said.items()}
best, half, words = ("teacher", ""), ("3 layers", "soft targets"), ("words", "soft targets")
milliseconds = {key[0]: latency(models[key]) for key in (best, half, words)}
table = pd.DataFrame(
    {
        key: {
            "accuracy": f"{accuracy[key]:.3f}",
            "agreement": f"{np.mean(said[key] == said[best]):.3f}",
            "parameters": f"{n_parameters(model):,}",
            "size (MB)": f"{len(pickle.dumps(parts_of(model))) / 1e6:.1f}",
            "latency (ms)": f"{milliseconds[key[0]]:.1f}",
        }
        for key, model in models.items()
    }
).T
say("all models judged by templates that they had not seen\n")
print(table.to_string())

# %%
# Is a difference more than chance? The sentences of a template are mostly understood or
# misunderstood together, so whole templates are drawn again and again, with replacement. (That is
# the chance in what users say. Training once more would add its own.)


def gain_and_error(key, other, n_draws=2000):
    difference = pd.Series((said[key] == y_test) * 1 - (said[other] == y_test))
    of_template = difference.groupby(templates[test]).agg(["sum", "count"]).to_numpy()
    drawn = np.random.default_rng(0).integers(len(of_template), size=(n_draws, len(of_template)))
    total, count = np.moveaxis(of_template[drawn].sum(axis=1), -1, 0)
    return difference.mean(), np.std(total / count)


print()
for key, other in [
    (half, best),
    (half, ("3 layers", "labels, no teacher")),
    (half, ("3 layers", "labels")),
    (("3 layers", "soft targets, hints"), half),
    (words, best),
    (words, ("words", "labels")),
    (words, ("words", "teacher's decisions")),
]:
    gain, error = gain_and_error(key, other)
    doubt = "" if abs(gain) > 2 * error else ", which may be chance"
    names = [", ".join(filter(None, name)) for name in (key, other)]
    print(f"{gain:+.3f} ± {error:.3f}  {names[0]}, over {names[1]}{doubt}")

# %%
# And DistilBERT's figures: 97 % of the score, 40 % smaller, 60 % faster?

for key in (half, words):
    smaller = 1 - n_parameters(models[key]) / n_parameters(teacher)
    faster = milliseconds["teacher"] / milliseconds[key[0]] - 1
    print(
        f"{key[0]}: {accuracy[key] / accuracy[best]:.0%} of the teacher's accuracy, "
        f"{smaller:.1%} smaller, {faster:.0%} faster"
    )

# %%
# The claim holds for the score, and more than holds for speed: half of the layers take half of
# the time. It does not hold for size. Half of MiniLM is its table of words, which missing layers
# do not make smaller.
#
# How much of that is due to the teacher's lessons? The students with three layers lie close
# together, and dividing the templates in another way, or training once more, reorders them:
# lessons on the unlabelled sentences gained up to two in a hundred over the labels alone, or lost
# nearly one. Whenever we tried, the student without a teacher came last and the one with hints
# first, the latter by less than anyone should build upon. The larger part of what there is
# to gain comes with the start in the teacher's layers.
#
# The student that counts words is another matter. What the teacher thinks of the sentences that
# nobody labelled makes up most of what it lacks; if the probabilities are worth more than the
# decisions, it is too little to tell from chance. It is a little less accurate than the teacher,
# and far smaller and faster than anything with layers. If two or three sentences in a hundred do
# not matter, it is the one to ship.
#
# In pictures
# -----------
# On the left, accuracy and what it costs: an arrow leads from a student without a teacher to the
# same student on soft targets. On the right, what each word of a sentence looks at in the last
# layer, averaged over the heads: the hint on attention makes the student's picture agree with the
# teacher's, whether or not that is good for anything. The distance is the mean divergence from
# the teacher's attention, in nats, over all sentences that we judge by.

import matplotlib.pyplot as plt

from sklearn_distill.losses.features import AttentionProbabilities

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 11})
figure = plt.figure(figsize=(13, 5.2), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.45])

axis = left.subplots()
axis.axhline(accuracy[best], color="black", lw=1, ls="--", alpha=0.4)
axis.plot(milliseconds["teacher"], accuracy[best], "*", color="black", ms=18)
beside = {"textcoords": "offset points", "va": "center"}
axis.annotate(
    f"teacher\n{milliseconds['teacher']:.1f} ms",
    (milliseconds["teacher"], accuracy[best]),
    xytext=(0, -26),
    ha="center",
    **beside,
)
for key, start, colour in [
    (half, ("3 layers", "labels, no teacher"), "#0072b2"),
    (words, ("words", "labels"), "#d55e00"),
]:
    at = milliseconds[key[0]]
    axis.plot(at, accuracy[start], "o", color=colour, mfc="white", mew=2, ms=9, zorder=3)
    axis.plot(at, accuracy[key], "o", color=colour, ms=9, zorder=3)
    arrow = {"arrowstyle": "-|>", "color": colour, "lw": 2, "shrinkA": 5, "shrinkB": 4}
    axis.annotate("", (at, accuracy[key]), (at, accuracy[start]), arrowprops=arrow)
    axis.annotate(
        f"{key[0]}\n{at:.1f} ms, {accuracy[key] - accuracy[start]:+.3f}",
        (at, accuracy[start]),
        xytext=(0, -24),
        ha="center",
        color=colour,
        **beside,
    )
axis.set(xscale="log", xlabel="Latency of a sentence (ms, logarithmic)", ylabel="Accuracy")
axis.set_xticks([0.5, 1, 2, 5, 10, 20], ["0.5", "1", "2", "5", "10", "20"])
axis.set_xticks([], minor=True)
axis.set_title("○ labels, no teacher  →  ● soft targets", loc="left", fontweight="bold")
axis.margins(x=0.22, y=0.2)

tokens = tokenize(X_test)
for i, length in enumerate(tokens["attention_mask"].sum(dim=1)):
    names = tokenizer.convert_ids_to_tokens(tokens["input_ids"][i][:length])
    if length == 11 and not any(name.startswith("##") for name in names):
        break  # the first of medium length without a word in pieces


def last_attention(network):
    with torch.inference_mode():
        return network.eval().body(**tokens, output_attentions=True).attentions[-1]


of_teacher = last_attention(net.module_)
strongest = of_teacher[i].mean(dim=0).max()
axes = right.subplots(1, 3, sharey=True)
for axis, title, key in zip(
    axes,
    ["teacher", "soft targets", "soft targets, hints"],
    [best, half, ("3 layers", "soft targets, hints")],
    strict=True,
):
    looks = of_teacher if key == best else last_attention(parts_of(models[key])[-1])
    axis.imshow(
        looks[i].mean(dim=0)[:11, :11], cmap="Blues", vmin=0, vmax=strongest, aspect="auto"
    )
    axis.set_title(title, fontsize=11)
    axis.set_xticks(range(11), names, rotation=90)
    axis.set_yticks(range(11), names)
    if key != best:
        distance = AttentionProbabilities()(looks, of_teacher, tokens["attention_mask"])
        axis.set_xlabel(f"distance {distance:.2f}")
right.suptitle("What each word (row) looks at", fontweight="bold")

picture = Path(real_data.__file__).with_name("voice_intents.png")
figure.savefig(picture, dpi=110)
say(f"picture saved to {picture}")
plt.show()
