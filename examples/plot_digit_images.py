"""
============================================
Reading digits with an eighth of the network
============================================

Someone else has trained a network to read handwritten digits, on images that you do not have. You
have that network, the *teacher*, a hundred labelled images of your own, and a device on which it
does not fit. This example teaches a *student* with an eighth of the weights in four ways: from the
labels alone, from the teacher's probabilities, from its hidden layers as well, and all of it once
more with images that nobody has labelled. It shows which of them is worth the trouble, and when.

.. image:: /_static/gallery/digit_images.png
   :alt: Digits and what the networks make of them.
"""

# sphinx_gallery_thumbnail_path = "_static/gallery/digit_images.png"

# %%
# The images, and who has which
# -----------------------------
# 5,000 images of MNIST, 28 by 28 dots. The teacher gets 2,500 of them. The students never see
# these, but 1,250 others, of which only ten of each digit have a label. The last 1,250 are to
# judge by.

import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
import real_data  # next to this file: it downloads the data and keeps them
import torch
from sklearn.model_selection import train_test_split

torch.set_num_threads(1)  # networks as small as these only lose time by sharing the work
began = time.perf_counter()


def say(text):
    print(f"[{time.perf_counter() - began:4.0f} s] {text}", flush=True)


X, y = real_data.digit_images()
X_teacher, X_rest, y_teacher, y_rest = train_test_split(
    X, y, train_size=2500, stratify=y, random_state=0
)
X_pool, X_test, y_pool, y_test = train_test_split(
    X_rest, y_rest, train_size=1250, stratify=y_rest, random_state=0
)

# %%
# The teacher
# -----------
# Two stages of two convolutions each. Any way of training will do; here it is skorch, which makes
# a torch module a scikit-learn classifier, and ten epochs of a one-cycle schedule.

from skorch import NeuralNetClassifier
from skorch.callbacks import LRScheduler
from torch import nn


def convolution(n_in, n_out, **kwargs):
    return [
        nn.Conv2d(n_in, n_out, 3, padding=1, bias=False, **kwargs),
        nn.BatchNorm2d(n_out),
        nn.ReLU(),
    ]


def stage(n_in, n_out):
    return nn.Sequential(
        *convolution(n_in, n_out), *convolution(n_out, n_out), nn.MaxPool2d(kernel_size=2)
    )


torch.manual_seed(0)
network = nn.Sequential(
    OrderedDict(
        first=stage(1, 16),
        second=stage(16, 32),
        head=nn.Sequential(nn.Flatten(), nn.Dropout(), nn.Linear(32 * 7 * 7, 10)),
    )
)
n_epochs, batch_size = 10, 64
one_cycle = LRScheduler(
    torch.optim.lr_scheduler.OneCycleLR,
    max_lr=5e-3,
    total_steps=n_epochs * -(-len(X_teacher) // batch_size) + 1,
    step_every="batch",
)
net = NeuralNetClassifier(
    network,
    criterion=nn.CrossEntropyLoss,
    optimizer=torch.optim.AdamW,
    max_epochs=n_epochs,
    batch_size=batch_size,
    iterator_train__shuffle=True,
    train_split=None,
    callbacks=[one_cycle],
    verbose=0,
)
net.fit(X_teacher, y_teacher)
say("teacher fitted")

# %%
# From here on the trained module is all that there is. ``TorchTeacher`` says which digit each of
# its outputs means.

from sklearn_distill import TorchTeacher

teacher = TorchTeacher(net.module_, classes=np.arange(10))
accuracy_of_teacher = teacher.score(X_test, y_test)

# %%
# What a teacher knows that labels do not say
# -------------------------------------------
# **Its probabilities.** A label says *this is a 4*. The teacher says that it might also be a 9,
# and is no 0. At **temperature** 1 little is seen of that, for a network is mostly sure of itself;
# its probabilities raised to the power 1/T and made to sum to one again, with T = 4, say, show the
# order of the other classes. The student learns these *soft targets* at T = 2.
#
# **Where it looks.** A convolution gives a picture for each of its channels. Their squares, added
# up, show which parts of the image the stage responds to. *Attention transfer* has the student's
# map agree with the teacher's.
#
# **What it finds.** *FitNets* has the student's channels predict the teacher's through a linear
# map, which is thrown away afterwards.
#
# **What it finds alike.** A *similarity-preserving* student need not find the same things; two
# images that excite the teacher's stage in the same way are to be alike for its own, too.
#
# The last three are called **hints**. A hint names a stage of the teacher and one of the student.
# Both networks stay as they are: the stages are read while they run. Hints come on top of the soft
# targets, and each weighs 1, the default.

from sklearn_distill import LayerHint

ways = {
    "soft targets": None,
    "soft targets, attention transfer": [
        LayerHint("first", "first", loss="attention-transfer"),
        LayerHint("second", "second", loss="attention-transfer"),
    ],
    "soft targets, FitNets": [LayerHint("second", "second", loss="fitnets")],
    "soft targets, similarity": [LayerHint("second", "second", loss="similarity-preserving")],
}

# %%
# The student
# -----------
# One convolution in each stage, a quarter of the channels, and steps of two dots instead of
# pooling. All students get the same settings and 600 steps of 32 images, however many images there
# are. The temperature is 2 and alpha, how far the teacher is believed, a half. With ``alpha=0``
# there is no teacher; that is the twin on hard labels.
#
# With the 1,150 images without labels there is one more thing to compare with: the teacher's
# *decisions* taken as labels. It tells whether it is the probabilities that help, or just the
# number of images.
#
# Everything is repeated five times. Each time ten images of each digit are drawn anew to have
# labels, and the weights start elsewhere.

from sklearn_distill import DistillationClassifier, GradientTraining


def small_network():
    return nn.Sequential(
        OrderedDict(
            first=nn.Sequential(*convolution(1, 4, stride=2)),
            second=nn.Sequential(*convolution(4, 8, stride=2)),
            head=nn.Sequential(nn.Flatten(), nn.Linear(8 * 7 * 7, 10)),
        )
    )


def distilled(seed, labeled, digits, unlabeled, hints=None, **params):
    """Teach a student with the labelled images, and with others that have no label, if any."""
    torch.manual_seed(seed)
    n_images = len(labeled) + len(unlabeled)
    training = GradientTraining(
        max_epochs=600 * 32 // n_images,
        batch_size=32,
        lr=5e-3,
        validation_fraction=None,
        hints=hints,
    )
    params = {"temperature": 2, "alpha": 0.5} | params
    model = DistillationClassifier(
        teacher, small_network(), strategy=training, random_state=seed, **params
    )
    return model.fit(
        X_pool[labeled], digits, X_unlabeled=X_pool[unlabeled] if len(unlabeled) else None
    )


few, many = "100 labelled images", "1,150 unlabelled ones too"
n_repeats, first_models, results = 5, {}, []
nobody = np.array([], dtype=int)
for seed in range(n_repeats):
    labeled, unlabeled = train_test_split(
        np.arange(len(y_pool)), train_size=100, stratify=y_pool, random_state=seed
    )
    digits = y_pool[labeled]
    models = {("hard labels", few): distilled(seed, labeled, digits, nobody, alpha=0)}
    everything = np.concatenate([labeled, unlabeled])
    decisions = np.concatenate([digits, teacher.predict(X_pool[unlabeled])])
    models["teacher's decisions", many] = distilled(seed, everything, decisions, nobody, alpha=0)
    for name, hints in ways.items():
        models[name, few] = distilled(seed, labeled, digits, nobody, hints=hints)
        models[name, many] = distilled(seed, labeled, digits, unlabeled, hints=hints)
    for key, model in models.items():
        results.append((*key, seed, model.score(X_test, y_test)))
    first_models = first_models or models
    say(f"students, {seed + 1} of {n_repeats}")

# %%
# What helps, and when
# --------------------
# All are judged by the same 1,250 images. ± is the standard error of the mean over the five
# repetitions: how much hangs on the hundred images and on the weights at the start.

import pandas as pd

results = pd.DataFrame(results, columns=["student", "images", "seed", "accuracy"])
accuracy = results.pivot(index="seed", columns=["student", "images"], values="accuracy")


def mean_and_error(values, sign=""):
    return f"{values.mean():{sign}.3f} ± {values.sem():.3f}"


table = pd.DataFrame(
    {
        images: {
            student: mean_and_error(accuracy[student, images])
            for student in ["hard labels", "teacher's decisions", *ways]
            if (student, images) in accuracy
        }
        for images in (few, many)
    }
)
print()
print(table.reindex(["hard labels", "teacher's decisions", *ways]).fillna("–").to_string())

# %%
# Within a repetition all students have the same images and the same start, so that differences
# within a repetition say more than those between the rows of the table. With five repetitions a
# mean difference is beyond chance, at the level of 95 %, if it exceeds 2.8 standard errors.

print()
for (name, images), (other, with_other) in [
    (("soft targets", few), ("hard labels", few)),
    *[((name, few), ("soft targets", few)) for name in list(ways)[1:]],
    (("soft targets", many), ("soft targets", few)),
    (("soft targets", many), ("teacher's decisions", many)),
    *[((name, many), ("soft targets", many)) for name in list(ways)[1:]],
]:
    gain = accuracy[name, images] - accuracy[other, with_other]
    doubt = "" if abs(gain.mean()) > 2.8 * gain.sem() else ", which may be chance"
    over = other if images == with_other else f"{other}, {with_other}"
    print(f"{mean_and_error(gain, '+')}  {name}, {images}, over {over}{doubt}")

# %%
# Two regimes, then. With a hundred images and nothing else the probabilities say little more than
# the labels do: the teacher is right about nearly all of them, and sure of it. Its second stage
# says more: through FitNets, or through what it finds alike, the student reads five to seven more
# images in a hundred. The gain of attention transfer varies too much from one draw to the next to
# be sure of it.
#
# With images that nobody has labelled it is another matter. They are worth more than any hint, and
# once they are there no hint adds anything that five repetitions could show. The probabilities
# are a little better than the decisions: most of the gain comes from the images, some from knowing
# how sure the teacher is.
#
# (The twin is the same student with the same settings. Who has only a hundred labels can get more
# out of them, by distorting the images for instance; so could every other student here.)
#
# And what is saved: the weights, and the time for a single image.


def latency(module, n_calls=300, n_warm_up=30):
    """Median microseconds for a single image on one core."""
    nanoseconds = []
    with torch.inference_mode():
        for i in range(n_warm_up + n_calls):
            image = torch.from_numpy(X_test[i : i + 1])
            start = time.perf_counter_ns()
            module(image)
            nanoseconds.append(time.perf_counter_ns() - start)
    return np.median(nanoseconds[n_warm_up:]) / 1000


student = first_models["soft targets", many].student_.module_.eval()
print()
for name, module, score in [
    ("teacher", net.module_.eval(), accuracy_of_teacher),
    ("student", student, accuracy["soft targets", many].mean()),
]:
    n_weights = sum(weights.numel() for weights in module.parameters())
    print(f"{name}: accuracy {score:.3f}, {n_weights:6,} weights, {latency(module):4.0f} µs")

# %%
# In pictures
# -----------
# On the left, which parts of an image the second stage responds to: of the teacher, of the student
# that had a hundred labels only, and of the one that had the hint on attention besides. The
# distance below each student is that of its maps from the teacher's, over all images that we judge
# by: what attention transfer makes small. On the right, what the teacher says of one
# image at two temperatures, and all results.

import matplotlib.pyplot as plt

from sklearn_distill.losses.features import AttentionTransfer


def second_stage(module):
    with torch.inference_mode():
        return module[:2](torch.from_numpy(X_test))


of_teacher = second_stage(net.module_)
columns = {"teacher": of_teacher}
for title, name in [
    ("student,\nhard labels", "hard labels"),
    ("student,\nattention hint", "soft targets, attention transfer"),
]:
    columns[title] = second_stage(first_models[name, few].student_.module_.eval())
proba = teacher.predict_proba(X_test)

plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 11})
figure = plt.figure(figsize=(13, 6.4), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[1, 1.25])

shown = [int(np.flatnonzero(y_test == digit)[0]) for digit in (2, 4, 5, 8)]
axes = left.subplots(len(shown), 1 + len(columns))
for line, i in zip(axes, shown, strict=True):
    line[0].imshow(X_test[i, 0], cmap="gray_r")
    for axis, maps in zip(line[1:], columns.values(), strict=True):
        axis.imshow(X_test[i, 0], cmap="gray_r", alpha=0.35)
        heat = maps[i].square().mean(dim=0).numpy()
        axis.imshow(heat, cmap="inferno", alpha=0.75, extent=(-0.5, 27.5, 27.5, -0.5))
for axis in axes.flat:
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)
for axis, title in zip(axes[0], ["image", *columns], strict=True):
    axis.set_title(title, fontsize=10)
for axis, (title, maps) in zip(axes[-1][1:], columns.items(), strict=True):
    if title != "teacher":
        axis.set_xlabel(f"distance {AttentionTransfer()(maps, of_teacher):.2f}", fontsize=10)
left.suptitle("Where the second stage looks", fontweight="bold")

upper, lower = right.subplots(2, 1, height_ratios=[1, 1.1])
example = int(np.abs(proba.max(axis=1) - 0.95).argmin())
for offset, temperature, colour in [(-0.2, 1, "#999999"), (0.2, 4, "#d55e00")]:
    tempered = proba[example] ** (1 / temperature)
    upper.bar(
        np.arange(10) + offset,
        tempered / tempered.sum(),
        0.4,
        color=colour,
        label=f"T = {temperature}",
    )
upper.set(xticks=range(10), xlabel="Digit", ylabel="Probability")
upper.legend(frameon=False)
upper.set_title(f"What the teacher says of a {y_test[example]}", loc="left", fontweight="bold")
inset = upper.inset_axes((0.45, 0.35, 0.22, 0.65))
inset.imshow(X_test[example, 0], cmap="gray_r")
inset.set(xticks=[], yticks=[])
inset.spines[:].set_visible(False)

rows = ["hard labels", "teacher's decisions", *ways]
for images, colour, marker in [(few, "#0072b2", "o"), (many, "#009e73", "s")]:
    present = [name for name in rows if (name, images) in accuracy]
    values = accuracy[[(name, images) for name in present]]
    lower.errorbar(
        values.mean(),
        [rows.index(name) for name in present],
        xerr=values.sem(),
        fmt=marker,
        color=colour,
        label=images,
        ms=7,
        capsize=3,
    )
lower.axvline(accuracy_of_teacher, color="black", lw=1, ls="--", alpha=0.5)
lower.annotate(
    "teacher ", (accuracy_of_teacher, 0), ha="right", va="center", annotation_clip=False
)
lower.set(
    yticks=range(len(rows)), yticklabels=rows, xlabel="Accuracy", ylim=(len(rows) - 0.5, -0.5)
)
lower.legend(frameon=False, loc="upper center")
lower.set_title("What helps, and when", loc="left", fontweight="bold")

picture = Path(real_data.__file__).with_name("digit_images.png")
figure.savefig(picture, dpi=110)
say(f"picture saved to {picture}")
plt.show()
