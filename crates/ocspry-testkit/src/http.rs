//! A small HTTP/1.1 client over a `TcpStream`: any bytes out, one parsed response in, connections kept.
//!
//! Written here because a test must be able to send what no library sends.  Reads are bounded by a time-out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ocspry_wire::Time;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How long a test waits for the next octets before it calls the peer dead.
const READ_WAIT_MAX: Duration = Duration::from_secs(20);
/// More than any answer in these tests.
const BODY_BYTES_MAX: usize = 1 << 20;

/// One connection.
#[derive(Debug)]
pub struct HttpClient {
    reader: BufReader<TcpStream>,
}

/// One response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body, whole.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

impl HttpClient {
    /// Connects to a port of this machine.
    pub fn connect(port: u16) -> io::Result<HttpClient> {
        HttpClient::connect_to(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }

    /// Connects to an address.
    pub fn connect_to(address: SocketAddr) -> io::Result<HttpClient> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(READ_WAIT_MAX))?;
        stream.set_write_timeout(Some(READ_WAIT_MAX))?;
        stream.set_nodelay(true)?;
        Ok(HttpClient {
            reader: BufReader::new(stream),
        })
    }

    /// The same, and waits so long for the next octets: for peers that think before they answer.
    pub fn connect_patiently(port: u16, read_wait_max: Duration) -> io::Result<HttpClient> {
        let client = HttpClient::connect(port)?;
        client
            .reader
            .get_ref()
            .set_read_timeout(Some(read_wait_max))?;
        Ok(client)
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reader.get_mut().write_all(bytes)
    }

    /// Says that nothing more will be sent.
    pub fn finish_sending(&mut self) -> io::Result<()> {
        self.reader.get_mut().shutdown(Shutdown::Write)
    }

    /// POSTs an OCSP request and reads the response; the connection stays open.
    pub fn post(&mut self, body: &[u8]) -> io::Result<HttpResponse> {
        let mut message = format!(
            "POST /ocsp HTTP/1.1\r\nHost: ocsp.test\r\nContent-Type: application/ocsp-request\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        message.extend_from_slice(body);
        self.send(&message)?;
        self.receive(true)
    }

    /// GETs a raw request target.
    pub fn get(&mut self, target: &str) -> io::Result<HttpResponse> {
        self.request("GET", target, "")
    }

    /// Sends a request line with extra header lines (each ending in CRLF), no body.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &str,
    ) -> io::Result<HttpResponse> {
        self.send(
            format!("{method} {target} HTTP/1.1\r\nHost: ocsp.test\r\n{headers}\r\n").as_bytes(),
        )?;
        self.receive(method != "HEAD")
    }

    /// Reads one response; `has_body` is false after HEAD.
    pub fn receive(&mut self, has_body: bool) -> io::Result<HttpResponse> {
        let status_line = self.line()?;
        let status = status_line
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..5))
            .and_then(|code| code.parse().ok())
            .ok_or_else(|| invalid(format!("not a status line: {status_line:?}")))?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| invalid(format!("not a header: {line:?}")))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut response = HttpResponse {
            status,
            headers,
            body: Vec::new(),
        };
        if has_body && status != 304 && status != 204 && status >= 200 {
            response.body = self.body(response.header("content-length"))?;
        }
        Ok(response)
    }

    /// Has the peer closed the connection, with nothing left to read?
    pub fn is_closed(&mut self) -> io::Result<bool> {
        Ok(self.reader.fill_buf()?.is_empty())
    }

    fn body(&mut self, content_length: Option<&str>) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        match content_length {
            Some(length) => {
                let length: usize = length
                    .parse()
                    .map_err(|_| invalid(format!("Content-Length {length:?}")))?;
                if length > BODY_BYTES_MAX {
                    return Err(invalid(format!("a body of {length} octets")));
                }
                body.resize(length, 0);
                self.reader.read_exact(&mut body)?;
            }
            None => {
                self.reader
                    .by_ref()
                    .take(BODY_BYTES_MAX as u64)
                    .read_to_end(&mut body)?;
            }
        }
        Ok(body)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "closed before a response",
            ));
        }
        Ok(line.trim_end_matches(['\r', '\n']).to_owned())
    }
}

/// `/` and the request in base64, nothing escaped (RFC 6960 §A.1.1 as many clients write it).
pub fn base64_path(request: &[u8]) -> String {
    format!("/{}", STANDARD.encode(request))
}

/// The same path with `+`, `/` and `=` of the base64 percent-encoded, as RFC 6960 §A.1.1 wants it.
pub fn percent_encoded(path: &str) -> String {
    let body = path.strip_prefix('/').unwrap_or(path);
    format!(
        "/{}",
        body.replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D")
    )
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 §5.6.7).
pub fn http_date(time: Time) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    // 1970-01-01 was a Thursday.
    let weekday = time.unix_seconds().div_euclid(86_400).rem_euclid(7);
    let (year, month, day, hour, minute, second) = time.civil();
    format!(
        "{}, {day:02} {} {year:04} {hour:02}:{minute:02}:{second:02} GMT",
        DAYS[weekday as usize],
        MONTHS[usize::from(month) - 1]
    )
}

fn invalid(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}
