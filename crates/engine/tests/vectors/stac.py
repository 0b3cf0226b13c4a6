"""STAC resources: `stac_modify` is RFC 7386, whose algorithm stands here; what is exported needs a run."""

from encoding import NODATA, vector, write


def patched(target, patch):
    """The algorithm of RFC 7386, section 2."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = patched(target.get(name), value)
    return target


item = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "id": "ndvi",
    "geometry": None,
    "properties": {"datetime": "2020-01-01", "title": "NDVI", "gsd": 10, "keywords": ["a", "b"]},
    "links": [],
    "assets": {"data": {"href": "./ndvi.tif", "roles": ["data"]}},
}
for changes in (
    {},
    {"id": "other", "properties": {"title": "Greenness"}},
    {"properties": {"gsd": None, "missing": None}},
    {"properties": {"keywords": ["c"]}, "assets": {"data": {"title": "Pixels"}}},
    {"properties": {"nested": {"a": {"b": 1}}}, "links": [{"rel": "self", "href": "x"}]},
    {"assets": None, "geometry": {"type": "Point", "coordinates": [0, 0]}},
):
    vector("stac_modify", {"data": item, "changes": changes}, patched(item, changes))
vector("stac_modify", {"data": item, "changes": "title"}, throws="ProcessParameterInvalid")
vector("stac_modify", {"data": 7, "changes": {}}, throws="ProcessParameterInvalid")
vector("stac_modify", {"data": item, "changes": NODATA}, throws="ProcessParameterInvalid")

# Only resources that the same graph makes can be exported: tests over files show what becomes of them.
vector("export_workspace", {"data": item, "workspace": "mine"}, throws="ProcessParameterInvalid")
vector("export_workspace", {"data": item, "workspace": "a/b"}, throws="ProcessParameterInvalid")
vector("export_workspace", {"data": item, "workspace": "mine", "merge": "/"}, throws="ProcessParameterInvalid")
vector("export_workspace", {"data": NODATA, "workspace": "mine"}, throws="ProcessParameterInvalid")
vector("export_workspace", {"data": item}, throws="ProcessParameterRequired")

vector("export_collection", {"data": item, "collection": "mine"}, throws="ProcessParameterInvalid")
vector("export_collection", {"data": item, "collection": "a b"}, throws="ProcessParameterInvalid")
vector("export_collection", {"data": item, "collection": 7}, throws="ProcessParameterInvalid")
vector("export_collection", {"data": NODATA, "collection": "mine"}, throws="ProcessParameterInvalid")
vector("export_collection", {"data": item}, throws="ProcessParameterRequired")

write(__file__)
