# error: PermissionError
import os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    os.symlink("/etc", "link")
    return cube + len(open("link/passwd").read())
