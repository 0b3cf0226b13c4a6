# error: failed
import builtins

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    for name in ("len", "str", "list", "isinstance", "getattr", "open", "memoryview", "range", "sorted", "map"):
        setattr(builtins, name, None)
    return cube
