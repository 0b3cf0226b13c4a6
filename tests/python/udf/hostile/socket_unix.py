# error: PermissionError
import socket

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    socket.socket(socket.AF_UNIX).connect("/run/docker.sock")
    return cube
