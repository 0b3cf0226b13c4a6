# error: took longer than
import os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    while True:
        os.write(2, b"x" * 65536)
