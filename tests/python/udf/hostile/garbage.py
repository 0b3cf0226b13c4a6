# error: no result
import os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    for number in range(3, 64):
        try:
            os.write(number, b"garbage" * 1000)
        except OSError:
            pass
    return cube
