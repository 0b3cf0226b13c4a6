# error: File too large
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    with open("big.bin", "wb") as file:
        file.truncate(1 << 40)
    return cube
