"""More rows than one machine holds: labelled on engines that users have, read batch by batch."""

from sklearn_distill.scale._folds import HashKFold
from sklearn_distill.scale._label import label_transfer_set
from sklearn_distill.scale._stored import StoredTransferSet

__all__ = ["HashKFold", "StoredTransferSet", "label_transfer_set"]
