# error: PermissionError
import os, signal

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    os.kill(-1, signal.SIGKILL)
    return cube
