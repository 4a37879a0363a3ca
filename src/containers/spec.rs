//! The spec of a container: its Compose service plus the overlay, checked to fit together.

use camino::Utf8Path;
use miette::Diagnostic;

use super::{Overlay, labels};
use crate::compose::{MountSource, Service};
use crate::diagnostics::{Exit, Fault};

/// The variable that allows uid 0, by name.
pub const ALLOW_ROOT: &str = "LEM_ALLOW_ROOT";

/// A container to create. Only [`ContainerSpec::new`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSpec {
    service: Service,
    overlay: Overlay,
}

/// Why a service and an overlay make no container.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Diagnostic)]
pub enum SpecError {
    /// The container would run as root.
    #[error("container {name} would run as {user}")]
    #[diagnostic(
        code(containers::root),
        help(
            "run lemctl as the user who measures and delete PUID and PGID from .env, or allow root by name: lemctl init --allow-root"
        )
    )]
    Root {
        /// Name of the container.
        name: String,
        /// The user as the service gives it.
        user: String,
    },
    /// The overlay and the service do not fit together.
    #[error("container {name}: {problem}")]
    #[diagnostic(code(containers::spec))]
    Misfit {
        /// Name of the container.
        name: String,
        /// What does not fit.
        problem: String,
    },
}

impl Fault for SpecError {
    fn exit(&self) -> Exit {
        Exit::EnvironmentNotReady
    }
}

impl ContainerSpec {
    /// Puts a service and an overlay together.
    ///
    /// # Errors
    /// When the container would run as root without [`ALLOW_ROOT`], when the overlay's name or paths
    /// cannot be used, or when the service claims what is the overlay's.
    pub fn new(service: &Service, overlay: &Overlay) -> Result<Self, SpecError> {
        let name = overlay.name.clone();
        let user = service.user.as_deref();
        let root = user.is_none_or(|user| {
            user.split(':').next().and_then(|uid| uid.parse().ok()) == Some(0_u32)
        });
        if root && service.environment.get(ALLOW_ROOT).map(String::as_str) != Some("1") {
            let user = user.map_or("the image's own user".to_owned(), |user| {
                format!("root ({user})")
            });
            return Err(SpecError::Root { name, user });
        }
        match misfit(service, overlay) {
            Some(problem) => Err(SpecError::Misfit { name, problem }),
            None => Ok(Self {
                service: service.clone(),
                overlay: overlay.clone(),
            }),
        }
    }

    /// What the Compose file says.
    #[must_use]
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// What lemctl adds.
    #[must_use]
    pub fn overlay(&self) -> &Overlay {
        &self.overlay
    }
}

/// The first thing that does not fit.
fn misfit(service: &Service, overlay: &Overlay) -> Option<String> {
    if !is_container_name(&overlay.name) {
        return Some("a container's name is letters, digits, `_`, `.` and `-`, and begins with a letter or digit".to_owned());
    }
    let mounts = overlay.mounts();
    if let Some(mount) = mounts.iter().find(|mount| !mount.source.is_absolute()) {
        return Some(format!("the host path {} is not absolute", mount.source));
    }
    let relative = service.mounts.iter().find_map(|mount| match &mount.source {
        MountSource::Bind(path) if !path.starts_with('/') => Some(path),
        _ => None,
    });
    if let Some(path) = relative {
        return Some(format!(
            "the host path {path} of the service is not absolute"
        ));
    }
    let claimed = service
        .mounts
        .iter()
        .map(|mount| &mount.target)
        .chain(service.tmpfs.keys());
    for target in claimed {
        if let Some(ours) = mounts
            .iter()
            .find(|mount| Utf8Path::new(target).starts_with(mount.target))
        {
            return Some(format!(
                "the service mounts {target}, but {} is lemctl's",
                ours.target
            ));
        }
    }
    if let Some(label) = service
        .labels
        .keys()
        .find(|label| label.starts_with(labels::PREFIX))
    {
        return Some(format!(
            "the service sets the label {label}, but {}* is lemctl's",
            labels::PREFIX
        ));
    }
    if !overlay.gpus.is_empty() && service.gpus.is_none() {
        return Some(
            "GPUs are asked for, but the service reserves none under `deploy.resources`".to_owned(),
        );
    }
    None
}

fn is_container_name(name: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    name.len() > 1
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(valid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::{GpuReservation, GpuSelection, ServiceMount};

    fn service() -> Service {
        Service {
            user: Some("1000:1000".into()),
            ..Service::default()
        }
    }

    fn overlay() -> Overlay {
        Overlay {
            name: "lem-x".into(),
            labels: Default::default(),
            gpus: vec![],
            without_devices: vec![],
            control: "/c".into(),
            outbox: "/o".into(),
            model: None,
        }
    }

    #[test]
    fn root_needs_its_name() {
        for user in [None, Some("0:0"), Some("0:1000"), Some("00:5")] {
            let mut service = Service {
                user: user.map(Into::into),
                ..service()
            };
            let refused = ContainerSpec::new(&service, &overlay());
            assert!(
                matches!(refused, Err(SpecError::Root { .. })),
                "{user:?}: {refused:?}"
            );
            service.environment.insert(ALLOW_ROOT.into(), "1".into());
            assert!(ContainerSpec::new(&service, &overlay()).is_ok());
        }
    }

    #[test]
    fn what_is_the_overlays_cannot_be_claimed() {
        let message =
            |service: &Service, overlay: &Overlay| match ContainerSpec::new(service, overlay) {
                Err(error) => error.to_string(),
                Ok(_) => String::new(),
            };
        assert_eq!(message(&service(), &overlay()), "");

        let mut claims = service();
        for (target, refused) in [
            ("/outbox/x", true),
            ("/run/lem", true),
            ("/etc/passwd", true),
            ("/outbox2", false),
        ] {
            let source = MountSource::Bind("/x".into());
            claims.mounts = vec![ServiceMount {
                source,
                target: target.into(),
                read_only: false,
            }];
            assert_eq!(
                message(&claims, &overlay()).contains("is lemctl's"),
                refused,
                "{target}"
            );
        }
        let mut claims = service();
        claims.mounts = vec![ServiceMount {
            source: MountSource::Bind("./x".into()),
            target: "/x".into(),
            read_only: true,
        }];
        assert!(message(&claims, &overlay()).contains("./x of the service is not absolute"));
        let mut claims = service();
        claims.tmpfs.insert("/run/lem".into(), String::new());
        assert!(message(&claims, &overlay()).contains("/run/lem is lemctl's"));
        let mut claims = service();
        claims
            .labels
            .insert("org.lemctl.campaign".into(), "x".into());
        assert!(message(&claims, &overlay()).contains("org.lemctl.campaign"));
    }

    #[test]
    fn names_paths_and_gpus_must_be_usable() {
        let refused = |service: &Service, change: &dyn Fn(&mut Overlay)| {
            let mut overlay = overlay();
            change(&mut overlay);
            ContainerSpec::new(service, &overlay).is_err()
        };
        for name in ["", "x", "-x", "a/b", "a b"] {
            assert!(
                refused(&service(), &|overlay| overlay.name = name.into()),
                "{name}"
            );
        }
        assert!(refused(&service(), &|overlay| overlay.outbox = "relative".into()));
        let gpu = |overlay: &mut Overlay| overlay.gpus = vec!["GPU-1".into()];
        assert!(refused(&service(), &gpu));
        let reserved = GpuReservation {
            devices: GpuSelection::All,
            capabilities: vec!["gpu".into()],
        };
        assert!(!refused(
            &Service {
                gpus: Some(reserved),
                ..service()
            },
            &gpu
        ));
    }
}
