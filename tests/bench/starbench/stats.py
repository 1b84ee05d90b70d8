# SPDX-License-Identifier: GPL-2.0-only
"""Medians over rounds, their spread, and how sure they are."""
import random


def percentile(values, q):
    """Linear interpolation between closest ranks; None of nothing."""
    v = sorted(values)
    if not v:
        return None
    pos = (len(v) - 1) * q / 100.0
    low = int(pos)
    high = min(low + 1, len(v) - 1)
    return v[low] + (v[high] - v[low]) * (pos - low)


def median(values):
    return percentile(values, 50)


def _resampled(n, rng):
    return [rng.randrange(n) for _ in range(n)]


def bootstrap(statistic, n, draws=1000, seed=1):
    """95 % interval of statistic(indices), rounds drawn with replacement."""
    if n < 3:
        return None
    rng = random.Random(seed)
    got = []
    for _ in range(draws):
        value = statistic(_resampled(n, rng))
        if value is not None:
            got.append(value)
    if not got:
        return None
    return percentile(got, 2.5), percentile(got, 97.5)


BUCKETS = 32        # of agentload's histograms, for each doubling


def _middle(low):
    """Of the bucket that begins at low, as agentload itself says it."""
    return low + (1 << max(0, low.bit_length() - BUCKETS.bit_length())) / 2 \
        if low >= BUCKETS else low


def of_histograms(hists, q):
    """Percentile of everything in some [[low edge, count]...], to a bucket."""
    counts = {}
    for hist in hists:
        for low, n in hist:
            counts[low] = counts.get(low, 0) + n
    rank, seen = sum(counts.values()) * q / 100.0, 0
    for low in sorted(counts):
        seen += counts[low]
        if seen >= rank:
            return _middle(low)
    return None


def pooled(hists, q):
    """Percentile over the samples of all rounds, and its interval.

    Samples of a round are not independent of each other, rounds are: whole
    rounds are drawn, so that ten thousand tokens of three rounds count as three.
    """
    hists = [h for h in hists if h]
    if not hists:
        return None
    ci = bootstrap(lambda idx: of_histograms([hists[i] for i in idx], q), len(hists), draws=300)
    return {"n": len(hists), "value": of_histograms(hists, q), "ci": list(ci) if ci else None}


def spread(values):
    """Median, min, max and the interval of the median, of one value a round."""
    v = [x for x in values if x is not None]
    if not v:
        return None
    ci = bootstrap(lambda idx: median([v[i] for i in idx]), len(v))
    return {"n": len(v), "median": median(v), "min": min(v), "max": max(v),
            "ci": list(ci) if ci else None}


def ratio(top, bottom):
    """Ratio of the medians of two series measured in the same rounds.

    Rounds are drawn together for both, so that a slow round weighs on both.
    """
    pairs = [(a, b) for a, b in zip(top, bottom) if a is not None and b is not None]
    if not pairs:
        return None

    def of(idx):
        low = median([pairs[i][1] for i in idx])
        return median([pairs[i][0] for i in idx]) / low if low else None

    value = of(range(len(pairs)))
    if value is None:
        return None
    ci = bootstrap(of, len(pairs))
    return {"value": value, "ci": list(ci) if ci else None}
