//! The schema of a merge: the union of dimensions and labels.
//!
//! Labels of the first cube come first and keep their order; new ones of the second follow. Temporal and spatial
//! dimensions are sorted by instant or coordinate (in the direction of the first cube). A dimension that only one
//! cube has belongs to the result, and the other cube is repeated along it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use eolith_cube::{
    Axis, Dimension, Extent, Feature, Features, Geometry, Kind, Label, Labels, Schema, Variable,
};

use crate::expr::Expr;
use crate::logical::construct::Bad;
use crate::op::{LabelMap, Merge};
use crate::types::Type;

pub(super) fn construct(
    [a, b]: [&Schema; 2],
    resolver: Option<Arc<Expr>>,
) -> Result<(Merge, Schema), Bad> {
    let of_pixels = |s: &Schema| s.dims.iter().any(|d| matches!(d.kind, Kind::Spatial { .. }));
    let of_geometries = |s: &Schema| s.dims.iter().any(|d| d.features().is_some());
    if (of_pixels(a) && of_geometries(b)) || (of_geometries(a) && of_pixels(b)) {
        return Err(Bad::new(
            "IncompatibleDataCubes",
            "a data cube with pixels and one with geometries cannot be merged",
        ));
    }
    // Dimensions of both cubes in the order of the first; what only the second has goes in front, like a new
    // dimension does elsewhere.
    let extra = b.dims.iter().filter(|dim| a.position(&dim.name).is_none());
    let frame: Vec<&Dimension> = extra.chain(&a.dims).collect();
    let position = |schema: &Schema| -> Vec<Option<usize>> {
        frame.iter().map(|dim| schema.position(&dim.name)).collect()
    };
    let dims = [position(a), position(b)];
    let mut merged = Vec::new();
    let mut maps: Option<[Vec<LabelMap>; 2]> = Some([Vec::new(), Vec::new()]);
    for (i, dim) in frame.iter().enumerate() {
        let own = [dims[0][i].map(|d| &a.dims[d]), dims[1][i].map(|d| &b.dims[d])];
        if let [Some(one), Some(two)] = own
            && one.kind.name() != two.kind.name()
        {
            return Err(Bad::new(
                "IncompatibleDataCubes",
                format!(
                    "dimension `{}` is {} in one data cube and {} in the other",
                    dim.name,
                    one.kind.name(),
                    two.kind.name()
                ),
            ));
        }
        let mut out = (*dim).clone();
        let union = match own.map(|own| own.and_then(Dimension::features)) {
            [Some(one), Some(two)] if one != two => {
                let (features, maps) = geometries(one, two)?;
                let labels = features.labels();
                out.kind = Kind::Geometry(Arc::new(features));
                Some((labels, maps))
            }
            _ => union(own),
        };
        if let Some((labels, [one, two])) = union {
            out.axis = Axis::Known(labels);
            if let Some([ones, twos]) = &mut maps {
                ones.push(one);
                twos.push(two);
            }
        } else {
            out.axis = Axis::Pending(Extent::default());
            maps = None;
        }
        merged.push(out);
    }
    let overlap = maps.as_ref().is_none_or(|[one, two]| overlaps(one, two));
    if resolver.is_none() && maps.is_some() && overlap {
        return Err(Bad::new(
            "OverlapResolverMissing",
            "the data cubes overlap, so an overlap resolver is needed",
        ));
    }
    let variables =
        variables(&merged, a, b, maps.as_ref(), resolver.as_deref().filter(|_| overlap))?;
    let merge = Merge { dims, indices: maps, resolver };
    Ok((merge, Schema { dims: merged, variables }))
}

/// Labels of both sides and where each side has them; `None` while one is pending.
fn union(own: [Option<&Dimension>; 2]) -> Option<(Labels, [LabelMap; 2])> {
    let all = |n: usize| -> LabelMap { (0..n).map(Some).collect() };
    let (one, two) = match own {
        [Some(one), Some(two)] => (one, two),
        [Some(only), None] | [None, Some(only)] => {
            let labels = only.labels()?;
            let n = labels.len();
            // The side without the dimension is repeated: index 0 everywhere.
            let repeated: LabelMap = vec![Some(0); n].into();
            let maps = if own[0].is_some() { [all(n), repeated] } else { [repeated, all(n)] };
            return Some((labels.clone(), maps));
        }
        [None, None] => return None,
    };
    let (l1, l2) = (one.labels()?, two.labels()?);
    if same(l1, l2) {
        return Some((l1.clone(), [all(l1.len()), all(l2.len())]));
    }
    let mut labels: Vec<(Label, Option<usize>, Option<usize>)> =
        l1.iter().enumerate().map(|(i, label)| (label, Some(i), None)).collect();
    for (j, label) in l2.iter().enumerate() {
        match position(l1, &label) {
            Some(i) => labels[i].2 = Some(j),
            None => labels.push((label, None, Some(j))),
        }
    }
    sort(&mut labels, &one.kind, l1);
    let list: Vec<Label> = labels.iter().map(|(label, ..)| label.clone()).collect();
    let numbers: Option<Vec<f64>> = list.iter().map(Label::as_f64).collect();
    let regular = match (&one.kind, numbers) {
        (Kind::Spatial { .. }, Some(numbers)) => eolith_cube::Regular::detect(&numbers),
        _ => None,
    };
    let merged = regular.map_or_else(|| Labels::list(list), Labels::Regular);
    let maps =
        [labels.iter().map(|(_, i, _)| *i).collect(), labels.iter().map(|(_, _, j)| *j).collect()];
    Some((merged, maps))
}

/// The features of both sides and where each side has them. A label of a dimension of geometries is its geometry with
/// its id; equal ones are paired in their order.
fn geometries(one: &Features, two: &Features) -> Result<(Features, [LabelMap; 2]), Bad> {
    if one.crs != two.crs {
        let message = format!(
            "the geometries are in `{}` in one data cube and in `{}` in the other; \
             `vector_reproject` brings them together",
            one.crs, two.crs
        );
        return Err(Bad::new("IncompatibleDataCubes", message));
    }
    let key = |feature: &Feature| {
        let geometry = feature.geometry.as_ref().map(Geometry::to_json);
        format!("{:?} {geometry:?}", feature.id)
    };
    let mut known: BTreeMap<String, VecDeque<usize>> = BTreeMap::new();
    for (i, feature) in one.list.iter().enumerate() {
        known.entry(key(feature)).or_default().push_back(i);
    }
    let mut features = one.clone();
    let n = one.list.len();
    let mut maps = [(0..n).map(Some).collect(), vec![None; n]];
    for (j, feature) in two.list.iter().enumerate() {
        if let Some(i) = known.get_mut(&key(feature)).and_then(VecDeque::pop_front) {
            maps[1][i] = Some(j);
        } else {
            features.list.push(feature.clone());
            maps[0].push(None);
            maps[1].push(Some(j));
        }
    }
    Ok((features, maps.map(LabelMap::from)))
}

pub(super) fn same(a: &Labels, b: &Labels) -> bool {
    if let (Labels::Regular(a), Labels::Regular(b)) = (a, b) {
        let tolerance = 1e-3 * a.step.abs();
        return a.len == b.len
            && (a.start - b.start).abs() <= tolerance
            && (a.at(a.len) - b.at(b.len)).abs() <= tolerance;
    }
    a.len() == b.len() && a.iter().zip(b.iter()).all(|(x, y)| x.same(&y))
}

/// Where a label is. Coordinates of a grid within a thousandth of a step are the same pixel.
fn position(labels: &Labels, label: &Label) -> Option<usize> {
    if let (Labels::Regular(regular), Some(at)) = (labels, label.as_f64()) {
        let steps = (at - regular.start) / regular.step;
        let near = (steps - steps.round()).abs() <= 1e-3;
        return (near && steps.round() >= 0.0 && steps.round() < regular.len as f64)
            .then(|| steps.round() as usize);
    }
    labels.position(label)
}

fn sort(labels: &mut [(Label, Option<usize>, Option<usize>)], kind: &Kind, first: &Labels) {
    match kind {
        Kind::Temporal => labels.sort_by_key(|(label, ..)| label.as_time().map(|t| t.instant)),
        Kind::Spatial { .. } => {
            let descending =
                first.len() > 1 && first.get(0).as_f64() > first.get(first.len() - 1).as_f64();
            labels.sort_by(|(x, ..), (y, ..)| {
                let order =
                    x.as_f64().partial_cmp(&y.as_f64()).unwrap_or(std::cmp::Ordering::Equal);
                if descending { order.reverse() } else { order }
            });
        }
        Kind::Bands | Kind::Geometry(_) | Kind::Other => {}
    }
}

/// Whether some label combination is in both cubes.
fn overlaps(one: &[LabelMap], two: &[LabelMap]) -> bool {
    one.iter()
        .zip(two)
        .all(|(m, n)| m.iter().zip(n.iter()).any(|(i, j)| i.is_some() && j.is_some()))
}

fn variables(
    dims: &[Dimension],
    a: &Schema,
    b: &Schema,
    maps: Option<&[Vec<LabelMap>; 2]>,
    resolver: Option<&Expr>,
) -> Result<Vec<Variable>, Bad> {
    let Some(bands) = dims.iter().position(|d| d.kind == Kind::Bands) else {
        let (va, vb) = (super::construct::common_variable(a), super::construct::common_variable(b));
        return Ok(vec![both(&va, &vb, resolver, true)?]);
    };
    let count = dims[bands].len().unwrap_or(1);
    let of = |schema: &Schema, index: Option<usize>| {
        let own = schema.position(&dims[bands].name);
        match (own.is_some() && own == schema.bands(), own) {
            (true, _) => index.map(|i| schema.variables[i].clone()),
            // Another dimension of bands, which says nothing of what is stored.
            (false, Some(_)) => index.map(|_| super::construct::common_variable(schema)),
            (false, None) => Some(super::construct::common_variable(schema)),
        }
    };
    let index = |side: usize, band: usize| match maps {
        Some(maps) => maps[side][bands][band],
        None => Some(band),
    };
    // Whether both cubes can meet in one band depends on the other dimensions.
    let elsewhere = maps.is_none_or(|[one, two]| {
        let rest = (0..dims.len()).filter(|&d| d != bands);
        rest.into_iter()
            .all(|d| one[d].iter().zip(two[d].iter()).any(|(i, j)| i.is_some() && j.is_some()))
    });
    (0..count)
        .map(|band| match (of(a, index(0, band)), of(b, index(1, band))) {
            (Some(va), Some(vb)) => both(&va, &vb, resolver, !elsewhere),
            (Some(only), None) | (None, Some(only)) => Ok(only),
            (None, None) => Ok(Variable::new(a.dtype().common(b.dtype()))),
        })
        .collect()
}

/// The band where both cubes have values: resolved ones, and (unless all are) those of either side.
fn both(
    a: &Variable,
    b: &Variable,
    resolver: Option<&Expr>,
    side_by_side: bool,
) -> Result<Variable, Bad> {
    let mut dtype = a.dtype.common(b.dtype);
    if let Some(expr) = resolver {
        let resolved = expr.type_for(&[Type::of_dtype(a.dtype), Type::of_dtype(b.dtype)]).dtype();
        let resolved = resolved.ok_or_else(|| {
            Bad::new(
                "ProcessParameterInvalid",
                "the overlap resolver must return a number or a boolean",
            )
        })?;
        dtype = if side_by_side { dtype.common(resolved) } else { resolved.common(dtype) };
    }
    let mut variable = if dtype == a.dtype { a.clone() } else { Variable::new(dtype) };
    variable.common_name.clone_from(&a.common_name);
    variable.nodata = a.nodata.filter(|nodata| dtype.holds(*nodata));
    Ok(variable)
}
