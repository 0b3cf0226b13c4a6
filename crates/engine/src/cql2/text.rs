//! The text form: `"eo:cloud_cover" < 20 AND platform IN ('a', 'b')`. Words of the language have any case.

use serde_json::Value;

use super::{Comparison, Cql2Error, DEEPEST, Node, Place, Scalar, box_of, geometry, instant};
use super::{relation, wkt};

/// Reads a condition.
pub(super) fn parse(text: &str) -> Result<Node, Cql2Error> {
    let mut reader = Reader { tokens: tokens(text)?, at: 0 };
    let node = reader.either(0)?;
    match reader.peek() {
        None => Ok(node),
        Some(token) => Err(token.unexpected("the end, `AND` or `OR`")),
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name or a word of the language.
    Word(String),
    /// A name in quotes.
    Name(String),
    Text(String),
    Number(f64, String),
    /// `(`, `)`, `,` and comparisons.
    Sign(&'static str),
}

pub(super) struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Token {
    pub(super) fn unexpected(&self, expected: &'static str) -> Cql2Error {
        let found = match self {
            Token::Word(text) | Token::Number(_, text) => text.clone(),
            Token::Name(text) => format!("\"{text}\""),
            Token::Text(text) => format!("'{text}'"),
            Token::Sign(sign) => (*sign).to_owned(),
        };
        Cql2Error::Unexpected { found, expected }
    }
}

impl Reader {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    pub(super) fn next(&mut self, expected: &'static str) -> Result<Token, Cql2Error> {
        let token = self.peek().cloned().ok_or(Cql2Error::Ends(expected))?;
        self.at += 1;
        Ok(token)
    }

    /// Takes a word of the language if it comes next.
    pub(super) fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(own)) if own.eq_ignore_ascii_case(word));
        self.at += usize::from(found);
        found
    }

    pub(super) fn sign(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(own)) if *own == sign);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, sign: &'static str) -> Result<(), Cql2Error> {
        match self.peek() {
            Some(Token::Sign(own)) if *own == sign => self.at += 1,
            Some(token) => return Err(token.unexpected(sign)),
            None => return Err(Cql2Error::Ends(sign)),
        }
        Ok(())
    }

    fn either(&mut self, depth: usize) -> Result<Node, Cql2Error> {
        if depth > DEEPEST {
            return Err(Cql2Error::Deep);
        }
        let mut parts = vec![self.both(depth)?];
        while self.word("or") {
            parts.push(self.both(depth)?);
        }
        Ok(one_or(parts, Node::Or))
    }

    fn both(&mut self, depth: usize) -> Result<Node, Cql2Error> {
        let mut parts = vec![self.negated(depth)?];
        while self.word("and") {
            parts.push(self.negated(depth)?);
        }
        Ok(one_or(parts, Node::And))
    }

    fn negated(&mut self, depth: usize) -> Result<Node, Cql2Error> {
        let mut negated = false;
        while self.word("not") {
            negated = !negated;
        }
        let node = self.single(depth)?;
        Ok(if negated { Node::Not(Box::new(node)) } else { node })
    }

    fn single(&mut self, depth: usize) -> Result<Node, Cql2Error> {
        if self.sign("(") {
            let node = self.either(depth + 1)?;
            self.expect(")")?;
            return Ok(node);
        }
        if let Some(Token::Word(word)) = self.peek()
            && let Some(relation) = relation(word)
        {
            self.at += 1;
            self.expect("(")?;
            let a = self.place()?;
            self.expect(",")?;
            let b = self.place()?;
            self.expect(")")?;
            return Ok(Node::Spatial(relation, a, b));
        }
        let value = self.scalar()?;
        if let Some(Token::Sign(sign)) = self.peek()
            && let Some(comparison) = Comparison::of(sign)
        {
            self.at += 1;
            return Ok(Node::Compare(comparison, value, self.scalar()?));
        }
        if self.word("is") {
            let not = self.word("not");
            if !self.word("null") {
                return Err(self.wrong("`NULL`"));
            }
            return Ok(negated_if(not, Node::IsNull(value)));
        }
        let not = self.word("not");
        if self.word("like") {
            return match self.next("a text")? {
                Token::Text(pattern) => Ok(negated_if(not, Node::Like(value, pattern))),
                token => Err(token.unexpected("a text")),
            };
        }
        if self.word("between") {
            let low = self.scalar()?;
            if !self.word("and") {
                return Err(self.wrong("`AND`"));
            }
            return Ok(negated_if(not, Node::Between(value, low, self.scalar()?)));
        }
        if self.word("in") {
            self.expect("(")?;
            let mut list = vec![self.scalar()?];
            while self.sign(",") {
                list.push(self.scalar()?);
            }
            self.expect(")")?;
            return Ok(negated_if(not, Node::In(value, list)));
        }
        match value {
            Scalar::Value(Value::Bool(value)) if !not => Ok(Node::Always(value)),
            _ => Err(self.wrong("a comparison")),
        }
    }

    fn scalar(&mut self) -> Result<Scalar, Cql2Error> {
        const EXPECTED: &str = "a property or a value";
        let word = match self.next(EXPECTED)? {
            Token::Word(word) => word,
            Token::Name(name) => return Ok(Scalar::Property(name)),
            Token::Text(text) => return Ok(Scalar::Value(text.into())),
            Token::Number(value, text) => {
                let whole = text.parse::<i64>().map(Value::from);
                return Ok(Scalar::Value(whole.unwrap_or_else(|_| value.into())));
            }
            token @ Token::Sign(_) => return Err(token.unexpected(EXPECTED)),
        };
        let is_call = matches!(self.peek(), Some(Token::Sign("(")));
        match word.to_ascii_lowercase().as_str() {
            "true" => Ok(Scalar::Value(true.into())),
            "false" => Ok(Scalar::Value(false.into())),
            "timestamp" | "date" if is_call => {
                self.expect("(")?;
                let time = match self.next("a text")? {
                    Token::Text(text) => instant(&text)?,
                    token => return Err(token.unexpected("a text")),
                };
                self.expect(")")?;
                Ok(time)
            }
            _ if is_call => Err(Cql2Error::Unsupported(word)),
            "and" | "or" | "not" | "is" | "like" | "between" | "in" | "null" => {
                Err(Token::Word(word).unexpected(EXPECTED))
            }
            _ => Ok(Scalar::Property(word)),
        }
    }

    fn place(&mut self) -> Result<Place, Cql2Error> {
        const EXPECTED: &str = "a property or a geometry";
        let word = match self.next(EXPECTED)? {
            Token::Word(word) => word,
            Token::Name(name) => return Ok(Place::Property(name)),
            token => return Err(token.unexpected(EXPECTED)),
        };
        if word.eq_ignore_ascii_case("bbox") {
            self.expect("(")?;
            let mut numbers = vec![self.number()?];
            while self.sign(",") {
                numbers.push(self.number()?);
            }
            self.expect(")")?;
            return box_of(&numbers).map(Place::Geometry);
        }
        let json = match wkt::kind(&word) {
            Some(kind) => wkt::read(self, kind)?,
            None if matches!(self.peek(), Some(Token::Sign("("))) => {
                return Err(Cql2Error::Unsupported(word));
            }
            None => return Ok(Place::Property(word)),
        };
        geometry(&json).map(Place::Geometry)
    }

    pub(super) fn number(&mut self) -> Result<f64, Cql2Error> {
        match self.next("a number")? {
            Token::Number(value, _) => Ok(value),
            token => Err(token.unexpected("a number")),
        }
    }

    /// Whether a number comes next.
    pub(super) fn is_number(&self) -> bool {
        matches!(self.peek(), Some(Token::Number(..)))
    }

    fn wrong(&self, expected: &'static str) -> Cql2Error {
        self.peek().map_or(Cql2Error::Ends(expected), |token| token.unexpected(expected))
    }
}

fn negated_if(not: bool, node: Node) -> Node {
    if not { Node::Not(Box::new(node)) } else { node }
}

fn one_or(mut parts: Vec<Node>, several: fn(Vec<Node>) -> Node) -> Node {
    match parts.len() {
        1 => parts.remove(0),
        _ => several(parts),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, Cql2Error> {
    const SIGNS: [&str; 9] = ["<>", "<=", ">=", "<", ">", "=", "(", ")", ","];
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '\'' || first == '"' {
            let (inner, behind) = quoted(rest, first)?;
            tokens.push(if first == '"' { Token::Name(inner) } else { Token::Text(inner) });
            rest = behind.trim_start();
            continue;
        }
        if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            tokens.push(Token::Sign(sign));
            rest = rest[sign.len()..].trim_start();
            continue;
        }
        let of_number = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        let of_name = |c: char| c.is_alphanumeric() || "_:.".contains(c);
        let is_number = first.is_ascii_digit() || "+-.".contains(first);
        let end = rest.find(|c: char| !(if is_number { of_number(c) } else { of_name(c) }));
        let (word, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let token = if is_number {
            let value = word.parse::<f64>().ok().filter(|value| value.is_finite());
            value.map(|value| Token::Number(value, word.to_owned()))
        } else {
            (!word.is_empty()).then(|| Token::Word(word.to_owned()))
        };
        let found = if word.is_empty() { first.to_string() } else { word.to_owned() };
        let expected = "a name, a value or a comparison";
        tokens.push(token.ok_or(Cql2Error::Unexpected { found, expected })?);
        rest = behind.trim_start();
    }
    Ok(tokens)
}

/// What stands between quotes, which are doubled inside, and what follows.
fn quoted(text: &str, quote: char) -> Result<(String, &str), Cql2Error> {
    let mut inner = String::new();
    let mut rest = &text[1..];
    while let Some(end) = rest.find(quote) {
        inner.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        if !rest.starts_with(quote) {
            return Ok((inner, rest));
        }
        inner.push(quote);
        rest = &rest[1..];
    }
    Err(Cql2Error::Ends("a closing quote"))
}
