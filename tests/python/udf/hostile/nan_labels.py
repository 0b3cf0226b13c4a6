# error: dimension|label
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    many = numpy.full(3, numpy.nan)
    return xarray.DataArray(numpy.zeros((3, 3)), dims=["a", "b"], coords={"a": many, "b": many})
