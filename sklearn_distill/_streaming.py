"""Learning from rows that never lie in memory as a whole: from a folder, or batch by batch."""

import numpy as np
from sklearn.utils.metaestimators import available_if

from sklearn_distill.labelling import label_rows
from sklearn_distill.rules import RULES, kind_of
from sklearn_distill.scale import StoredTransferSet
from sklearn_distill.scale._stored import TransferBatch
from sklearn_distill.strategies import (
    SoftBoosting,
    counted_class_weight,
    select_strategy_for_batches,
)
from sklearn_distill.strategies._parts import InParts
from sklearn_distill.strategies._stream import (
    Blending,
    Stream,
    teach_from_stream,
    teach_part,
)
from sklearn_distill.teachers import as_teacher, is_fitted
from sklearn_distill.trust import TRUST
from sklearn_distill.utils.dispatch import name_of
from sklearn_distill.utils.pipelines import last_step
from sklearn_distill.utils.progress import stage
from sklearn_distill.utils.rows import check_whole_number, n_rows


def _learns_in_parts(model):
    """Tell whether a model may be taught by ``partial_fit``; say why not."""
    last = last_step(model.student)
    if not hasattr(last, "partial_fit"):
        raise AttributeError(f"The student {name_of(last)} has no partial_fit.")
    strategy = select_strategy_for_batches(model.strategy, model.student)
    if not isinstance(strategy, InParts):
        raise AttributeError(
            f"The student {name_of(last)} is taught by {strategy.name!r}, all rows at once."
        )
    if not is_fitted(as_teacher(model.teacher)):
        raise AttributeError(
            "partial_fit needs a teacher that is fitted: it labels each batch as it comes."
        )
    return True


class LearnsFromBatches:
    """What a distillation of classes can do with rows that come batch by batch: mixed in."""

    def fit_transfer_set(self, transfer_set, *, max_epochs=None, batch_rows=65_536, engine=None):
        """Teach the student with a transfer set on disk, of which a batch is in memory at a time.

        The student may have ``partial_fit``, be a torch module or a skorch net, or an
        ``XGBClassifier`` or ``LGBMClassifier``, alone or as the last step of a Pipeline, whose
        transformers are fitted on up to 65,536 rows from all over the transfer set. Rows with a
        real label learn the blend by ``alpha``, all others the teacher's opinion. "auto" takes the
        settings for rows without labels (see the rules in the user guide).

        Boosters keep one byte of each value, and targets and gradients of all rows, some 80 bytes
        for each with two classes; all else is of the size of some batches.

        Parameters
        ----------
        transfer_set : StoredTransferSet, str or path
            What :func:`label_transfer_set` has written.
        max_epochs : int, default=None
            Passes over the rows. None leaves it to the student: one for naive Bayes, as many as
            make a million rows in all (50 at most) for other students with ``partial_fit``, 5,000
            steps (one pass at least) for torch modules, and a skorch net's own. Boosters have
            none.
        batch_rows : int, default=65536
            Rows that are taught at a time. Up to eight times as many are in memory, since
            batches are mixed.
        engine : {"dask"}, default=None
            Has a booster trained on the workers of the current Dask client, by XGBoost's or
            LightGBM's own Dask interface. They hold the rows among them, and must reach the
            folder. What comes out is an ordinary local booster. None trains here.

        Returns
        -------
        self : object
            The fitted estimator. It has no ``teacher_``.

        Raises
        ------
        ValueError
            If a setting needs a teacher, or all rows.
        TypeError
            If the student cannot learn batch by batch.

        See Also
        --------
        label_transfer_set : Writes a transfer set.
        """
        self._validate_params()
        stored = transfer_set
        if not isinstance(stored, StoredTransferSet):
            stored = StoredTransferSet(transfer_set)
        check_whole_number(batch_rows, "batch_rows")
        if max_epochs is not None:
            check_whole_number(max_epochs, "max_epochs")
        if self.teacher is not None:
            raise ValueError(
                f"The teacher has spoken already: the transfer set is labelled by "
                f"{stored.teacher}. Pass teacher=None."
            )
        self._check_learns_from_batches()
        X = stored.sample(1024).X
        columns = self._columns_of_student(X)
        student = self._new_student(X if columns is None else columns.take(X), stored.classes)
        strategy = self._with_own_settings(select_strategy_for_batches(self.strategy, student))
        _check_engine(engine, strategy)
        blending = self._blending(stored.classes, stored.n_labeled > 0, stored)
        seed = self._fold_seed()
        stream = Stream(stored, blending, int(batch_rows), max_epochs, seed, engine)
        if columns is not None:
            stream = stream.transformed(columns.take)
        with stage(f"{strategy.name} for the student, batch by batch", self.verbose):
            student, decoder = teach_from_stream(strategy, student, stream)
        self._set_learned(student, decoder, strategy, columns, blending, None, "stored")
        return self

    @available_if(_learns_in_parts)
    def partial_fit(self, X, y=None, classes=None, sample_weight=None):
        """Teach the student some rows more, which the teacher labels as they come.

        Only for students with ``partial_fit``, and a teacher that is fitted. The transformers of a
        Pipeline student are fitted on the rows of the first call.

        Parameters
        ----------
        X : rows
        y : array-like of shape (n_samples,), default=None
            Real labels, of which the blend by ``alpha`` is learned; "auto" is what the rules in
            the user guide say where further rows have no label. None, if nobody knows them: then
            the teacher says all that is learned.
        classes : array-like of shape (n_classes,), default=None
            All classes there are, at the first call. None takes the teacher's.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        self : object

        Raises
        ------
        ValueError
            If the rows, labels or settings are unfit for use.
        """
        self._validate_params()
        self._check_learns_from_batches()
        first, reader = "decoder_" not in vars(self), self._reader()
        weight = self._check_rows(X, sample_weight, None)
        classes = self._all_classes(classes, reader)
        labels = np.full(n_rows(X), -1)
        if y is not None:
            labels = _positions(self._check_labels(X, y), classes)
        columns = self._columns_of_student(X) if first else self.student_columns_
        taken = X if columns is None else columns.take(X)
        template = self._new_student(taken, classes)
        strategy = self._with_own_settings(select_strategy_for_batches(self.strategy, template))
        blending = self._blending(classes, y is not None)
        log_proba = np.zeros((n_rows(X), len(classes)))
        if blending.alpha != 0 or y is None:
            log_proba = label_rows(reader, X, None, classes, n_jobs=self.n_jobs, memory=None)
        seen = 0 if first else getattr(self, "n_batches_", 0)
        rng = np.random.RandomState([self._fold_seed(), seen])
        student = self._new_student(taken, classes) if first else self.student_
        batch = TransferBatch(taken, log_proba, labels, weight)
        student, decoder = teach_part(strategy, student, template, batch, blending, rng, first)
        self._set_learned(student, decoder, strategy, columns, blending, reader.teacher, "fitted")
        self.n_batches_ = seen + 1
        return self

    def _check_learns_from_batches(self):
        """Refuse settings that need a teacher or all rows at once."""
        needy = []
        if self.augmenter is not None:
            needy.append(f"augmenter={name_of(self.augmenter)}")
        if self.calibrate:
            needy.append("calibrate=True")
        if isinstance(self.trust, str) and self.trust not in TRUST:
            needy.append(f"trust={self.trust!r}")
        if counted := counted_class_weight(self.student):
            needy.append(f"{counted} of the student")
        if needy:
            raise ValueError(
                f"{' and '.join(needy)} needs all rows at once, and they come batch by batch. "
                "Leave it out; of class weights, pass numbers, such as {0: 1, 1: 20}."
            )

    def _blending(self, classes, labeled, stored=None):
        """Return how labels and teacher are blended: by the rules for rows of the teacher's."""
        rule = RULES[kind_of(self.student)].extended
        factor, has_zeros = 1.0, None
        if stored is not None:
            has_zeros = stored.has_zeros
            if self.unlabeled_weight is not None and stored.unlabeled_weight > 0:
                most = self.unlabeled_weight * stored.labeled_weight
                factor = min(1.0, most / stored.unlabeled_weight) if labeled else 1.0
        alpha = rule.alpha if self.alpha == "auto" else self.alpha
        return Blending(
            classes,
            float(rule.temperature if self.temperature == "auto" else self.temperature),
            float(alpha if labeled else 1.0),
            self.probability_floor,
            has_zeros,
            self.trust,
            factor,
        )

    def _all_classes(self, classes, reader):
        """Return the classes of ``partial_fit``, which stay what they were at the first call."""
        known = vars(self).get("classes_")
        if classes is None:
            classes = known
        if classes is None:
            classes = getattr(reader.classifier, "classes_", None)
        if classes is None:
            raise ValueError(
                f"The teacher {reader.name} has no classes_. Pass classes=[...] at the first call."
            )
        classes = np.unique(classes)
        if known is not None and not np.array_equal(classes, known):
            raise ValueError(
                f"classes must stay what they were at the first call, {known.tolist()}. Got "
                f"{classes.tolist()}."
            )
        return classes

    def _set_learned(self, student, decoder, strategy, columns, blending, teacher, source):
        kind = RULES[kind_of(self.student)].student
        settings = f"temperature={blending.temperature:g} and alpha={blending.alpha:g}"
        auto = "auto" in (self.temperature, self.alpha)
        vars(self).update(
            teacher_=teacher,
            label_source_=source,
            student_=student,
            decoder_=decoder,
            strategy_=strategy,
            student_columns_=columns,
            classes_=blending.classes,
            temperature_=blending.temperature,
            alpha_=blending.alpha,
            reason_=f"{settings}: {kind}, and rows that come in batches." if auto else "as given",
        )


def _check_engine(engine, strategy):
    if engine not in (None, "dask"):
        raise ValueError(f"engine must be None or 'dask'. Got {engine!r} instead.")
    if engine is not None and not isinstance(strategy, SoftBoosting):
        raise ValueError(
            f"engine={engine!r} trains boosters only, by their own libraries, and the student is "
            f"taught by {strategy.name!r}. Leave engine out: it learns batch by batch here."
        )


def _positions(y, classes):
    """Return the position of each label among the classes; refuse others."""
    strange = np.setdiff1d(y, classes)
    if len(strange):
        raise ValueError(
            f"y has the labels {strange[:8].tolist()}, which are not among the classes "
            f"{classes[:8].tolist()}. Pass all classes at the first call, and a teacher that "
            "knows them."
        )
    return np.searchsorted(classes, y)
