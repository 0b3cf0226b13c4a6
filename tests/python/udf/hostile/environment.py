# error: names: \[\]
import os

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    own = ("LANG", "LC_CTYPE", "TZ", "HOME", "TMPDIR", "PYTHON", "OMP_", "OPENBLAS_", "MKL_", "NUMEXPR_", "MALLOC_")
    raise RuntimeError(f"names: {[name for name in os.environ if not name.startswith(own)]}")
