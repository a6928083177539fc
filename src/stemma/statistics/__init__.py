"""Whether a difference is more than chance. Plain arrays in, frozen results out; nothing here knows what a version is.

metrics      figures of predictions, on the rows as they are or on a resample of them
resampling   paired bootstrap: the interval of a difference
tests        McNemar, DeLong, Wilcoxon, the z test; Holm's correction for many of them
power        rows that it would take to tell a difference from none

from stemma.statistics import metrics, resampling
a, b = (metrics.binary(actual, p >= 0.5, p) for p in (p_a, p_b))
resampling.paired(a, b, rows=len(actual))["roc_auc"].low
"""
