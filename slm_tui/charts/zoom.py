"""Zooming and panning an axis, never beyond what there is (pure)."""

from __future__ import annotations

from slm_tui.charts.scale import Scale


def zoomed(full: Scale, shown: Scale, around: float, factor: float) -> Scale | None:
    """`shown` with `factor` times the length, the share `around` of it staying in place; None where all is shown."""
    return _within(full, shown.part(around - around * factor, around + (1 - around) * factor))


def panned(full: Scale, shown: Scale, share: float) -> Scale | None:
    """`shown` moved by a share of its length, up to an end of `full`; None where all is shown."""
    return _within(full, shown.part(share, 1 + share))


def _within(full: Scale, wanted: Scale) -> Scale | None:
    start, end = full.share_of(wanted.low), full.share_of(wanted.high)
    length = end - start
    if not length < 1 - 1e-9:
        return None
    start = min(max(start, 0.0), 1 - length)
    return full.part(start, start + length)
