# error: PermissionError
import os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return cube + len(os.listdir("/root"))
