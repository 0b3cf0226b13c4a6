//! Typed array expressions: what a callback becomes.
//!
//! An expression is a graph of nodes in topological order, shared by position. Leaves are the inputs of the
//! operator it belongs to: one value a lane ([`Node::Input`]) or, under operators that see a whole dimension, one
//! labelled array a lane ([`Node::Axis`]). This file builds them; `evaluate` computes one value at a time, and
//! [`crate::lanes`] many.

mod decompose;
mod evaluate;

use std::sync::Arc;

use eolith_cube::Label;

use crate::function::Function;
use crate::types::{Interval, Type};
use crate::value::{Fault, Value};

pub use decompose::{Decomposed, State};
pub(crate) use evaluate::coerce;

/// Position of a node in its expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExprId(pub usize);

/// A bound expression.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// In topological order: arguments come before their users.
    pub nodes: Vec<Typed>,
    pub root: ExprId,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Typed {
    pub node: Node,
    pub ty: Type,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// The value of input `k`.
    Input(usize),
    /// The values of input `k` along the operator's dimension, with their labels where these are known.
    Axis(usize, Option<Arc<[Label]>>),
    Const(Value),
    /// A constant expression that failed; an error only if its value is used.
    Fault(Fault),
    Call {
        function: &'static Function,
        args: Vec<ExprId>,
    },
    /// An element whose index is known and inside the array.
    Pick {
        array: ExprId,
        index: usize,
    },
    /// An array made of values.
    List(Vec<ExprId>),
    /// Only `true` takes the first branch. Faults of the branch not taken do not count.
    If {
        condition: ExprId,
        accept: ExprId,
        reject: ExprId,
    },
    /// What a callback gives for each element of an array: inputs 0, 1 and 2 of the body are the element, its index
    /// and its label, the following ones the captures. The array keeps its labels.
    Each {
        array: ExprId,
        body: Arc<Expr>,
        captures: Vec<ExprId>,
    },
    /// A callback: inputs `0..parameters` of the body are its parameters, the following ones the captures.
    Lambda {
        body: Arc<Expr>,
        parameters: usize,
        captures: Vec<ExprId>,
    },
}

/// A callback with the values it captured.
#[derive(Clone, Debug, PartialEq)]
pub struct Lambda {
    pub body: Arc<Expr>,
    pub captured: Vec<Value>,
}

/// Builds an expression node by node, sharing equal nodes and folding constants.
#[derive(Clone, Debug, Default)]
pub struct Builder {
    nodes: Vec<Typed>,
}

impl Builder {
    pub fn input(&mut self, index: usize, ty: Type) -> ExprId {
        self.push(Node::Input(index), ty)
    }

    pub fn axis(&mut self, index: usize, element: Type, labels: Option<Arc<[Label]>>) -> ExprId {
        let len = labels.as_ref().map(|l| l.len());
        self.push(Node::Axis(index, labels), Type::array(element, len))
    }

    pub fn constant(&mut self, value: Value) -> ExprId {
        let ty = type_of(&value);
        self.push(Node::Const(value), ty)
    }

    pub fn fault(&mut self, fault: Fault) -> ExprId {
        self.push(Node::Fault(fault), Type::Null)
    }

    /// A call; folded to a constant (or a fault) if all arguments are constant.
    pub fn call(&mut self, function: &'static Function, args: Vec<ExprId>) -> ExprId {
        debug_assert_eq!(function.parameters.len(), args.len());
        if let Some(fault) = args.iter().find_map(|id| self.as_fault(*id)) {
            return self.fault(fault);
        }
        let constants: Option<Vec<Value>> =
            args.iter().map(|id| self.as_const(*id).cloned()).collect();
        if let Some(values) = constants {
            return match (function.scalar)(&values) {
                Ok(value) => self.constant(value),
                Err(fault) => self.fault(fault),
            };
        }
        if let Some(args) = self.blanked(function, &args) {
            return self.call(function, args);
        }
        if let Some(id) = function.simplify.and_then(|simplify| simplify(self, &args)) {
            return id;
        }
        let types: Vec<&Type> = args.iter().map(|id| self.ty(*id)).collect();
        let ty = (function.result)(&types);
        self.push(Node::Call { function, args }, ty)
    }

    /// Element `index` of an array; the caller knows that it is there.
    pub fn pick(&mut self, array: ExprId, index: usize) -> ExprId {
        match &self.nodes[array.0].node {
            Node::List(items) => items[index],
            Node::Const(Value::Array(array)) => {
                let value = array.values[index].clone();
                self.constant(value)
            }
            _ => {
                let ty = self.ty(array).element().clone();
                self.push(Node::Pick { array, index }, ty)
            }
        }
    }

    pub fn list(&mut self, items: Vec<ExprId>) -> ExprId {
        let constants: Option<Vec<Value>> =
            items.iter().map(|id| self.as_const(*id).cloned()).collect();
        if let Some(values) = constants {
            return self.constant(Value::array(values));
        }
        let element = items.iter().fold(Type::Null, |ty, id| ty.join(self.ty(*id)));
        let ty = Type::array(element, Some(items.len()));
        self.push(Node::List(items), ty)
    }

    pub fn if_(&mut self, condition: ExprId, accept: ExprId, reject: ExprId) -> ExprId {
        if let Some(value) = self.as_const(condition) {
            return if *value == Value::Bool(true) { accept } else { reject };
        }
        if self.as_fault(condition).is_some() {
            return condition;
        }
        let ty = self.ty(accept).join(self.ty(reject));
        self.push(Node::If { condition, accept, reject }, ty)
    }

    pub fn lambda(&mut self, body: Expr, parameters: usize, captures: Vec<ExprId>) -> ExprId {
        let body = Arc::new(body);
        let captured: Option<Vec<Value>> =
            captures.iter().map(|id| self.as_const(*id).cloned()).collect();
        match captured {
            Some(captured) => self.constant(Value::Lambda(Arc::new(Lambda { body, captured }))),
            None => self.push(Node::Lambda { body, parameters, captures }, Type::Any),
        }
    }

    /// What `body` gives for each element of an array; see [`Node::Each`].
    pub fn each(&mut self, array: ExprId, body: Expr, captures: Vec<ExprId>) -> ExprId {
        if let Some(fault) = self.as_fault(array) {
            return self.fault(fault);
        }
        let captured: Option<Vec<Value>> =
            captures.iter().map(|id| self.as_const(*id).cloned()).collect();
        let body = Arc::new(body);
        if let (Some(array), Some(captured)) = (self.as_const(array), captured) {
            let lambda = Lambda { body, captured };
            return match lambda.each(array) {
                Ok(value) => self.constant(value),
                Err(fault) => self.fault(fault),
            };
        }
        let ty = Type::array(body.ty().clone(), self.ty(array).length());
        self.push(Node::Each { array, body, captures }, ty)
    }

    /// Copies another expression in, with `inputs` in place of its inputs and axes (by their number).
    pub fn inline(&mut self, expr: &Expr, inputs: &[ExprId]) -> ExprId {
        let mut map: Vec<ExprId> = Vec::with_capacity(expr.nodes.len());
        for typed in &expr.nodes {
            let at = |id: &ExprId| map[id.0];
            let id = match &typed.node {
                Node::Input(k) | Node::Axis(k, _) => inputs[*k],
                Node::Const(value) => self.constant(value.clone()),
                Node::Fault(fault) => self.fault(fault.clone()),
                Node::Call { function, args } => {
                    let args = args.iter().map(at).collect();
                    self.push(Node::Call { function, args }, typed.ty.clone())
                }
                Node::Pick { array, index } => {
                    let array = at(array);
                    self.pick(array, *index)
                }
                Node::List(items) => {
                    let items = items.iter().map(at).collect();
                    self.push(Node::List(items), typed.ty.clone())
                }
                Node::If { condition, accept, reject } => {
                    let (c, a, r) = (at(condition), at(accept), at(reject));
                    self.push(Node::If { condition: c, accept: a, reject: r }, typed.ty.clone())
                }
                Node::Each { array, body, captures } => {
                    let (array, body) = (at(array), Arc::clone(body));
                    let captures = captures.iter().map(at).collect();
                    self.push(Node::Each { array, body, captures }, typed.ty.clone())
                }
                Node::Lambda { body, parameters, captures } => {
                    let captures = captures.iter().map(at).collect();
                    let node =
                        Node::Lambda { body: Arc::clone(body), parameters: *parameters, captures };
                    self.push(node, typed.ty.clone())
                }
            };
            map.push(id);
        }
        map[expr.root.0]
    }

    pub fn ty(&self, id: ExprId) -> &Type {
        &self.nodes[id.0].ty
    }

    pub fn node(&self, id: ExprId) -> &Node {
        &self.nodes[id.0].node
    }

    pub fn as_const(&self, id: ExprId) -> Option<&Value> {
        if let Node::Const(value) = &self.nodes[id.0].node { Some(value) } else { None }
    }

    pub fn as_fault(&self, id: ExprId) -> Option<Fault> {
        if let Node::Fault(fault) = &self.nodes[id.0].node { Some(fault.clone()) } else { None }
    }

    /// The expression of `root`, without nodes that nothing uses.
    pub fn finish(&self, root: ExprId) -> Expr {
        let mut used = vec![false; self.nodes.len()];
        used[root.0] = true;
        for i in (0..=root.0).rev() {
            if used[i] {
                self.nodes[i].node.for_args(|id| used[id.0] = true);
            }
        }
        let mut map = vec![ExprId(usize::MAX); self.nodes.len()];
        let mut nodes = Vec::new();
        for (i, typed) in self.nodes.iter().enumerate().take(root.0 + 1) {
            if used[i] {
                map[i] = ExprId(nodes.len());
                let mut typed = typed.clone();
                typed.node.map_args(|id| map[id.0]);
                nodes.push(typed);
            }
        }
        Expr { nodes, root: map[root.0] }
    }

    /// The arguments of a call that leaves out no-data anyway, with elements made no-data that were to be removed.
    fn blanked(&mut self, function: &Function, args: &[ExprId]) -> Option<Vec<ExprId>> {
        let ignore = self.as_const(args[function.leaves_out()?])?;
        let Node::Call { function: removing, args: removed } = self.node(args[0]) else {
            return None;
        };
        let (blanks, removed) = (removing.blanks?, removed.clone());
        if *ignore != Value::Bool(true) {
            return None;
        }
        let mut args = args.to_vec();
        args[0] = self.call(blanks, removed);
        Some(args)
    }

    fn push(&mut self, node: Node, ty: Type) -> ExprId {
        // Sharing looks at recent nodes only: callbacks repeat a read a few lines later, and a full search would
        // make long graphs quadratic.
        let recent = self.nodes.len().saturating_sub(256);
        let same = |typed: &Typed| {
            typed.ty == ty
                && match (&typed.node, &node) {
                    (Node::Const(a), Node::Const(b)) => identical(a, b),
                    (a, b) => a == b,
                }
        };
        if let Some(found) = self.nodes[recent..].iter().position(same) {
            return ExprId(recent + found);
        }
        self.nodes.push(Typed { node, ty });
        ExprId(self.nodes.len() - 1)
    }
}

impl Node {
    pub fn for_args(&self, mut f: impl FnMut(ExprId)) {
        match self {
            Node::Input(_) | Node::Axis(..) | Node::Const(_) | Node::Fault(_) => {}
            Node::Call { args, .. } | Node::List(args) | Node::Lambda { captures: args, .. } => {
                args.iter().copied().for_each(f);
            }
            Node::Pick { array, .. } => f(*array),
            Node::Each { array, captures, .. } => {
                f(*array);
                captures.iter().copied().for_each(f);
            }
            Node::If { condition, accept, reject } => {
                [*condition, *accept, *reject].into_iter().for_each(f);
            }
        }
    }

    fn map_args(&mut self, f: impl Fn(ExprId) -> ExprId) {
        match self {
            Node::Input(_) | Node::Axis(..) | Node::Const(_) | Node::Fault(_) => {}
            Node::Call { args, .. } | Node::List(args) | Node::Lambda { captures: args, .. } => {
                for id in args.iter_mut() {
                    *id = f(*id);
                }
            }
            Node::Pick { array, .. } => *array = f(*array),
            Node::Each { array, captures, .. } => {
                *array = f(*array);
                for id in captures.iter_mut() {
                    *id = f(*id);
                }
            }
            Node::If { condition, accept, reject } => {
                *condition = f(*condition);
                *accept = f(*accept);
                *reject = f(*reject);
            }
        }
    }
}

impl Expr {
    pub fn ty(&self) -> &Type {
        &self.nodes[self.root.0].ty
    }

    /// The type of the result if the inputs had these types: what one band of a cube gives when the expression
    /// was bound for the common type of all.
    pub fn type_for(&self, inputs: &[Type]) -> Type {
        let mut types: Vec<Type> = Vec::with_capacity(self.nodes.len());
        for typed in &self.nodes {
            let ty = match &typed.node {
                Node::Input(k) => inputs[*k].clone(),
                Node::Axis(k, _) => Type::array(inputs[*k].clone(), typed.ty.length()),
                Node::Const(_) | Node::Fault(_) | Node::Lambda { .. } => typed.ty.clone(),
                Node::Call { function, args } => {
                    let args: Vec<&Type> = args.iter().map(|id| &types[id.0]).collect();
                    (function.result)(&args)
                }
                Node::Pick { array, .. } => types[array.0].element().clone(),
                Node::List(items) => {
                    let element = items.iter().fold(Type::Null, |ty, id| ty.join(&types[id.0]));
                    Type::array(element, Some(items.len()))
                }
                Node::If { accept, reject, .. } => types[accept.0].join(&types[reject.0]),
                Node::Each { array, body, captures } => {
                    let (element, len) = element_of(&types[array.0]);
                    let captures = captures.iter().map(|id| types[id.0].clone());
                    let own = element_types(element, len).into_iter().chain(captures);
                    Type::array(body.type_for(&own.collect::<Vec<_>>()), len)
                }
            };
            types.push(ty);
        }
        types.swap_remove(self.root.0)
    }

    /// Whether every result is the value of input `k` or no-data, so that what is known of its numbers stays true.
    pub fn selects(&self, k: usize) -> bool {
        let mut selects = vec![false; self.nodes.len()];
        for (i, typed) in self.nodes.iter().enumerate() {
            selects[i] = match &typed.node {
                Node::Input(own) | Node::Axis(own, _) => *own == k,
                Node::Const(value) => value.is_null(),
                Node::Pick { array, .. } => selects[array.0],
                Node::If { accept, reject, .. } => selects[accept.0] && selects[reject.0],
                Node::Fault(_)
                | Node::Call { .. }
                | Node::List(_)
                | Node::Each { .. }
                | Node::Lambda { .. } => false,
            };
        }
        selects[self.root.0]
    }

    /// Whether every value has a type that is computed for many lanes at once.
    pub fn is_plain(&self) -> bool {
        self.nodes.iter().all(|typed| match &typed.node {
            Node::Const(_) | Node::Lambda { .. } => true,
            Node::Each { body, .. } => typed.ty.is_plain() && body.is_plain(),
            _ => typed.ty.is_plain(),
        })
    }

    /// The value if the expression is constant.
    pub fn as_const(&self) -> Option<Result<Value, Fault>> {
        match &self.nodes[self.root.0].node {
            Node::Const(value) => Some(Ok(value.clone())),
            Node::Fault(fault) => Some(Err(fault.clone())),
            _ => None,
        }
    }
}

/// Type and number of the elements.
fn element_of(array: &Type) -> (Type, Option<usize>) {
    match array {
        Type::Array(element, len) => ((**element).clone(), *len),
        _ => (Type::Any, None),
    }
}

/// The types of what a callback gets for an element: the element, its index, its label.
pub fn element_types(element: Type, len: Option<usize>) -> [Type; 3] {
    let hi = len.map_or(i64::from(u32::MAX), |n| n as i64);
    [element, Type::Int(Interval { lo: 0, hi, narrow: false }), Type::Any]
}

/// Equality of constants that tells zero from negative zero.
fn identical(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Array(a), Value::Array(b)) => {
            a.labels == b.labels
                && a.values.len() == b.values.len()
                && a.values.iter().zip(&b.values).all(|(a, b)| identical(a, b))
        }
        (a, b) => a == b,
    }
}

/// The narrowest type of a constant.
pub fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(value) => Type::int(*value),
        Value::Float(_) => Type::F64,
        Value::Text(_) => Type::Text,
        Value::Object(_) | Value::Model(_) | Value::Network(_) | Value::Lambda(_) => Type::Any,
        Value::Array(array) => {
            let element = array.values.iter().fold(Type::Null, |ty, v| ty.join(&type_of(v)));
            // A list of integers and floats keeps its integers: JSON tokens are observable.
            let mixed =
                element == Type::F64 && array.values.iter().any(|v| matches!(v, Value::Int(_)));
            Type::array(if mixed { Type::Any } else { element }, Some(array.values.len()))
        }
    }
}
