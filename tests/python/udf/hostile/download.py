# error: PermissionError|URLError|gaierror
import urllib.request

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    urllib.request.urlopen("http://127.0.0.1:1/", timeout=5)
    return cube
