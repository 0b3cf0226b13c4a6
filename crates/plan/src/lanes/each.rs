//! Callbacks on the elements of an array: the body is evaluated for a row of elements at a time.

use std::rc::Rc;
use std::sync::Arc;

use super::{Register, State, column_dtype, elements, merge_faults, per_lane, run};
use crate::expr::{Expr, Lambda, Node, Typed};
use crate::types::Type;
use crate::value::{Array, Value};

/// What `body` gives for each element of each lane.
pub(super) fn each(
    array: &State,
    body: &Arc<Expr>,
    captures: &[&State],
    ty: &Type,
    lanes: usize,
) -> State {
    let states: Vec<&State> = [array].into_iter().chain(captures.iter().copied()).collect();
    let (n, labels) = match &*array.register {
        Register::Array { n, labels, .. } => (*n, labels.clone()),
        Register::Const(Value::Array(array)) => (array.values.len(), array.labels.clone()),
        Register::Const(_) | Register::Scalar(_) => {
            // Arrays of many lengths.
            return per_lane(&states, ty, lanes, |args| {
                let (array, captured) = args.split_first().expect("invariant: the array is first");
                Lambda { body: Arc::clone(body), captured: captured.to_vec() }.each(array)
            });
        }
    };
    let mut faults = merge_faults(&states);
    if let Some(all) = together(array, body, captures, n * lanes) {
        for (at, fault) in all.faults {
            // In the order of the elements: the first one that fails is the one that counts.
            faults.entry(at % lanes).or_insert(fault);
        }
        if let Register::Scalar(own) = Rc::unwrap_or_clone(all.register) {
            let register = Rc::new(Register::Array { n, lanes: own, labels });
            return State { register, faults };
        }
    }
    let mut rows: Vec<Rc<Register>> = Vec::with_capacity(n);
    for i in 0..n {
        let label = labels.as_ref().map_or(Value::Null, |labels| labels[i].clone().into());
        let own = [
            array.register.pick(i, lanes),
            Register::Const(Value::Int(i as i64)),
            Register::Const(label),
        ];
        let captures = captures.iter().map(|state| Rc::clone(&state.register));
        let row = run(body, own.into_iter().map(Rc::new).chain(captures).collect(), lanes);
        // The first element that fails is the one that counts.
        for (lane, fault) in row.faults {
            faults.entry(lane).or_insert(fault);
        }
        rows.push(row.register);
    }
    let columns: Vec<&Register> = rows.iter().map(|row| &**row).collect();
    let list = elements::list(&columns, ty, lanes);
    let register = if let Some(Register::Array { n, lanes, .. }) = list {
        Register::Array { n, lanes, labels }
    } else {
        let value = |lane: usize| {
            let values = columns.iter().map(|row| row.value(lane, lanes)).collect();
            Value::Array(Arc::new(Array { values, labels: labels.clone() }))
        };
        Register::from_values((0..lanes).map(value).collect(), ty)
    };
    drop(columns);
    rows.into_iter().for_each(super::recycle);
    State { register: Rc::new(register), faults }
}

/// The body for all elements at once, an element a lane, where it is the same for all of them: it looks at neither
/// index nor label, and what it captures is constant. `None` where it is not.
fn together(array: &State, body: &Expr, captures: &[&State], elements: usize) -> Option<State> {
    let Register::Array { lanes, .. } = &*array.register else { return None };
    let place = |typed: &Typed| matches!(typed.node, Node::Input(1 | 2));
    let constant = |state: &&State| matches!(*state.register, Register::Const(_));
    let is_column = column_dtype(body.ty()).is_some() && !matches!(body.ty(), Type::Array(..));
    let same = !body.nodes.iter().any(place) && captures.iter().all(constant);
    if elements == 0 || !is_column || !same {
        return None;
    }
    let none = || Rc::new(Register::Const(Value::Null));
    let element = Rc::new(Register::Scalar(lanes.clone()));
    let captures = captures.iter().map(|state| Rc::clone(&state.register));
    Some(run(body, [element, none(), none()].into_iter().chain(captures).collect(), elements))
}
