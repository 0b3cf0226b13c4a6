//! Who asks, and what may therefore be read.
//!
//! What the operator of this process names (data folders, catalogues, everything on the command line) is read
//! wherever it is. An address that comes with a request over HTTP, or stands in a document behind such an address,
//! must not make this machine read its own files, its neighbours' services or a cloud's metadata service: it has to
//! be public `https`, or lie inside of what the operator serves anyway.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use super::StorageError;
use super::address::{self, Scheme};

/// What requests may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Everything the operator could read: `http`, private addresses, local files, any bucket.
    pub private: bool,
    /// Files, folders and addresses of the operator's own data.
    data: Vec<String>,
}

impl Access {
    /// For a person at the command line: everything.
    pub fn operator() -> Access {
        Access { private: true, data: Vec::new() }
    }

    /// For requests; `data` are paths and addresses the operator serves.
    pub fn requests<'a>(private: bool, data: impl IntoIterator<Item = &'a str>) -> Access {
        let absolute = data.into_iter().filter_map(|path| address::join("", path).ok());
        let plain = absolute.map(|path| path.split('?').next().unwrap_or_default().to_owned());
        Access { private, data: plain.map(|path| path.trim_end_matches('/').to_owned()).collect() }
    }

    /// Whether an absolute address may be read, and whether what it leads to has to be checked as well.
    ///
    /// # Errors
    /// [`StorageError::Forbidden`].
    pub(super) fn check(&self, href: &str) -> Result<bool, StorageError> {
        if self.private {
            return Ok(false);
        }
        if self.is_data(href) {
            return Ok(true);
        }
        let refuse = |reason| Err(StorageError::Forbidden { href: super::shown(href), reason });
        match Scheme::of(href) {
            Some(Scheme::Http) => match Url::parse(href) {
                Ok(url) => match forbidden_url(&url) {
                    Some(reason) => refuse(reason),
                    None => Ok(true),
                },
                Err(_) => Err(StorageError::Address(super::shown(href))),
            },
            Some(Scheme::Bucket(_)) => {
                refuse("requests may read buckets only where data is served from")
            }
            Some(Scheme::File | Scheme::Unknown) | None => {
                refuse("requests may read local files only where data is served from")
            }
        }
    }

    /// Whether the host's addresses have to be public ones.
    pub(super) fn guards(&self, href: &str) -> bool {
        !self.private && !self.is_data(href)
    }

    fn is_data(&self, href: &str) -> bool {
        let href = href.split('?').next().unwrap_or_default();
        // A URL that climbs out of its folder was resolved when it was parsed; encoded dots were not.
        let climbs = href.to_ascii_lowercase().contains("%2e") || href.contains("/../");
        !climbs
            && self.data.iter().any(|root| {
                href.strip_prefix(root.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
    }
}

/// Why a request may not lead to a URL; `None` where it may, as far as its text tells.
pub(super) fn forbidden_url(url: &Url) -> Option<&'static str> {
    const PRIVATE: &str = "requests may read public addresses only";
    if url.scheme() != "https" {
        return Some("requests may read `https` addresses only");
    }
    match url.host() {
        Some(Host::Ipv4(ip)) if !is_public(IpAddr::V4(ip)) => Some(PRIVATE),
        Some(Host::Ipv6(ip)) if !is_public(IpAddr::V6(ip)) => Some(PRIVATE),
        Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => {
            Some(PRIVATE)
        }
        Some(_) => None,
        None => Some(PRIVATE),
    }
}

/// Whether an address is one of the public internet (IANA's registries of special-purpose addresses).
pub(super) fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => {
            if let Some(inner) = embedded(ip) {
                return is_public_v4(inner);
            }
            let first = ip.segments()[0];
            // Global unicast, without documentation and the ranges of protocol assignments.
            first & 0xe000 == 0x2000
                && !(first == 0x2001 && ip.segments()[1] < 0x0200)
                && !(first == 0x2001 && ip.segments()[1] == 0x0db8)
                && first != 0x3fff
        }
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared = a == 100 && b & 0xc0 == 64;
    let protocols = a == 192 && b == 0 && c == 0;
    let relay = a == 192 && b == 88 && c == 99;
    let benchmarks = a == 198 && b & 0xfe == 18;
    !(a == 0
        || a >= 224
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_documentation()
        || shared
        || protocols
        || relay
        || benchmarks)
}

/// The address of version 4 that one of version 6 stands for: mapped, NAT64, 6to4.
fn embedded(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    if let Some(mapped) = ip.to_ipv4_mapped() {
        return Some(mapped);
    }
    let s = ip.segments();
    let join = |hi: u16, lo: u16| {
        let ([a, b], [c, d]) = (hi.to_be_bytes(), lo.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    match s {
        [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] => Some(join(hi, lo)),
        [0x2002, hi, lo, ..] => Some(join(hi, lo)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_reach_the_public_and_what_is_served() {
        let access =
            Access::requests(false, ["/data/s2", "https://10.0.0.1/stac", "s3://mine/sub"]);
        let may = |href: &str| access.check(href).is_ok();
        for href in [
            "https://example.com/a?sig=1",
            "https://93.184.215.14/",
            "/data/s2",
            "/data/s2/a.tif",
            "https://10.0.0.1/stac/collections/x",
            "s3://mine/sub/a",
        ] {
            assert!(may(href), "{href}");
        }
        for href in [
            "http://example.com/",
            "https://localhost/",
            "https://a.localhost/",
            "https://127.0.0.1:8443/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://169.254.169.254/latest/meta-data",
            "https://0x7f000001/",
            "https://10.0.0.1/other",
            "https://10.0.0.1/stac/%2e%2e/other",
            "/data/s2x/a.tif",
            "/etc/passwd",
            "s3://mine/subs",
            "s3://other/a",
        ] {
            assert!(!may(href), "{href}");
        }
        assert!(Access::operator().check("/etc/passwd").is_ok());
        assert!(access.guards("https://example.com/") && !access.guards("https://10.0.0.1/stac/a"));
    }

    #[test]
    fn special_addresses_are_not_public() {
        for ip in [
            "100.64.0.1",
            "0.0.0.0",
            "198.19.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "fe80::1",
            "fd00::1",
            "::",
        ] {
            assert!(!is_public(ip.parse().unwrap()), "{ip}");
        }
        for ip in ["8.8.8.8", "100.128.0.1", "2606:4700::1111", "2002:808:808::1"] {
            assert!(is_public(ip.parse().unwrap()), "{ip}");
        }
    }
}
