# error: PermissionError
import os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    with open("program", "w") as file:
        file.write("#!/bin/sh\nid\n")
    os.chmod("program", 0o755)
    os.execv("./program", ["program"])
