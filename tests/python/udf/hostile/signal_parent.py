# error: PermissionError|ProcessLookupError
import os, signal

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    os.kill(os.getppid(), signal.SIGKILL)
    return cube
