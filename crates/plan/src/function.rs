//! Scalar and array functions: the vocabulary of expressions.
//!
//! A function is what a scalar or array process is lowered to. Its `scalar` definition is the meaning: the
//! reference evaluator, constant folding and every type that no kernel handles use it. `kernel`, where there is
//! one, computes the same for many lanes at once (see [`crate::lanes`]); `fold` does it for arrays that arrive row by
//! row.

use std::fmt;

use crate::expr::{Builder, ExprId};
use crate::lanes::stream::{self, Fold};
use crate::lanes::{KernelCall, Register};
use crate::types::Type;
use crate::value::{Fault, Value};

/// The vectorised form of a function.
pub type Kernel = fn(&KernelCall<'_>) -> Result<Register, Fault>;

/// Rewrites a call while it is built; `None` keeps the call.
pub type Simplify = fn(&mut Builder, &[ExprId]) -> Option<ExprId>;

/// One function. The arguments of all three callables are in the order of `parameters`; an argument that was not
/// given has its default, or null.
pub struct Function {
    /// The process id, for `explain` and messages.
    pub id: &'static str,
    pub parameters: &'static [&'static str],
    pub scalar: fn(&[Value]) -> Result<Value, Fault>,
    /// The type of the result from the types of the arguments.
    pub result: fn(&[&Type]) -> Type,
    /// The vectorised form; called only if all arguments and the result are plain (see [`Type::is_plain`]) or
    /// constant.
    pub kernel: Option<Kernel>,
    /// The form that takes its first argument, an array, row by row; all other arguments are constant. It is the
    /// kernel too, if there is no other.
    pub fold: Option<Fold>,
    /// A simpler expression that means the same, known when the call is built (labels, constant indices).
    pub simplify: Option<Simplify>,
    /// Of a function that removes elements: the one with the same arguments that makes them no-data instead. It takes
    /// its place where no-data is left out anyway, since arrays of one length are computed for many lanes at once.
    pub blanks: Option<&'static Function>,
}

impl Function {
    /// The parameter that, if true, makes it leave out no-data: it is a fold, to which it makes no difference whether an
    /// element is no-data or not there.
    pub fn leaves_out(&self) -> Option<usize> {
        self.fold?;
        self.parameters.iter().position(|name| *name == "ignore_nodata")
    }

    /// Computes a call whose arguments are plain or constant; `None` if there is no vectorised form.
    pub fn vectorised(&self, call: &KernelCall<'_>) -> Option<Result<Register, Fault>> {
        match (self.kernel, self.fold) {
            (Some(kernel), _) => Some(kernel(call)),
            (None, Some(fold)) => Some(stream::whole(call, fold)),
            (None, None) => None,
        }
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)
    }
}

impl PartialEq for Function {
    fn eq(&self, other: &Function) -> bool {
        std::ptr::eq(self, other)
    }
}
