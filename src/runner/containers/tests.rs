//! Which errors of the Engine are an outage: the step that met one is due again.

use super::*;

#[test]
fn an_engine_that_does_not_answer_is_an_outage_and_one_that_refuses_is_none() {
    let text = || "x".to_owned();
    let mut others = Vec::new();
    for (error, code, outage) in [
        (
            EngineError::Unreachable {
                socket: text(),
                reason: text(),
                fix: text(),
            },
            "engine_unreachable",
            true,
        ),
        (
            EngineError::PermissionDenied {
                socket: text(),
                group: text(),
                fix: text(),
            },
            "engine_unreachable",
            true,
        ),
        (
            EngineError::TimedOut {
                what: text(),
                seconds: 60,
            },
            "engine_timed_out",
            true,
        ),
        (
            EngineError::Cut {
                what: text(),
                message: text(),
            },
            "connection_broken",
            true,
        ),
        (
            EngineError::Api {
                what: text(),
                status: 500,
                message: "write /x: no space left on device".to_owned(),
            },
            "disk_full",
            true,
        ),
        (
            EngineError::StartFailed {
                container: text(),
                message: text(),
                fix: text(),
            },
            "container_start_failed",
            false,
        ),
        (
            EngineError::ImageMissing { reference: text() },
            "image_missing",
            false,
        ),
        (
            EngineError::NotFound {
                what: text(),
                message: text(),
            },
            "engine_error",
            false,
        ),
        (
            EngineError::Conflict {
                what: text(),
                message: text(),
            },
            "engine_error",
            false,
        ),
        (
            EngineError::Api {
                what: text(),
                status: 500,
                message: text(),
            },
            "engine_error",
            false,
        ),
    ] {
        let cause = engine_cause(&error);
        assert_eq!(cause.blame, Blame::Environment, "{error}");
        if (&*cause.code, cause.is_outage()) != (code, outage) {
            others.push(format!("{error}: {}", cause.code));
        }
    }
    assert_eq!(others, [""; 0]);
}
