//! The file of a network: what of ONNX's protocol buffers is needed, read without recursion and without memory for
//! lengths that are only claimed.
//!
//! Field numbers are those of `onnx.proto3` of the ONNX project. Graphs within graphs (branches and loops) and weights in
//! other files are refused, so that nothing nests deeper than the messages here.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tensor::{Kind, Tensor};
use crate::model::BadModel;

/// A graph as it stands in the file.
#[derive(Debug, Default)]
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    pub(super) weights: BTreeMap<String, Tensor>,
    pub(super) inputs: Vec<Input>,
    pub(super) outputs: Vec<String>,
}

/// A call of an operator. Names of inputs that are not given are empty.
#[derive(Debug, Default)]
pub(super) struct Node {
    pub(super) op: String,
    pub(super) domain: String,
    pub(super) inputs: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) attributes: BTreeMap<String, Attribute>,
}

/// A setting of an operator; only one of these is filled.
#[derive(Debug, Default)]
pub(super) struct Attribute {
    pub(super) float: Option<f64>,
    pub(super) int: Option<i64>,
    pub(super) text: Option<String>,
    pub(super) tensor: Option<Tensor>,
    pub(super) floats: Vec<f64>,
    pub(super) ints: Vec<i64>,
    pub(super) texts: Vec<Arc<str>>,
}

/// A shape; lengths that are not fixed are `None`.
pub(super) type Lengths = Vec<Option<usize>>;

/// What is given to the graph.
#[derive(Debug, Default)]
pub(super) struct Input {
    pub(super) name: String,
    pub(super) kind: i64,
    pub(super) shape: Option<Lengths>,
}

/// Reads the bytes of a file.
///
/// # Errors
/// What is no ONNX model, or one that nests graphs or keeps its weights elsewhere.
pub(super) fn parse(bytes: &[u8]) -> Result<Graph, BadModel> {
    let mut room = Room { numbers: NUMBERS, parts: PARTS };
    let (mut graph, mut version) = (None, None);
    for field in Fields(bytes) {
        match field? {
            (1, Field::Int(number)) => version = Some(number),
            (7, Field::Bytes(bytes)) => graph = Some(bytes),
            (25, _) => return Err(bad("it defines operators of its own")),
            _ => {}
        }
    }
    match (graph, version) {
        (Some(graph), Some(_)) => self::graph(graph, &mut room),
        _ => Err(no_onnx()),
    }
}

fn graph(bytes: &[u8], room: &mut Room) -> Result<Graph, BadModel> {
    room.part()?;
    let mut graph = Graph::default();
    for field in Fields(bytes) {
        match field? {
            (1, Field::Bytes(bytes)) => graph.nodes.push(node(bytes, room)?),
            (5, Field::Bytes(bytes)) => {
                let (name, tensor) = tensor(bytes, room)?;
                graph.weights.insert(name, tensor);
            }
            (11, Field::Bytes(bytes)) => graph.inputs.push(input(bytes, room)?),
            (12, Field::Bytes(bytes)) => graph.outputs.push(input(bytes, room)?.name),
            (15, _) => return Err(bad("it has sparse weights")),
            _ => {}
        }
    }
    Ok(graph)
}

fn node(bytes: &[u8], room: &mut Room) -> Result<Node, BadModel> {
    room.part()?;
    let mut node = Node::default();
    for field in Fields(bytes) {
        match field? {
            (1, Field::Bytes(bytes)) => node.inputs.push(text(bytes, room)?),
            (2, Field::Bytes(bytes)) => node.outputs.push(text(bytes, room)?),
            (4, Field::Bytes(bytes)) => node.op = text(bytes, room)?,
            (5, Field::Bytes(bytes)) => {
                let (name, attribute) = attribute(bytes, room)?;
                node.attributes.insert(name, attribute);
            }
            (7, Field::Bytes(bytes)) => node.domain = text(bytes, room)?,
            _ => {}
        }
    }
    Ok(node)
}

fn attribute(bytes: &[u8], room: &mut Room) -> Result<(String, Attribute), BadModel> {
    room.part()?;
    let (mut name, mut own) = (String::new(), Attribute::default());
    for field in Fields(bytes) {
        match field? {
            (1, Field::Bytes(bytes)) => name = text(bytes, room)?,
            (2, Field::Single(number)) => own.float = Some(f64::from(f32::from_bits(number))),
            (3, Field::Int(number)) => own.int = Some(number),
            (4, Field::Bytes(bytes)) => own.text = Some(text(bytes, room)?),
            (5, Field::Bytes(bytes)) => own.tensor = Some(tensor(bytes, room)?.1),
            (6 | 11, _) => return Err(bad("it has branches or loops")),
            (7, field) => field.singles(&mut own.floats, room)?,
            (8, field) => field.ints(&mut own.ints, room)?,
            (9, Field::Bytes(bytes)) => own.word(bytes, room)?,
            _ => {}
        }
    }
    Ok((name, own))
}

fn input(bytes: &[u8], room: &mut Room) -> Result<Input, BadModel> {
    room.part()?;
    let mut input = Input::default();
    for field in Fields(bytes) {
        match field? {
            (1, Field::Bytes(bytes)) => input.name = text(bytes, room)?,
            (2, Field::Bytes(bytes)) => {
                for field in Fields(bytes) {
                    // Anything else is a list or a map, which outputs may be.
                    if let (1, Field::Bytes(bytes)) = field? {
                        (input.kind, input.shape) = tensor_type(bytes, room)?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(input)
}

fn tensor_type(bytes: &[u8], room: &mut Room) -> Result<(i64, Option<Lengths>), BadModel> {
    let (mut kind, mut shape) = (0, None);
    for field in Fields(bytes) {
        match field? {
            (1, Field::Int(number)) => kind = number,
            (2, Field::Bytes(bytes)) => {
                let mut lengths = Vec::new();
                for field in Fields(bytes) {
                    if let (1, Field::Bytes(bytes)) = field? {
                        room.part()?;
                        let mut length = None;
                        for field in Fields(bytes) {
                            if let (1, Field::Int(number)) = field? {
                                length = usize::try_from(number).ok().filter(|n| *n > 0);
                            }
                        }
                        lengths.push(length);
                    }
                }
                shape = Some(lengths);
            }
            _ => {}
        }
    }
    Ok((kind, shape))
}

fn tensor(bytes: &[u8], room: &mut Room) -> Result<(String, Tensor), BadModel> {
    room.part()?;
    let (mut name, mut dims, mut number) = (String::new(), Vec::new(), 0);
    let (mut raw, mut values, mut ints) = (None, Vec::new(), Vec::new());
    for field in Fields(bytes) {
        match field? {
            (1, field) => field.ints(&mut dims, room)?,
            (2, Field::Int(kind)) => number = kind,
            (4, field) => field.singles(&mut values, room)?,
            (5 | 7 | 11, field) => field.ints(&mut ints, room)?,
            (6, _) => return Err(bad("it has tensors of texts")),
            (8, Field::Bytes(bytes)) => name = text(bytes, room)?,
            (9, Field::Bytes(bytes)) => raw = Some(bytes),
            (10, field) => field.doubles(&mut values, room)?,
            (13, _) | (14, Field::Int(1)) => {
                return Err(bad(
                    "its weights are in another file: save it with its weights inside",
                ));
            }
            _ => {}
        }
    }
    let kind = Kind::of(number).ok_or_else(|| {
        bad(&format!("tensor `{name}` has a type ({number}) that is not supported"))
    })?;
    let values = match raw {
        Some(bytes) => {
            room.numbers(bytes.len() / 4)?;
            numbers(number, bytes)
        }
        None if ints.is_empty() => Some(values),
        None => Some(ints.into_iter().map(|int| int as f64).collect()),
    };
    let dims: Option<Vec<usize>> = dims.into_iter().map(|n| usize::try_from(n).ok()).collect();
    let tensor = values.zip(dims).and_then(|(values, dims)| Tensor::new(kind, dims, values));
    let tensor =
        tensor.ok_or_else(|| bad(&format!("tensor `{name}` does not hold what its shape says")))?;
    Ok((name, tensor))
}

/// The numbers of a tensor that is stored as bytes; `number` is that of its type.
fn numbers(number: i64, bytes: &[u8]) -> Option<Vec<f64>> {
    macro_rules! read {
        ($t:ty) => {{
            let (all, rest) = bytes.as_chunks::<{ size_of::<$t>() }>();
            rest.is_empty()
                .then(|| all.iter().map(|one| <$t>::from_le_bytes(*one) as f64).collect())
        }};
    }
    match number {
        1 => read!(f32),
        2 | 9 => read!(u8),
        3 => read!(i8),
        4 => read!(u16),
        5 => read!(i16),
        6 => read!(i32),
        7 => read!(i64),
        11 => read!(f64),
        12 => read!(u32),
        _ => None,
    }
}

/// How much of a file may still be read: what takes more memory than it has bytes is counted.
struct Room {
    numbers: usize,
    parts: usize,
}

/// Most numbers of all weights and settings.
const NUMBERS: usize = 1 << 24;

/// Most texts and messages.
const PARTS: usize = 1 << 18;

impl Room {
    fn numbers(&mut self, count: usize) -> Result<(), BadModel> {
        self.numbers = self
            .numbers
            .checked_sub(count)
            .ok_or_else(|| bad(&format!("it has more than {} million weights", NUMBERS >> 20)))?;
        Ok(())
    }

    fn part(&mut self) -> Result<(), BadModel> {
        self.parts = self.parts.checked_sub(1).ok_or_else(|| bad("it has too many parts"))?;
        Ok(())
    }
}

impl Attribute {
    /// One of a list of texts. They are few different ones, many times.
    fn word(&mut self, bytes: &[u8], room: &mut Room) -> Result<(), BadModel> {
        room.numbers(2)?;
        let known = self.texts.last().filter(|last| last.as_bytes() == bytes).cloned();
        let known = known.or_else(|| {
            self.texts.iter().take(KNOWN).find(|text| text.as_bytes() == bytes).cloned()
        });
        self.texts.push(match known {
            Some(known) => known,
            None => text(bytes, room)?.into(),
        });
        Ok(())
    }
}

/// Texts of a list that are looked at for equal ones.
const KNOWN: usize = 16;

/// The value of a field. Groups, which nobody writes, are no values.
enum Field<'a> {
    Int(i64),
    Double(u64),
    Single(u32),
    Bytes(&'a [u8]),
}

impl Field<'_> {
    /// One integer, or many packed into bytes.
    fn ints(self, all: &mut Vec<i64>, room: &mut Room) -> Result<(), BadModel> {
        room.numbers(1)?;
        match self {
            Field::Int(int) => all.push(int),
            Field::Bytes(mut bytes) => {
                while !bytes.is_empty() {
                    room.numbers(1)?;
                    all.push(varint(&mut bytes).ok_or_else(no_onnx)?.cast_signed());
                }
            }
            Field::Double(_) | Field::Single(_) => return Err(no_onnx()),
        }
        Ok(())
    }

    fn singles(self, all: &mut Vec<f64>, room: &mut Room) -> Result<(), BadModel> {
        room.numbers(1)?;
        match self {
            Field::Single(bits) => all.push(f64::from(f32::from_bits(bits))),
            Field::Bytes(bytes) => {
                let (numbers, rest) = bytes.as_chunks::<4>();
                room.numbers(numbers.len())?;
                all.extend(numbers.iter().map(|four| f64::from(f32::from_le_bytes(*four))));
                return if rest.is_empty() { Ok(()) } else { Err(no_onnx()) };
            }
            Field::Int(_) | Field::Double(_) => return Err(no_onnx()),
        }
        Ok(())
    }

    fn doubles(self, all: &mut Vec<f64>, room: &mut Room) -> Result<(), BadModel> {
        room.numbers(1)?;
        match self {
            Field::Double(bits) => all.push(f64::from_bits(bits)),
            Field::Bytes(bytes) => {
                let (numbers, rest) = bytes.as_chunks::<8>();
                room.numbers(numbers.len())?;
                all.extend(numbers.iter().map(|eight| f64::from_le_bytes(*eight)));
                return if rest.is_empty() { Ok(()) } else { Err(no_onnx()) };
            }
            Field::Int(_) | Field::Single(_) => return Err(no_onnx()),
        }
        Ok(())
    }
}

/// The fields of a message, each with its number.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), BadModel>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(no_onnx))
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u64, Field<'a>)> {
        let key = varint(&mut self.0)?;
        let field = match key & 7 {
            0 => Field::Int(varint(&mut self.0)?.cast_signed()),
            1 => Field::Double(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(varint(&mut self.0)?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Single(u32::from_le_bytes(self.take(4)?.try_into().ok()?)),
            _ => return None,
        };
        Some((key >> 3, field))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..70).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn text(bytes: &[u8], room: &mut Room) -> Result<String, BadModel> {
    room.part()?;
    String::from_utf8(bytes.to_vec()).map_err(|_| no_onnx())
}

fn no_onnx() -> BadModel {
    bad("it is no ONNX model")
}

fn bad(message: &str) -> BadModel {
    BadModel(message.to_owned())
}
