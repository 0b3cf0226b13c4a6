# error: can't start new thread|MemoryError
import threading, time

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    for _ in range(100_000):
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
    return cube
