// SPDX-License-Identifier: MIT

//! `tcp:HOST:PORT`, `tcp:[IPv6]:PORT`, `tcp:PORT`: where another machine is, or where to wait for it.
//! `tcp://HOST:PORT`: a serial line behind a console server.

#![forbid(unsafe_code)]

use std::fmt;

use nix::errno::Errno;

use crate::{
    error::{Error, Result},
    exit_codes::ExitCode,
};

/// A machine and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Name or address; an IPv6 address without its brackets. `None`: any of this machine.
    pub host: Option<String>,
    /// The port.
    pub port: u16,
}

impl Address {
    /// Of the other end of a connection; `None` for what is the path of a file.
    pub fn to_connect(text: &str) -> Result<Option<Self>> {
        let Some(rest) = after_scheme(text)? else {
            return Ok(None);
        };
        if rest.starts_with("//") {
            return Err(usage(text, "write tcp:HOST:PORT, without //"));
        }
        parse(text, rest)?.of_a_listener(text).map(Some)
    }

    /// Of a console server, whose connection is a serial line; `None` for what is anything else.
    pub fn of_line(text: &str) -> Result<Option<Self>> {
        match text.strip_prefix("tcp://") {
            Some(rest) => parse(text, rest)?.of_a_listener(text).map(Some),
            None => Ok(None),
        }
    }

    fn of_a_listener(self, text: &str) -> Result<Self> {
        if self.host.is_none() {
            return Err(usage(text, "the host is missing: write tcp:HOST:PORT"));
        }
        match self.port {
            0 => Err(usage(text, "nothing listens at port 0: give its port")),
            _ => Ok(self),
        }
    }

    /// Of this end of a connection, which waits there; `None` for what is the path of a device.
    pub fn to_listen(text: &str) -> Result<Option<Self>> {
        match after_scheme(text)? {
            Some(rest) if rest.starts_with("//") => Err(usage(text, "write tcp:PORT, without //")),
            Some(rest) => parse(text, rest).map(Some),
            None => Ok(None),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
            None => write!(f, "port {}", self.port),
        }
    }
}

/// What follows `tcp:`. What begins so in other letters is no file that was meant.
fn after_scheme(text: &str) -> Result<Option<&str>> {
    match text.split_once(':') {
        Some(("tcp", rest)) => Ok(Some(rest)),
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("tcp") => Err(usage(
            text,
            "write 'tcp:' in small letters, or ./ before the name of a file",
        )),
        _ => Ok(None),
    }
}

fn parse(text: &str, rest: &str) -> Result<Address> {
    let wrong = |advice| usage(text, advice);
    let (host, port) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest
                .split_once("]:")
                .ok_or_else(|| wrong("write an IPv6 address as tcp:[ADDRESS]:PORT"))?;
            (Some(host), port)
        }
        None => match rest.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => {
                return Err(wrong("write an IPv6 address as tcp:[ADDRESS]:PORT"));
            }
            Some((host, port)) => (Some(host), port),
            None if !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()) => {
                (None, rest)
            }
            None => return Err(wrong("the port is missing: write tcp:HOST:PORT")),
        },
    };
    if host.is_some_and(|host| host.is_empty() || host.contains(char::is_whitespace)) {
        return Err(wrong("the host is missing: write tcp:HOST:PORT"));
    }
    let port = match port {
        "" => Err(wrong("the port is missing: write tcp:HOST:PORT")),
        port if port.bytes().all(|byte| byte.is_ascii_digit()) => port
            .parse()
            .map_err(|_| wrong("a port is a number up to 65535")),
        _ => Err(wrong("a port is a number up to 65535")),
    }?;
    Ok(Address {
        host: host.map(str::to_owned),
        port,
    })
}

fn usage(text: &str, advice: &str) -> Error {
    Error::new(
        ExitCode::Usage,
        "not an address",
        text,
        Errno::EINVAL,
        advice,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: Option<&str>, port: u16) -> Address {
        Address {
            host: host.map(str::to_owned),
            port,
        }
    }

    #[test]
    fn names_addresses_and_ports_are_distinguished() {
        for (text, found) in [
            ("tcp:board:5000", address(Some("board"), 5000)),
            ("tcp:192.168.0.2:65535", address(Some("192.168.0.2"), 65535)),
            ("tcp:[::1]:1", address(Some("::1"), 1)),
            ("tcp:[fe80::1%eth0]:80", address(Some("fe80::1%eth0"), 80)),
        ] {
            assert_eq!(Address::to_connect(text).unwrap(), Some(found.clone()));
            assert_eq!(Address::to_listen(text).unwrap(), Some(found.clone()));
            assert_eq!(format!("tcp:{found}"), text);
        }
        let any = Address::to_listen("tcp:5000").unwrap();
        assert_eq!(any, Some(address(None, 5000)));
        let any = Address::to_listen("tcp:0").unwrap();
        assert_eq!(any, Some(address(None, 0)));
    }

    #[test]
    fn two_slashes_are_a_console_server() {
        for (text, found) in [
            ("tcp://server:7001", address(Some("server"), 7001)),
            ("tcp://[::1]:1", address(Some("::1"), 1)),
        ] {
            assert_eq!(Address::of_line(text).unwrap(), Some(found));
        }
        for other in ["tcp:server:7001", "/dev/ttyS0", "-", "tcp:5000"] {
            assert_eq!(Address::of_line(other).unwrap(), None);
        }
        for wrong in [
            "tcp://",
            "tcp://7001",
            "tcp://server",
            "tcp://server:0",
            "tcp:///dev/ttyS0",
        ] {
            assert_eq!(Address::of_line(wrong).unwrap_err().code, ExitCode::Usage);
        }
    }

    #[test]
    fn a_path_is_not_an_address() {
        for path in [
            "-",
            "tcp",
            "./tcp:a:1",
            "/dev/ttyS0",
            "/TCP:a:1",
            "udp.raw",
            "a:1",
        ] {
            assert_eq!(Address::to_connect(path).unwrap(), None, "{path}");
            assert_eq!(Address::to_listen(path).unwrap(), None, "{path}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, advice) in [
            ("tcp:", "port is missing"),
            ("tcp:host", "port is missing"),
            ("tcp:host:", "port is missing"),
            ("tcp::5000", "host is missing"),
            ("tcp: :5000", "host is missing"),
            ("tcp:host:65536", "up to 65535"),
            ("tcp:host:-1", "up to 65535"),
            ("tcp:host:+1", "up to 65535"),
            ("tcp:host:http", "up to 65535"),
            ("tcp:host:50 00", "up to 65535"),
            ("tcp:::1:5000", "tcp:[ADDRESS]:PORT"),
            ("tcp:[::1]", "tcp:[ADDRESS]:PORT"),
            ("tcp:[::1]5000", "tcp:[ADDRESS]:PORT"),
            ("tcp:[]:5000", "host is missing"),
            ("tcp://host:5000", "without //"),
            ("TCP:host:5000", "small letters"),
            ("Tcp:5000", "small letters"),
        ] {
            for parse in [Address::to_connect, Address::to_listen] {
                let error = parse(text).expect_err(text);
                assert_eq!(error.code, ExitCode::Usage);
                assert!(error.advice.contains(advice), "{error}");
            }
        }
        for text in ["tcp:5000", "tcp:host:0"] {
            let error = Address::to_connect(text).expect_err(text);
            assert_eq!(error.code, ExitCode::Usage);
        }
    }
}
