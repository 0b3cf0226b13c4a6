# error: PermissionError|OSError|FileNotFoundError
import subprocess

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    subprocess.run(["/bin/sh", "-c", "id"], check=True)
    return cube
