# error: none of the functions
def something_else(cube):
    return cube
