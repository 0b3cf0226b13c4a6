"""Process graphs."""


def node(process_id, result=False, **arguments):
    made = {"process_id": process_id, "arguments": arguments}
    return {**made, "result": True} if result else made


def of(name):
    return {"from_node": name}


def parameter(name):
    return {"from_parameter": name}


def graph(**nodes):
    return {"process_graph": nodes}


def reducer(process_id, **arguments):
    return graph(only=node(process_id, result=True, data=parameter("data"), **arguments))


def load(collection, **arguments):
    given = {"spatial_extent": None, "temporal_extent": None, **arguments}
    return node("load_collection", id=collection, **given)


def save(data, format, **options):
    return node("save_result", result=True, data=of(data), format=format, options=options)


def whole(collection, format="netCDF", **arguments):
    return graph(load=load(collection, **arguments), save=save("load", format))


def ndvi_maximum(collection, format="GTiff", **options):
    """The largest NDVI of all dates; bands are found by their common names."""
    return graph(
        load=load(collection),
        ndvi=node("ndvi", data=of("load")),
        max=node("reduce_dimension", data=of("ndvi"), dimension="t", reducer=reducer("max")),
        save=save("max", format, **options),
    )
