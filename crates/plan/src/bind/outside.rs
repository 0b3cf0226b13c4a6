//! Functions of the user's: callbacks that take cubes, and the questions about what comes out.

use std::collections::BTreeSet;
use std::sync::Arc;

use eolith_cube::Region;
use eolith_graph::Arg;

use crate::bind::{Call, Problem, Term, own};
use crate::logical::NodeId;
use crate::need::{Answer, Need};
use crate::op::Op;
use crate::process::Lowering;
use crate::udf::{Role, Udf, describe};
use crate::value::Value;

impl Call<'_, '_> {
    /// The result of a callback that holds processes which take cubes ([`Lowering::Outside`]); `None` where it holds
    /// none. Its parameter stands for the cube as a whole.
    ///
    /// # Errors
    /// Those of the callback, and other processes in it that work on single values.
    pub fn outside(
        &mut self,
        name: &str,
        parameter: &str,
        data: NodeId,
        role: Role,
    ) -> Result<Option<Term>, Problem> {
        let node = self.node;
        let Some(Arg::Callback(graph)) = node.argument(name) else { return Ok(None) };
        let registry = self.binder.registry;
        let takes_cubes = |id: &str| {
            registry.process(id).is_some_and(|own| matches!(own.lowering, Lowering::Outside(_)))
        };
        if !own::calls(graph, takes_cubes) {
            return Ok(None);
        }
        let context = match self.definition.parameter("context") {
            Some(_) => self.constant("context")?,
            None => Value::Null,
        };
        let own: BTreeSet<&str> = [parameter, "context"].into();
        let (mut child, _) = self.scope.child(graph, &own, usize::MAX / 2);
        let context = child.builder.constant(context);
        child.parameters.insert("context".to_owned(), Term::Expr(context));
        child.parameters.insert(parameter.to_owned(), Term::Cube(data));
        child.outside = Some((data, role));
        let path = self.path.join(name);
        match self.binder.graph(graph, &mut child, &path) {
            Term::Cube(id) if id != data => Ok(Some(Term::Cube(id))),
            Term::Blocked => Err(Problem::Blocked),
            Term::Cube(_) | Term::Expr(_) | Term::Stac(_) => {
                Err(Problem::argument(name, "the callback has to return what its UDF returns"))
            }
        }
    }

    /// A function over a cube. What comes out of it is asked first.
    ///
    /// # Errors
    /// What the function ends with, and results that do not fit the place it stands at.
    pub fn udf(&mut self, data: NodeId, udf: Udf) -> Result<Term, Problem> {
        let schema = self.schema(data);
        let role = match self.scope.outside {
            Some((own, role)) if own == data => role,
            Some(_) => {
                return Err(Problem::argument(
                    "data",
                    "in a callback a UDF has to get the callback's data as it is",
                )
                .hint("call the process once for each UDF"));
            }
            None => Role::Whole,
        };
        let udf = Arc::new(Udf { role, ..udf });
        let cell = Region(udf.cell(&schema).into_iter().map(|n| 0..n).collect());
        let Some(shape) = schema.shape() else { return Err(Problem::Blocked) };
        if shape.contains(&0) {
            return Err(Problem::argument("data", "the data cube is empty"));
        }
        let Some(cell) = describe(&schema, &cell) else { return Err(Problem::Blocked) };
        let dtype = schema.dtype();
        let need = Need::Udf { udf: Arc::clone(&udf), cell: cell.to_string().into(), dtype };
        match self.binder.snapshot.get(&need) {
            Some(Answer::Udf(outcome)) => {
                let made = Op::udf(&schema, udf, outcome);
                self.try_add(made, vec![data])
            }
            Some(Answer::Fault(fault)) => Err(fault.clone().into()),
            Some(Answer::Failed(reason)) => Err(Problem::new("UdfExecutionFailed", reason)),
            Some(_) | None => {
                self.binder.needs.insert(need);
                Err(Problem::Blocked)
            }
        }
    }

    /// The text behind a path or address.
    ///
    /// # Errors
    /// `FileNotFound`, and what cannot be read.
    pub fn code(&mut self, address: &str, argument: &str) -> Result<Arc<str>, Problem> {
        let need = Need::Code { address: address.to_owned() };
        match self.binder.snapshot.get(&need) {
            Some(Answer::Code(code)) => Ok(Arc::clone(code)),
            Some(Answer::Missing) => {
                Err(Problem::new("FileNotFound", format!("there is no file `{address}`"))
                    .at(argument))
            }
            Some(Answer::Failed(reason)) => {
                Err(Problem::new("FileNotFound", reason.clone()).at(argument))
            }
            Some(_) | None => {
                self.binder.needs.insert(need);
                Err(Problem::Blocked)
            }
        }
    }
}
