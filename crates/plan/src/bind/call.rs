//! One call of a process while it is bound: typed access to its arguments, and what it may build.

use std::sync::Arc;

use eolith_cube::{Dimension, Schema};
use eolith_graph::{Arg, Code, Definition, Node, NodePath};

use crate::bind::{Binder, Input, Problem, Scope, Term};
use crate::expr::{Builder, ExprId};
use crate::logical::{Bad, NodeId};
use crate::op::Op;
use crate::types::Type;
use crate::value::Value;

/// A call of a process. Arguments that were not given have the default of their definition.
pub struct Call<'c, 'a> {
    pub(super) binder: &'c mut Binder<'a>,
    pub(super) scope: &'c mut Scope,
    pub(super) node: &'c Node,
    pub(super) definition: &'c Definition,
    pub(super) path: &'c NodePath,
}

impl Call<'_, '_> {
    /// The process id.
    pub fn id(&self) -> &str {
        self.definition.id
    }

    /// Whether the argument was given and is not null.
    pub fn has(&self, name: &str) -> bool {
        self.node.argument(name).is_some_and(|arg| *arg != Arg::Null)
    }

    /// A data cube.
    pub fn cube(&mut self, name: &str) -> Result<NodeId, Problem> {
        match self.term(name)? {
            Term::Cube(id) => {
                self.binder.uses.taken(id);
                Ok(id)
            }
            // Graphs that were made before a save gave a resource go on with the data.
            Term::Stac(effect) => self.saved(effect).ok_or_else(|| {
                Problem::argument(name, "a data cube is expected, not a STAC resource")
            }),
            Term::Blocked => Err(Problem::Blocked),
            Term::Expr(id) => {
                let ty = self.scope.builder.ty(id).clone();
                Err(Problem::argument(name, format!("a data cube is expected, not {}", kind(&ty))))
            }
        }
    }

    /// A number, text, array or other value of the expression of this scope. A cube with one dimension or none stands
    /// for its values, which are computed first.
    pub fn expr(&mut self, name: &str) -> Result<ExprId, Problem> {
        match self.term(name)? {
            Term::Expr(id) => Ok(id),
            Term::Blocked => Err(Problem::Blocked),
            Term::Stac(_) => Err(later(name)),
            Term::Cube(id) => {
                let value = self.value_of(id, name)?;
                Ok(self.scope.builder.constant(value))
            }
        }
    }

    /// A value that is known now.
    pub fn constant(&mut self, name: &str) -> Result<Value, Problem> {
        let id = self.expr(name)?;
        if let Some(fault) = self.scope.builder.as_fault(id) {
            return Err(fault.into());
        }
        self.scope.builder.as_const(id).cloned().ok_or_else(|| {
            Problem::argument(
                name,
                "the value must be known before the process runs, it depends on pixels",
            )
        })
    }

    /// A value that is written out as an object, without a copy of it in the expression; `None` for all others.
    pub fn written_object(&mut self, name: &str) -> Result<Option<serde_json::Value>, Problem> {
        match self.node.argument(name) {
            Some(arg @ Arg::Object(_)) => self.object(arg, name).map(Some),
            _ => Ok(None),
        }
    }

    /// An object; null is an empty one, and so is the empty list that R's client sends for it.
    pub fn entries(
        &mut self,
        name: &str,
    ) -> Result<serde_json::Map<String, serde_json::Value>, Problem> {
        match self.constant(name)? {
            Value::Null => Ok(serde_json::Map::new()),
            Value::Array(array) if array.values.is_empty() => Ok(serde_json::Map::new()),
            Value::Object(entries) => Ok((*entries).clone()),
            other => {
                let message = format!("an object is expected, not {}", other.kind());
                Err(Problem::argument(name, message))
            }
        }
    }

    /// A text; `None` for null.
    pub fn text(&mut self, name: &str) -> Result<Option<Arc<str>>, Problem> {
        match self.constant(name)? {
            Value::Null => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            other => {
                Err(Problem::argument(name, format!("a text is expected, not {}", other.kind())))
            }
        }
    }

    /// A text that must be there.
    pub fn required_text(&mut self, name: &str) -> Result<Arc<str>, Problem> {
        self.text(name)?.ok_or_else(|| Problem::argument(name, "a text is expected, not null"))
    }

    /// Whether the argument is a data cube.
    pub fn is_cube(&self, name: &str) -> bool {
        let term = match self.node.argument(name) {
            Some(Arg::Node(i)) => Some(&self.scope.terms[*i]),
            Some(Arg::Parameter(parameter)) => self.scope.parameters.get(parameter),
            _ => None,
        };
        match term {
            Some(Term::Cube(_)) => true,
            Some(Term::Stac(effect)) => self.saved(*effect).is_some(),
            Some(Term::Expr(_) | Term::Blocked) | None => false,
        }
    }

    pub fn builder(&mut self) -> &mut Builder {
        &mut self.scope.builder
    }

    pub fn schema(&self, id: NodeId) -> Arc<Schema> {
        Arc::clone(self.binder.logical.schema(id))
    }

    /// The operator behind a cube.
    pub fn op(&self, id: NodeId) -> &Op {
        &self.binder.logical.node(id).op
    }

    /// Adds an operator made by its constructor.
    pub fn add(&mut self, made: (Op, Schema), inputs: Vec<NodeId>) -> Term {
        Term::Cube(self.add_node(made, inputs))
    }

    /// Like [`Call::add`], for operators in the middle of a lowering.
    pub fn add_node(&mut self, (op, schema): (Op, Schema), inputs: Vec<NodeId>) -> NodeId {
        self.binder.push(op, inputs, schema, self.path.clone())
    }

    /// Like [`Call::add`], for constructors that can refuse.
    pub fn try_add(
        &mut self,
        made: Result<(Op, Schema), Bad>,
        inputs: Vec<NodeId>,
    ) -> Result<Term, Problem> {
        Ok(self.add(made?, inputs))
    }

    /// Position of the dimension that an argument names.
    ///
    /// # Errors
    /// `DimensionNotAvailable`, with the dimensions there are.
    pub fn dimension(&mut self, schema: &Schema, argument: &str) -> Result<usize, Problem> {
        let name = self.required_text(argument)?;
        schema.position(&name).ok_or_else(|| no_dimension(schema, &name).at(argument))
    }

    /// An operator's dimension as the array its callback sees.
    pub fn axis_input(&self, schema: &Schema, dim: usize) -> Input {
        let labels = schema.dims[dim].labels().map(crate::logical::label_list);
        Input::Axis(0, Type::of_dtype(schema.dtype()), labels)
    }

    /// Refuses calls whose inputs are blocked before the process looks at them.
    pub(super) fn check_inputs(&self) -> Result<(), Problem> {
        for (_, arg) in &self.node.arguments {
            let mut open = vec![arg];
            while let Some(arg) = open.pop() {
                match arg {
                    Arg::Node(i) if matches!(self.scope.terms[*i], Term::Blocked) => {
                        return Err(Problem::Blocked);
                    }
                    Arg::Array(items) => open.extend(items),
                    Arg::Object(entries) => open.extend(entries.iter().map(|(_, arg)| arg)),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    pub(super) fn term(&mut self, name: &str) -> Result<Term, Problem> {
        let Some(arg) = self.node.argument(name) else {
            let parameter = self.definition.parameter(name);
            let default = match parameter {
                Some(parameter) if !parameter.optional => {
                    return Err(Problem::Issue {
                        code: Code::PROCESS_PARAMETER_REQUIRED,
                        argument: Some(name.to_owned()),
                        message: format!("argument `{name}` is missing"),
                        hint: None,
                    });
                }
                Some(parameter) => parameter.default.as_ref().map_or(Value::Null, Value::from_json),
                None => Value::Null,
            };
            return Ok(Term::Expr(self.scope.builder.constant(default)));
        };
        // The R client writes a reference to an array as a list around it.
        if let Arg::Array(items) = arg
            && let [only @ (Arg::Parameter(_) | Arg::Node(_))] = items.as_slice()
        {
            let term = self.resolve(only, name)?;
            let is_array = match term {
                Term::Expr(id) => matches!(self.scope.builder.ty(id), Type::Array(..)),
                Term::Cube(_) | Term::Stac(_) | Term::Blocked => true,
            };
            if is_array {
                return Ok(term);
            }
        }
        self.resolve(arg, name)
    }

    fn resolve(&mut self, arg: &Arg, name: &str) -> Result<Term, Problem> {
        Ok(match arg {
            Arg::Null => self.value(Value::Null),
            Arg::Bool(value) => self.value(Value::Bool(*value)),
            Arg::Int(value) => self.value(Value::Int(*value)),
            Arg::Float(value) => self.value(Value::Float(*value)),
            Arg::Text(text) => self.value(Value::text(text.as_str())),
            Arg::Node(i) => self.scope.terms[*i].clone(),
            Arg::Parameter(parameter) => match self.scope.parameters.get(parameter) {
                Some(term) => term.clone(),
                None => {
                    return Err(Problem::argument(
                        name,
                        format!("parameter `{parameter}` has no value here"),
                    ));
                }
            },
            Arg::Array(items) => {
                let items: Result<Vec<ExprId>, Problem> = (items.iter())
                    .map(|item| match self.resolve(item, name)? {
                        Term::Expr(id) => Ok(id),
                        Term::Blocked => Err(Problem::Blocked),
                        Term::Stac(_) => Err(later(name)),
                        Term::Cube(id) => {
                            let value = self.value_of(id, name)?;
                            Ok(self.scope.builder.constant(value))
                        }
                    })
                    .collect();
                let items = items?;
                Term::Expr(self.scope.builder.list(items))
            }
            Arg::Object(_) => match self.object(arg, name)? {
                serde_json::Value::Object(map) => self.value(Value::Object(Arc::new(map))),
                other => self.value(Value::from_json(&other)),
            },
            Arg::Callback(_) => {
                return Err(Problem::argument(name, "a callback is not possible here"));
            }
        })
    }

    /// An object with the references inside replaced by their (constant) values.
    fn object(&mut self, arg: &Arg, name: &str) -> Result<serde_json::Value, Problem> {
        if let Some(json) = arg.to_json() {
            return Ok(json);
        }
        match arg {
            Arg::Object(entries) => {
                let mut map = serde_json::Map::new();
                for (key, value) in entries {
                    map.insert(key.clone(), self.object(value, name)?);
                }
                Ok(map.into())
            }
            Arg::Array(items) => items.iter().map(|item| self.object(item, name)).collect(),
            _ => match self.resolve(arg, name)? {
                Term::Expr(id) => {
                    let value = self.scope.builder.as_const(id).and_then(Value::to_json);
                    value.ok_or_else(|| {
                        Problem::argument(name, "a value inside the object is not known")
                    })
                }
                Term::Blocked => Err(Problem::Blocked),
                Term::Stac(_) => Err(later(name)),
                Term::Cube(id) => self.value_of(id, name)?.to_json().ok_or_else(|| {
                    Problem::argument(name, "a value inside the object is not finite")
                }),
            },
        }
    }

    fn value(&mut self, value: Value) -> Term {
        Term::Expr(self.scope.builder.constant(value))
    }
}

/// The standard's error for a dimension that is not there.
pub(super) fn no_dimension(schema: &Schema, name: &str) -> Problem {
    let names: Vec<&str> = schema.dims.iter().map(|d: &Dimension| d.name.as_str()).collect();
    Problem::new("DimensionNotAvailable", format!("the data cube has no dimension `{name}`"))
        .hint(format!("dimensions: {}", names.join(", ")))
}

pub(super) fn later(name: &str) -> Problem {
    Problem::argument(
        name,
        "a value is expected, not a STAC resource that is made when the graph runs",
    )
}

fn kind(ty: &Type) -> &'static str {
    match ty {
        Type::Null => "null",
        Type::Bool => "a boolean",
        Type::Int(_) | Type::F32 | Type::F64 => "a number",
        Type::Text => "a text",
        Type::Array(..) => "an array",
        Type::Any => "a value of another kind",
    }
}

impl std::fmt::Debug for Call<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Call({} at {})", self.definition.id, self.path)
    }
}
