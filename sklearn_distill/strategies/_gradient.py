"""Gradient training of networks, through their own logits and layers."""

import warnings
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from inspect import signature
from numbers import Integral, Real

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from sklearn_distill.decoding import NetworkDecoder
from sklearn_distill.hints import LayerHint
from sklearn_distill.losses import LOGIT_LOSSES, get_feature_loss, get_logit_loss
from sklearn_distill.strategies._class_weight import balanced_weight
from sklearn_distill.strategies._strategy import Strategy
from sklearn_distill.teachers import TeacherEnsemble, TorchTeacher, innermost, read_layer
from sklearn_distill.utils._sklearn_private import Interval, StrOptions
from sklearn_distill.utils.dispatch import is_module, is_network, is_of_kind, name_of
from sklearn_distill.utils.seeds import own_rng

#: Settings of which a skorch net has its own.
_OF_BARE_MODULES = (
    *("max_epochs", "lr", "weight_decay", "batch_size", "validation_fraction", "patience"),
    *("device", "verbose"),
)


#: Temperatures between which the gradient of T² KL is right to a thousandth in single precision.
TEMPERATURES = (1e-3, 1e4)


class GradientTraining(Strategy):
    """Teach a network by gradient descent on Hinton's objective.

    The student is a torch module (an instance, which starts from its own weights, or a class) or
    a skorch net with the optimiser, callbacks, early stopping, device and batch size of the user.
    It minimises, on its own logits z,

    .. math:: (1 - \\alpha) \\, CE(y, z) + \\alpha \\, T^2 \\, KL(p_T \\| softmax(z / T))

    so that nothing needs undoing when it predicts. The loop is skorch's; the batches are slices of
    tensors in memory. A validation split measures the loss on real labels. With ``alpha=0`` the
    same happens without a teacher: same weights to start from, same batches.

    Parameters
    ----------
    max_epochs : int or None, default=None
        Passes over the rows. None takes as many as make about 5,000 steps, from 30 to 200. This
        and the next settings are for bare modules; a skorch net has its own.
    lr : float, default=3e-3
        Largest learning rate of the one-cycle schedule of AdamW.
    weight_decay : float, default=1e-3
        Of AdamW.
    batch_size : int or None, default=None
        Rows per step. None takes the power of two below a thirty-second of the rows, from 16 to
        256.
    validation_fraction : float or None, default=0.1
        Share of the labelled rows on which training stops early, of every class; the only row of
        a class is trained on. None trains to the end.
    patience : int or None, default=None
        Epochs without a lower validation loss after which training stops; the best weights are
        kept. None takes a third of ``max_epochs``, since the schedule does its best work last.
    device : str, default="cpu"
        Where to train.
    loss : str or callable, default="kl"
        The teacher's term: "kl", "soft-cross-entropy", "logit-mse", "jensen-shannon",
        "reverse-kl", "dkd", "dist", "logit-standardization", "wsld", or a function with the
        arguments of :func:`sklearn_distill.losses.torch.kl`. This and the next settings are for
        skorch nets too.
    hints : list of LayerHint, default=None
        Layers of teacher and student that are to agree.
    fresh_rows : bool, default=False
        Whether the new rows of the estimator's ``augmenter`` are drawn and labelled anew for every
        epoch, instead of once. The teacher is then asked once per epoch.
    class_weight : dict or "balanced", default=None
        Weight of each class, by label; "balanced" makes the real labels equally heavy. It goes
        into the targets, so that the temperature does not change it. The weights in the criterion
        of a skorch net (``criterion__weight``, ``criterion__pos_weight``) do so in any case.
    random_state : int, RandomState instance or None, default=None
        Seeds weights, dropout, batches and the validation split. None takes that of the
        distillation estimator.
    verbose : int, default=None
        Whether to show a progress bar over epochs. None takes that of the distillation estimator.

    See Also
    --------
    DistillationClassifier : Takes it as ``strategy``.

    References
    ----------
    .. [1] G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015,
       `arXiv:1503.02531 <https://arxiv.org/abs/1503.02531>`_.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from torch import nn
    >>> from sklearn_distill import DistillationClassifier, GradientTraining
    >>> X, y = load_digits(return_X_y=True)
    >>> teacher = RandomForestClassifier(min_samples_leaf=2, random_state=0).fit(
    ...     X[:1000], y[:1000]
    ... )
    >>> student = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))
    >>> model = DistillationClassifier(
    ...     teacher, student, strategy=GradientTraining(max_epochs=20), random_state=0
    ... )
    >>> model = model.fit(X[:1000], y[:1000])
    >>> bool(model.score(X[1000:], y[1000:]) > 0.8)
    True
    """

    name = "gradient"
    decoder_class = NetworkDecoder

    _parameter_constraints: dict = {
        "max_epochs": [Interval(Integral, 1, None, closed="left"), None],
        "lr": [Interval(Real, 0, None, closed="neither")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither"), None],
        "patience": [Interval(Integral, 1, None, closed="left"), None],
        "loss": [StrOptions({*LOGIT_LOSSES}), callable],
        "hints": [list, tuple, None],
        "fresh_rows": ["boolean"],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "random_state": ["random_state"],
        "verbose": ["verbose", None],
    }

    def __init__(
        self,
        max_epochs=None,
        *,
        lr=3e-3,
        weight_decay=1e-3,
        batch_size=None,
        validation_fraction=0.1,
        patience=None,
        device="cpu",
        loss="kl",
        hints=None,
        fresh_rows=False,
        class_weight=None,
        random_state=None,
        verbose=None,
    ):
        self.max_epochs = max_epochs
        self.lr = lr
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.loss = loss
        self.hints = hints
        self.fresh_rows = fresh_rows
        self.class_weight = class_weight
        self.random_state = random_state
        self.verbose = verbose

    def objection(self, student):
        """Return why this student cannot be taught in this way, or None."""
        if not is_network(student):
            return "needs a torch module or a skorch net"
        if not is_module(student) and is_of_kind(student, "regressor"):
            return "needs a net that is no regressor"
        return super().objection(student)

    def check_fit_params(self, student, fit_params):
        """Refuse what the network's training will not take; see :class:`Strategy`."""
        module = student if is_module(student) else student.module
        if is_module(student):
            _refuse_fit_params(student, fit_params)
            _check_device(self.device)
        else:
            _check_reaches_forward(student, fit_params)
        module = None if isinstance(module, type) else module
        if module is not None and not any(p.requires_grad for p in module.parameters()):
            raise ValueError(
                f"The student {name_of(module)} cannot be trained: it has no parameters that "
                "require a gradient."
            )
        _check_hints(self.hints, module)

    def teach(self, student, transfer_set):
        """Train the bare network; see :meth:`Strategy.teach`. It comes back as a skorch net."""
        from sklearn_distill.nn import net as nets

        targets = transfer_set.targets
        self._check_targets(targets)
        bare = is_module(student)
        device = (self.device if bare else student.device) or "cpu"
        inside = self._inside_of_teacher(transfer_set, bare)
        rows = transfer_set.all_rows()
        seed = own_rng(self.random_state).randint(np.iinfo(np.int32).max)
        renew = transfer_set.renew if self.fresh_rows else None
        asked = () if renew is None else transfer_set.reader.modules
        # The teacher is locked first, as where it labels. In the other order two threads could
        # wait for each other.
        with _held(inside, device, asked), nets.seeded(seed):
            if bare:
                student, rows = self._net_of(student, rows, transfer_set, seed)
            else:
                nets.warn_of_unused_parts(student, self._criteria())
            hints = None if inside is None else _hint_losses(*inside, device)
            objective = self._objective(student, targets, bare, device, seed, hints)
            if renew is not None:
                self._refuse_fresh_rows(student, targets)
                objective.fresh = _drawn_anew(renew, seed)
            nets.train_in_memory(student, rows, objective, transfer_set.fit_params)
        if bare:
            nets.forget_training(student)
        shape = tuple(rows.shape[1:]) if hasattr(rows, "shape") else None
        return student, self._decoder(targets, objective, shape, student, rows)

    def objection_to_stream(self, student):
        """Return why a student cannot be taught batch by batch, or None."""
        if self.hints:
            return "needs the teacher itself for hints, which is not here"
        if self.class_weight == "balanced":
            return "needs all rows to count them for class_weight='balanced'"
        if not is_module(student) and student.train_split and not _is_default_split(student):
            return "cannot hold out rows of a stream: pass train_split=None"
        return None

    def teach_stream(self, student, stream):
        """Train the bare network on one part of the rows after the other."""
        from sklearn_distill.nn import net as nets

        bare = is_module(student)
        device = (self.device if bare else student.device) or "cpu"
        seed = own_rng(self.random_state).randint(np.iinfo(np.int32).max)
        sample = stream.sample(1024)
        self._check_targets(sample.targets)
        with nets.seeded(seed):
            rows = sample.all_rows()
            if bare:
                n_epochs, batch_rows, student = self._net_of_stream(student, rows, stream, seed)
            else:
                nets.warn_of_unused_parts(student, self._criteria())
                n_epochs, batch_rows = student.max_epochs, stream.batch_rows
            objective = self._objective(student, sample.targets, bare, device, seed, None)
            class_weight = self._class_weight(student, sample.targets)

            def parts(epoch):
                for part in stream.batches(batch_rows, shuffle=True, epoch=epoch):
                    targets = part.targets.with_class_weight(class_weight)
                    shares = targets.row_alpha, targets.row_weight, stream.mean_weight
                    yield part.all_rows(), (targets.labels, targets.log_proba, *shares)

            with _set_for_stream(student, stream.max_epochs or n_epochs):
                nets.train_on_stream(student, parts, objective)
        if bare:
            nets.forget_training(student)
        shape = tuple(rows.shape[1:]) if hasattr(rows, "shape") else None
        return student, self._decoder(sample.targets, objective, shape, student, rows)

    def _net_of_stream(self, module, rows, stream, seed):
        """Return the number of epochs, the rows of a part, and a skorch net of a bare module."""
        from sklearn_distill.nn import net as nets
        from sklearn_distill.nn.batches import inputs_for

        module = (module() if isinstance(module, type) else module).to(self.device)
        rows = inputs_for(module, rows, self.device)
        settings = {key: getattr(self, key) for key in _OF_BARE_MODULES}
        batch_size = self.batch_size or nets.batch_size_for(stream.n_rows)
        # Parts of whole batches, so that the schedule knows the number of steps.
        batch_rows = max(1, stream.batch_rows // batch_size) * batch_size
        full, rest = divmod(stream.n_rows, batch_rows)
        steps = full * (batch_rows // batch_size) + -(-rest // batch_size)
        n_epochs = stream.max_epochs or self.max_epochs
        n_epochs = n_epochs or max(1, -(-nets.STEPS // steps))
        settings |= {"validation_fraction": None, "batch_size": batch_size}
        settings |= {"max_epochs": n_epochs, "steps_per_epoch": steps}
        net = nets.as_net(module, rows, np.zeros(0), stream.n_rows, seed=seed, **settings)
        return n_epochs, batch_rows, net

    # -- what is another thing for values ------------------------------------------------------

    #: Whether values are taught, and not classes.
    _of_values = False

    def _check_targets(self, targets):
        """Refuse a temperature that the precision of a network does not stand."""
        if targets.log_proba is not None and self.loss != "logit-mse":
            _check_temperature(targets.temperature)

    def _taught(self, targets):
        """Tell whether a teacher has a say."""
        return targets.log_proba is not None

    def _labels(self, targets):
        """Return the labels, by which rows are held out for validation."""
        return targets.labels

    def _criteria(self):
        """Return the criteria of skorch nets that are what is minimised."""
        from sklearn_distill.nn.outputs import KINDS

        return KINDS.values()

    def _on_trained(self, hints, bare):
        """Return hints with the names that the student's layers have in the trained module."""
        return hints

    def _finished(self, module, rows, targets):
        """Return the module that is trained, which may go on where the user's ends."""
        return module

    def _decoder(self, targets, objective, shape, student, rows):
        """Return how the trained network is read."""
        decoder = NetworkDecoder(targets.classes, output=objective.output, row_shape=shape)
        if objective.doubtful:
            _warn_if_probabilities(decoder, student, rows)
        return decoder

    def _net_of(self, module, rows, transfer_set, seed):
        """Return a skorch net of a bare module, and the rows as tensors."""
        from sklearn_distill.nn.batches import inputs_for
        from sklearn_distill.nn.net import as_net

        targets = transfer_set.targets
        module = (module() if isinstance(module, type) else module).to(self.device)
        rows = inputs_for(module, rows, self.device)
        module = self._finished(module, rows, targets)
        settings = {key: getattr(self, key) for key in _OF_BARE_MODULES}
        net = as_net(
            module,
            rows,
            self._labels(targets),
            targets.n_rows,
            seed=seed,
            values=self._of_values,
            **settings,
        )
        return net, rows

    def _objective(self, net, targets, bare, device, seed, hints):
        class_weight = self._class_weight(net, targets)
        # In the targets below a label's weight is mixed with the teacher's. Validation knows only
        # labels, and needs it alone; what a net of the user's is validated by is its criterion.
        own = targets.row_weight[: targets.n_labeled] * class_weight[targets.labels]
        weighted = targets.with_class_weight(class_weight)
        return self._kind_of_objective()(
            weighted.labels,
            weighted.log_proba,
            weighted.row_alpha,
            weighted.row_weight,
            weighted.temperature,
            n_classes=len(weighted.classes),
            loss=get_logit_loss(self.loss),
            valid_weight=own if bare and len(own) and np.ptp(own) > 0 else None,
            device=device,
            seed=seed,
            hints=hints,
        )

    def _kind_of_objective(self):
        """Return the class of what is minimised."""
        from sklearn_distill.nn.objective import Objective

        return Objective

    def _class_weight(self, net, targets):
        """Return the weight of each class, by this strategy and by the net's criterion."""
        from sklearn_distill.nn.outputs import class_weight_of_net

        classes, labels = targets.classes, targets.labels
        if self.class_weight == "balanced":
            weight = balanced_weight(targets, count_weights=True)
        else:
            weight = compute_class_weight(self.class_weight, classes=classes, y=classes[labels])
        of_net = class_weight_of_net(net, len(classes))
        return weight if of_net is None else weight * of_net

    def _refuse_fresh_rows(self, net, targets):
        """Raise ValueError where what belongs to a row was computed before the training."""
        needs = "hints" if self.hints else "class weights"
        if self.hints or (self._class_weight(net, targets) != 1).any():
            raise ValueError(
                f"fresh_rows=True draws rows during the training, and {needs} need them before. "
                "Leave one of them out."
            )

    def _inside_of_teacher(self, transfer_set, bare):
        """Return hints, the model that has the layers, and rows for it; None if no hint asks."""
        if not self.hints or not self._taught(transfer_set.targets):
            return None
        if transfer_set.reader is None:
            raise ValueError(
                "hints need the teacher itself, and teacher is None. Pass the teacher."
            )
        # The student's transformers are not the teacher's: it gets the rows from before them.
        given = transfer_set.as_given or transfer_set
        teacher, rows, hints = transfer_set.reader.teacher, given.all_rows(), self.hints
        if isinstance(teacher, TeacherEnsemble):
            name, hints = _hints_of_member(hints, teacher)
            teacher, rows = teacher.member(name, rows)
        return self._on_trained(hints, bare), *innermost(teacher, rows)


def _is_default_split(net):
    """Tell whether a net holds out rows as skorch does unless it is told otherwise."""
    from skorch.dataset import ValidSplit

    return type(net.train_split) is ValidSplit


@contextmanager
def _set_for_stream(net, max_epochs):
    """Have a net train for so many epochs without holding out rows, and put both back."""
    before = {"max_epochs": net.max_epochs, "train_split": net.train_split}
    vars(net).update(max_epochs=max_epochs, train_split=None)
    try:
        yield
    finally:
        vars(net).update(before)


def _drawn_anew(renew, seed):
    """Yield None for the first epoch, which has its rows, and then new rows and their labels."""
    yield None
    rng = np.random.RandomState(seed)
    while True:
        yield renew(rng.randint(np.iinfo(np.int32).max))


def _refuse_fit_params(module, fit_params):
    """Raise TypeError if the ``fit`` of a bare module is given anything."""
    if fit_params:
        name = module.__name__ if isinstance(module, type) else name_of(module)
        raise TypeError(
            f"A bare module takes no further arguments in fit. Got {sorted(fit_params)} for "
            f"{name}. Wrap it in a skorch net, which passes them to forward, or leave them out."
        )


def _check_reaches_forward(net, fit_params):
    """Raise TypeError unless the module's ``forward`` and the ``train_split`` take all of these.

    skorch hands them to both. What a net has of its own in between is not second-guessed.
    """
    from skorch import NeuralNet, NeuralNetBinaryClassifier

    takers = {}
    if type(net).infer in (NeuralNet.infer, NeuralNetBinaryClassifier.infer):
        takers["the forward of its module"] = net.module.forward
    if net.train_split:
        takers["its train_split"] = net.train_split
    for taker, function in takers.items():
        unknown = [key for key in fit_params if not _takes(function, key)]
        if unknown:
            raise TypeError(
                f"{name_of(net)}.fit got an unexpected keyword argument {unknown[0]!r}: skorch "
                f"passes it to {taker}, which has no argument of this name."
            )


def _takes(function, keyword):
    try:
        arguments = signature(function).parameters
    except (TypeError, ValueError):  # compiled, without a signature
        return True
    return keyword in arguments or any(a.kind is a.VAR_KEYWORD for a in arguments.values())


def _check_temperature(temperature):
    """Raise ValueError for one at which single precision loses the teacher."""
    low, high = TEMPERATURES
    if not low <= temperature <= high:
        raise ValueError(
            f"temperature must be from {low} to {high} for a network, whose losses are in single "
            f"precision. Got {'less' if temperature < low else 'more'}. Use "
            "GradientTraining(loss='logit-mse') for the limit of high temperatures."
        )


def _warn_if_probabilities(decoder, student, rows):
    """Warn of one column that began between 0 and 1 and never left: a sigmoid, probably."""
    z = decoder.logits(student, rows)[:, 1]
    if ((z >= 0) & (z <= 1)).all():
        module = name_of(getattr(student, "module_", student))
        warnings.warn(
            f"The student {module} returned one column with values between 0 and 1 only, read as "
            "log-odds: it predicts one class for all rows. If they are probabilities, apply the "
            "sigmoid as its last layer, nn.Sigmoid() (in a skorch net with criterion=BCELoss).",
            UserWarning,
            stacklevel=2,
        )


def _check_device(device):
    from sklearn_distill.nn.capture import check_device

    check_device(device)


def _check_hints(hints, module):
    """Raise unless hints are hints, by losses that exist, on layers that a module has."""
    for hint in hints or ():
        if not isinstance(hint, LayerHint):
            raise TypeError(
                "hints must be a list of LayerHint and AttentionHint. Got "
                f"{hint!r} in it. Write LayerHint(teacher_layer, student_layer)."
            )
        get_feature_loss(hint.loss)
        if module is not None:
            from sklearn_distill.nn.capture import find_layer

            find_layer(module, hint.student_layer, who="The student")


@contextmanager
def _held(inside, device, asked):
    """Have for oneself a teacher that is a module, on a device, and modules that will be asked."""
    from sklearn_distill.nn.capture import undisturbed

    with ExitStack() as stack:
        if inside is not None and isinstance(inside[1], TorchTeacher):
            stack.enter_context(undisturbed(inside[1].module, device))
        for module in asked:
            stack.enter_context(undisturbed(module))
        yield


def _hints_of_member(hints, ensemble):
    """Return the member of several teachers that hints name, and the hints for it alone.

    The first part of each path is the name: "net.encoder.2".
    """
    names = {hint.teacher_layer.partition(".")[0] for hint in hints}
    if len(names) > 1:
        raise ValueError(
            f"hints name layers of several members of the teacher, {sorted(names)}. Take those of "
            "one member."
        )
    for_it = [replace(hint, teacher_layer=hint.teacher_layer.partition(".")[2]) for hint in hints]
    name = names.pop()
    known = [member for member, _ in ensemble.estimators]
    if name not in known:
        raise ValueError(
            f"The teacher has no member {name!r}, which a hint on {hints[0].teacher_layer!r} "
            f"names. Begin the layer with one of {known}: '{known[0]}.{hints[0].teacher_layer}'."
        )
    return name, for_it


def _hint_losses(hints, teacher, rows, device):
    """Return the losses of hints, with the layers of a teacher for these rows."""
    import torch

    from sklearn_distill.nn.batches import inputs_for
    from sklearn_distill.nn.hint_losses import ArraySource, HintLosses, ModuleSource

    if isinstance(teacher, TorchTeacher):
        inputs = inputs_for(teacher.module, teacher.prepare(rows), device)
        source = ModuleSource(teacher.module, inputs, hints)
    else:
        paths = {hint.teacher_layer for hint in hints}
        layers = {path: read_layer(teacher, rows, path) for path in paths}
        source = ArraySource({k: torch.as_tensor(v, device=device) for k, v in layers.items()})
    return HintLosses(hints, source).to(device)
