# error: exit code 7
import os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    os._exit(7)
