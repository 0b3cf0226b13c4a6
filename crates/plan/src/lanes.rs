//! Expressions over many lanes at once.
//!
//! A lane is one pixel position of a tile. A number is a column of `lanes` values, an array `n` such columns one
//! after the other (element-major), so that kernels run over contiguous memory. Functions without a kernel, and
//! types no column holds, go through the same scalar definitions that the reference evaluator uses, lane by lane.
//!
//! Faults are lane state: evaluation goes on, `if` drops those of the branch a lane did not take, and what is left
//! is the error of the lowest lane.

pub mod accumulate;
mod each;
pub mod elements;
pub mod folds;
pub mod gaps;
pub mod kernels;
pub mod operand;
pub mod order;
pub mod permute;
pub mod running;
pub mod stream;

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use eolith_cube::{DType, Element, Label, Number, Values, columns, for_values};

use crate::expr::{Expr, ExprId, Lambda, Node, coerce};
use crate::types::Type;
use crate::value::{Array, Fault, Value};

/// What a node holds while a tile is evaluated.
#[derive(Clone, Debug)]
pub enum Register {
    /// The same value in every lane.
    Const(Value),
    Scalar(Lanes),
    Array {
        n: usize,
        lanes: Lanes,
        labels: Option<Arc<[Label]>>,
    },
}

/// Values with validity (`None` = all valid). Values under the mask are unspecified.
#[derive(Clone, Debug)]
pub struct Lanes {
    pub column: Column,
    pub validity: Option<Vec<bool>>,
}

#[derive(Clone, Debug)]
pub enum Column {
    Plain(Values),
    /// Texts, mixed and nested values; validity is in the values themselves.
    Any(Vec<Value>),
}

/// The arguments of a kernel.
#[derive(Debug)]
pub struct KernelCall<'a> {
    pub args: &'a [Rc<Register>],
    /// Types of the arguments.
    pub types: &'a [&'a Type],
    /// The type the result must have (see [`column_dtype`]).
    pub out: &'a Type,
    pub lanes: usize,
}

/// Evaluates `expr` for `lanes` lanes; `inputs[k]` stands for input or axis `k`.
///
/// # Errors
/// The fault of the lowest lane that has one, with that lane.
pub fn evaluate(
    expr: &Expr,
    inputs: Vec<Register>,
    lanes: usize,
) -> Result<Register, (usize, Fault)> {
    let state = run(expr, inputs.into_iter().map(Rc::new).collect(), lanes);
    match state.faults.into_iter().next() {
        Some((lane, fault)) => Err((lane, fault)),
        None => Ok(Rc::unwrap_or_clone(state.register)),
    }
}

/// Like [`evaluate`], with the fault of each lane that has one.
fn run(expr: &Expr, inputs: Vec<Rc<Register>>, lanes: usize) -> State {
    let mut inputs: Vec<Option<Rc<Register>>> = inputs.into_iter().map(Some).collect();
    let (last_use, last_input) = (last_uses(expr), last_inputs(expr, inputs.len()));
    let mut done: Vec<Option<State>> = Vec::with_capacity(expr.nodes.len());
    for (i, typed) in expr.nodes.iter().enumerate() {
        let state = match &typed.node {
            Node::Input(k) | Node::Axis(k, _) => {
                let input =
                    if last_input[*k] == i { inputs[*k].take() } else { inputs[*k].clone() };
                let input = input.expect("invariant: an input is there until its last use");
                State { register: typed_input(input, &typed.ty), faults: BTreeMap::new() }
            }
            Node::If { condition, accept, reject } => {
                let own = |id: ExprId, done: &mut Vec<Option<State>>| {
                    let last = last_use[id.0] == i;
                    let state = if last { done[id.0].take() } else { done[id.0].clone() };
                    state.expect("invariant: used before its last use")
                };
                // A value may be a branch twice.
                let accept = if accept == reject || accept == condition {
                    done[accept.0].clone().expect("invariant: used before its last use")
                } else {
                    own(*accept, &mut done)
                };
                let reject = if reject == condition {
                    done[reject.0].clone().expect("invariant: used before its last use")
                } else {
                    own(*reject, &mut done)
                };
                let condition = own(*condition, &mut done);
                select(condition, accept, reject, &typed.ty, lanes)
            }
            node => step(expr, node, &typed.ty, &done, lanes),
        };
        done.push(Some(state));
        typed.node.for_args(|id| {
            if last_use[id.0] == i
                && let Some(state) = done[id.0].take()
            {
                recycle(state.register);
            }
        });
    }
    let state = done[expr.root.0].take().expect("invariant: the root is used last");
    inputs.into_iter().flatten().for_each(recycle);
    state
}

/// The storage type of a column for values of `ty`; integers may also stay in the native type they came in.
pub fn column_dtype(ty: &Type) -> Option<DType> {
    match ty.element() {
        Type::Bool => Some(DType::Bool),
        Type::Int(_) => Some(DType::I64),
        Type::F32 => Some(DType::F32),
        Type::F64 | Type::Null => Some(DType::F64),
        Type::Text | Type::Any | Type::Array(..) => None,
    }
}

#[derive(Clone, Debug)]
struct State {
    register: Rc<Register>,
    faults: BTreeMap<usize, Fault>,
}

/// Gives the memory of a register back that nobody else uses.
fn recycle(register: Rc<Register>) {
    if let Ok(register) = Rc::try_unwrap(register) {
        register.recycle();
    }
}

fn step(expr: &Expr, node: &Node, ty: &Type, done: &[Option<State>], lanes: usize) -> State {
    let at = |id: &ExprId| done[id.0].as_ref().expect("invariant: used before its last use");
    let plain = |register: Register| State { register: Rc::new(register), faults: BTreeMap::new() };
    match node {
        Node::Input(_) | Node::Axis(..) | Node::If { .. } => {
            unreachable!("invariant: evaluated by `evaluate`, which may give them their inputs")
        }
        Node::Const(value) => plain(Register::Const(value.clone())),
        Node::Fault(fault) => State {
            register: Rc::new(Register::Const(Value::Null)),
            faults: (0..lanes).map(|lane| (lane, fault.clone())).collect(),
        },
        Node::Pick { array, index } => {
            let source = at(array);
            State {
                register: Rc::new(source.register.pick(*index, lanes)),
                faults: source.faults.clone(),
            }
        }
        Node::List(items) => {
            let states: Vec<&State> = items.iter().map(at).collect();
            let registers: Vec<&Register> = states.iter().map(|s| &*s.register).collect();
            match elements::list(&registers, ty, lanes) {
                Some(list) => State { register: Rc::new(list), faults: merge_faults(&states) },
                None => per_lane(&states, ty, lanes, |args| Ok(Value::array(args.to_vec()))),
            }
        }
        Node::Each { array, body, captures } => {
            let captures: Vec<&State> = captures.iter().map(at).collect();
            each::each(at(array), body, &captures, ty, lanes)
        }
        Node::Lambda { body, captures, .. } => {
            let states: Vec<&State> = captures.iter().map(at).collect();
            per_lane(&states, ty, lanes, |captured| {
                let lambda = Lambda { body: Arc::clone(body), captured: captured.to_vec() };
                Ok(Value::Lambda(Arc::new(lambda)))
            })
        }
        Node::Call { function, args } => {
            let states: Vec<&State> = args.iter().map(at).collect();
            let types: Vec<&Type> = args.iter().map(|id| &expr.nodes[id.0].ty).collect();
            let fits = |(ty, state): (&&Type, &&State)| {
                ty.is_plain() || matches!(*state.register, Register::Const(_))
            };
            let plain = ty.is_plain() && types.iter().zip(&states).all(fits);
            let registers: Vec<Rc<Register>> =
                states.iter().map(|s| Rc::clone(&s.register)).collect();
            let call = KernelCall { args: &registers, types: &types, out: ty, lanes };
            match plain.then(|| function.vectorised(&call)).flatten() {
                Some(Ok(register)) => {
                    State { register: Rc::new(register), faults: merge_faults(&states) }
                }
                // A kernel that meets an error leaves finding the lanes to the scalar definition.
                Some(Err(_)) | None => per_lane(&states, ty, lanes, |args| (function.scalar)(args)),
            }
        }
    }
}

/// The input as its type stores it: 64-bit unsigned integers are floats to expressions.
fn typed_input(input: Rc<Register>, ty: &Type) -> Rc<Register> {
    let float = match ty.element() {
        Type::F64 => DType::F64,
        Type::F32 => DType::F32,
        _ => return input,
    };
    let cast = |own: &Lanes| match &own.column {
        Column::Plain(values) if values.dtype() != float => {
            Some(Lanes::plain(values.cast(float), own.validity.clone()))
        }
        Column::Plain(_) | Column::Any(_) => None,
    };
    let cast = match &*input {
        Register::Scalar(own) => cast(own).map(Register::Scalar),
        Register::Array { n, lanes: own, labels } => {
            cast(own).map(|lanes| Register::Array { n: *n, lanes, labels: labels.clone() })
        }
        Register::Const(_) => None,
    };
    cast.map_or(input, Rc::new)
}

fn per_lane(
    states: &[&State],
    ty: &Type,
    lanes: usize,
    f: impl Fn(&[Value]) -> Result<Value, Fault>,
) -> State {
    let mut faults = merge_faults(states);
    let mut values = Vec::with_capacity(lanes);
    for lane in 0..lanes {
        if faults.contains_key(&lane) {
            values.push(Value::Null);
            continue;
        }
        let args: Vec<Value> = states.iter().map(|s| s.register.value(lane, lanes)).collect();
        match f(&args) {
            Ok(value) => values.push(coerce(value, ty)),
            Err(fault) => {
                faults.insert(lane, fault);
                values.push(Value::Null);
            }
        }
    }
    State { register: Rc::new(Register::from_values(values, ty)), faults }
}

fn select(condition: State, accept: State, reject: State, ty: &Type, lanes: usize) -> State {
    let taken = elements::truths(&condition.register, lanes).unwrap_or_else(|| {
        let truth = |lane| condition.register.value(lane, lanes) == Value::Bool(true);
        (0..lanes).map(truth).collect()
    });
    let mut faults = condition.faults;
    for (branch, wanted) in [(&accept, true), (&reject, false)] {
        let own = branch.faults.iter().filter(|(lane, _)| taken[**lane] == wanted);
        for (lane, fault) in own {
            faults.entry(*lane).or_insert_with(|| fault.clone());
        }
    }
    let [accept, reject] = match (accept.register, reject.register) {
        (side, other) if is_null(&other) => match elements::masked(side, &taken, true, ty) {
            Ok(register) => return State { register: Rc::new(register), faults },
            Err(side) => [side, other],
        },
        (other, side) if is_null(&other) => match elements::masked(side, &taken, false, ty) {
            Ok(register) => return State { register: Rc::new(register), faults },
            Err(side) => [other, side],
        },
        (accept, reject) => [accept, reject],
    };
    if let Some(register) = elements::select(&taken, [&accept, &reject], ty) {
        return State { register: Rc::new(register), faults };
    }
    let values = (taken.iter().enumerate())
        .map(|(lane, &yes)| {
            let branch = if yes { &accept } else { &reject };
            coerce(branch.value(lane, lanes), ty)
        })
        .collect();
    State { register: Rc::new(Register::from_values(values, ty)), faults }
}

fn is_null(register: &Register) -> bool {
    matches!(register, Register::Const(Value::Null))
}

fn merge_faults(states: &[&State]) -> BTreeMap<usize, Fault> {
    let mut faults = BTreeMap::new();
    for state in states {
        for (lane, fault) in &state.faults {
            faults.entry(*lane).or_insert_with(|| fault.clone());
        }
    }
    faults
}

fn last_uses(expr: &Expr) -> Vec<usize> {
    let mut last = vec![usize::MAX; expr.nodes.len()];
    for (i, typed) in expr.nodes.iter().enumerate() {
        typed.node.for_args(|id| last[id.0] = i);
    }
    last[expr.root.0] = usize::MAX;
    last
}

/// For each input the last node that is it.
fn last_inputs(expr: &Expr, inputs: usize) -> Vec<usize> {
    let mut last = vec![usize::MAX; inputs];
    for (i, typed) in expr.nodes.iter().enumerate() {
        if let Node::Input(k) | Node::Axis(k, _) = &typed.node {
            last[*k] = i;
        }
    }
    last
}

impl Register {
    /// The value of one lane.
    pub fn value(&self, lane: usize, lanes: usize) -> Value {
        match self {
            Register::Const(value) => value.clone(),
            Register::Scalar(own) => own.value(lane),
            Register::Array { n, lanes: own, labels } => Value::Array(Arc::new(Array {
                values: (0..*n).map(|i| own.value(i * lanes + lane)).collect(),
                labels: labels.clone(),
            })),
        }
    }

    /// From one value a lane. Arrays of one length become an array register, anything irregular stays as values.
    pub fn from_values(values: Vec<Value>, ty: &Type) -> Register {
        if let Type::Array(element, _) = ty
            && let Some(register) = Self::from_arrays(&values, element)
        {
            return register;
        }
        let plain = if ty.is_plain() && ty.length().is_none() && !matches!(ty, Type::Array(..)) {
            column_dtype(ty)
        } else {
            None
        };
        Register::Scalar(Lanes::from_values(values, plain))
    }

    fn from_arrays(values: &[Value], element: &Type) -> Option<Register> {
        let arrays: Option<Vec<&Array>> = values.iter().map(Value::as_array).collect();
        let arrays = arrays?;
        let first = arrays.first()?;
        let n = first.values.len();
        if arrays.iter().any(|a| a.values.len() != n || a.labels != first.labels) {
            return None;
        }
        let lanes = arrays.len();
        let flat = (0..n * lanes).map(|i| arrays[i % lanes].values[i / lanes].clone()).collect();
        let dtype = if element.is_plain() { column_dtype(element) } else { None };
        Some(Register::Array {
            n,
            lanes: Lanes::from_values(flat, dtype),
            labels: first.labels.clone(),
        })
    }

    /// Gives its memory back to [`columns`].
    pub(crate) fn recycle(self) {
        if let Register::Scalar(lanes) | Register::Array { lanes, .. } = self {
            if let Column::Plain(values) = lanes.column {
                columns::give_values(values);
            }
            lanes.validity.into_iter().for_each(columns::give);
        }
    }

    /// The column of a scalar register.
    pub(crate) fn column(&self) -> Option<&Lanes> {
        if let Register::Scalar(lanes) = self { Some(lanes) } else { None }
    }

    fn pick(&self, index: usize, lanes: usize) -> Register {
        match self {
            Register::Const(value) => {
                let element = value.as_array().and_then(|a| a.values.get(index)).cloned();
                Register::Const(element.unwrap_or(Value::Null))
            }
            Register::Array { lanes: own, .. } => Register::Scalar(own.slice(index * lanes, lanes)),
            Register::Scalar(own) => {
                let element = |lane: usize| {
                    let value = own.value(lane);
                    value
                        .as_array()
                        .and_then(|a| a.values.get(index))
                        .cloned()
                        .unwrap_or(Value::Null)
                };
                Register::Scalar(Lanes::from_values((0..lanes).map(element).collect(), None))
            }
        }
    }
}

impl Lanes {
    pub fn plain(values: Values, validity: Option<Vec<bool>>) -> Lanes {
        Lanes { column: Column::Plain(values), validity }
    }

    pub fn len(&self) -> usize {
        match &self.column {
            Column::Plain(values) => values.len(),
            Column::Any(values) => values.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn is_valid(&self, index: usize) -> bool {
        self.validity.as_ref().is_none_or(|mask| mask[index])
    }

    pub fn value(&self, index: usize) -> Value {
        match &self.column {
            Column::Any(values) => values[index].clone(),
            Column::Plain(values) => {
                let pixel = self.is_valid(index).then(|| values.get(index));
                Value::of_pixel(pixel, values.dtype() == DType::Bool)
            }
        }
    }

    /// Values as a column of `dtype` where all of them are numbers, booleans or no-data; as they are otherwise.
    pub fn from_values(values: Vec<Value>, dtype: Option<DType>) -> Lanes {
        let pixels: Option<Vec<Option<Number>>> =
            dtype.and_then(|_| values.iter().map(|v| v.to_pixel().ok()).collect());
        let (Some(dtype), Some(pixels)) = (dtype, pixels) else {
            return Lanes { column: Column::Any(values), validity: None };
        };
        let mut column = Values::zeros(dtype, pixels.len());
        let mut validity = None;
        for (i, pixel) in pixels.iter().enumerate() {
            match pixel {
                Some(number) => column.set(i, *number),
                None => validity.get_or_insert_with(|| vec![true; pixels.len()])[i] = false,
            }
        }
        Lanes { column: Column::Plain(column), validity }
    }

    pub(crate) fn slice(&self, start: usize, len: usize) -> Lanes {
        let column = match &self.column {
            Column::Any(values) => Column::Any(values[start..start + len].to_vec()),
            Column::Plain(values) => Column::Plain(
                for_values!(values, v => Element::wrap(columns::copy(&v[start..start + len]))),
            ),
        };
        let validity = self.validity.as_ref().map(|mask| columns::copy(&mask[start..start + len]));
        Lanes { column, validity }
    }
}
