# error: failed
import json

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    json.dumps = lambda *_: "[" * 100_000
    return cube
