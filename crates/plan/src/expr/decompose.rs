//! Reducing expressions that can stream: folds over the axis and an expression of their results.
//!
//! ```text
//! subtract(max(axis 0), min(axis 0))  →  folds: max, min    finish: subtract(input 0, input 1)
//! ```
//!
//! That works where the whole axis is used by nothing but the array argument of calls that have a
//! [`Fold`](crate::lanes::stream::Fold) and otherwise constant arguments. Everything else needs the array at once.

use eolith_cube::DType;

use super::{Builder, Expr, ExprId, Node, Typed};
use crate::function::Function;
use crate::lanes::stream::{Accumulator, FoldCall, Slab, stored_dtype};
use crate::lanes::{self, Register};
use crate::types::Type;
use crate::value::{Fault, Value};

/// An expression over the axis of input 0 that takes the axis row by row.
#[derive(Clone, Debug)]
pub struct Decomposed {
    folds: Vec<Step>,
    /// The result; input `k` is the result of fold `k`, a scalar or an array of a few values.
    pub finish: Expr,
}

#[derive(Clone, Debug)]
struct Step {
    function: &'static Function,
    /// The axis.
    ty: Type,
    /// The arguments after the axis.
    options: Vec<Value>,
    out: Type,
}

/// The folds of some lanes while the axis goes by.
#[derive(Debug)]
pub struct State<'a> {
    decomposed: &'a Decomposed,
    accumulators: Vec<(DType, Box<dyn Accumulator>)>,
    lanes: usize,
    at: usize,
}

impl Expr {
    /// The expression as folds over the axis of input 0; `None` where it needs the array at once, and where it uses
    /// no axis or any other input.
    pub fn decompose(&self) -> Option<Decomposed> {
        let is_axis = |id: ExprId| matches!(self.nodes[id.0].node, Node::Axis(..));
        let mut folds: Vec<Step> = Vec::new();
        let mut nodes = Vec::with_capacity(self.nodes.len());
        for Typed { node, ty } in &self.nodes {
            let mut over_axis = false;
            node.for_args(|id| over_axis |= is_axis(id));
            let node = match node {
                Node::Input(_) => return None,
                Node::Axis(k, _) if *k != 0 => return None,
                // Nothing uses it any more.
                Node::Axis(..) => Node::Const(Value::Null),
                Node::Call { function, args } if over_axis => {
                    let (axis, options) = args.split_first()?;
                    if !is_axis(*axis) {
                        return None;
                    }
                    let options: Option<Vec<Value>> = (options.iter())
                        .map(|id| match &self.nodes[id.0].node {
                            Node::Const(value) => Some(value.clone()),
                            _ => None,
                        })
                        .collect();
                    let axis = self.nodes[axis.0].ty.clone();
                    let step = Step { function, ty: axis, options: options?, out: ty.clone() };
                    step.start(DType::F64, 0)?;
                    folds.push(step);
                    Node::Input(folds.len() - 1)
                }
                _ if over_axis => return None,
                other => other.clone(),
            };
            nodes.push(Typed { node, ty: ty.clone() });
        }
        if folds.is_empty() || is_axis(self.root) {
            return None;
        }
        Some(Decomposed { folds, finish: Builder { nodes }.finish(self.root) })
    }
}

impl Expr {
    /// Bytes that an element of an array takes while the expression computes all of it at once, the array (stored as
    /// `dtype`) left out: a column for every step that makes an array, and the copy that is sorted, with their masks.
    pub fn bytes_per_element(&self, dtype: DType) -> usize {
        let column = |typed: &Typed| match (&typed.node, &typed.ty) {
            (Node::Input(_) | Node::Axis(..) | Node::Const(_), _) => 0,
            (_, ty @ Type::Array(..)) => {
                lanes::column_dtype(ty).map_or(size_of::<Value>(), |dtype| dtype.size() + 1)
            }
            _ => 0,
        };
        let values = if self.is_plain() { 0 } else { size_of::<Value>() };
        dtype.size() + 1 + values + self.nodes.iter().map(column).sum::<usize>()
    }
}

impl Decomposed {
    /// The state of `lanes` lanes before the first row; the rows will be stored as `dtype`.
    pub fn start(&self, dtype: DType, lanes: usize) -> State<'_> {
        let start = |step: &Step| {
            let accumulator = step.start(dtype, lanes);
            (
                step.stored(dtype),
                accumulator.expect("invariant: a fold does not look at the storage"),
            )
        };
        State {
            decomposed: self,
            accumulators: self.folds.iter().map(start).collect(),
            lanes,
            at: 0,
        }
    }

    /// Bytes that one lane needs at most from the first row to the result; the rows are stored as `dtype`.
    pub fn bytes_per_lane(&self, dtype: DType) -> usize {
        let state: usize = (self.start(dtype, 0).accumulators.iter())
            .map(|(_, accumulator)| accumulator.bytes_per_lane())
            .sum();
        let column = |typed: &Typed| match typed.node {
            Node::Input(_) | Node::Axis(..) | Node::Const(_) => 0,
            _ => {
                lanes::column_dtype(&typed.ty).map_or(size_of::<Value>(), |dtype| dtype.size() + 1)
            }
        };
        state + self.finish.nodes.iter().map(column).sum::<usize>()
    }
}

impl State<'_> {
    /// The next rows of the axis: `first` is the index of the first of them, which follows on the last that came.
    pub fn push(&mut self, first: usize, rows: &Slab<'_>) {
        debug_assert_eq!((first, rows.lanes), (self.at, self.lanes));
        self.at = first + rows.n;
        for (stored, accumulator) in &mut self.accumulators {
            if rows.values.dtype() == *stored {
                accumulator.push(rows);
            } else {
                let (values, validity) = rows.cast(*stored);
                accumulator.push(&Slab::packed(&values, validity.as_deref(), rows.n, rows.lanes));
            }
        }
    }

    /// The results of the expression.
    ///
    /// # Errors
    /// The fault of the lowest lane that has one, with that lane.
    pub fn finish(self) -> Result<Register, (usize, Fault)> {
        let results =
            self.accumulators.into_iter().map(|(_, accumulator)| accumulator.finish()).collect();
        lanes::evaluate(&self.decomposed.finish, results, self.lanes)
    }
}

impl Step {
    fn stored(&self, dtype: DType) -> DType {
        stored_dtype(self.ty.element(), dtype)
    }

    fn start(&self, dtype: DType, lanes: usize) -> Option<Box<dyn Accumulator>> {
        if !self.ty.is_plain() || !self.out.is_plain() {
            return None;
        }
        (self.function.fold?)(&FoldCall {
            element: self.ty.element(),
            stored: self.stored(dtype),
            len: self.ty.length(),
            options: &self.options,
            out: &self.out,
            lanes,
        })
    }
}
