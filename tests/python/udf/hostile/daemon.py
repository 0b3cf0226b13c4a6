# error: PermissionError|OSError
import os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    if os.fork() == 0:
        os.setsid()
    return cube
