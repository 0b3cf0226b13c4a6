# error: SystemExit
import sys

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    sys.exit(0)
