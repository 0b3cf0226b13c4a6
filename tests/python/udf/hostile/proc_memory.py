# error: PermissionError
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return cube + len(open("/proc/self/maps", "rb").read())
