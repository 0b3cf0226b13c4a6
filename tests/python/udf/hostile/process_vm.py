# error: refused 1
import ctypes, os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    library = ctypes.CDLL(None, use_errno=True)
    if library.process_vm_readv(os.getppid(), None, 0, None, 0, 0) != 0:
        raise RuntimeError(f"refused {ctypes.get_errno()}")
    return cube
