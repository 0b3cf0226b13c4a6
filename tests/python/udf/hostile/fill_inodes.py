# error: temporary folder
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    number = 0
    while True:
        number += 1
        open(f"{number}.txt", "w").close()
