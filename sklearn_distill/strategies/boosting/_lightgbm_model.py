"""Making a LightGBM model that was trained on an objective from outside a native one."""

import re

import numpy as np


class BecomeNative:
    """Write objective and start of the margins into a model.

    As a callback it does so after the last round. If training stops before (or trees are linear),
    :meth:`rewrite` does it afterwards, at the cost of parsing the model once more.

    Parameters
    ----------
    objective : str
        Name of the native objective.
    n_classes : int
    start : float or ndarray of shape (n_classes,)
        To be added to the first tree of each class.
    """

    def __init__(self, objective, n_classes, start):
        self.objective = objective
        self.n_classes = n_classes
        self.start = np.atleast_1d(start)
        self.done = False
        self.order = -1000  # before those that may end the training

    def __call__(self, env):
        """Change the model in memory, if this is the last round."""
        if env.iteration + 1 < env.end_iteration:
            return
        n_classes = {"num_class": self.n_classes} if self.n_classes > 2 else {}
        env.model.reset_parameter({"objective": self.objective, **n_classes})
        if self.start.any():
            # Only the model's text says how many leaves a tree has. Of one round, it is short.
            trees = _split(env.model.model_to_string(num_iteration=1))[1]
            for i, (tree, bias) in enumerate(zip(trees, self.start, strict=True)):
                leaves = re.search("^leaf_value=(.*)$", tree, re.MULTILINE)[1].split()
                for j, value in enumerate(leaves):
                    env.model.set_leaf_output(i, j, float(value) + bias)
        self.done = True

    def rewrite(self, booster):
        """Change the model in the form of text and read it again."""
        # All rounds, also those after the best one, as a native model keeps them.
        head, trees, rest = _split(booster.model_to_string(num_iteration=-1))
        for i, bias in enumerate(self.start):
            trees[i] = _add_to_leaves(trees[i], bias)
        options = {"binary": " sigmoid:1", "multiclass": f" num_class:{self.n_classes}"}
        objective = self.objective + options.get(self.objective, "")
        # The reader finds each tree by the sizes of those before it, in bytes: they are in ASCII.
        sizes = " ".join(str(len(tree)) for tree in trees)
        head = re.sub("tree_sizes=.*", f"objective={objective}\ntree_sizes={sizes}", head)
        rest = rest.replace("\n[objective: custom]\n", f"\n[objective: {self.objective}]\n")
        booster.model_from_string("".join([head, *trees, rest]))
        self.done = True


def _split(text):
    """Split the text of a model into its head, its trees and the rest."""
    at = text.index("\nTree=0\n") + 1
    head = text[:at]
    trees = []
    for size in re.search("^tree_sizes=(.*)$", head, re.MULTILINE)[1].split():
        trees.append(text[at : at + int(size)])
        at += int(size)
    return head, trees, text[at:]


def _add_to_leaves(tree, bias):
    """Add to every output in the text of a tree, as LightGBM does after its first round."""
    if bias == 0:
        return tree
    lines = tree.split("\n")
    for i, line in enumerate(lines):
        key, _, values = line.partition("=")
        if key in {"leaf_value", "leaf_const", "internal_value"} and values:
            shifted = (repr(float(value) + float(bias)) for value in values.split(" "))
            lines[i] = f"{key}={' '.join(shifted)}"
        elif key == "shrinkage":
            # The sum is no longer the learning rate times what the tree had found.
            lines[i] = "shrinkage=1"
    return "\n".join(lines)
