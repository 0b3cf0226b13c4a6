# error: took longer than
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    while True:
        print("x" * 10_000)
