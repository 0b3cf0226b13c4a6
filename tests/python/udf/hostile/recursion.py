# error: RecursionError
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return apply_datacube(cube, context)
