"""The names of `openeo.udf` and `openeo.metadata`, for Pythons that do not have the package.

Part of one script with `worker.py`, in front of it.
"""

import importlib.util
import logging
import sys

import xarray


class XarrayDataCube:
    """A data cube: an array with named dimensions."""

    def __init__(self, array):
        if not isinstance(array, xarray.DataArray):
            raise TypeError(f"XarrayDataCube takes an xarray.DataArray, not {type(array).__name__}")
        self._array = array

    @property
    def array(self):
        return self._array

    @property
    def id(self):
        return self._array.name

    def get_array(self):
        return self._array

    def to_dict(self):
        return {"id": self.id, **self._array.to_dict()}

    @classmethod
    def from_dict(cls, given):
        return cls(xarray.DataArray.from_dict({k: v for k, v in given.items() if k != "id"}))

    def __repr__(self):
        return f"XarrayDataCube({self._array!r})"


class StructuredData:
    """A table, list or dictionary beside the pixels."""

    def __init__(self, data, description=None, type=None):
        self.data = data
        self.type = type or {list: "list", dict: "dict"}.get(data.__class__, "value")
        self.description = description or self.type

    def to_dict(self):
        return {"data": self.data, "description": self.description, "type": self.type}


class FeatureCollection:
    """Geometries with an id, a geopandas.GeoDataFrame."""

    def __init__(self, id, data, start_times=None, end_times=None):
        self.id = id
        self.data = data
        self.start_times = start_times
        self.end_times = end_times


class UdfData:
    """Everything one call gets, and gives back."""

    def __init__(
        self,
        proj=None,
        datacube_list=None,
        feature_collection_list=None,
        structured_data_list=None,
        user_context=None,
    ):
        self.proj = proj
        self._cubes = datacube_list
        self._features = feature_collection_list
        self._structured = structured_data_list
        self._user_context = user_context or {}
        self._server_context = {}

    user_context = property(lambda self: self._user_context)
    server_context = property(lambda self: self._server_context)

    def get_datacube_list(self):
        return self._cubes

    def set_datacube_list(self, cubes):
        self._cubes = cubes

    def del_datacube_list(self):
        self._cubes = None

    def get_feature_collection_list(self):
        return self._features

    def set_feature_collection_list(self, features):
        self._features = features

    def del_feature_collection_list(self):
        self._features = None

    def get_structured_data_list(self):
        return self._structured

    def set_structured_data_list(self, structured):
        self._structured = structured

    def del_structured_data_list(self):
        self._structured = None

    datacube_list = property(get_datacube_list, set_datacube_list, del_datacube_list)
    feature_collection_list = property(
        get_feature_collection_list, set_feature_collection_list, del_feature_collection_list
    )
    structured_data_list = property(get_structured_data_list, set_structured_data_list, del_structured_data_list)


def inspected(data=None, message="", code="User", level="info"):
    """`openeo.udf.inspect`: a line in the log."""
    shown = "" if data is None else f" {data!r}"
    logging.getLogger("udf").log(logging.getLevelName(level.upper()), "%s: %s%s", code, message, shown)


class Band:
    def __init__(self, name, common_name=None):
        self.name = name
        self.common_name = common_name


class Dimension:
    def __init__(self, name, type, labels=None):
        self.name = name
        self.type = type
        self.labels = labels

    @property
    def bands(self):
        return [Band(str(name)) for name in self.labels or []]

    @property
    def band_names(self):
        return [band.name for band in self.bands]

    def rename(self, name):
        return Dimension(name, self.type, self.labels)


class CubeMetadata:
    """Names and labels of a cube's dimensions, for `apply_metadata`."""

    def __init__(self, dimensions=None):
        self._dimensions = list(dimensions or [])

    def dimension_names(self):
        return [dimension.name for dimension in self._dimensions]

    @property
    def band_dimension(self):
        return next(dimension for dimension in self._dimensions if dimension.type == "bands")

    @property
    def temporal_dimension(self):
        return next(dimension for dimension in self._dimensions if dimension.type == "temporal")

    @property
    def bands(self):
        return self.band_dimension.bands

    @property
    def band_names(self):
        return self.band_dimension.band_names

    def has_band_dimension(self):
        return any(dimension.type == "bands" for dimension in self._dimensions)

    def has_temporal_dimension(self):
        return any(dimension.type == "temporal" for dimension in self._dimensions)

    def _changed(self, name, change):
        if name not in self.dimension_names():
            raise ValueError(f"there is no dimension {name!r} among {self.dimension_names()}")
        return CubeMetadata([change(own) if own.name == name else own for own in self._dimensions])

    def rename_labels(self, dimension, target, source=None):
        def change(own):
            labels = list(own.labels or [])
            if source:
                new = dict(zip(source, target))
                labels = [new.get(label, label) for label in labels]
            else:
                labels[: len(target)] = target
                labels = labels if source is None and len(target) < len(own.labels or []) else list(target)
            return Dimension(own.name, own.type, labels)

        return self._changed(dimension, change)

    def rename_dimension(self, source, target):
        return self._changed(source, lambda own: own.rename(target))

    def reduce_dimension(self, dimension_name):
        return self.drop_dimension(dimension_name)

    def drop_dimension(self, name):
        self._changed(name, lambda own: own)
        return CubeMetadata([own for own in self._dimensions if own.name != name])

    def add_dimension(self, name, label, type=None):
        return CubeMetadata([*self._dimensions, Dimension(name, type or "other", [label])])

    def append_band(self, band):
        name = getattr(band, "name", band)
        own = self.band_dimension
        return self._changed(own.name, lambda own: Dimension(own.name, own.type, [*own.labels, name]))

    def filter_bands(self, bands):
        own = self.band_dimension
        return self._changed(own.name, lambda own: Dimension(own.name, own.type, list(bands)))


class Stand:
    """Finds modules of `openeo` where nothing else does."""

    NAMES = {
        "openeo": {},
        "openeo.udf": {
            "XarrayDataCube": XarrayDataCube,
            "UdfData": UdfData,
            "StructuredData": StructuredData,
            "FeatureCollection": FeatureCollection,
            "inspect": inspected,
        },
        "openeo.udf.xarraydatacube": {"XarrayDataCube": XarrayDataCube},
        "openeo.udf.udf_data": {"UdfData": UdfData},
        "openeo.udf.structured_data": {"StructuredData": StructuredData},
        "openeo.udf.feature_collection": {"FeatureCollection": FeatureCollection},
        "openeo.udf.debug": {"inspect": inspected},
        "openeo.metadata": {
            "CubeMetadata": CubeMetadata,
            "CollectionMetadata": CubeMetadata,
            "Band": Band,
            "Dimension": Dimension,
        },
    }

    def find_spec(self, name, path=None, target=None):
        if name not in self.NAMES:
            return None
        return importlib.util.spec_from_loader(name, self, is_package=name in ("openeo", "openeo.udf"))

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        vars(module).update(self.NAMES[module.__name__])


def offered(module, name, own):
    """The class of the user's library if the function has loaded one, else ours."""
    return getattr(sys.modules.get(module), name, own)
