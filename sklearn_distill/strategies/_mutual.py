"""Networks that are trained together."""

from sklearn_distill.strategies._gradient import GradientTraining


class MutualTraining(GradientTraining):
    """Train the networks of :class:`sklearn_distill.nn.peers.Peers` on each other's answers."""

    def _kind_of_objective(self):
        from sklearn_distill.nn.peers import MutualObjective

        return MutualObjective
