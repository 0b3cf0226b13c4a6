# error: took longer than
import os, signal

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    os.kill(os.getpid(), signal.SIGSTOP)
    return cube
