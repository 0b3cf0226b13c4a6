"""Other grids: `resample_spatial`."""

import numpy as np

from encoding import axis, cube, vector, write


def resample_spatial():
    rows, columns = 4, 6
    dims = {"y": axis(5000095.0, -10.0, rows, "y"), "x": axis(500005.0, 10.0, columns, "x")}
    values = np.arange(rows * columns, dtype=float).reshape(rows, columns) ** 2 / 3
    data = cube(values, dims)
    blocks = values.reshape(rows // 2, 2, columns // 2, 2).transpose(0, 2, 1, 3)
    blocks = blocks.reshape(rows // 2, columns // 2, 4)
    coarse = {"y": axis(5000090.0, -20.0, 2, "y"), "x": axis(500010.0, 20.0, 3, "x")}
    for method, found in [
        ("average", blocks.mean(axis=2)),
        ("sum", blocks.sum(axis=2)),
        ("min", blocks.min(axis=2)),
        ("max", blocks.max(axis=2)),
        ("rms", np.sqrt((blocks**2).mean(axis=2))),
    ]:
        arguments = {"data": data, "resolution": 20, "method": method}
        vector("resample_spatial", arguments, cube(found, coarse))
    # The nearest of pixels of half the size is the pixel around it.
    fine = {
        "y": axis(5000097.5, -5.0, 2 * rows, "y"),
        "x": axis(500002.5, 5.0, 2 * columns, "x"),
    }
    repeated = values.repeat(2, axis=0).repeat(2, axis=1)
    vector("resample_spatial", {"data": data, "resolution": 5}, cube(repeated, fine))
    # 40 by 60 m in pixels of 25 m from the lower right corner: the centres lie in rows and columns by numpy.
    x = 500060.0 - 25.0 * np.arange(3)[::-1] - 12.5
    y = 5000060.0 + 25.0 * np.arange(2)[::-1] + 12.5
    i = np.floor((5000100.0 - y) / 10.0).astype(int)
    j = np.floor((x - 500000.0) / 10.0).astype(int)
    outside = (i < 0)[:, None] | (j < 0)[None, :]
    found = values[np.clip(i, 0, None)][:, np.clip(j, 0, None)]
    shifted = {"y": axis(y[0], -25.0, 2, "y"), "x": axis(x[0], 25.0, 3, "x")}
    arguments = {"data": data, "resolution": [25, 25], "align": "lower-right"}
    vector("resample_spatial", arguments, cube(found, shifted, missing=outside))
    # Nothing asked for, or what is there already: unchanged.
    vector("resample_spatial", {"data": data}, data)
    vector("resample_spatial", {"data": data, "resolution": 10, "projection": 32633}, data)
    vector("resample_spatial", {"data": data, "resolution": 1e-7}, throws="ProcessGraphComplexity")
    vector("resample_spatial", {"data": data, "resolution": -1}, throws="ProcessParameterInvalid")
    vector("resample_spatial", {"data": data, "method": "best"}, throws="ProcessParameterInvalid")
    vector("resample_spatial", {"data": data, "projection": 999999}, throws="ProcessParameterInvalid")


resample_spatial()
write(__file__)
