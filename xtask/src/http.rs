//! As much of an HTTP client as the demo needs: one request, one connection, the whole answer.
//!
//! Requests are HTTP/1.0, so that an answer ends with the connection and never comes in chunks.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Result<Answer> {
    send(address, format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").as_bytes())
}

pub(crate) fn post_json(address: SocketAddr, path: &str, body: &str) -> Result<Answer> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    send(address, format!("{head}{body}").as_bytes())
}

fn send(address: SocketAddr, request: &[u8]) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(5))
        .with_context(|| format!("cannot reach {address}"))?;
    stream.set_read_timeout(Some(Duration::from_mins(5)))?;
    stream.write_all(request)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Result<Answer> {
    let end = bytes
        .windows(4)
        .position(|w| w == b"\r\n\r\n")
        .context("the answer has no end of header")?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let status = head.split_whitespace().nth(1).and_then(|code| code.parse().ok());
    let Some(status) = status else { bail!("not an HTTP answer: {head}") };
    Ok(Answer { status, body: bytes[end + 4..].to_vec() })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn answers_are_split() {
        let answer = parse(b"HTTP/1.0 201 Created\r\na: b\r\n\r\n\r\nbody").unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (201, b"\r\nbody".as_slice()));
        assert!(parse(b"HTTP/1.0 200 OK\r\n").is_err());
        assert!(parse(b"what\r\n\r\n").is_err());
    }
}
