# error: KeyError in line 6
def inner(cube):
    # The line that fails is the next one.
    # It is the sixth of the file.

    raise KeyError("B99")

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    return inner(cube)
