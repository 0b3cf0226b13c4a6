//! Arguments of a call that are callbacks: process graphs, bound with what their parameters stand for.

use std::collections::BTreeSet;
use std::sync::Arc;

use eolith_cube::Label;
use eolith_graph::{Arg, Code, Graph, Node};

use super::call::later;
use crate::bind::{Call, Problem, Term};
use crate::expr::{Expr, ExprId, element_types};
use crate::types::Type;
use crate::value::Value;

/// What a parameter of a callback stands for.
#[derive(Clone, Debug)]
pub enum Input {
    /// Input `k` of the operator, one value a lane.
    Value(usize, Type),
    /// Input `k` as the array along the operator's dimension.
    Axis(usize, Type, Option<Arc<[Label]>>),
    /// The same value everywhere.
    Constant(Value),
}

impl Call<'_, '_> {
    /// A callback, bound for an operator whose inputs its parameters stand for. `context` is bound for it.
    pub fn callback(&mut self, name: &str, inputs: &[(&str, Input)]) -> Result<Arc<Expr>, Problem> {
        let (expr, captures) = self.bind_callback(name, inputs, usize::MAX / 2)?;
        if captures.is_empty() {
            return Ok(Arc::new(expr));
        }
        Err(Problem::argument(
            name,
            "a callback inside a callback cannot use the pixels of the outer one here",
        ))
    }

    /// The callbacks of an object, by key; each has one parameter, which may be anything. Empty for null.
    pub fn conditions(
        &mut self,
        name: &str,
        parameter: &str,
    ) -> Result<Vec<(String, Arc<Expr>)>, Problem> {
        let node = self.node;
        let Some(Arg::Object(entries)) = node.argument(name) else {
            let expected = "an object of callbacks is expected";
            let empty = self.entries(name)?.is_empty();
            return empty.then(Vec::new).ok_or_else(|| Problem::argument(name, expected));
        };
        let mut conditions = Vec::new();
        for (key, arg) in entries {
            let Arg::Callback(graph) = arg else {
                let message = format!("`{key}` is not a callback (an object with `process_graph`)");
                return Err(Problem::argument(name, message));
            };
            let inputs = [(parameter, Input::Value(0, Type::Any))];
            let (expr, captures) = self.bind_graph(name, graph, &inputs, usize::MAX / 2)?;
            if !captures.is_empty() {
                return Err(Problem::argument(name, "a condition cannot depend on pixels"));
            }
            conditions.push((key.clone(), Arc::new(expr)));
        }
        Ok(conditions)
    }

    /// A callback as a value of this scope's expression, for functions that call it; all parameters may be
    /// anything.
    pub fn lambda(&mut self, name: &str, parameters: &[&str]) -> Result<ExprId, Problem> {
        let parameters: Vec<(&str, Type)> =
            parameters.iter().map(|name| (*name, Type::Any)).collect();
        self.typed_lambda(name, &parameters)
    }

    /// Like [`Call::lambda`], for parameters whose types are known.
    pub fn typed_lambda(
        &mut self,
        name: &str,
        parameters: &[(&str, Type)],
    ) -> Result<ExprId, Problem> {
        let inputs: Vec<(&str, Input)> = (parameters.iter().enumerate())
            .map(|(k, (name, ty))| (*name, Input::Value(k, ty.clone())))
            .collect();
        let (expr, captures) = self.bind_callback(name, &inputs, parameters.len())?;
        Ok(self.scope.builder.lambda(expr, parameters.len(), captures))
    }

    /// What the callback gives for each element of `array`; it gets the element, its index and its label by these
    /// names. `None` where the value may be something else than an array.
    pub fn each(
        &mut self,
        name: &str,
        array: ExprId,
        [element, index, label]: [&str; 3],
    ) -> Result<Option<ExprId>, Problem> {
        let Type::Array(ty, len) = self.scope.builder.ty(array).clone() else {
            return Ok(None);
        };
        let [x, i, l] = element_types(*ty, len);
        let inputs = [
            (element, Input::Value(0, x)),
            (index, Input::Value(1, i)),
            (label, Input::Value(2, l)),
        ];
        let (body, captures) = self.bind_callback(name, &inputs, inputs.len())?;
        Ok(Some(self.scope.builder.each(array, body, captures)))
    }

    /// Whether the argument is a callback.
    pub fn is_callback(&self, name: &str) -> bool {
        matches!(self.node.argument(name), Some(Arg::Callback(_)))
    }

    fn bind_callback(
        &mut self,
        name: &str,
        inputs: &[(&str, Input)],
        first_capture: usize,
    ) -> Result<(Expr, Vec<ExprId>), Problem> {
        let node = self.node;
        self.bind_graph(name, graph_of(node, name)?, inputs, first_capture)
    }

    fn bind_graph(
        &mut self,
        name: &str,
        graph: &Graph,
        inputs: &[(&str, Input)],
        first_capture: usize,
    ) -> Result<(Expr, Vec<ExprId>), Problem> {
        let context = match self.definition.parameter("context") {
            Some(_) => Some(self.expr("context")?),
            None => None,
        };
        let own: BTreeSet<&str> = inputs.iter().map(|(name, _)| *name).chain(["context"]).collect();
        let (mut child, mut captures) = self.scope.child(graph, &own, first_capture);
        let builder = &self.scope.builder;
        let context = match context.map(|id| (id, builder.as_const(id), builder.as_fault(id))) {
            None => child.builder.constant(Value::Null),
            Some((_, Some(value), _)) => child.builder.constant(value.clone()),
            Some((_, None, Some(fault))) => return Err(fault.into()),
            // It depends on pixels that the callback around this one sees.
            Some((id, None, None)) => {
                captures.push(id);
                child.builder.input(first_capture + captures.len() - 1, builder.ty(id).clone())
            }
        };
        child.parameters.insert("context".to_owned(), Term::Expr(context));
        for (parameter, input) in inputs {
            let id = match input.clone() {
                Input::Value(k, ty) => child.builder.input(k, ty),
                Input::Axis(k, ty, labels) => child.builder.axis(k, ty, labels),
                Input::Constant(value) => child.builder.constant(value),
            };
            child.parameters.insert((*parameter).to_owned(), Term::Expr(id));
        }
        let path = self.path.join(name);
        match self.binder.graph(graph, &mut child, &path) {
            Term::Expr(id) => Ok((child.builder.finish(id), captures)),
            Term::Blocked => Err(Problem::Blocked),
            Term::Stac(_) => Err(later(name)),
            Term::Cube(_) => Err(Problem::argument(
                name,
                "the callback returns a data cube, a value is expected",
            )),
        }
    }
}

/// The callback that an argument is.
pub(super) fn graph_of<'n>(node: &'n Node, name: &str) -> Result<&'n Graph, Problem> {
    match node.argument(name) {
        Some(Arg::Callback(graph)) => Ok(graph),
        Some(_) => {
            Err(Problem::argument(name, "a callback (an object with `process_graph`) is expected"))
        }
        None => Err(Problem::Issue {
            code: Code::PROCESS_PARAMETER_REQUIRED,
            argument: Some(name.to_owned()),
            message: format!("callback `{name}` is missing"),
            hint: None,
        }),
    }
}
