//! Requests to a hub, and what its answers mean.

use std::io::Read;
use std::time::Duration;

use ureq::config::RedirectAuthHeaders;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::listing::Listing;
use crate::failure::Failure;
use crate::token::Token;

/// First wait before another try; each further one is twice as long, up to [`LONGEST_WAIT`].
const WAIT: Duration = Duration::from_millis(300);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Tries without a byte of progress.
pub const TRIES: u32 = 5;
/// Largest answer that is no file, in bytes.
const MAX_ANSWER: u64 = 16 * 1024 * 1024;

/// A repository of a hub.
pub struct Hub {
    agent: Agent,
    endpoint: String,
    pub id: String,
    authorization: Option<String>,
}

/// Why a try did not work.
#[derive(Debug)]
pub enum Miss {
    /// Another try may work: what happened, and after how long the hub wants to be asked again.
    Again(Failure, Option<Duration>),
    /// It would not.
    Never(Failure),
}

impl Hub {
    /// The repository `id` at `endpoint`.
    ///
    /// # Errors
    /// If the address is none.
    pub fn new(
        endpoint: &str,
        id: &str,
        patience: Duration,
        token: Option<Token>,
    ) -> Result<Self, Failure> {
        let endpoint = endpoint.trim_end_matches('/');
        let plain = endpoint.len() <= 300 && endpoint.bytes().all(|byte| byte.is_ascii_graphic());
        let authority = match endpoint.split_once("://") {
            Some((_, rest)) => rest.trim_start_matches('/').split('/').next(),
            // No address: a name and password may stand anywhere.
            None => Some(endpoint),
        };
        let authority = authority.unwrap_or_default();
        if authority.contains('@') {
            // Not repeated: the address stands in messages, and messages in the journal.
            return Err(
                Failure::new("bad_request", "the hub's address holds a name or password")
                    .hint("write HF_ENDPOINT without them, and give a token: HF_TOKEN"),
            );
        }
        if !plain
            || !["http://", "https://"]
                .iter()
                .any(|it| endpoint.starts_with(it))
        {
            let message = format!("`{}` is no address of a hub", endpoint.escape_debug());
            return Err(Failure::new("bad_request", message)
                .hint("HF_ENDPOINT is a URL such as https://huggingface.co"));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .user_agent(concat!("lemctl/", env!("CARGO_PKG_VERSION")))
            .accept_encoding("identity")
            .timeout_resolve(Some(patience))
            .timeout_connect(Some(patience))
            .timeout_recv_response(Some(patience))
            .timeout_per_read(Some(patience))
            .build();
        Ok(Self {
            agent: config.into(),
            endpoint: endpoint.to_owned(),
            id: id.to_owned(),
            authorization: token.map(|token| token.authorization()),
        })
    }

    /// What a revision holds.
    ///
    /// # Errors
    /// `model_not_found`, `model_gated`, or that the hub cannot be asked.
    pub fn listing(&self, revision: &str) -> Result<Listing, Failure> {
        let path = format!(
            "/api/models/{}/revision/{}?blobs=true",
            self.id,
            encoded(revision)
        );
        let bytes = tries(|| {
            let response = self.get(&path, None)?;
            let status = response.status();
            if status != StatusCode::OK {
                return Err(self.refusal(&response, &format!("revision `{revision}`")));
            }
            let mut bytes = Vec::new();
            let body = response.into_body().into_reader();
            match body.take(MAX_ANSWER + 1).read_to_end(&mut bytes) {
                Ok(_) => Ok(bytes),
                Err(error) => Err(Miss::Again(self.broken(&error), None)),
            }
        })?;
        if bytes.len() as u64 > MAX_ANSWER {
            return Err(Failure::new(
                "hub_unavailable",
                format!(
                    "{} answers with more than {MAX_ANSWER} bytes",
                    self.endpoint
                ),
            ));
        }
        Listing::parse(&bytes).map_err(|what| {
            let message = format!("{} gives no listing of {}: {what}", self.endpoint, self.id);
            Failure::new("hub_unavailable", message)
                .hint("is HF_ENDPOINT the address of a model hub?")
        })
    }

    /// Begins a file of a commit, from byte `from` on.
    ///
    /// # Errors
    /// Whatever is neither the file nor a part of it.
    pub fn file(&self, commit: &str, name: &str, from: u64) -> Result<Response<Body>, Miss> {
        let path = format!("/{}/resolve/{}/{}", self.id, encoded(commit), encoded(name));
        let range = (from > 0).then(|| format!("bytes={from}-"));
        let response = self.get(&path, range)?;
        match response.status() {
            StatusCode::OK | StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                Ok(response)
            }
            _ => Err(self.refusal(&response, &format!("file `{name}`"))),
        }
    }

    fn get(&self, path: &str, range: Option<String>) -> Result<Response<Body>, Miss> {
        let mut request = self.agent.get(format!("{}{path}", self.endpoint));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(range) = range {
            request = request.header("range", range);
        }
        request.call().map_err(|error| self.unreachable(&error))
    }

    /// No answer at all.
    fn unreachable(&self, error: &ureq::Error) -> Miss {
        let hint = "is there a network, and does HF_ENDPOINT name the hub? LEM_FETCH_NETWORK=host uses the host's own; on a machine without a network use `model: {random: …}`, `dummy` or `local`";
        let message = format!("{} cannot be reached: {}", self.endpoint, words(error));
        if matches!(error, ureq::Error::Rustls(_) | ureq::Error::Tls(_)) || is_tls(error) {
            return Miss::Never(Failure::new("no_network", message).hint(
                "the certificate is checked against the public authorities: a proxy that opens TLS cannot be used; name a mirror by HF_ENDPOINT, or use `model: {local: …}`",
            ));
        }
        let failure = Failure::new("no_network", message).hint(hint);
        match error {
            ureq::Error::BadUri(_)
            | ureq::Error::Http(_)
            | ureq::Error::TooManyRedirects
            | ureq::Error::RedirectFailed => Miss::Never(failure),
            _ => Miss::Again(failure, None),
        }
    }

    /// An answer that broke off.
    pub fn broken(&self, error: &std::io::Error) -> Failure {
        let message = format!("{} broke off: {error}", self.endpoint);
        Failure::new("download_broken", message)
            .hint("try again: what is there already is not fetched twice")
    }

    /// An answer that is a refusal; `what` was asked for.
    fn refusal<B>(&self, response: &Response<B>, what: &str) -> Miss {
        let header = |name: &str| response.headers().get(name)?.to_str().ok();
        let status = response.status();
        let (id, endpoint) = (&self.id, &self.endpoint);
        let code = header("x-error-code").unwrap_or_default();
        let gated = |why: &str| {
            Failure::new("model_gated", format!("{id} at {endpoint}: {why}")).hint(format!(
                "accept the model's licence at {endpoint}/{id}, and give a token that may read it: HF_TOKEN, or `hf auth login`"
            ))
        };
        let missing = |what: String| {
            Failure::new("model_not_found", what).hint(
                "compare the id and the revision with the hub's page; a private repository is shown only with a token (HF_TOKEN)",
            )
        };
        match status.as_u16() {
            401 | 403 if code == "RepoNotFound" => {
                Miss::Never(missing(format!("{endpoint} has no model {id}")))
            }
            401 if self.authorization.is_none() => Miss::Never(gated(
                "it is shown only to those who have access, and there is no token",
            )),
            401 => Miss::Never(gated("the token is not valid there")),
            403 => Miss::Never(gated("access was not granted")),
            404 if code == "RevisionNotFound" || code == "EntryNotFound" => {
                Miss::Never(missing(format!("{id} at {endpoint} has no {what}")))
            }
            404 => Miss::Never(missing(format!("{endpoint} has no model {id} with {what}"))),
            408 | 429 | 500..=599 => {
                let after = header("retry-after").and_then(|text| text.parse().ok());
                let message = format!("{endpoint} answers {status} for {what} of {id}");
                let failure = Failure::new("hub_unavailable", message)
                    .hint("try again later; what is there already is not fetched twice");
                Miss::Again(failure, after.map(Duration::from_secs))
            }
            _ => {
                let message = format!("{endpoint} answers {status} for {what} of {id}");
                Miss::Never(Failure::new("hub_unavailable", message))
            }
        }
    }
}

/// Tries something up to [`TRIES`] times.
///
/// # Errors
/// That of the last try.
pub fn tries<T>(mut what: impl FnMut() -> Result<T, Miss>) -> Result<T, Failure> {
    let mut done = 0;
    loop {
        match what() {
            Ok(value) => return Ok(value),
            Err(Miss::Never(failure)) => return Err(failure),
            Err(Miss::Again(failure, after)) => {
                done += 1;
                if done >= TRIES {
                    return Err(failure);
                }
                wait(done, after);
            }
        }
    }
}

/// Waits after the `done`th try in a row that did not work.
pub fn wait(done: u32, after: Option<Duration>) {
    let own = WAIT.saturating_mul(1 << done.saturating_sub(1).min(10));
    std::thread::sleep(after.unwrap_or(own).min(LONGEST_WAIT));
}

/// A part of a path, percent-encoded.
fn encoded(part: &str) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Whether a connection failed in its encryption, which no other try changes.
fn is_tls(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => error.kind() == std::io::ErrorKind::InvalidData,
        _ => false,
    }
}

/// An error without addresses in it: those that a hub redirects to can hold secrets.
fn words(error: &ureq::Error) -> String {
    match error {
        ureq::Error::HostNotFound => "its name is not known".to_owned(),
        ureq::Error::Timeout(which) => format!("no answer in time ({which})"),
        ureq::Error::Io(error) => error.to_string(),
        ureq::Error::ConnectionFailed => "no connection".to_owned(),
        ureq::Error::TooManyRedirects => "too many redirects".to_owned(),
        ureq::Error::Tls(what) => format!("TLS: {what}"),
        ureq::Error::Rustls(error) => format!("TLS: {error}"),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "an address that is none".to_owned(),
        _ => "the answer is no HTTP that is understood".to_owned(),
    }
}
