//! Expressions over blocks, a cache-sized tile of lanes at a time.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use eolith_cube::{Block, DType, Element, Label, Number, Values, columns, for_dtype, for_values};

use crate::expr::Expr;
use crate::lanes::{self, Column, Lanes, Register};
use crate::value::{Fault, Value};

/// Lanes evaluated together: a few columns of them fit into the cache next to the core.
pub(crate) const TILE: usize = 8 << 10;

/// Bytes of a column that is evaluated at once rather than copied piece by piece: it fits into the second-level cache,
/// and is the largest that a window gives.
const WHOLE: usize = 512 << 10;

/// Element by element over blocks of the same shape.
pub(super) fn map(
    expr: &Expr,
    blocks: Vec<Cow<'_, Block>>,
    shape: Vec<usize>,
    dtype: DType,
) -> Result<Block, Fault> {
    let len: usize = shape.iter().product();
    let widest = blocks.iter().map(|block| block.dtype().size()).max();
    if len <= TILE || len * dtype.size().max(widest.unwrap_or(1)) <= WHOLE {
        let inputs = blocks.into_iter().map(|block| Register::Scalar(lanes_of(block))).collect();
        let register = lanes::evaluate(expr, inputs, len).map_err(|(_, fault)| fault)?;
        return Output::of(register, dtype, shape);
    }
    let mut out = Output::new(dtype, len);
    let mut start = 0;
    while start < len {
        let lanes = TILE.min(len - start);
        let inputs =
            blocks.iter().map(|block| Register::Scalar(part(block, &[start], lanes))).collect();
        let register = lanes::evaluate(expr, inputs, lanes).map_err(|(_, fault)| fault)?;
        out.write(start, &register, lanes)?;
        register.recycle();
        start += lanes;
    }
    Ok(out.block(shape))
}

/// A dimension to one value.
pub(super) fn reduce(
    expr: &Expr,
    block: Cow<'_, Block>,
    dim: usize,
    labels: Option<Arc<[Label]>>,
    dtype: DType,
) -> Result<Block, Fault> {
    let mut shape = block.shape.clone();
    let n = shape.remove(dim);
    let len: usize = shape.iter().product();
    let small = len <= TILE || n == 1 && len * block.dtype().size() <= WHOLE;
    if small && (n == 1 || shape[..dim].iter().all(|&n| n == 1)) {
        // The rows of the dimension lie one after the other already.
        let input = Register::Array { n, lanes: lanes_of(block), labels };
        let register = lanes::evaluate(expr, vec![input], len).map_err(|(_, fault)| fault)?;
        return Output::of(register, dtype, shape);
    }
    let mut out = Output::new(dtype, len);
    arrays(expr, &block, dim, labels, |index, register, lanes| out.write(index, register, lanes))?;
    Ok(out.block(shape))
}

/// A dimension to an array of `n` values in its place.
pub(super) fn along(
    expr: &Expr,
    block: Cow<'_, Block>,
    dim: usize,
    labels: Option<Arc<[Label]>>,
    n: usize,
    dtype: DType,
) -> Result<Block, Fault> {
    let mut shape = block.shape.clone();
    let rows = std::mem::replace(&mut shape[dim], n);
    let inner: usize = shape[dim + 1..].iter().product();
    if inner <= TILE && shape[..dim].iter().all(|&n| n == 1) {
        let input = Register::Array { n: rows, lanes: lanes_of(block), labels };
        let register = lanes::evaluate(expr, vec![input], inner).map_err(|(_, fault)| fault)?;
        return match register {
            Register::Array { n: found, lanes, .. } if found == n => {
                Output::of(Register::Scalar(lanes), dtype, shape)
            }
            other => {
                let mut out = Output::new(dtype, n * inner);
                for (k, element) in elements(&other, n, inner)?.iter().enumerate() {
                    out.write(k * inner, element, inner)?;
                }
                Ok(out.block(shape))
            }
        };
    }
    let mut out = Output::new(dtype, shape.iter().product());
    arrays(expr, &block, dim, labels, |index, register, lanes| {
        let other;
        let columns: Vec<(&Lanes, usize)> = match register {
            Register::Array { n: found, lanes: own, .. } if *found == n => {
                (0..n).map(|k| (own, k * lanes)).collect()
            }
            register => {
                other = elements(register, n, lanes)?;
                other.iter().filter_map(Register::column).map(|own| (own, 0)).collect()
            }
        };
        // Lanes are positions without the dimension; they may cross from one outer index to the next.
        for (k, (own, first)) in columns.into_iter().enumerate() {
            let mut lane = 0;
            while lane < lanes {
                let (outer, within) = ((index + lane) / inner, (index + lane) % inner);
                let run = (inner - within).min(lanes - lane);
                out.put((outer * n + k) * inner + within, own, first + lane..first + lane + run)?;
                lane += run;
            }
        }
        Ok(())
    })?;
    Ok(out.block(shape))
}

/// Evaluates `expr` for every position outside `dim`; `f` gets the position of the first lane, in C order without
/// `dim`.
fn arrays(
    expr: &Expr,
    block: &Block,
    dim: usize,
    labels: Option<Arc<[Label]>>,
    mut f: impl FnMut(usize, &Register, usize) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let n = block.shape[dim];
    let mut order = vec![dim];
    order.extend((0..block.shape.len()).filter(|d| *d != dim));
    let inner: usize = block.shape[dim + 1..].iter().product();
    let outer: usize = block.shape[..dim].iter().product();
    // A short inner run would make tiles of a few lanes; then the array is turned once instead.
    let turned;
    let (block, outer, inner) = if outer > 1 && inner < TILE {
        turned = block.permute(&order);
        (&turned, 1, outer * inner)
    } else {
        (block, outer, inner)
    };
    for o in 0..outer {
        let mut start = 0;
        while start < inner {
            let lanes = TILE.min(inner - start);
            let offsets: Vec<usize> = (0..n).map(|i| (o * n + i) * inner + start).collect();
            let input =
                Register::Array { n, lanes: part(block, &offsets, lanes), labels: labels.clone() };
            let register = lanes::evaluate(expr, vec![input], lanes).map_err(|(_, fault)| fault)?;
            f(o * inner + start, &register, lanes)?;
            register.recycle();
            start += lanes;
        }
    }
    Ok(())
}

/// All pixels of a block.
fn lanes_of(block: Cow<'_, Block>) -> Lanes {
    let block = block.into_owned();
    Lanes::plain(block.values, block.validity)
}

/// Copies runs of `len` pixels at each offset, one after the other.
fn part(block: &Block, offsets: &[usize], len: usize) -> Lanes {
    let values = for_values!(&block.values, v => {
        let mut out = columns::take(offsets.len() * len);
        for (out, &o) in out.chunks_exact_mut(len).zip(offsets) {
            out.copy_from_slice(&v[o..o + len]);
        }
        Element::wrap(out)
    });
    let validity = block.validity.as_ref().map(|mask| {
        let mut out = columns::take(offsets.len() * len);
        for (out, &o) in out.chunks_exact_mut(len).zip(offsets) {
            out.copy_from_slice(&mask[o..o + len]);
        }
        out
    });
    Lanes::plain(values, validity)
}

/// One register an array element.
fn elements(register: &Register, n: usize, lanes: usize) -> Result<Vec<Register>, Fault> {
    let wrong = |found: usize| {
        Fault::new(
            "ProcessParameterInvalid",
            format!("the callback returned {found} values where {n} were planned"),
        )
    };
    match register {
        Register::Array { n: found, lanes: own, .. } if *found == n => {
            Ok((0..n).map(|k| Register::Scalar(own.slice(k * lanes, lanes))).collect())
        }
        Register::Array { n: found, .. } => Err(wrong(*found)),
        Register::Const(_) | Register::Scalar(_) => {
            let mut columns: Vec<Vec<Value>> = vec![Vec::with_capacity(lanes); n];
            for lane in 0..lanes {
                let value = register.value(lane, lanes);
                let single = std::slice::from_ref(&value);
                let found = value.as_array().map_or(single, |array| &array.values);
                if found.len() != n {
                    return Err(wrong(found.len()));
                }
                columns
                    .iter_mut()
                    .zip(found)
                    .for_each(|(column, value)| column.push(value.clone()));
            }
            Ok(columns.into_iter().map(|c| Register::Scalar(Lanes::from_values(c, None))).collect())
        }
    }
}

/// A block that is filled piece by piece; under the mask it holds anything.
pub(super) struct Output {
    values: Values,
    validity: Option<Vec<bool>>,
}

impl Output {
    pub(super) fn new(dtype: DType, len: usize) -> Output {
        Output { values: for_dtype!(dtype, T => T::wrap(columns::take(len))), validity: None }
    }

    pub(super) fn block(self, shape: Vec<usize>) -> Block {
        Block { shape, values: self.values, validity: self.validity }
    }

    /// A block of the only register, whose column is taken as it is, in the right type.
    pub(super) fn of(register: Register, dtype: DType, shape: Vec<usize>) -> Result<Block, Fault> {
        let len = shape.iter().product();
        match register {
            Register::Scalar(Lanes { column: Column::Plain(values), validity })
                if values.len() == len =>
            {
                Ok(Block { shape, values, validity }.cast(dtype))
            }
            other => {
                let mut out = Output::new(dtype, len);
                out.write(0, &other, len)?;
                Ok(out.block(shape))
            }
        }
    }

    pub(super) fn write(
        &mut self,
        start: usize,
        register: &Register,
        lanes: usize,
    ) -> Result<(), Fault> {
        let own = match register {
            Register::Scalar(own) => own,
            Register::Const(value) => {
                self.fill(start..start + lanes, value.to_pixel()?);
                return Ok(());
            }
            Register::Array { .. } => {
                return Err(Fault::new(
                    "ProcessParameterInvalid",
                    "the callback returns an array where a single value is expected",
                ));
            }
        };
        self.put(start, own, 0..lanes)
    }

    /// Some lanes of a column, from place `start` on.
    fn put(&mut self, start: usize, own: &Lanes, lanes: Range<usize>) -> Result<(), Fault> {
        let places = start..start + lanes.len();
        match &own.column {
            Column::Any(values) => {
                for (i, value) in places.zip(&values[lanes]) {
                    self.set(i, value.to_pixel()?);
                }
            }
            Column::Plain(values) => {
                let dtype = self.values.dtype();
                for_values!(&mut self.values, out => {
                    let out = &mut out[places.clone()];
                    if let Some(from) = Element::slice(values) {
                        out.copy_from_slice(&from[lanes.clone()]);
                    } else {
                        let part: Values = for_values!(values, v => {
                            Element::wrap(columns::copy(&v[lanes.clone()]))
                        });
                        let cast = part.cast(dtype);
                        columns::give_values(part);
                        let from = Element::slice(&cast).expect("invariant: cast to the same type");
                        out.copy_from_slice(from);
                        columns::give_values(cast);
                    }
                });
                if let Some(mask) = &own.validity {
                    let len = self.values.len();
                    let out = self.validity.get_or_insert_with(|| vec![true; len]);
                    out[places].copy_from_slice(&mask[lanes]);
                }
            }
        }
        Ok(())
    }

    /// The same pixel in all places.
    fn fill(&mut self, places: Range<usize>, pixel: Option<Number>) {
        let first = places.start;
        let Some(number) = pixel.filter(|_| !places.is_empty()) else {
            let len = self.values.len();
            self.validity.get_or_insert_with(|| vec![true; len])[places].fill(false);
            return;
        };
        self.values.set(first, number);
        for_values!(&mut self.values, values => {
            let value = values[first];
            values[places].fill(value);
        });
    }

    fn set(&mut self, index: usize, pixel: Option<Number>) {
        if let Some(number) = pixel {
            self.values.set(index, number);
        } else {
            let len = self.values.len();
            self.validity.get_or_insert_with(|| vec![true; len])[index] = false;
        }
    }
}
