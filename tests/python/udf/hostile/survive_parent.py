# error: refused
import ctypes

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(1, 0, 0, 0, 0) != 0:
        raise RuntimeError(f"refused {ctypes.get_errno()}")
    return cube
