use serde_json::json;

use super::{Forest, Samples, Settings, Variables};

fn settings(trees: usize, seed: i64) -> Settings {
    Settings { trees, variables: Variables::Root, seed }
}

/// Two noisy clouds of points, and a number that grows with the first feature.
fn samples(is_class: bool) -> Samples {
    let n = 400;
    let noise = |i: usize, k: usize| ((i * 7919 + k * 104_729) % 1000) as f64 / 1000.0;
    let side = |i: usize| (i % 2) as f64;
    let columns = (0..4)
        .map(|k| (0..n).map(|i| noise(i, k) + if k < 2 { side(i) * 0.8 } else { 0.0 }).collect())
        .collect::<Vec<Vec<f64>>>();
    let target = if is_class {
        (0..n).map(|i| 10.0 + side(i)).collect()
    } else {
        columns[0].iter().map(|x| 3.0 * x).collect()
    };
    let features = ["a", "b", "c", "d"].map(str::to_owned).to_vec();
    Samples { features, columns, target, is_class }
}

fn all(forest: &Forest, samples: &Samples) -> Vec<f64> {
    let n = samples.target.len();
    let one = |i: usize| -> Vec<f64> { samples.columns.iter().map(|c| c[i]).collect() };
    (0..n).map(|i| forest.predict(&one(i))).collect()
}

#[test]
fn a_forest_learns_what_it_sees() {
    let seen = samples(true);
    let forest = Forest::fit(&seen, settings(30, 1), &|| false).unwrap();
    let wrong = all(&forest, &seen).iter().zip(&seen.target).filter(|(a, b)| a != b).count();
    assert!(wrong < 8, "{wrong}");
    let numbers = samples(false);
    let forest = Forest::fit(&numbers, settings(30, 1), &|| false).unwrap();
    let error = all(&forest, &numbers).into_iter().zip(&numbers.target).map(|(a, b)| (a - b).abs());
    let mean = error.sum::<f64>() / numbers.target.len() as f64;
    assert!(mean < 0.15, "{mean}");
}

#[test]
fn the_seed_decides() {
    let seen = samples(true);
    let fit = |seed| Forest::fit(&seen, settings(5, seed), &|| false).unwrap();
    assert_eq!(fit(3), fit(3));
    assert_ne!(fit(3), fit(4));
    assert_ne!(format!("{:?}", fit(3)), format!("{:?}", fit(4)));
}

#[test]
fn columns_and_single_samples_agree() {
    for is_class in [true, false] {
        let seen = samples(is_class);
        let forest = Forest::fit(&seen, settings(7, 2), &|| false).unwrap();
        // More than one block, and a part of one.
        let columns: Vec<Vec<f64>> = seen.columns.iter().map(|c| c.repeat(3)).collect();
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        let mut out = vec![0.0; 1200];
        forest.predict_columns(&columns, &mut out);
        assert_eq!(out, all(&forest, &seen).repeat(3));
    }
}

#[test]
fn json_keeps_a_forest() {
    for is_class in [true, false] {
        let forest = Forest::fit(&samples(is_class), settings(3, 9), &|| false).unwrap();
        let text = forest.to_json().to_string();
        let back = Forest::from_json(&serde_json::from_str(&text).unwrap()).unwrap();
        assert_eq!(back, forest);
        assert_eq!(back.to_json().to_string(), text);
    }
}

#[test]
fn what_is_no_forest_is_refused() {
    let tree = |left: u64| {
        json!({ "feature": [0, -1, -1], "threshold": [0.5, 0, 0], "left": [left, 0, 0],
            "right": [2, 0, 0], "value": [null, [1.0], [2.0]] })
    };
    let forest = |tree| {
        json!({ "format": "eolith-forest", "version": 1, "task": "regression", "features": ["a"],
            "trees": [tree] })
    };
    let good = Forest::from_json(&forest(tree(1))).unwrap();
    assert_eq!(
        [good.predict(&[0.5]), good.predict(&[0.6]), good.predict(&[f64::NAN])],
        [1.0, 2.0, 2.0]
    );
    // A node that is its own child would never end.
    assert!(Forest::from_json(&forest(tree(0))).is_err());
    assert!(Forest::from_json(&forest(tree(3))).is_err());
    for (key, value) in [
        ("version", json!(2)),
        ("format", json!("other")),
        ("task", json!("ranking")),
        ("task", json!("classification")),
        ("features", json!([])),
        ("trees", json!([])),
    ] {
        let mut json = forest(tree(1));
        json[key] = value;
        assert!(Forest::from_json(&json).is_err(), "{key}");
    }
}

#[test]
fn what_cannot_be_learnt_is_refused() {
    let none = Samples { columns: vec![Vec::new()], target: Vec::new(), ..samples(true) };
    assert!(Forest::fit(&none, settings(1, 0), &|| false).is_err());
    let many = Settings { variables: Variables::Count(5), ..settings(1, 0) };
    assert!(Forest::fit(&samples(true), many, &|| false).is_err());
    assert!(Forest::fit(&samples(true), settings(1, 0), &|| true).is_err());
}
