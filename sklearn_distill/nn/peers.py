"""Networks that are trained side by side, each on the labels and on what the others say."""

import torch
from torch import nn
from torch.nn import functional as F

from sklearn_distill.losses.torch import hinton
from sklearn_distill.nn.objective import Objective
from sklearn_distill.nn.outputs import recognise, to_logits


class Peers(nn.Module):
    """Several modules that get the same rows; the output is the mean of their probabilities.

    Parameters
    ----------
    modules : list of nn.Module
        Each classifies the rows on its own.
    alpha : float
        Weight of the others in what each of them learns.
    temperature : float

    Attributes
    ----------
    peers : nn.ModuleList
    kinds : list of str
        What each of them returns, as in :mod:`sklearn_distill.nn.outputs`.
    logits : list of Tensor
        What they said of the last batch.
    """

    def __init__(self, modules, alpha, temperature):
        super().__init__()
        self.alpha = alpha
        self.temperature = temperature
        self.peers = nn.ModuleList(modules)
        self.kinds = [recognise(module) for module in modules]
        self.logits = []
        # The last layer tells what the output is. Logarithms of a mean are normalised already.
        self.normalise = nn.LogSoftmax(dim=1)

    def forward(self, *args, **kwargs):
        """Return the logarithm of the mean probability, and keep what each has said."""
        self.logits = [
            to_logits(peer(*args, **kwargs), kind, who=f"The estimator {type(peer).__name__}")
            for peer, kind in zip(self.peers, self.kinds, strict=True)
        ]
        widths = {logits.shape[1] for logits in self.logits}
        if len(widths) > 1:
            raise ValueError(
                f"Networks that learn from each other must know the same classes. Got outputs for "
                f"{sorted(widths)} classes."
            )
        logs = torch.stack([F.log_softmax(logits, dim=1) for logits in self.logits])
        return self.normalise(torch.logsumexp(logs, dim=0))


class MutualObjective(Objective):
    """The sum of what each peer minimises: the labels' loss, and its distance to the others.

    .. math:: \\sum_k \\Big[(1 - \\alpha) \\, CE(y, z_k)
        + \\frac{\\alpha \\, T^2}{K - 1} \\sum_{j \\ne k} KL(p_j \\,\\|\\, p_k)\\Big]

    What the others say is taken as it is: no gradient goes into a teacher. Alpha and temperature
    are those of the :class:`Peers`.
    """

    def read(self, net, output, labels, who):
        """Return the logits of the mean, and look at the module that they come from."""
        self.peers = net.module_
        return super().read(net, output, labels, who)

    def loss_of_rows(self, logits, labels, rows):
        """Return the objective, averaged over the rows of a batch."""
        weight = None if self.weight is None else self.weight[rows]
        alpha, temperature, said = self.peers.alpha, self.peers.temperature, self.peers.logits
        frozen = [F.log_softmax(z.detach(), dim=1) for z in said]
        total = 0.0
        for k, z in enumerate(said):
            others = frozen[:k] + frozen[k + 1 :]
            losses = [
                hinton(z, log_p, labels.long(), alpha, temperature, sample_weight=weight)
                for log_p in others
            ]
            total = total + sum(losses) / len(losses)
        return total if weight is None else total * weight.mean()
