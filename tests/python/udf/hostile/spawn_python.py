# error: PermissionError
import os, sys

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    os.execv(sys.executable, [sys.executable, "-c", "print(1)"])
