# error: took longer|closed the pipe
import os, time

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    os.closerange(0, 64)
    time.sleep(10_000)
