# error: took longer than
import signal

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    for number in range(1, 65):
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    while True:
        pass
