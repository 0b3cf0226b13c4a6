# error: type object
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return cube.astype(object)
