# error: MemoryError
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    kept = []
    while True:
        kept.append(bytearray(8 << 20))
