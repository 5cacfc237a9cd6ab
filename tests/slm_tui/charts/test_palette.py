from __future__ import annotations

import itertools

import numpy as np
import pytest

from slm_tui.charts.palette import palette
from slm_tui.themes import DARK, LIGHT

# what the eye without one kind of cones sees, on linear RGB (Machado, Oliveira and Fernandes 2009)
VISIONS = {
    "all cones": np.eye(3),
    "no long": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "no middle": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "no short": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    x, y, z = np.cbrt(np.maximum(TO_XYZ @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089], 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(TO_XYZ[1] @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda theme: theme.name)
def test_every_colour_stands_out_from_the_background(theme: object) -> None:
    assert min(contrast(colour, theme.background) for colour in palette(theme.dark)) > 4  # type: ignore[attr-defined]


@pytest.mark.parametrize("dark", [True, False])
@pytest.mark.parametrize("vision", VISIONS)
def test_colours_differ_for_every_kind_of_colour_vision(vision: str, dark: bool) -> None:
    seen = [lab(np.array(VISIONS[vision]) @ linear(colour)) for colour in palette(dark)]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) > 10
