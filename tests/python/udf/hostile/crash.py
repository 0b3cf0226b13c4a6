# error: crashed \(signal 11\)
import ctypes

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    ctypes.string_at(8)
    return cube
