# error: refused
import ctypes, os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    library = ctypes.CDLL(None, use_errno=True)
    limit = (ctypes.c_ulong * 2)(0, 0)
    if library.prlimit(os.getppid(), 7, ctypes.byref(limit), None) != 0:
        raise RuntimeError(f"refused {ctypes.get_errno()}")
    return cube
