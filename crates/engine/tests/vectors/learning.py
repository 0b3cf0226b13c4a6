"""Random forests and looking at values: trees that stand here are walked by numpy, and forests of samples that are all
alike are what every tree of them must be."""

import numpy as np

from encoding import NODATA, axis, bands, cube, times, vector, write


def leaf(*values):
    return {"feature": [-1], "threshold": [0.0], "left": [0], "right": [0], "value": [list(values)]}


def stump(feature, threshold, left, right):
    return {
        "feature": [feature, -1, -1],
        "threshold": [threshold, 0.0, 0.0],
        "left": [1, 0, 0],
        "right": [2, 0, 0],
        "value": [None, left, right],
    }


def forest(task, features, trees, classes=None):
    out = {"format": "eolith-forest", "version": 1, "task": task, "features": features, "trees": trees}
    return out | ({"classes": classes} if classes else {})


def walked(tree, sample):
    node = 0
    while tree["feature"][node] >= 0:
        left = sample[tree["feature"][node]] <= tree["threshold"][node]
        node = tree["left" if left else "right"][node]
    return np.array(tree["value"][node])


def predicted(model, samples):
    """The mean of the trees, or the class with the largest one; NaN where a feature is missing."""
    found = []
    for sample in samples:
        if np.isnan(sample).any():
            found.append(np.nan)
            continue
        mean = np.mean([walked(tree, sample) for tree in model["trees"]], axis=0)
        found.append(model["classes"][int(mean.argmax())] if "classes" in model else mean[0])
    return np.array(found, float)


# ml_predict
places = {"x": axis(500005.0, 10.0, 5, "x")}
predictions = {"predictions": {"type": "other", "labels": [0]}}
samples = np.array([[1.0, 8.0], [2.0, 9.0], [3.0, 1.0], [4.0, np.nan], [2.0, 5.0]])
two = {"x": places["x"], "bands": bands("B04", "B08")}
data = cube(samples, two, missing=np.isnan(samples))
heights = forest(
    "regression",
    ["B04", "B08"],
    [stump(0, 2.0, [10.0], [20.0]), stump(1, 5.0, [1.0], [4.0]), leaf(7.0)],
)
kinds = forest(
    "classification",
    ["B04", "B08"],
    [stump(0, 2.0, [1.0, 0.0, 0.0], [0.0, 0.25, 0.75]), stump(1, 5.0, [0.0, 1.0, 0.0], [0.5, 0.0, 0.5])],
    [1, 4, 9],
)
for model in (heights, kinds):
    expected = predicted(model, samples)
    returns = cube(expected[:, None], places | predictions, missing=np.isnan(expected)[:, None])
    vector("ml_predict", {"data": data, "model": model, "dimensions": ["bands"]}, returns)

# Two dimensions at once: the labels of the last one vary fastest.
deep = np.arange(20, dtype=float).reshape(5, 2, 2)
dims = {"x": places["x"], "t": times("2020-01-01", "2020-02-01"), "bands": bands("B04", "B08")}
names = ["t0.B04", "t0.B08", "t1.B04", "t1.B08"]
four = forest("regression", names, [stump(2, 10.0, [1.0], [2.0]), stump(1, 4.5, [8.0], [16.0])])
expected = predicted(four, deep.reshape(5, 4))
returns = cube(expected[:, None], places | predictions)
vector("ml_predict", {"data": cube(deep, dims), "model": four, "dimensions": ["t", "bands"]}, returns)

# No dimension: a value is a sample.
line = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
one = forest("regression", ["value"], [stump(0, 3.0, [0.5], [1.5])])
returns = cube(predicted(one, line[:, None])[:, None], places | predictions)
vector("ml_predict", {"data": cube(line, places), "model": one, "dimensions": []}, returns)

wrong = {"data": data, "model": heights, "dimensions": ["t"]}
vector("ml_predict", wrong, throws="DimensionNotAvailable")
wrong = {"data": data, "model": one, "dimensions": ["bands"]}
vector("ml_predict", wrong, throws="ProcessParameterInvalid")
wrong = {"data": data, "model": {"format": "pickle"}, "dimensions": ["bands"]}
vector("ml_predict", wrong, throws="ProcessParameterInvalid")


def points(n):
    features = [
        {"type": "Feature", "id": f"p{i}", "properties": {}, "geometry": {"type": "Point", "coordinates": [i, 0]}}
        for i in range(n)
    ]
    return {"type": "geometry", "features": {"type": "FeatureCollection", "features": features}}


def sites(values, missing=None):
    return given({"geometry": points(len(values))}, np.asarray(values, float), missing)


def given(dims, values, missing=None):
    flat = [NODATA if missing is not None and missing.ravel()[i] else float(v) for i, v in enumerate(values.ravel())]
    return {"@": "datacube", "dims": list(dims), "dimensions": dims, "shape": list(values.shape), "values": flat}


# Training: a target that is the same everywhere makes every tree one leaf, whatever is drawn.
rows = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]])
known = given({"geometry": points(4), "bands": bands("B04", "B08")}, rows)
gone = np.array([[False, False], [False, True], [False, False], [False, False]])
holes = given({"geometry": points(4), "bands": bands("B04", "B08")}, rows, gone)
for process, model in (
    ("ml_fit_regr_random_forest", lambda value, n: forest("regression", ["B04", "B08"], [leaf(value)] * n)),
    (
        "ml_fit_class_random_forest",
        lambda value, n: forest("classification", ["B04", "B08"], [leaf(1.0)] * n, [value]),
    ),
):

    def fit(predictors=known, target=None, max_variables="all", **more):
        target = sites([2.5] * 4) if target is None else target
        return {"predictors": predictors, "target": target, "max_variables": max_variables} | more

    vector(process, fit(num_trees=3, seed=1), model(2.5, 3))
    vector(process, fit(num_trees=2, max_variables=1), model(2.5, 2))
    # A site without a predictor, and one without a target, are not learnt from.
    target = sites([2.5, 9.0, 2.5, 7.0], np.array([False, False, False, True]))
    vector(process, fit(holes, target, "sqrt", num_trees=2), model(2.5, 2))
    nothing = sites([0.0] * 4, np.ones(4, bool))
    vector(process, fit(target=nothing), throws="ProcessParameterInvalid")
    vector(process, fit(max_variables=3), throws="ProcessParameterInvalid")
    vector(process, fit(max_variables="half"), throws="ProcessParameterInvalid")
    vector(process, fit(num_trees=0), throws="ProcessParameterInvalid")
    vector(process, fit(predictors=sites([1.0] * 4)), throws="ProcessParameterInvalid")

# save_ml_model: a graph of one process has no place for files; it says whether it would be saved.
vector("save_ml_model", {"data": heights, "name": "heights", "tasks": ["regression"]}, True)
vector("save_ml_model", {"data": kinds, "name": "kinds of 2020", "tasks": ["classification"], "options": {}}, True)
vector("save_ml_model", {"data": kinds, "name": "kinds", "tasks": []}, True)
vector("save_ml_model", {"data": kinds, "name": "kinds", "tasks": ["regression"]}, throws="ProcessParameterInvalid")
vector("save_ml_model", {"data": kinds, "name": "../kinds", "tasks": []}, throws="ProcessParameterInvalid")
vector("save_ml_model", {"data": NODATA, "name": "none", "tasks": []}, throws="ProcessParameterInvalid")

# load_ml_model: nothing can be loaded where there are no files.
vector("load_ml_model", {"uri": 7}, throws="ProcessParameterInvalid")
vector("load_ml_model", {"uri": NODATA}, throws="ProcessParameterInvalid")
vector("load_ml_model", {"uri": ["model.json"]}, throws="ProcessParameterInvalid")
vector("load_ml_model", {}, throws="ProcessParameterRequired")
vector("load_ml_model", {"uri": "model.json", "version": 1}, throws="ProcessParameterUnsupported")

# inspect gives back what it gets.
for value in (3, 2.5, "text", NODATA, [1, NODATA, 3], True):
    vector("inspect", {"data": value, "message": "seen", "level": "debug"}, value)
vector("inspect", {"data": data}, data)
vector("inspect", {"data": 1, "level": "loud"}, throws="ProcessParameterInvalid")

write(__file__)
