# error: PermissionError
import os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    number = os.memfd_create("program")
    os.write(number, open("/bin/true", "rb").read())
    os.execve(number, ["true"], {})
