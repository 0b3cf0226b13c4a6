# error: temporary folder|File too large|OSError
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    number = 0
    while True:
        number += 1
        with open(f"{number}.bin", "wb") as file:
            file.write(bytes(8 << 20))
