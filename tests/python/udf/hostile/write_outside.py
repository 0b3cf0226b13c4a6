# error: PermissionError
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    open("/tmp/eolith-was-here", "w").write("x")
    return cube
