//! Callbacks that work on cells of a cube: bound for each cell, equal plans kept once.

use std::collections::BTreeSet;
use std::sync::Arc;

use eolith_cube::{Dimension, Features, Schema, SpatialAxis};
use eolith_graph::{Graph, NodePath};

use super::area::kept;
use super::{Binder, Call, Problem, Term};
use crate::expr::Expr;
use crate::logical::{
    Logical, LogicalNode, NodeId, Root, RootValue, footprints, kept as unchanged,
};
use crate::nested::{Partition, Plan, Window};
use crate::op::Op;
use crate::types::Type;
use crate::value::Value;

/// Most cells of one call.
const MOST: usize = 1 << 18;

/// Cubes that a plan of a cell sees: the one that is cut first, then those of outer scopes and what it loads.
struct Inputs(Vec<NodeId>);

impl Call<'_, '_> {
    /// Runs the callback `name` on windows of a cube, given for each dimension.
    pub fn windows(
        &mut self,
        name: &str,
        data: NodeId,
        windows: Vec<Vec<Window>>,
    ) -> Result<Term, Problem> {
        let partition = Partition::Windows(windows);
        self.cells(name, data, partition, |call, inner, cell, graph, inputs| {
            let result = call.bind_cell(name, graph, Term::Cube(cell), inner, inputs)?;
            call.checked(inner, cell, result, true)
        })
    }

    /// Runs the callback `name` on arrays along a dimension, cut into windows.
    pub fn lanes(
        &mut self,
        name: &str,
        data: NodeId,
        dim: usize,
        windows: Vec<Window>,
    ) -> Result<Term, Problem> {
        let schema = self.schema(data);
        if let [only] = windows.as_slice()
            && only.core.len() == only.outer.len()
        {
            let input = self.axis_input(&schema, dim);
            let expr = self.callback(name, &[("data", input)])?;
            same_length(&expr, only.core.len())?;
            let target = schema.dims[dim].clone();
            return self.try_add(Op::along(&schema, dim, target, expr), vec![data]);
        }
        let whole = |own: &Dimension| {
            let n = own.len().unwrap_or_default();
            vec![Window { core: 0..n, outer: 0..n as isize }]
        };
        let mut all: Vec<Vec<Window>> = schema.dims.iter().map(whole).collect();
        all[dim] = windows;
        self.cells(name, data, Partition::Windows(all), |call, inner, cell, _, _| {
            let schema = Arc::clone(inner.schema(cell));
            let input = call.axis_input(&schema, dim);
            let expr = call.callback(name, &[("data", input)])?;
            let target = schema.dims[dim].clone();
            same_length(&expr, target.len().unwrap_or_default())?;
            let made = Op::along(&schema, dim, target, expr)?;
            Ok(call.push_into(inner, made, vec![cell]))
        })
    }

    /// Runs the callback `name` on the pixels of each polygon; it sees `outside` in place of the other pixels of the
    /// polygon's bounding box. What no polygon has stays as it is.
    ///
    /// # Errors
    /// `GeometriesOverlap` if a pixel belongs to two polygons.
    pub fn areas(
        &mut self,
        name: &str,
        data: NodeId,
        features: &Features,
        outside: &Value,
    ) -> Result<Term, Problem> {
        let schema = self.schema(data);
        let grid = match schema.grid() {
            Ok(grid) => grid,
            Err(_) if !schema.pending().is_empty() => return Err(Problem::Blocked),
            Err(e) => return Err(Problem::new("ProcessParameterInvalid", e.to_string())),
        };
        let all = footprints(features, &grid)?;
        if let Some([i, j]) = crate::nested::overlap(&all) {
            let message = format!("geometries {i} and {j} have a pixel in common");
            return Err(Problem::new("GeometriesOverlap", message).at("geometries"));
        }
        let areas: Arc<[_]> = all.iter().filter(|area| !area.is_empty()).cloned().collect();
        let axes = [SpatialAxis::Y, SpatialAxis::X].map(|axis| schema.spatial(axis));
        let [Some(y), Some(x)] = axes else { return Err(Problem::Blocked) };
        let shape = schema.shape().ok_or(Problem::Blocked)?;
        let partition = Partition::Areas { dims: [y, x], shape, areas: Arc::clone(&areas) };
        let mut next = 0;
        self.cells(name, data, partition, |call, inner, cell, graph, inputs| {
            let area = &areas[next];
            next += 1;
            let mut masked = cell;
            if area.len() != area.rows.len() * area.cols.len() {
                let own = Arc::clone(inner.schema(cell));
                let footprint = area.within(&[area.rows.clone(), area.cols.clone()]);
                let made = Op::inside(&own, Arc::new(footprint))?;
                let inside = call.push_into(inner, made, Vec::new());
                let flags = Arc::clone(inner.schema(inside));
                let made = Op::map(&[&own, &flags], Arc::new(kept(&own, outside.clone())))?;
                masked = call.push_into(inner, made, vec![cell, inside]);
            }
            let result = call.bind_cell(name, graph, Term::Cube(masked), inner, inputs)?;
            call.checked(inner, cell, result, false)
        })
    }

    /// Binds a plan for each cell with `bind`, which gets an empty plan with the cell as its only node and gives the
    /// node of the result.
    fn cells(
        &mut self,
        name: &str,
        data: NodeId,
        partition: Partition,
        mut bind: impl FnMut(
            &mut Self,
            &mut Logical,
            NodeId,
            &Graph,
            &mut Inputs,
        ) -> Result<NodeId, Problem>,
    ) -> Result<Term, Problem> {
        let schema = self.schema(data);
        if !schema.pending().is_empty() {
            return Err(Problem::Blocked);
        }
        if partition.len() > MOST {
            let message = format!("{} cells are more than {MOST}", partition.len());
            let hint = "work on larger parts, or use a process that slides over pixels such as `apply_kernel`";
            return Err(Problem::new("ProcessGraphComplexity", message).hint(hint));
        }
        let node = self.node;
        let graph = super::callbacks::graph_of(node, name)?;
        let mut inputs = Inputs(vec![data]);
        let mut plans: Vec<Plan> = Vec::new();
        let mut cells = Vec::with_capacity(partition.len());
        let mut latest = 0;
        for i in 0..partition.len() {
            let before = (self.binder.issues.len(), self.binder.needs.len());
            let mut inner = Logical::default();
            let (op, own) = Op::parameter(0, partition.schema(&schema, i));
            let cell = self.push_into(&mut inner, (op, own), Vec::new());
            let result = bind(self, &mut inner, cell, graph, &mut inputs)?;
            if (self.binder.issues.len(), self.binder.needs.len()) != before {
                return Err(Problem::Blocked);
            }
            self.lift(&mut inner, &mut inputs)?;
            let path = self.path.join(name);
            let value = RootValue::Cube(result);
            inner.roots.push(Root { value, path, is_result: true, effect: None });
            let plan = Plan { logical: inner.pruned() };
            // Neighbours have the same plan most often.
            let known = |k: &usize| plans[*k] == plan;
            let found = Some(latest).filter(|&k| k < plans.len() && known(&k));
            let recent = plans.len().saturating_sub(COMPARED)..plans.len();
            latest = found.or_else(|| recent.rev().find(known)).unwrap_or_else(|| {
                plans.push(plan);
                plans.len() - 1
            });
            cells.push(latest);
        }
        let schemas: Vec<Arc<Schema>> = inputs.0.iter().map(|id| self.schema(*id)).collect();
        let made = Op::nested(&schemas[0], partition, plans, cells);
        Ok(self.add(made, inputs.0))
    }

    /// Binds the callback in the plan of a cell.
    fn bind_cell(
        &mut self,
        name: &str,
        graph: &Graph,
        data: Term,
        inner: &mut Logical,
        inputs: &mut Inputs,
    ) -> Result<NodeId, Problem> {
        let context = self.constant("context")?;
        let (mut child, captures) =
            self.scope.child(graph, &BTreeSet::from(["data", "context"]), 0);
        if !captures.is_empty() {
            return Err(Problem::argument(
                name,
                "the callback cannot use the pixels of an outer one",
            ));
        }
        // Cubes of outer scopes are given whole.
        for term in child.parameters.values_mut() {
            if let Term::Cube(outer) = *term {
                self.binder.uses.taken(outer);
                let schema = self.binder.logical.schema(outer).as_ref().clone();
                let made = Op::parameter(inputs.position(outer), schema);
                *term = Term::Cube(push(inner, made, Vec::new(), self.path.clone()));
            }
        }
        let context = child.builder.constant(context);
        child.parameters.insert("context".to_owned(), Term::Expr(context));
        child.parameters.insert("data".to_owned(), data);
        let path = self.path.join(name);
        let (result, effects) = self.binder.inside(inner, |binder| {
            let result = binder.graph(graph, &mut child, &path);
            binder.ask(&result);
            result
        });
        if effects {
            let message = "a callback that runs on parts of a data cube can only compute";
            let hint = "move what is saved, exported or inspected out of the callback";
            return Err(Problem::new("FeatureUnsupported", message).at(name).hint(hint));
        }
        match result {
            Term::Cube(id) => Ok(id),
            Term::Blocked => Err(Problem::Blocked),
            Term::Expr(_) | Term::Stac(_) => Err(Problem::argument(
                name,
                "the callback returns a value, a data cube is expected",
            )),
        }
    }

    /// The result with the dimensions in the order of the cell's.
    fn checked(
        &mut self,
        inner: &mut Logical,
        cell: NodeId,
        result: NodeId,
        labels_too: bool,
    ) -> Result<NodeId, Problem> {
        let (own, new) = (Arc::clone(inner.schema(cell)), Arc::clone(inner.schema(result)));
        let order = unchanged(&own, &new, labels_too)?;
        if order.iter().copied().eq(0..own.dims.len()) {
            return Ok(result);
        }
        let dims = order.iter().map(|&d| (new.dims[d].clone(), Some(d))).collect();
        let made = Op::relabel(&new, dims)?;
        Ok(self.push_into(inner, made, vec![result]))
    }

    /// Moves what the plan of a cell loads out of it, so that it is read once.
    fn lift(&mut self, inner: &mut Logical, inputs: &mut Inputs) -> Result<(), Problem> {
        for node in &mut inner.nodes {
            match &node.op {
                Op::Scan(_) => {
                    let same = |id: &&NodeId| {
                        let outer = self.binder.logical.node(**id);
                        outer.op.same(&node.op) && outer.schema == node.schema
                    };
                    let known = inputs.0.iter().find(same).copied();
                    let outer = known.unwrap_or_else(|| self.binder.logical.push(node.clone()));
                    node.op = Op::Parameter(inputs.position(outer));
                }
                Op::Save(_) => {
                    return Err(Problem::new(
                        "FeatureUnsupported",
                        "results cannot be saved in a callback that runs on parts of a data cube",
                    ));
                }
                Op::Udf(_) => {
                    return Err(Problem::new(
                        "FeatureUnsupported",
                        "a UDF cannot run in a callback that runs on parts of a data cube",
                    )
                    .hint("call it on the data cube itself: it gets parts of 256 x 256 pixels"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn push_into(&self, inner: &mut Logical, made: (Op, Schema), inputs: Vec<NodeId>) -> NodeId {
        push(inner, made, inputs, self.path.clone())
    }
}

/// Plans that a new one is compared with.
const COMPARED: usize = 64;

impl Inputs {
    /// Position of a cube, which is added if it is new.
    fn position(&mut self, id: NodeId) -> usize {
        // The first one is the cube that is cut, the same one whole is another input.
        if let Some(found) = self.0.iter().skip(1).position(|own| *own == id) {
            return found + 1;
        }
        self.0.push(id);
        self.0.len() - 1
    }
}

impl Binder<'_> {
    /// Runs `f` with another plan in place of the own one; says whether something would happen besides its result.
    fn inside<T>(&mut self, plan: &mut Logical, f: impl FnOnce(&mut Self) -> T) -> (T, bool) {
        std::mem::swap(&mut self.logical, plan);
        let outer = (
            std::mem::take(&mut self.open_scans),
            std::mem::take(&mut self.loads),
            std::mem::take(&mut self.uses),
            std::mem::take(&mut self.effects),
        );
        let result = f(self);
        let effects = !self.effects.is_empty();
        (self.open_scans, self.loads, self.uses, self.effects) = outer;
        std::mem::swap(&mut self.logical, plan);
        (result, effects)
    }
}

fn push(
    plan: &mut Logical,
    (op, schema): (Op, Schema),
    inputs: Vec<NodeId>,
    path: NodePath,
) -> NodeId {
    plan.push(LogicalNode { op, inputs, schema: Arc::new(schema), path })
}

/// An array for an array: as many values as the window has.
fn same_length(expr: &Expr, n: usize) -> Result<(), Problem> {
    let found = match expr.ty() {
        Type::Array(_, length) => *length,
        Type::Any => None,
        Type::Null | Type::Bool | Type::Int(_) | Type::F32 | Type::F64 | Type::Text => Some(1),
    };
    match found {
        Some(m) if m != n => {
            let message = format!("the callback returns {m} values, it got {n}");
            Err(Problem::new("DataCubePropertiesImmutable", message))
        }
        _ => Ok(()),
    }
}
