//! What can go wrong with an Engine: each names its cause, its place and the command that mends it.

use miette::Diagnostic;

use crate::diagnostics::{Exit, Fault};

/// Why the Engine did not do what was asked. All lead to exit 4.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum EngineError {
    /// No daemon answers on the socket.
    #[error("no Docker Engine answers on {socket}: {reason}")]
    #[diagnostic(code(containers::unreachable), help("{fix}"))]
    Unreachable {
        /// Path of the socket.
        socket: String,
        /// What the connection said.
        reason: String,
        /// Command that mends it.
        fix: String,
    },
    /// The socket is there, but not for this user.
    #[error("no permission on {socket}: it belongs to group `{group}`, and this user is not in it")]
    #[diagnostic(code(containers::permission_denied), help("{fix}"))]
    PermissionDenied {
        /// Path of the socket.
        socket: String,
        /// Group that owns it.
        group: String,
        /// Command that mends it.
        fix: String,
    },
    /// `DOCKER_HOST` names another machine.
    #[error(
        "DOCKER_HOST={host} is not a local socket; lemctl measures this machine, so the Engine's binds, clock and GPUs must be this machine's"
    )]
    #[diagnostic(
        code(containers::remote),
        help("unset DOCKER_HOST, or set it to unix:///var/run/docker.sock")
    )]
    Remote {
        /// Value of `DOCKER_HOST`.
        host: String,
    },
    /// The Engine is older than 20.10.
    #[error(
        "Docker Engine {version} (API {api_version}) is too old; lemctl needs 20.10 (API 1.41) or later"
    )]
    #[diagnostic(
        code(containers::too_old),
        help("upgrade Docker Engine: https://docs.docker.com/engine/install/")
    )]
    TooOld {
        /// Its version.
        version: String,
        /// The newest API it speaks.
        api_version: String,
    },
    /// The Engine no longer speaks any API version that lemctl does.
    #[error(
        "Docker Engine {version} speaks API {min_api_version} or later; this lemctl speaks up to {supported}"
    )]
    #[diagnostic(code(containers::too_new), help("upgrade lemctl"))]
    TooNew {
        /// Its version.
        version: String,
        /// The oldest API it speaks.
        min_api_version: String,
        /// The newest API that lemctl speaks.
        supported: String,
    },
    /// The image is not on this machine.
    #[error("image {reference} is not on this machine")]
    #[diagnostic(code(containers::image_missing), help("lemctl images build"))]
    ImageMissing {
        /// Its reference.
        reference: String,
    },
    /// What was named is not there.
    #[error("{what}: {message}")]
    #[diagnostic(code(containers::not_found))]
    NotFound {
        /// What was asked.
        what: String,
        /// What the Engine said.
        message: String,
    },
    /// A name is taken, or a thing is in use or in the wrong state.
    #[error("{what}: {message}")]
    #[diagnostic(code(containers::conflict))]
    Conflict {
        /// What was asked.
        what: String,
        /// What the Engine said.
        message: String,
    },
    /// The container was created but does not start.
    #[error("container {container} does not start: {message}")]
    #[diagnostic(code(containers::start_failed), help("{fix}"))]
    StartFailed {
        /// Its name or id.
        container: String,
        /// What the Engine said.
        message: String,
        /// What to do.
        fix: String,
    },
    /// A step of an image build failed.
    #[error("building {reference} failed at `{step}`: {message}")]
    #[diagnostic(code(containers::build_failed))]
    BuildFailed {
        /// Reference it would have got.
        reference: String,
        /// The Dockerfile's step, as the Engine printed it.
        step: String,
        /// What the Engine said.
        message: String,
    },
    /// Any other refusal.
    #[error("{what}: the Engine answered {status}: {message}")]
    #[diagnostic(code(containers::api))]
    Api {
        /// What was asked.
        what: String,
        /// HTTP status.
        status: u16,
        /// What the Engine said.
        message: String,
    },
    /// No answer in time.
    #[error("{what}: no answer from the Engine within {seconds} s")]
    #[diagnostic(
        code(containers::timed_out),
        help("is the daemon stopped or overloaded? docker info")
    )]
    TimedOut {
        /// What was asked.
        what: String,
        /// How long lemctl waited.
        seconds: u64,
    },
    /// The connection broke before the answer was whole. What was asked may have been done.
    #[error("{what}: the connection to the Engine broke: {message}")]
    #[diagnostic(
        code(containers::cut),
        help("is the daemon running? docker info; its own log says why it ended")
    )]
    Cut {
        /// What was asked.
        what: String,
        /// How it broke.
        message: String,
    },
    /// The Engine said something that cannot be read.
    #[error("{what}: {message}")]
    #[diagnostic(code(containers::broken))]
    Broken {
        /// What was asked.
        what: String,
        /// What went wrong.
        message: String,
    },
}

impl Fault for EngineError {
    fn exit(&self) -> Exit {
        Exit::EnvironmentNotReady
    }
}
