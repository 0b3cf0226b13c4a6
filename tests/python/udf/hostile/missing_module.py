# error: ModuleNotFoundError
import nothing_of_this_name

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return cube
