# error: ValueError|OSError|PermissionError
import resource

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return cube
