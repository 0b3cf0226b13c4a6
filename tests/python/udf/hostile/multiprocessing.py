# error: PermissionError|OSError
import multiprocessing

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(abs, range(10))
    return cube
