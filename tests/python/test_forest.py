"""Random forests beside scikit-learn: the same trees predict the same, and forests of our own learn as well."""

import json

import numpy as np
import pytest

from binary import eolith

ensemble = pytest.importorskip("sklearn.ensemble")
datasets = pytest.importorskip("sklearn.datasets")


def ask(process, **arguments):
    request = json.dumps({"id": 1, "process_id": process, "arguments": arguments})
    done = eolith("eval", stdin=request + "\n")
    answer = json.loads(done.stdout)
    assert "error" not in answer, answer
    return answer["result"]


def cube(values):
    """Samples along x, features along bands."""
    n, features = values.shape
    dims = {
        "x": {"type": "spatial", "axis": "x", "labels": [float(i) for i in range(n)]},
        "bands": {"type": "bands", "labels": [f"f{i}" for i in range(features)]},
    }
    flat = [float(v) for v in values.ravel()]
    return {"@": "datacube", "dims": list(dims), "dimensions": dims, "shape": [n, features], "values": flat}


def sites(values):
    """The same with a point for each sample."""
    points = [
        {"type": "Feature", "id": i, "properties": {}, "geometry": {"type": "Point", "coordinates": [0, 0]}}
        for i in range(len(values))
    ]
    dims = {"geometry": {"type": "geometry", "features": {"type": "FeatureCollection", "features": points}}}
    if values.ndim == 2:
        dims["bands"] = {"type": "bands", "labels": [f"f{i}" for i in range(values.shape[1])]}
    flat = [float(v) for v in values.ravel()]
    return {"@": "datacube", "dims": list(dims), "dimensions": dims, "shape": list(values.shape), "values": flat}


def exported(forest, features, classes=None):
    """A forest of scikit-learn in our format."""
    trees = []
    for estimator in forest.estimators_:
        tree = estimator.tree_
        is_leaf = tree.children_left < 0
        values = [None] * tree.node_count
        for node in np.flatnonzero(is_leaf):
            value = tree.value[node][0]
            values[node] = (value / value.sum() if classes is not None else value).tolist()
        trees.append(
            {
                "feature": np.where(is_leaf, -1, tree.feature).tolist(),
                "threshold": np.where(is_leaf, 0.0, tree.threshold).tolist(),
                "left": np.where(is_leaf, 0, tree.children_left).tolist(),
                "right": np.where(is_leaf, 0, tree.children_right).tolist(),
                "value": values,
            }
        )
    task = "regression" if classes is None else "classification"
    model = {"format": "eolith-forest", "version": 1, "task": task, "features": features, "trees": trees}
    return model | ({} if classes is None else {"classes": classes})


def predict(model, samples):
    return np.array(ask("ml_predict", data=cube(samples), model=model, dimensions=["bands"])["values"], float)


def blobs(classes, seed):
    """Classes that overlap; features are rounded to what scikit-learn computes with."""
    samples, target = datasets.make_classification(
        1200, 6, n_informative=4, n_redundant=1, n_classes=classes, class_sep=1.2, random_state=seed
    )
    return samples.astype("f4").astype("f8"), target


def test_classes_of_the_same_trees_are_the_same():
    samples, target = blobs(3, 1)
    forest = ensemble.RandomForestClassifier(15, max_depth=6, random_state=1).fit(samples[:800], target[:800])
    model = exported(forest, [f"f{i}" for i in range(6)], [float(c) for c in forest.classes_])
    assert (predict(model, samples[800:]) == forest.predict(samples[800:])).all()


def test_numbers_of_the_same_trees_are_the_same():
    samples, target = datasets.make_friedman1(900, 6, noise=1.0, random_state=2)
    samples = samples.astype("f4").astype("f8")
    forest = ensemble.RandomForestRegressor(15, max_depth=8, random_state=1).fit(samples[:600], target[:600])
    found = predict(exported(forest, [f"f{i}" for i in range(6)]), samples[600:])
    np.testing.assert_allclose(found, forest.predict(samples[600:]), rtol=1e-13)


@pytest.mark.parametrize("classes", [2, 4])
def test_classes_are_learnt_as_well(classes):
    ours, theirs = [], []
    for seed in range(3):
        samples, target = blobs(classes, 10 + seed)
        train, test = slice(0, 800), slice(800, None)
        fit = {"predictors": sites(samples[train]), "target": sites(target[train].astype(float))}
        model = ask("ml_fit_class_random_forest", **fit, max_variables="sqrt", num_trees=60, seed=seed)
        ours.append((predict(model, samples[test]) == target[test]).mean())
        forest = ensemble.RandomForestClassifier(60, max_features="sqrt", random_state=seed)
        theirs.append(forest.fit(samples[train], target[train]).score(samples[test], target[test]))
    # Both are one draw of many: 1200 predictions have a standard error of one per cent.
    assert abs(np.mean(ours) - np.mean(theirs)) < 0.025, (ours, theirs)


def test_numbers_are_learnt_as_well():
    ours, theirs = [], []
    for seed in range(3):
        samples, target = datasets.make_friedman1(900, 6, noise=1.0, random_state=20 + seed)
        train, test = slice(0, 600), slice(600, None)
        fit = {"predictors": sites(samples[train]), "target": sites(target[train])}
        model = ask("ml_fit_regr_random_forest", **fit, max_variables="onethird", num_trees=60, seed=seed)
        error = predict(model, samples[test]) - target[test]
        ours.append((error**2).mean() ** 0.5)
        forest = ensemble.RandomForestRegressor(60, max_features=2, random_state=seed)
        error = forest.fit(samples[train], target[train]).predict(samples[test]) - target[test]
        theirs.append((error**2).mean() ** 0.5)
    assert abs(np.mean(ours) / np.mean(theirs) - 1) < 0.05, (ours, theirs)
