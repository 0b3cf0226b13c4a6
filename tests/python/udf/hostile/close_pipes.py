# error: ended before|closed the pipe
import os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    os.closerange(0, 64)
    return cube
