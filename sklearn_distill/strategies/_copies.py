"""From soft targets to rows with one label each.

A classifier that learns single labels learns a soft target from several copies of the row, one
for each label, that share the row's weight. Most of the labels of most rows weigh next to nothing,
and a copy of each would cost as much as a heavy one. They cannot be left out either: where an
event is rare, the light labels of all rows together are the event. So they are drawn.
"""

import numpy as np

#: A label with a larger share of its row's weight than this may have a copy of its own.
NEGLIGIBLE_SHARE = 1e-3

#: Up to so many labels in all, each has a copy: exactness costs nothing where rows are few.
FEW_COPIES = 20_000

#: What a drawn label weighs, as a share of its row: the least for which the copies are not too
#: many.
_SHARES = (NEGLIGIBLE_SHARE, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


def expand(weights, *, equal_copies, max_copies, rng):
    """List the labels of each row that the student is to see, and what they weigh.

    All of them, if there are no more than :data:`FEW_COPIES`. Else, a label that has a larger
    share of its row than some tau is listed as it is. Of the others one
    is drawn for every tau of their shares (stratified sampling), to weigh tau, and all that are
    drawn of a class are then given exactly the weight that was to be represented. In the mean over
    draws a label has its weight; the sum of a class always has; that of a row nearly. The value of
    tau is the smallest for which there are about as many copies as labels above
    :data:`NEGLIGIBLE_SHARE`.

    Parameters
    ----------
    weights : ndarray of shape (n_rows, n_classes)
        Weight of each label; a row's sum is the row's weight, and rows without weight vanish.
    equal_copies : bool
        Whether every row gets the same number of labels: its heaviest ones, and a last one that
        is drawn from the rest and weighs as much as all the rest.
    max_copies : int
        Copies of a row, at most; on average if they need not be equal.
    rng : RandomState

    Returns
    -------
    rows, labels : ndarray of shape (n_copies,)
        Row and class of each copy, ordered by row.
    weights : ndarray of shape (n_copies,)
    """
    row_weight = weights.sum(axis=1)
    alive = np.flatnonzero(row_weight > 0)
    weights, row_weight = weights[alive], row_weight[alive]
    share = weights / row_weight[:, None]
    list_labels = _equal_numbers if equal_copies else _heavy_and_drawn
    rows, labels, kept = list_labels(share, weights, row_weight, max_copies, rng)
    # A class without any weight is not to be forgotten either.
    nothing = np.setdiff1d(np.arange(weights.shape[1]), labels)
    if not equal_copies and len(nothing):
        rows, labels = np.r_[rows, np.zeros_like(nothing)], np.r_[labels, nothing]
        kept = np.r_[kept, np.zeros(len(nothing))]
    order = np.argsort(rows, kind="stable")
    return alive[rows[order]], labels[order], kept[order]


def _heavy_and_drawn(share, weights, row_weight, max_copies, rng):
    tau = _share_of_a_draw(share, max_copies)
    heavy = share > tau if np.count_nonzero(share) > FEW_COPIES else share > 0
    rows, labels = np.nonzero(heavy)
    light = np.where(heavy, 0.0, share)
    of_row = light.sum(axis=1)
    if not of_row.any():
        return rows, labels, weights[rows, labels]
    # Laid end to end, row after row, and cut into pieces of length tau, of which each draws a
    # point: a row whose light labels make up several tau is drawn as many times. Neighbours share
    # a piece, so rows with similar targets are put side by side. Points at equal distances would
    # do as well, but for targets with a period, which would always draw the same classes.
    order = np.argsort(of_row, kind="stable")
    at, of_class = np.nonzero(light[order])
    ends = np.cumsum(light[order][at, of_class])
    n_pieces = int(np.ceil(ends[-1] / tau))
    points = (np.arange(n_pieces) + rng.uniform(size=n_pieces)) * tau
    drawn = np.searchsorted(ends, points[points < ends[-1]], side="right")
    drawn_rows, drawn_labels = order[at[drawn]], of_class[drawn]
    # A class of which there is something, and none was drawn, is represented where it is heaviest.
    mass = (light * row_weight[:, None]).sum(axis=0)
    lost = np.setdiff1d(np.flatnonzero(mass), drawn_labels)
    drawn_rows = np.r_[drawn_rows, (light * row_weight[:, None])[:, lost].argmax(axis=0)]
    drawn_labels = np.r_[drawn_labels, lost]
    drawn_weight = tau * row_weight[drawn_rows]
    got = np.bincount(drawn_labels, drawn_weight, minlength=len(mass))
    drawn_weight *= (mass / np.where(got > 0, got, 1))[drawn_labels]
    return (
        np.r_[rows, drawn_rows],
        np.r_[labels, drawn_labels],
        np.r_[weights[rows, labels], drawn_weight],
    )


def _share_of_a_draw(share, max_copies):
    n_rows, n_classes = share.shape
    # With a thousand classes every label of a row may be light.
    noticed = np.count_nonzero(share > min(NEGLIGIBLE_SHARE, 0.1 / n_classes))
    budget = min(max(1.01 * noticed, 1.02 * n_rows), max_copies * n_rows)
    for tau in _SHARES:
        heavy = share > tau
        if np.count_nonzero(heavy) + share[~heavy].sum() / tau <= budget:
            break
    return tau


def _equal_numbers(share, weights, row_weight, max_copies, rng):
    n_rows, n_classes = share.shape
    noticed = np.count_nonzero(share > NEGLIGIBLE_SHARE, axis=1).max()
    n_copies = min(max(noticed, 2), max_copies, n_classes)
    order = np.argsort(-share, axis=1, kind="stable")
    labels, rest = order[:, :n_copies].copy(), order[:, n_copies - 1 :]
    kept = np.take_along_axis(weights, labels, axis=1)
    if rest.shape[1] > 1:
        at_end = np.cumsum(np.take_along_axis(weights, rest, axis=1), axis=1)
        # One number for each row, evenly spread over all.
        u = (rng.permutation(n_rows) + rng.uniform()) / n_rows
        drawn = (at_end <= u[:, None] * at_end[:, -1:]).sum(axis=1)
        labels[:, -1] = rest[np.arange(n_rows), np.minimum(drawn, rest.shape[1] - 1)]
        kept[:, -1] = at_end[:, -1]
    _make_room_for_lost_classes(labels, weights)
    return np.repeat(np.arange(n_rows), n_copies), labels.ravel(), kept.ravel()


def _make_room_for_lost_classes(labels, weights):
    """Put every class that has no copy into the last place of a row, in place.

    Of the rows whose last label has other copies it is the one where the class is heaviest.
    """
    n_classes = weights.shape[1]
    times = np.bincount(labels.ravel(), minlength=n_classes)
    taken = np.zeros(len(labels), dtype=bool)
    for lost in np.flatnonzero(times == 0):
        free = np.flatnonzero(~taken & (times[labels[:, -1]] > 1))
        if len(free) == 0:
            return  # more classes than places: the decoder will refuse the student
        row = free[weights[free, lost].argmax()]
        times[labels[row, -1]] -= 1
        labels[row, -1], taken[row] = lost, True
        times[lost] = 1
