//! The portable form of a forest: one JSON object, the same bytes for the same forest.
//!
//! ```json
//! {"format": "eolith-forest", "version": 1, "task": "classification", "features": ["B04", "B08"], "classes": [1, 2],
//!  "trees": [{"feature": [0, -1, -1], "threshold": [0.5, 0, 0], "left": [1, 0, 0], "right": [2, 0, 0],
//!             "value": [null, [1, 0], [0.25, 0.75]]}]}
//! ```
//! Nodes are columns: a sample goes left where the feature is at most the threshold. `feature` is -1 for leaves, which
//! alone have a value: the share of each class, or one number. Children come after their parents.

use serde_json::{Map, Value as Json, json};

use super::{BadModel, Forest, LEAF, Target, Tree};

const FORMAT: &str = "eolith-forest";
const VERSION: u64 = 1;

impl Forest {
    pub fn to_json(&self) -> Json {
        let outputs = self.outputs();
        let tree = |tree: &Tree| {
            let nodes = 0..tree.feature.len();
            let is_leaf = |i: usize| tree.feature[i] == LEAF;
            let feature = |i| if is_leaf(i) { -1 } else { i64::from(tree.feature[i]) };
            let child = |i: usize, side: usize| if is_leaf(i) { 0 } else { tree.children[i][side] };
            let value = |i: usize| is_leaf(i).then(|| tree.values(i, outputs).to_vec());
            json!({
                "feature": nodes.clone().map(feature).collect::<Vec<_>>(),
                "threshold": tree.threshold,
                "left": nodes.clone().map(|i| child(i, 0)).collect::<Vec<_>>(),
                "right": nodes.clone().map(|i| child(i, 1)).collect::<Vec<_>>(),
                "value": nodes.map(value).collect::<Vec<_>>(),
            })
        };
        let mut json = Map::new();
        json.insert("format".to_owned(), FORMAT.into());
        json.insert("version".to_owned(), VERSION.into());
        json.insert("task".to_owned(), self.task().into());
        json.insert("features".to_owned(), json!(self.features));
        if let Target::Class(classes) = &self.target {
            json.insert("classes".to_owned(), json!(classes));
        }
        json.insert("trees".to_owned(), self.trees.iter().map(tree).collect());
        Json::Object(json)
    }

    /// # Errors
    /// What is no forest of this format, or one that could not be walked through.
    pub fn from_json(json: &Json) -> Result<Forest, BadModel> {
        if json["format"] != FORMAT {
            return Err(bad("it is not in the format `eolith-forest`"));
        }
        if json["version"] != VERSION {
            return Err(bad(&format!("version {} is not known, {VERSION} is", json["version"])));
        }
        let texts = array(json, "features")?.iter().map(Json::as_str);
        let features: Option<Vec<String>> = texts.map(|text| text.map(str::to_owned)).collect();
        let features = features.ok_or_else(|| bad("`features` are not all texts"))?;
        let target = match json["task"].as_str() {
            Some("regression") => Target::Number,
            Some("classification") => {
                let classes = numbers(json, "classes")?;
                if classes.is_empty() || !classes.windows(2).all(|pair| pair[0] < pair[1]) {
                    return Err(bad("`classes` must be numbers in ascending order"));
                }
                Target::Class(classes)
            }
            _ => return Err(bad("`task` must be `classification` or `regression`")),
        };
        let outputs = if let Target::Class(classes) = &target { classes.len() } else { 1 };
        let trees: Result<Vec<Tree>, BadModel> =
            array(json, "trees")?.iter().map(|json| tree(json, features.len(), outputs)).collect();
        let trees = trees?;
        if trees.is_empty() {
            return Err(bad("it has no trees"));
        }
        Ok(Forest::new(target, features, trees))
    }

    /// What the forest is for, as STAC and openEO name it.
    pub fn task(&self) -> &'static str {
        match self.target {
            Target::Number => "regression",
            Target::Class(_) => "classification",
        }
    }
}

fn tree(json: &Json, features: usize, outputs: usize) -> Result<Tree, BadModel> {
    let columns = ["feature", "left", "right", "value"].map(|name| array(json, name));
    let [feature, left, right, value] = columns;
    let (feature, left, right, value) = (feature?, left?, right?, value?);
    let threshold = numbers(json, "threshold")?;
    let n = feature.len();
    if n == 0 || [left.len(), right.len(), value.len(), threshold.len()].iter().any(|m| *m != n) {
        return Err(bad("the columns of a tree must be equally long and not empty"));
    }
    let mut tree = Tree { threshold, ..Tree::default() };
    for i in 0..n {
        if feature[i] == -1 {
            tree.feature.push(LEAF);
            tree.children.push([tree.values.len() as u32, 0]);
            let values: Option<Vec<f64>> =
                value[i].as_array().and_then(|list| list.iter().map(Json::as_f64).collect());
            let values = values.filter(|list| list.len() == outputs);
            tree.values.extend(values.ok_or_else(|| bad("a leaf has no value of the right size"))?);
            continue;
        }
        let own = feature[i].as_u64().filter(|own| *own < features as u64);
        let own = own.ok_or_else(|| bad("a node asks for a feature that there is not"))?;
        let child = |side: &[Json]| {
            let child = side[i].as_u64().filter(|child| (i as u64 + 1..n as u64).contains(child));
            child.ok_or_else(|| bad("the children of a node must come after it"))
        };
        tree.feature.push(own as u32);
        tree.children.push([child(left)? as u32, child(right)? as u32]);
    }
    Ok(tree)
}

fn array<'a>(json: &'a Json, name: &str) -> Result<&'a [Json], BadModel> {
    let list = json[name].as_array().map(Vec::as_slice);
    list.ok_or_else(|| bad(&format!("`{name}` is not a list")))
}

fn numbers(json: &Json, name: &str) -> Result<Vec<f64>, BadModel> {
    let list: Option<Vec<f64>> = array(json, name)?.iter().map(Json::as_f64).collect();
    list.ok_or_else(|| bad(&format!("`{name}` are not all numbers")))
}

fn bad(reason: &str) -> BadModel {
    BadModel(reason.to_owned())
}
