"""Functions of users: `run_udf` on data cubes. What the functions do is done here with numpy.

They run in the process that the engine starts; numbers go in as floating point, no-data as NaN and back.
"""

import numpy as np

from encoding import axis, bands, cube, times, vector, write

DATES = ["2021-01-01T00:00:00Z", "2021-01-11T00:00:00Z", "2021-01-21T00:00:00Z"]
DIMS = {"t": times(*DATES), "bands": bands("red", "nir"), "x": axis(500005.0, 10.0, 2, "x")}
VALUES = np.array([[[3, 8], [5, 0]], [[7, 2], [1, 9]], [[4, 6], [0, 12]]])
GONE = np.array([[[0, 0], [0, 1]], [[0, 1], [0, 0]], [[0, 0], [0, 0]]], bool)
DATA = cube(VALUES, DIMS, dtype="int16", missing=GONE)
HOLES = np.where(GONE, np.nan, VALUES)


def case(code, returns=None, dims=DIMS, throws=None, data=DATA, runtime="Python", **arguments):
    given = {"data": data, "udf": code, "runtime": runtime, **arguments}
    if returns is not None:
        missing = np.isnan(returns)
        returns = cube(np.where(missing, 0, returns), dims, missing=missing)
    vector("run_udf", given, returns, throws=throws, delta=1e-6)


SCALE = """
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return cube * context["factor"] + 1
"""
case(SCALE, HOLES * 0.5 + 1, context={"factor": 0.5})
# Upper and lower case of the runtime are the same, and a version may be a part of one.
case(SCALE, HOLES * 2 + 1, context={"factor": 2}, runtime="python", version="3")

# A dimension less, by the object of the library; no-data is left out of the mean.
case(
    """
from openeo.udf import XarrayDataCube

def apply_datacube(cube: XarrayDataCube, context: dict) -> XarrayDataCube:
    return XarrayDataCube(cube.get_array().mean("t", skipna=True))
""",
    np.nanmean(HOLES, axis=0),
    {"bands": DIMS["bands"], "x": DIMS["x"]},
)

# Other labels of bands.
case(
    """
from openeo.udf import UdfData, XarrayDataCube

def apply_udf_data(data: UdfData):
    [cube] = data.get_datacube_list()
    array = cube.get_array()
    red, nir = array.sel(bands="red", drop=True), array.sel(bands="nir", drop=True)
    made = xarray.concat([red + nir, red - nir, red * nir], dim="bands")
    made = made.assign_coords(bands=["sum", "difference", "product"]).transpose("bands", "t", "x")
    data.set_datacube_list([XarrayDataCube(made)])
""",
    np.stack([HOLES[:, 0] + HOLES[:, 1], HOLES[:, 0] - HOLES[:, 1], HOLES[:, 0] * HOLES[:, 1]]),
    {"bands": bands("sum", "difference", "product"), "t": DIMS["t"], "x": DIMS["x"]},
)

# One series at a time; a running sum goes over no-data, which stays.
case(
    """
def apply_timeseries(series: pandas.Series, context: dict) -> pandas.Series:
    return series.cumsum()
""",
    np.where(GONE, np.nan, np.where(GONE, 0, VALUES).cumsum(axis=0)),
)

# NaN that a function makes is no-data.
case(
    """
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return cube.where(cube > context["least"])
""",
    np.where(HOLES > 4, HOLES, np.nan),
    context={"least": 4},
)

case(SCALE, throws="InvalidRuntime", runtime="R", context={"factor": 1})
case(SCALE, throws="InvalidVersion", version="2.7", context={"factor": 1})
case("functions/none.py", throws="FileNotFound")
# `context` is empty if it is not given: KeyError.
case(SCALE, throws="UdfExecutionFailed")
case("\ndef another(cube):\n    return cube\n", throws="UdfExecutionFailed")
case(SCALE, throws="ProcessParameterInvalid", data=[1, 2], context={"factor": 1})

write(__file__)
