//! Settles the API version. bollard 0.21.1 puts none on the wire, and an Engine that gets none picks
//! one itself, so every request carries a `/vX.Y` prefix that both sides know.

use bollard::{API_DEFAULT_VERSION, Docker};

use super::errors::{Asked, translate};
use crate::containers::EngineError;

/// The oldest API that lemctl speaks: Engine 20.10.
const OLDEST: ApiVersion = ApiVersion(1, 41);

/// An API version, `1.41`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ApiVersion(u32, u32);

impl std::fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl ApiVersion {
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self(major.parse().ok()?, minor.parse().ok()?))
    }
}

/// An Engine and the API version agreed on.
#[derive(Debug, Clone)]
pub(super) struct Agreed {
    /// Client that puts the version on the wire.
    pub docker: Docker,
    /// The version.
    pub api: ApiVersion,
    /// The Engine's version.
    pub engine: String,
}

/// Asks the Engine for its range and takes the newest version that both sides speak.
pub(super) async fn negotiate(docker: Docker, socket: &str) -> Result<Agreed, EngineError> {
    let asked = Asked::of(socket, "GET /version", docker.timeout());
    let answer = match docker.version().await {
        // An Engine that refuses the request for its version names the oldest API it speaks.
        Err(bollard::errors::Error::DockerResponseServerError {
            status_code: 400,
            message,
        }) => {
            let oldest = oldest_in(&message).ok_or_else(|| asked.broken(&message))?;
            prefixed(docker.clone(), oldest).version().await
        }
        answer => answer,
    };
    let version = answer.map_err(|error| translate(&asked, error))?;
    let engine = version
        .version
        .unwrap_or_else(|| "of unknown version".to_owned());
    let newest = version.api_version.as_deref().and_then(ApiVersion::parse);
    let newest = newest.ok_or_else(|| asked.broken("the answer has no ApiVersion"))?;
    let oldest = version
        .min_api_version
        .as_deref()
        .and_then(ApiVersion::parse);
    let api = agree(&engine, oldest.unwrap_or(newest), newest)?;
    Ok(Agreed {
        docker: prefixed(docker, api),
        api,
        engine,
    })
}

/// The newest version in both ranges.
fn agree(engine: &str, oldest: ApiVersion, newest: ApiVersion) -> Result<ApiVersion, EngineError> {
    let supported = newest_supported();
    if newest < OLDEST {
        return Err(EngineError::TooOld {
            version: engine.to_owned(),
            api_version: newest.to_string(),
        });
    }
    if oldest > supported {
        return Err(EngineError::TooNew {
            version: engine.to_owned(),
            min_api_version: oldest.to_string(),
            supported: supported.to_string(),
        });
    }
    Ok(newest.min(supported))
}

/// What the client's types were generated for.
fn newest_supported() -> ApiVersion {
    let version = API_DEFAULT_VERSION;
    ApiVersion(
        u32::try_from(version.major_version).unwrap_or(1),
        u32::try_from(version.minor_version).unwrap_or(u32::MAX),
    )
}

/// Finds `1.44` in `client version 1.24 is too old. Minimum supported API version is 1.44, …`.
fn oldest_in(message: &str) -> Option<ApiVersion> {
    let (_, rest) = message.split_once("Minimum supported API version is ")?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    ApiVersion::parse(rest[..end].trim_end_matches('.'))
}

/// The same client, with `/vX.Y` before every path.
fn prefixed(docker: Docker, api: ApiVersion) -> Docker {
    docker.with_request_modifier(move |mut request| {
        let uri = request.uri();
        if let (Some(scheme), Some(authority), Some(path)) =
            (uri.scheme_str(), uri.authority(), uri.path_and_query())
        {
            // Both halves were valid before, so the whole parses; if not, the Engine's own default
            // version is the lesser evil.
            if let Ok(versioned) = format!("{scheme}://{authority}/v{api}{path}").parse() {
                *request.uri_mut() = versioned;
            }
        }
        request
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> ApiVersion {
        ApiVersion::parse(text).unwrap()
    }

    #[test]
    fn takes_the_newest_that_both_speak() {
        let agreed =
            |oldest, newest| agree("x", version(oldest), version(newest)).map(|v| v.to_string());
        assert_eq!(agreed("1.12", "1.41").unwrap(), "1.41");
        assert_eq!(agreed("1.44", "1.52").unwrap(), "1.52");
        assert_eq!(
            agreed("1.44", "1.99").unwrap(),
            newest_supported().to_string()
        );
        assert!(matches!(
            agreed("1.12", "1.40"),
            Err(EngineError::TooOld { .. })
        ));
        assert!(matches!(
            agreed("1.98", "1.99"),
            Err(EngineError::TooNew { .. })
        ));
        // Not a comparison of texts or of fractions: 1.9 is older than 1.41.
        assert!(matches!(
            agreed("1.1", "1.9"),
            Err(EngineError::TooOld { .. })
        ));
    }

    #[test]
    fn reads_the_oldest_version_out_of_a_refusal() {
        let message =
            "client version 1.24 is too old. Minimum supported API version is 1.44, please upgrade";
        assert_eq!(oldest_in(message), Some(ApiVersion(1, 44)));
        let message = "client version 1.24 is too old. Minimum supported API version is 1.44.";
        assert_eq!(oldest_in(message), Some(ApiVersion(1, 44)));
        assert_eq!(oldest_in("page not found"), None);
    }
}
