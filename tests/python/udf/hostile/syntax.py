def apply_datacube(cube, context:
    return cube
# error: line 1
