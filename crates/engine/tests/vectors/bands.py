"""Bands: `ndvi`, `filter_bands`, `filter_labels`."""

import numpy as np

from encoding import axis, callback, cube, vector, write


def ndvi():
    def dims(*names):
        return {
            "bands": {"type": "bands", "labels": list(names)},
            "y": axis(5000095.0, -10.0, 2, "y"),
            "x": axis(500005.0, 10.0, 3, "x"),
        }

    def without_bands(dims):
        return {k: v for k, v in dims.items() if k != "bands"}

    red = np.array([[100, 200, 0], [5, 65535, 7]])
    nir = np.array([[300, 200, 0], [0, 10, 65535]])
    green = np.array([[1, 2, 3], [4, 5, 6]])
    names = [{"common_name": "red"}, {"common_name": "green"}, {"common_name": "nir"}]
    own = dims("B04", "B03", "B08")
    data = cube([red, green, nir], own, dtype="uint16", bands=names, nodata=65535)
    with np.errstate(invalid="ignore"):
        index = (nir - red) / (nir + red)
    gone = (red == 65535) | (nir == 65535)
    plain = cube(index, without_bands(own), missing=gone)
    vector("ndvi", {"data": data}, plain, delta=1e-6)
    vector("ndvi", {"data": data, "nir": "B08", "red": "red"}, plain, delta=1e-6)
    all_bands = np.stack([red, green, nir, index])
    missing = np.stack([red == 65535, green == 65535, nir == 65535, gone])
    wide = cube(all_bands, dims("B04", "B03", "B08", "ndvi"), missing=missing)
    vector("ndvi", {"data": data, "target_band": "ndvi"}, wide, delta=1e-6)
    vector("ndvi", {"data": data, "target_band": "B03"}, throws="BandExists")
    vector("ndvi", {"data": data, "nir": "B8A"}, throws="NirBandAmbiguous")
    vector("ndvi", {"data": data, "red": "B99"}, throws="RedBandAmbiguous")
    twice = [{"common_name": "red"}, {"common_name": "nir"}, {"common_name": "nir"}]
    ambiguous = cube([red, green, nir], own, dtype="uint16", bands=twice)
    vector("ndvi", {"data": ambiguous}, throws="NirBandAmbiguous")
    vector("ndvi", {"data": plain}, throws="DimensionAmbiguous")
    # Doubles stay doubles.
    fine = cube([red / 7, green / 7, nir / 7], own, dtype="float64", bands=names)
    with np.errstate(invalid="ignore"):
        exact = (nir / 7 - red / 7) / (nir / 7 + red / 7)
    vector("ndvi", {"data": fine}, cube(exact, without_bands(own)))


def filters():
    dims = {"bands": {"type": "bands", "labels": ["B02", "B04", "B08"]}, "x": axis(500005.0, 10.0, 2, "x")}
    bands = [
        {"common_name": "blue", "center_wavelength": 0.49},
        {"common_name": "red", "center_wavelength": 0.665},
        {"common_name": "nir", "center_wavelength": 0.842},
    ]
    values = np.arange(6).reshape(3, 2)
    gone = values % 4 == 1
    data = cube(values, dims, bands=bands, missing=gone)

    def kept(rows):
        own = dict(dims, bands={"type": "bands", "labels": [dims["bands"]["labels"][i] for i in rows]})
        return cube(values[rows], own, missing=gone[rows])

    vector("filter_bands", {"data": data, "wavelengths": [[0.6, 0.9]]}, kept([1, 2]))
    vector("filter_bands", {"data": data, "bands": ["B08", "blue"]}, kept([2, 0]))
    # Unknown names are passed over.
    vector("filter_bands", {"data": data, "bands": ["B99", "red"]}, kept([1]))
    vector("filter_bands", {"data": data, "bands": ["B02", "blue", "B02"]}, kept([0]))
    # A name comes before a common name.
    crossed = cube(values, dims, bands=[{"common_name": "B04"}, {"common_name": "red"}, {}], missing=gone)
    vector("filter_bands", {"data": crossed, "bands": ["B04"]}, kept([1]))
    vector("filter_bands", {"data": data}, throws="BandFilterParameterMissing")
    vector("filter_bands", {"data": data, "bands": [], "wavelengths": []}, throws="BandFilterParameterMissing")
    line = cube(values[0], {"x": dims["x"]}, missing=gone[0])
    vector("filter_bands", {"data": line, "bands": ["B02"]}, throws="DimensionMissing")
    vector("filter_bands", {"data": data, "wavelengths": [[0.6]]}, throws="ProcessParameterInvalid")
    vector("filter_bands", {"data": data, "wavelengths": [[0.8, 0.9], [0.4, 0.7]]}, kept([2, 0, 1]))
    vector("filter_bands", {"data": data, "bands": ["nir"], "wavelengths": [[0.4, 0.9]]}, kept([2, 0, 1]))
    for condition, rows in [
        (callback("eq", x={"from_parameter": "value"}, y="B04"), [1]),
        (callback("neq", x={"from_parameter": "value"}, y="B04"), [0, 2]),
        (callback("eq", x={"from_parameter": "value"}, y=1), []),
    ]:
        arguments = {"data": data, "dimension": "bands", "condition": condition}
        vector("filter_labels", arguments, kept(rows))
    condition = callback("gt", x={"from_parameter": "value"}, y=500010)
    east = dict(dims, x=axis(500015.0, 10.0, 1, "x"))
    arguments = {"data": data, "dimension": "x", "condition": condition}
    vector("filter_labels", arguments, cube(values[:, 1:], east, missing=gone[:, 1:]))
    arguments = {"data": data, "dimension": "t", "condition": condition}
    vector("filter_labels", arguments, throws="DimensionNotAvailable")


ndvi()
filters()
write(__file__)
