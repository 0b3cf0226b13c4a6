//! Growing a forest: Breiman's bagged trees, each node splitting on the best of a few features drawn by chance.
//!
//! A tree sees as many samples as there are, drawn with repeats, and grows until its leaves are pure. Which feature and
//! threshold is best is decided by Gini impurity (classes) or squared error (numbers); a threshold lies in the middle of
//! two neighbouring values, the first best one wins. Everything follows from samples, settings and seed: each tree draws
//! from a generator of its own, and all sums run in the order of the samples.

use super::{BadModel, Forest, Target, Tree};

/// Most nodes of all trees together; what is beyond is refused.
const LARGEST: usize = 1 << 22;

/// What a forest learns from.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    pub features: Vec<String>,
    /// All samples' values of one feature after the other's; finite.
    pub columns: Vec<Vec<f64>>,
    /// One a sample; finite.
    pub target: Vec<f64>,
    /// Whether the target is a class.
    pub is_class: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settings {
    pub trees: usize,
    pub variables: Variables,
    pub seed: i64,
}

/// How many features a node chooses from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variables {
    All,
    Log2,
    Third,
    Root,
    Count(usize),
}

impl Forest {
    /// # Errors
    /// No samples or features, more variables than features, a forest that would be too large.
    pub fn fit(
        samples: &Samples,
        settings: Settings,
        stop: &dyn Fn() -> bool,
    ) -> Result<Forest, BadModel> {
        let (n, features) = (samples.target.len(), samples.features.len());
        if n == 0 || features == 0 {
            return Err(BadModel("there are no samples to learn from".to_owned()));
        }
        if u32::try_from(n).is_err() {
            return Err(BadModel(format!("{n} samples are too many")));
        }
        let variables = settings.variables.count(features).ok_or_else(|| {
            BadModel(format!("a node can choose from {features} variables at most"))
        })?;
        let target =
            if samples.is_class { Target::Class(classes(&samples.target)) } else { Target::Number };
        let own: Vec<u32> = match &target {
            Target::Number => Vec::new(),
            Target::Class(classes) => {
                let index = |value: &f64| classes.partition_point(|class| class < value) as u32;
                samples.target.iter().map(index).collect()
            }
        };
        let outputs = if let Target::Class(classes) = &target { classes.len() } else { 1 };
        let mut trees: Vec<Tree> = Vec::new();
        let mut nodes = 0;
        for number in 0..settings.trees {
            if stop() {
                return Err(BadModel("the training was cancelled".to_owned()));
            }
            let random = Random::new(settings.seed as u64, number as u64);
            let tree = Grower { samples, own: &own, outputs, variables, random }.grow();
            nodes += tree.feature.len();
            if nodes > LARGEST {
                let message = format!("the forest would have more than {LARGEST} nodes");
                return Err(BadModel(message));
            }
            trees.push(tree);
        }
        Ok(Forest::new(target, samples.features.clone(), trees))
    }
}

impl Variables {
    fn count(self, features: usize) -> Option<usize> {
        let count = match self {
            Variables::All => features,
            Variables::Log2 => features.ilog2() as usize,
            Variables::Third => features / 3,
            Variables::Root => features.isqrt(),
            Variables::Count(count) => return (1..=features).contains(&count).then_some(count),
        };
        Some(count.max(1))
    }
}

/// All different values, ascending.
fn classes(target: &[f64]) -> Vec<f64> {
    let mut classes: Vec<f64> = target.iter().map(|value| value + 0.0).collect();
    classes.sort_by(f64::total_cmp);
    classes.dedup();
    classes
}

/// One tree while it grows.
struct Grower<'a> {
    samples: &'a Samples,
    /// The class of each sample; empty for numbers.
    own: &'a [u32],
    outputs: usize,
    variables: usize,
    random: Random,
}

/// The best question of a node so far.
#[derive(Clone, Copy)]
struct Split {
    score: f64,
    feature: usize,
    threshold: f64,
}

impl Grower<'_> {
    fn grow(mut self) -> Tree {
        let n = self.samples.target.len();
        let mut drawn: Vec<u32> = (0..n).map(|_| self.random.below(n) as u32).collect();
        drawn.sort_unstable();
        let mut tree = Tree::default();
        let mut open = vec![(tree.push(), 0..n)];
        let mut order: Vec<(f64, u32)> = Vec::with_capacity(n);
        while let Some((node, range)) = open.pop() {
            let split = self.split(&drawn[range.clone()], &mut order);
            let Some(Split { feature, threshold, .. }) = split else {
                tree.set_leaf(node, &self.values(&drawn[range]));
                continue;
            };
            let column = &self.samples.columns[feature];
            // Stable, so that both sides keep the order of the samples.
            drawn[range.clone()].sort_by_key(|&i| column[i as usize] > threshold);
            let left = drawn[range.clone()].partition_point(|&i| column[i as usize] <= threshold);
            let middle = range.start + left;
            let children = [tree.push(), tree.push()];
            tree.feature[node] = feature as u32;
            tree.threshold[node] = threshold;
            tree.children[node] = children.map(|child| child as u32);
            open.push((children[1], middle..range.end));
            open.push((children[0], range.start..middle));
        }
        tree
    }

    /// The best split of these samples; `None` where they are pure or alike in all features.
    fn split(&mut self, drawn: &[u32], order: &mut Vec<(f64, u32)>) -> Option<Split> {
        let target = |i: u32| self.samples.target[i as usize];
        if drawn.iter().all(|&i| target(i) == target(drawn[0])) {
            return None;
        }
        let mut features: Vec<usize> = (0..self.samples.features.len()).collect();
        let mut best: Option<Split> = None;
        let mut looked = 0;
        // Features that do not vary here do not count, as long as there are others.
        for i in 0..features.len() {
            let chosen = i + self.random.below(features.len() - i);
            features.swap(i, chosen);
            let column = &self.samples.columns[features[i]];
            order.clear();
            order.extend(drawn.iter().map(|&i| (column[i as usize], i)));
            order.sort_by(|a, b| a.0.total_cmp(&b.0));
            if order[0].0 == order[order.len() - 1].0 {
                continue;
            }
            let found = if self.own.is_empty() { self.numbers(order) } else { self.gini(order) };
            if best.is_none_or(|best| found.0 > best.score) {
                best = Some(Split { score: found.0, feature: features[i], threshold: found.1 });
            }
            looked += 1;
            if looked == self.variables {
                break;
            }
        }
        best
    }

    /// Score and threshold of the best split into pure classes: the sum over both sides of the squared counts of classes
    /// by the count of samples, which is largest where Gini impurity is smallest.
    fn gini(&self, order: &[(f64, u32)]) -> (f64, f64) {
        let mut sides = [vec![0_u64; self.outputs], vec![0_u64; self.outputs]];
        for (_, i) in order {
            sides[1][self.own[*i as usize] as usize] += 1;
        }
        let mut squares = [0_u64, sides[1].iter().map(|count| count * count).sum()];
        best(order, |i, left| {
            let class = self.own[i as usize] as usize;
            squares[0] += 2 * sides[0][class] + 1;
            squares[1] -= 2 * sides[1][class] - 1;
            sides[0][class] += 1;
            sides[1][class] -= 1;
            squares[0] as f64 / left as f64 + squares[1] as f64 / (order.len() - left) as f64
        })
    }

    /// The same for numbers: the sum over both sides of the squared sums by the count, largest where the squared error
    /// is smallest. Numbers are taken relative to their mean, which keeps the sums small.
    fn numbers(&self, order: &[(f64, u32)]) -> (f64, f64) {
        let target = |i: u32| self.samples.target[i as usize];
        let mean = order.iter().map(|(_, i)| target(*i)).sum::<f64>() / order.len() as f64;
        let total: f64 = order.iter().map(|(_, i)| target(*i) - mean).sum();
        let mut sum = 0.0;
        best(order, |i, left| {
            sum += target(i) - mean;
            let rest = total - sum;
            sum * sum / left as f64 + rest * rest / (order.len() - left) as f64
        })
    }

    /// What a leaf with these samples says.
    fn values(&self, drawn: &[u32]) -> Vec<f64> {
        let n = drawn.len() as f64;
        if self.own.is_empty() {
            return vec![drawn.iter().map(|&i| self.samples.target[i as usize]).sum::<f64>() / n];
        }
        let mut counts = vec![0.0; self.outputs];
        for &i in drawn {
            counts[self.own[i as usize] as usize] += 1.0;
        }
        counts.iter().map(|count| count / n).collect()
    }
}

/// The best place between two different values: `moved` takes the next sample to the left and gives the score for so
/// many there. There are at least two different values.
fn best(order: &[(f64, u32)], mut moved: impl FnMut(u32, usize) -> f64) -> (f64, f64) {
    let mut best = (f64::NEG_INFINITY, f64::NAN);
    for (place, pair) in order.windows(2).enumerate() {
        let score = moved(pair[0].1, place + 1);
        if pair[0].0 < pair[1].0 && score > best.0 {
            let middle = pair[0].0 / 2.0 + pair[1].0 / 2.0;
            // Between neighbouring floats there is nothing; the lower one separates them.
            let threshold =
                if middle < pair[1].0 && middle >= pair[0].0 { middle } else { pair[0].0 };
            best = (score, threshold);
        }
    }
    best
}

/// SplitMix64 (Steele, Lea and Flood 2014), a stream for each tree.
struct Random(u64);

impl Random {
    fn new(seed: u64, stream: u64) -> Random {
        let mut random = Random(seed);
        let start = random.next();
        Random(start ^ Random(stream.wrapping_add(0x5851_f42d_4c95_7f2d)).next())
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; the bias of the multiplication is below 2⁻³² for what is counted here.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}
