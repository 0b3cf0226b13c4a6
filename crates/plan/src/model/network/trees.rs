//! Ensembles of decision trees, as boosted and bagged models are.

use std::collections::{BTreeMap, BTreeSet};

use super::proto::Attribute;
use super::tensor::Kind;
use crate::model::BadModel;

/// Most nodes of all trees.
const NODES: usize = 1 << 22;

/// Trees whose leaves add to targets.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trees {
    nodes: Vec<Node>,
    /// The first node of each tree.
    roots: Vec<u32>,
    /// What leaves add to which target, in the order of the leaves.
    shares: Vec<(u32, f64)>,
    pub(super) how: How,
    /// What is added to each sum; nothing where there is none.
    pub(super) base: Vec<f64>,
}

/// How trees are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Sum,
    Mean,
    Min,
    Max,
}

#[derive(Clone, Debug, PartialEq)]
struct Node {
    rule: Rule,
    /// The column that decides.
    feature: u32,
    value: f64,
    /// Of a leaf: where its shares begin and end.
    children: [u32; 2],
    /// Whether NaN goes the way of the true.
    nan: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    Unequal,
    Leaf,
}

impl Trees {
    /// Reads the attributes of an operator; `of` is `target` or `class`, `kind` the type of what is asked.
    ///
    /// # Errors
    /// Trees that cannot be walked: lists of different lengths, nodes without children or with several parents, columns
    /// that are not there.
    pub(super) fn read(
        own: &BTreeMap<String, Attribute>,
        of: &str,
        columns: usize,
        targets: usize,
        kind: Kind,
    ) -> Result<Trees, BadModel> {
        let list = |name: &str| ints(own, name);
        let (trees, ids) = (list("nodes_treeids"), list("nodes_nodeids"));
        let (features, yes, no) =
            (list("nodes_featureids"), list("nodes_truenodeids"), list("nodes_falsenodeids"));
        let modes = own.get("nodes_modes").map_or(&[][..], |own| &own.texts);
        let values = floats(own, "nodes_values");
        let nans = list("nodes_missing_value_tracks_true");
        let n = trees.len();
        let lengths = [ids.len(), features.len(), yes.len(), no.len(), modes.len(), values.len()];
        if n == 0 || n > NODES || lengths.iter().any(|length| *length != n) {
            return Err(bad("the lists of the nodes are empty, too long, or of different lengths"));
        }
        let mut places = BTreeMap::new();
        for (i, (tree, id)) in trees.iter().zip(ids).enumerate() {
            if places.insert((*tree, *id), i as u32).is_some() {
                return Err(bad("two nodes have the same number"));
            }
        }
        let shares = shares(own, of, &places, targets)?;
        let mut nodes = Vec::with_capacity(n);
        let mut has_parent = vec![false; n];
        let mut taken = Vec::with_capacity(shares.len());
        for i in 0..n {
            let rule = rule(&modes[i])?;
            let mut node = Node {
                rule,
                feature: 0,
                value: kind.rounded(values[i]),
                children: [0, 0],
                nan: nans.get(i).is_some_and(|nan| *nan != 0),
            };
            if rule == Rule::Leaf {
                let first = taken.len() as u32;
                let from = shares.partition_point(|(node, ..)| *node < i as u32);
                let own = shares[from..].iter().take_while(|(node, ..)| *node == i as u32);
                taken.extend(own.map(|(_, target, share)| (*target, *share)));
                node.children = [first, taken.len() as u32];
            } else {
                let feature = usize::try_from(features[i]).ok().filter(|f| *f < columns);
                let feature = feature.ok_or_else(|| {
                    bad(&format!("a node asks for feature {}, there are {columns}", features[i]))
                })?;
                node.feature = feature as u32;
                for (side, child) in [yes[i], no[i]].iter().enumerate() {
                    let place = places.get(&(trees[i], *child)).copied();
                    let place = place.ok_or_else(|| bad("a node has a child that is not there"))?;
                    if std::mem::replace(&mut has_parent[place as usize], true) {
                        return Err(bad("a node has two parents"));
                    }
                    node.children[side] = place;
                }
            }
            nodes.push(node);
        }
        // A node has one parent at most, so a walk from a root never comes back to where it was.
        let roots: Vec<u32> = (0..n as u32).filter(|i| !has_parent[*i as usize]).collect();
        let rooted: BTreeSet<i64> = roots.iter().map(|root| trees[*root as usize]).collect();
        let all: BTreeSet<i64> = trees.iter().copied().collect();
        if rooted.len() != roots.len() || rooted != all {
            return Err(bad("a tree has no root, or several"));
        }
        let how = match own.get("aggregate_function").and_then(|own| own.text.as_deref()) {
            None | Some("SUM") => How::Sum,
            Some("AVERAGE") => How::Mean,
            Some("MIN") => How::Min,
            Some("MAX") => How::Max,
            Some(other) => return Err(bad(&format!("trees cannot be put together by `{other}`"))),
        };
        let base = floats(own, "base_values").to_vec();
        if base.len() > 1 && base.len() != targets {
            return Err(bad("the base values are not as many as there are targets"));
        }
        Ok(Trees { nodes, roots, shares: taken, how, base })
    }

    /// The targets of each lane, from columns of `lanes` numbers.
    pub(super) fn run(&self, columns: &[f64], out: &mut [f64], lanes: usize) {
        let targets = out.len() / lanes.max(1);
        let start = match self.how {
            How::Sum | How::Mean => 0.0,
            How::Min => f64::INFINITY,
            How::Max => f64::NEG_INFINITY,
        };
        let mut sums = vec![start; targets];
        for lane in 0..lanes {
            sums.fill(start);
            for root in &self.roots {
                let mut node = &self.nodes[*root as usize];
                while node.rule != Rule::Leaf {
                    let side =
                        usize::from(!node.asks(columns[node.feature as usize * lanes + lane]));
                    node = &self.nodes[node.children[side] as usize];
                }
                for (target, share) in
                    &self.shares[node.children[0] as usize..node.children[1] as usize]
                {
                    let sum = &mut sums[*target as usize];
                    match self.how {
                        How::Sum | How::Mean => *sum += share,
                        How::Min => *sum = sum.min(*share),
                        How::Max => *sum = sum.max(*share),
                    }
                }
            }
            for (k, sum) in sums.iter().enumerate() {
                let sum = match self.how {
                    How::Mean => sum / self.roots.len() as f64,
                    How::Min | How::Max if sum.is_infinite() => 0.0,
                    How::Sum | How::Min | How::Max => *sum,
                };
                out[k * lanes + lane] = sum + self.base.get(k).copied().unwrap_or_default();
            }
        }
    }

    /// Whether all leaves add to one target, and that one.
    pub(super) fn only_target(&self) -> Option<usize> {
        let (first, rest) = self.shares.split_first()?;
        rest.iter().all(|share| share.0 == first.0).then_some(first.0 as usize)
    }

    /// Whether no leaf takes anything away.
    pub(super) fn only_adds(&self) -> bool {
        self.shares.iter().all(|(_, share)| *share >= 0.0)
    }
}

impl Node {
    /// Whether a value goes the way of the true.
    fn asks(&self, x: f64) -> bool {
        let is_so = match self.rule {
            Rule::AtMost => x <= self.value,
            Rule::Below => x < self.value,
            Rule::AtLeast => x >= self.value,
            Rule::Above => x > self.value,
            Rule::Equal => x == self.value,
            Rule::Unequal => x != self.value,
            Rule::Leaf => false,
        };
        is_so || (self.nan && x.is_nan())
    }
}

/// What leaves add: place of the leaf, target, number; sorted by place.
fn shares(
    own: &BTreeMap<String, Attribute>,
    of: &str,
    places: &BTreeMap<(i64, i64), u32>,
    targets: usize,
) -> Result<Vec<(u32, u32, f64)>, BadModel> {
    let list = |name: &str| ints(own, &format!("{of}_{name}"));
    let (trees, nodes, ids) = (list("treeids"), list("nodeids"), list("ids"));
    let weights = floats(own, &format!("{of}_weights"));
    let n = ids.len();
    if [trees.len(), nodes.len(), weights.len()].iter().any(|length| *length != n) {
        return Err(bad("the lists of the leaves have different lengths"));
    }
    let share = |i: usize| {
        let place = places.get(&(trees[i], nodes[i])).copied();
        let target = usize::try_from(ids[i]).ok().filter(|target| *target < targets);
        Some((place?, target? as u32, weights[i]))
    };
    let shares: Option<Vec<(u32, u32, f64)>> = (0..n).map(share).collect();
    let mut shares = shares.ok_or_else(|| bad("a leaf or a target is not there"))?;
    shares.sort_by_key(|(place, ..)| *place);
    Ok(shares)
}

fn rule(mode: &str) -> Result<Rule, BadModel> {
    Ok(match mode {
        "BRANCH_LEQ" => Rule::AtMost,
        "BRANCH_LT" => Rule::Below,
        "BRANCH_GTE" => Rule::AtLeast,
        "BRANCH_GT" => Rule::Above,
        "BRANCH_EQ" => Rule::Equal,
        "BRANCH_NEQ" => Rule::Unequal,
        "LEAF" => Rule::Leaf,
        other => return Err(bad(&format!("nodes of the kind `{other}` are not known"))),
    })
}

fn ints<'a>(own: &'a BTreeMap<String, Attribute>, name: &str) -> &'a [i64] {
    own.get(name).map_or(&[], |own| &own.ints)
}

/// Numbers of 32 bits, or of 64 in a tensor.
fn floats<'a>(own: &'a BTreeMap<String, Attribute>, name: &str) -> &'a [f64] {
    let tensor = own.get(&format!("{name}_as_tensor")).and_then(|own| own.tensor.as_ref());
    match tensor {
        Some(tensor) => &tensor.values,
        None => own.get(name).map_or(&[], |own| &own.floats),
    }
}

fn bad(message: &str) -> BadModel {
    BadModel(message.to_owned())
}
