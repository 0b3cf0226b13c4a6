# error: MemoryError|returned the dimensions
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return xarray.DataArray(numpy.zeros((1 << 20, 1 << 20), "f8"), dims=["y", "x"])
