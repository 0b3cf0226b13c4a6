# error: crashed|RecursionError|MemoryError|killed|longer
import sys

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    sys.setrecursionlimit(1 << 30)
    deep = []
    for _ in range(1_000_000):
        deep = [deep]
    return cube + len(repr(deep)) + apply_datacube(cube, context)
