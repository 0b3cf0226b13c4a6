# error: killed \(signal 9\)
import os, signal

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    os.kill(os.getpid(), signal.SIGKILL)
    return cube
