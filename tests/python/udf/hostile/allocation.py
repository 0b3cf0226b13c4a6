# error: MemoryError
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return cube + numpy.ones(100 << 27).sum()
