"""Sources and sinks: `load_collection`, `save_result`."""

import numpy as np

from encoding import axis, cube, vector, write


def loading():
    def load(extent=None, time=None, **other):
        return {"id": "none", "spatial_extent": extent, "temporal_extent": time, **other}

    vector("load_collection", load(), throws="CollectionNotFound")
    vector("load_collection", load(time=["2020-01-02", "2020-01-01"]), throws="TemporalExtentEmpty")
    vector("load_collection", load(time=["soon", None]), throws="ProcessParameterInvalid")
    point = {"type": "Point", "coordinates": [10, 50]}
    vector("load_collection", load(point), throws="ProcessParameterInvalid")
    square = {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 2], [1, 1]]]}
    vector("load_collection", load(square), throws="CollectionNotFound")
    open_ring = {"type": "Polygon", "coordinates": [[[1, 1], [2, 1], [2, 2], [1, 2]]]}
    vector("load_collection", load(open_ring), throws="ProcessParameterInvalid")
    box = {"west": 1, "south": 3, "east": 2, "north": 2}
    vector("load_collection", load(box), throws="ProcessParameterInvalid")
    vector("load_collection", load(bands=[]), throws="ProcessParameterInvalid")
    dims = {"x": axis(500005.0, 10.0, 2, "x")}
    data = cube(np.array([1.5, np.nan]), dims)
    vector("save_result", {"data": data, "format": "gtiff"}, data)
    vector("save_result", {"data": data, "format": 7}, throws="ProcessParameterInvalid")


def results():
    vector("load_result", {"id": 7}, throws="ProcessParameterInvalid")
    vector("load_result", {"id": None}, throws="ProcessParameterInvalid")
    vector("load_result", {}, throws="ProcessParameterRequired")
    later = {"id": "job", "temporal_extent": ["2020-01-02", "2020-01-01"]}
    vector("load_result", later, throws="TemporalExtentEmpty")
    vector("load_result", {"id": "job", "bands": []}, throws="ProcessParameterInvalid")
    vector("load_result", {"id": "job", "properties": {}}, throws="ProcessParameterUnsupported")


loading()
results()
write(__file__)
