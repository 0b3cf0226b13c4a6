# error: PermissionError|cross-device|OSError
import os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    os.link("/etc/passwd", "mine")
    return cube + len(open("mine").read())
