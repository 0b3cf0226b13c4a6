# error: MemoryError
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return xarray.DataArray(numpy.broadcast_to(numpy.float32(1), (1 << 20, 1 << 20)), dims=["y", "x"])
