# error: PermissionError
import socket

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    socket.socketpair()
    return cube
