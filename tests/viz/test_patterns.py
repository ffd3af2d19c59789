"""Patterns are drawn where their weights lie, along their members' lines, and as heavy as they are."""

import numpy as np
import pytest
import xarray as xr
from matplotlib.collections import LineCollection

from circuitkit.errors import SpecError
from circuitkit.viz.patterns import HEAVIEST, pattern_sheet
from circuitkit.viz.style import EXCITES, INHIBITS
from tests.viz.test_figures import blemishes


def weights() -> xr.DataArray:
    """Of seven units: an upright member on the right, for; a level one at the top, against, half as much."""
    held = xr.DataArray(
        np.zeros((7, 2, 3, 3)),
        dims=("unit", "member", "y", "x"),
        coords={
            "unit": [f"unit:{k}" for k in range(7)],
            "member": [0.0, 90.0],
            "y": [4.0, 0.0, -4.0],
            "x": [-4.0, 0.0, 4.0],
        },
    )
    held[:, 1, 1, 2], held[:, 0, 0, 1], held[:, 0, 2, 0] = 2.0, -1.0, 0.1  # the last is too small to be shown
    return held


def test_lines_lie_where_weights_do() -> None:
    figure = pattern_sheet(weights(), title="A title", note="a note")
    assert not blemishes(figure)
    assert len(figure.axes) == 7
    (lines,) = [each for each in figure.axes[0].collections if isinstance(each, LineCollection)]
    against, wanted = lines.get_segments()  # the heaviest last
    np.testing.assert_allclose(wanted.mean(0), [4, 0], atol=1e-9)
    np.testing.assert_allclose(against.mean(0), [0, 4], atol=1e-9)
    assert np.ptp(wanted[:, 0]) < 1e-9 < np.ptp(wanted[:, 1])
    assert np.ptp(against[:, 1]) < 1e-9 < np.ptp(against[:, 0])
    np.testing.assert_allclose(lines.get_linewidths(), [HEAVIEST / 2, HEAVIEST])
    colours = ["#{:02x}{:02x}{:02x}".format(*(round(255 * part) for part in each[:3])) for each in lines.get_colors()]
    assert colours == [INHIBITS, EXCITES]
    across = pattern_sheet(weights(), title="A title", note="a note", along=90.0)
    (turned,) = [each for each in across.axes[0].collections if isinstance(each, LineCollection)]
    assert np.ptp(turned.get_segments()[1][:, 1]) < 1e-9


def test_other_dimensions_are_refused() -> None:
    with pytest.raises(SpecError, match="wanted \\(unit, member, y, x\\)"):
        pattern_sheet(weights().isel(unit=0), title="", note="")
