# error: PermissionError
import os, signal

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    os.killpg(0, signal.SIGKILL)
    return cube
