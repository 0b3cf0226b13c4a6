# error: no result|took longer
import os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    while True:
        for number in range(3, 64):
            try:
                os.write(number, b"EUDF" + b"\xff" * 12)
            except OSError:
                pass
