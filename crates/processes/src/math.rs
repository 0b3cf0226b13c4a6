//! Processes on numbers.

mod arithmetic;
mod constants;
mod exponential;
mod rounding;
mod scaling;
mod trigonometry;

use eolith_plan::process::Process;

pub(crate) static ALL: &[&Process] = &[
    &arithmetic::ABSOLUTE,
    &arithmetic::ADD,
    &arithmetic::DIVIDE,
    &arithmetic::MOD,
    &arithmetic::MULTIPLY,
    &arithmetic::SGN,
    &arithmetic::SUBTRACT,
    &constants::CONSTANT,
    &constants::E,
    &constants::NAN,
    &constants::PI,
    &exponential::EXP,
    &exponential::LN,
    &exponential::LOG,
    &exponential::POWER,
    &exponential::SQRT,
    &rounding::CEIL,
    &rounding::FLOOR,
    &rounding::INT,
    &rounding::ROUND,
    &scaling::CLIP,
    &scaling::LINEAR_SCALE_RANGE,
    &scaling::NORMALIZED_DIFFERENCE,
    &trigonometry::ARCCOS,
    &trigonometry::ARCOSH,
    &trigonometry::ARCSIN,
    &trigonometry::ARCTAN,
    &trigonometry::ARCTAN2,
    &trigonometry::ARSINH,
    &trigonometry::ARTANH,
    &trigonometry::COS,
    &trigonometry::COSH,
    &trigonometry::SIN,
    &trigonometry::SINH,
    &trigonometry::TAN,
    &trigonometry::TANH,
];
