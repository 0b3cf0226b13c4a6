# error: PermissionError
import socket

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    socket.create_connection(("127.0.0.1", 80), timeout=2)
    return cube
