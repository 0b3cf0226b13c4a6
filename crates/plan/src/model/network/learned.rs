//! Operators of `ai.onnx.ml`: what converters make of scikit-learn, XGBoost, LightGBM and the like.
//!
//! Where the text of ONNX leaves it open what comes out (two classes with one score), ONNX Runtime is followed.

use std::sync::Arc;

use super::build::{Call, Form, Known, Read, Samples, bad, mixes, unknown};
use super::ops::{Each, Fold, Pair};
use super::run::What;
use super::shapes::place;
use super::tensor::{Kind, Tensor};
use super::trees::Trees;

/// What is made of scores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Post {
    None,
    Logistic,
    Softmax,
}

pub(super) fn results(call: &mut Call<'_>) -> Read<Vec<Known>> {
    let one = match call.node.op.as_str() {
        "TreeEnsembleClassifier" => return tree_classifier(call),
        "LinearClassifier" => return linear_classifier(call),
        "TreeEnsembleRegressor" => tree_regressor(call)?,
        "LinearRegressor" => linear_regressor(call)?,
        "Scaler" => scaler(call)?,
        "Normalizer" => normalizer(call)?,
        "Imputer" => imputer(call)?,
        "Binarizer" => call.change(Each::Above(call.float("threshold", 0.0)))?,
        "ArrayFeatureExtractor" => extractor(call)?,
        "FeatureVectorizer" => vectorizer(call)?,
        // A list of names with numbers: the numbers are what counts.
        "ZipMap" => call.input(0)?.clone(),
        _ => return Err(unknown(call.node)),
    };
    Ok(vec![one])
}

fn tree_regressor(call: &mut Call<'_>) -> Read<Known> {
    let own = call.table(0)?;
    let targets = size(call.int("n_targets", 1))?;
    let trees = trees(call, "target", own, targets)?;
    let post = post(call)?;
    let sums =
        call.made(What::Trees(own.value, Arc::new(trees)), Form::Table, targets, Kind::Single)?;
    finished(call, sums, post).map(Known::Samples)
}

fn tree_classifier(call: &mut Call<'_>) -> Read<Vec<Known>> {
    let own = call.table(0)?;
    let classes = Classes::read(call)?;
    let n = classes.count;
    let mut trees = trees(call, "class", own, n)?;
    let post = post(call)?;
    // Two classes, of which leaves know one.
    let single = trees.only_target().filter(|_| n == 2 && trees.base.len() != 2);
    // A base value alone is that of the class that leaves know.
    if let ([base], Some(1)) = (trees.base.as_slice(), single) {
        trees.base = vec![0.0, *base];
    }
    let adds = trees.only_adds();
    // Rounded before they are compared: shares like a twentieth have no exact sum, and classes with equal shares are equal.
    let sums = call.made(What::Trees(own.value, Arc::new(trees)), Form::Table, n, Kind::Single)?;
    let Some(target) = single else {
        let best = call.fold_of(sums, Fold::Arg { greatest: true, last: false }, Kind::Int)?;
        let scores = finished(call, sums, post)?;
        return Ok(vec![classes.of(call, best)?, Known::Samples(scores)]);
    };
    let Known::Samples(score) = call.pick(vec![(sums.value, target)], Kind::Double)? else {
        return Err(mixes());
    };
    let limit = if adds { 0.5 } else { 0.0 };
    let above = call.each_of(score, Each::Above(limit), Kind::Int)?;
    let (first, second) = match (adds, post) {
        (true, _) => {
            let rest = call.each_of(score, Each::Neg, Kind::Double)?;
            (call.with_row(rest, vec![1.0], Pair::Add, Kind::Double)?, score)
        }
        (false, Post::None) => (call.each_of(score, Each::Neg, Kind::Double)?, score),
        (false, Post::Logistic) => {
            let other = call.each_of(score, Each::Neg, Kind::Double)?;
            let other = call.each_of(other, Each::Sigmoid, Kind::Double)?;
            (other, call.each_of(score, Each::Sigmoid, Kind::Double)?)
        }
        (false, Post::Softmax) => {
            return Err(bad("two classes with one score have no softmax".to_owned()));
        }
    };
    let scores = call.pick(vec![(first.value, 0), (second.value, 0)], Kind::Single)?;
    Ok(vec![classes.of(call, above)?, scores])
}

fn trees(call: &mut Call<'_>, of: &str, own: Samples, targets: usize) -> Read<Trees> {
    // What is asked has the type of the features.
    Trees::read(&call.node.attributes, of, own.width, targets, own.kind)
}

fn linear_classifier(call: &mut Call<'_>) -> Read<Vec<Known>> {
    let own = call.table(0)?;
    let classes = Classes::read(call)?;
    let (weights, bias) = linear(call, own, classes.count)?;
    let post = post(call)?;
    let scores = call.matrix_of(own, weights, bias, Kind::Single)?;
    let best = call.fold_of(scores, Fold::Arg { greatest: true, last: false }, Kind::Int)?;
    let made = finished(call, scores, post)?;
    Ok(vec![classes.of(call, best)?, Known::Samples(made)])
}

fn linear_regressor(call: &mut Call<'_>) -> Read<Known> {
    let own = call.table(0)?;
    let targets = size(call.int("targets", 1))?;
    let (weights, bias) = linear(call, own, targets)?;
    let post = post(call)?;
    let made = call.matrix_of(own, weights, bias, Kind::Single)?;
    finished(call, made, post).map(Known::Samples)
}

/// Weights of each target, and what is added to it.
fn linear(call: &Call<'_>, own: Samples, targets: usize) -> Read<(Vec<f64>, Vec<f64>)> {
    let list = |name: &str| call.attribute(name).map(|own| own.floats.clone()).unwrap_or_default();
    let (weights, bias) = (list("coefficients"), list("intercepts"));
    if Some(weights.len()) != targets.checked_mul(own.width) {
        return Err(bad(format!(
            "{} coefficients are not those of {} features and {targets} results",
            weights.len(),
            own.width
        )));
    }
    if !bias.is_empty() && bias.len() != targets {
        return Err(bad(format!("{} intercepts are not those of {targets} results", bias.len())));
    }
    Ok((weights, bias))
}

fn scaler(call: &mut Call<'_>) -> Read<Known> {
    let own = call.table(0)?;
    let list = |name: &str| call.attribute(name).map(|own| own.floats.clone()).unwrap_or_default();
    let (offset, scale) = (list("offset"), list("scale"));
    if [offset.len(), scale.len()].iter().any(|n| *n != 1 && *n != own.width) {
        return Err(bad("its numbers are not as many as the columns".to_owned()));
    }
    let centred = call.with_row(own, offset, Pair::Sub, Kind::Double)?;
    call.with_row(centred, scale, Pair::Mul, Kind::Single).map(Known::Samples)
}

fn normalizer(call: &mut Call<'_>) -> Read<Known> {
    let own = call.table(0)?;
    let norm = call.attribute("norm").and_then(|own| own.text.as_deref());
    let size = match norm {
        Some("L1") => call.fold_of(own, Fold::SumOfAbsolutes, Kind::Double)?,
        Some("L2") => {
            let squares = call.fold_of(own, Fold::SumOfSquares, Kind::Double)?;
            call.each_of(squares, Each::Sqrt, Kind::Double)?
        }
        other => return Err(bad(format!("the norm {other:?} is not supported"))),
    };
    let size = call.each_of(size, Each::Divisor, Kind::Double)?;
    call.pair_of(own, size, Pair::Div, Kind::Single).map(Known::Samples)
}

fn imputer(call: &mut Call<'_>) -> Read<Known> {
    let own = call.table(0)?;
    let by = match call.attribute("imputed_value_floats") {
        Some(own) => own.floats.clone(),
        None => call
            .attribute("imputed_value_int64s")
            .map(|own| own.ints.iter().map(|int| *int as f64).collect())
            .unwrap_or_default(),
    };
    if by.len() != 1 && by.len() != own.width {
        return Err(bad("its numbers are not as many as the columns".to_owned()));
    }
    let value = match call.attribute("replaced_value_float").and_then(|own| own.float) {
        Some(value) => value,
        None if own.kind.is_float() => 0.0,
        None => call.int("replaced_value_int64", 0) as f64,
    };
    let mut columns = Vec::new();
    for k in 0..own.width {
        let Known::Samples(column) = call.pick(vec![(own.value, k)], own.kind)? else {
            return Err(mixes());
        };
        let by = by[if by.len() == 1 { 0 } else { k }];
        columns.push((call.each_of(column, Each::Replaced(value, by), own.kind)?.value, 0));
    }
    call.pick(columns, own.kind)
}

fn extractor(call: &mut Call<'_>) -> Read<Known> {
    if let Known::Weights(table) = call.input(0)?.clone() {
        let index = call.samples(1)?;
        let row = table.row().ok_or_else(mixes)?;
        let list = Tensor { dims: vec![row.len()], ..table };
        // The indices are a list whatever their shape, and what comes out is one row.
        let index = Samples { form: Form::Row, ..index };
        return call.lookup(&list, index, 0);
    }
    let own = call.table(0)?;
    let wanted = call.weights(1)?.ints();
    let columns: Option<Vec<(usize, usize)>> =
        wanted.into_iter().map(|i| Some((own.value, place(i, own.width)?))).collect();
    call.pick(columns.ok_or_else(|| bad("a column is not there".to_owned()))?, own.kind)
}

fn vectorizer(call: &mut Call<'_>) -> Read<Known> {
    let mut columns = Vec::new();
    for i in 0..call.node.inputs.len() {
        let own = call.table(i)?;
        columns.extend((0..own.width).map(|column| (own.value, column)));
        if columns.len() > super::run::COLUMNS {
            return Err(super::build::too_wide());
        }
    }
    call.pick(columns, Kind::Single)
}

fn post(call: &Call<'_>) -> Read<Post> {
    match call.attribute("post_transform").and_then(|own| own.text.as_deref()) {
        None | Some("NONE") => Ok(Post::None),
        Some("LOGISTIC") => Ok(Post::Logistic),
        Some("SOFTMAX") => Ok(Post::Softmax),
        Some(other) => Err(bad(format!("post_transform `{other}` is not supported"))),
    }
}

/// Scores as they come out: numbers of 32 bits.
fn finished(call: &mut Call<'_>, scores: Samples, post: Post) -> Read<Samples> {
    match post {
        Post::None => call.each_of(scores, Each::Same, Kind::Single),
        Post::Logistic => call.each_of(scores, Each::Sigmoid, Kind::Single),
        Post::Softmax => call.softmax_of(scores, false, Kind::Single),
    }
}

/// The labels of a classifier; `None` if they are texts.
struct Classes {
    count: usize,
    labels: Option<Tensor>,
}

impl Classes {
    fn read(call: &Call<'_>) -> Read<Classes> {
        let ints = ["classlabels_int64s", "classlabels_ints"].iter();
        let ints = ints.filter_map(|name| call.attribute(name)).map(|own| &own.ints);
        if let Some(own) = ints.into_iter().find(|ints| !ints.is_empty()) {
            let values = own.iter().map(|int| *int as f64).collect();
            let labels = Tensor::new(Kind::Int, vec![own.len()], values);
            let labels = labels.ok_or_else(|| bad("its labels are too large".to_owned()))?;
            return Ok(Classes { count: own.len(), labels: Some(labels) });
        }
        let texts = call.attribute("classlabels_strings").map_or(0, |own| own.texts.len());
        if texts == 0 {
            Err(bad("it has no classes".to_owned()))
        } else {
            Ok(Classes { count: texts, labels: None })
        }
    }

    fn of(&self, call: &mut Call<'_>, index: Samples) -> Read<Known> {
        match &self.labels {
            None => Ok(Known::Texts),
            Some(labels) => call.lookup(labels, Samples { form: Form::Line, ..index }, 0),
        }
    }
}

fn size(n: i64) -> Read<usize> {
    usize::try_from(n)
        .ok()
        .filter(|n| (1..=super::run::COLUMNS).contains(n))
        .ok_or_else(|| bad(format!("{n} is no number of results")))
}
