# error: PermissionError
import numpy

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    open(numpy.__file__, "a").write("raise SystemExit\n")
    return cube
