//! Loading the library, and closing it again. Says plainly what is wrong when it does not load.
#![allow(
    unsafe_code,
    reason = "the wrapper's Drop panics when the library lacks nvmlShutdown, so that it is dropped by hand"
)]

use std::ffi::OsStr;
use std::mem::ManuallyDrop;
use std::ops::Deref;

use camino::Utf8Path;
use nvml_wrapper::Nvml;
use nvml_wrapper::error::NvmlError;

use crate::telemetry::{LibraryInfo, TelemetryError};

/// Where the loader looks when no path is given.
const DEFAULT: &str = "libnvidia-ml.so.1";
/// How the GPU simulator ends its driver version.
const SIMULATED: &str = "-sim";

/// The loaded library.
#[derive(Debug)]
pub(super) struct Library {
    nvml: ManuallyDrop<Nvml>,
    fields: FieldNumbers,
}

/// How the driver numbers the fields of thermal slowdown. NVIDIA moved them in driver 580.82 (CUDA 13.0
/// Update 1, NVML's page of known issues).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FieldNumbers {
    /// Software thermal slowdown; hardware thermal and power brake follow it.
    pub(super) software_thermal: u32,
}

impl FieldNumbers {
    fn of_driver(version: &str) -> Self {
        let mut parts = version.split('.').map(|part| {
            let digits = part.split(|c: char| !c.is_ascii_digit()).next();
            digits
                .and_then(|text| text.parse::<u32>().ok())
                .unwrap_or(0)
        });
        let known = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        let moved = known >= (580, 82);
        Self {
            software_thermal: if moved { 269 } else { 251 },
        }
    }
}

impl Library {
    /// Loads and starts the library.
    pub(super) fn open(path: Option<&Utf8Path>) -> Result<(Self, LibraryInfo), TelemetryError> {
        let path = path.map_or(DEFAULT, Utf8Path::as_str);
        let nvml = Nvml::builder()
            .lib_path(OsStr::new(path))
            .init()
            .map_err(|error| cannot_open(path, &error))?;
        // From here on nothing may drop `nvml` by itself.
        let nvml = ManuallyDrop::new(nvml);
        let mut library = Self {
            nvml,
            fields: FieldNumbers::of_driver(""),
        };
        let driver_version = library
            .nvml
            .sys_driver_version()
            .map_err(|error| cannot_open(path, &error))?;
        library.fields = FieldNumbers::of_driver(&driver_version);
        let cuda = library.nvml.sys_cuda_driver_version().ok();
        let info = LibraryInfo {
            path: path.to_owned(),
            simulated: driver_version.ends_with(SIMULATED),
            driver_version,
            nvml_version: library.nvml.sys_nvml_version().ok(),
            cuda_driver_version: cuda
                .map(|number| format!("{}.{}", number / 1_000, number % 1_000 / 10)),
        };
        Ok((library, info))
    }

    /// How its driver numbers fields.
    pub(super) fn fields(&self) -> FieldNumbers {
        self.fields
    }
}

impl Deref for Library {
    type Target = Nvml;

    fn deref(&self) -> &Nvml {
        &self.nvml
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        if self.nvml.lib().nvmlShutdown.is_ok() {
            // SAFETY: dropped once, here, and not used after.
            unsafe { ManuallyDrop::drop(&mut self.nvml) }
        }
        // Else it stays loaded until the process ends: the wrapper cannot shut it down and would panic.
    }
}

fn cannot_open(path: &str, error: &NvmlError) -> TelemetryError {
    let path = path.to_owned();
    match error {
        NvmlError::LibloadingError(reason) => TelemetryError::LibraryMissing {
            path,
            reason: reason.to_string(),
        },
        NvmlError::FailedToLoadSymbol(symbol) => TelemetryError::NotNvml {
            path,
            symbol: symbol.clone(),
        },
        NvmlError::DriverNotLoaded => TelemetryError::DriverNotLoaded,
        NvmlError::LibRmVersionMismatch => TelemetryError::DriverMismatch { path },
        NvmlError::NoPermission | NvmlError::OperatingSystem => TelemetryError::PermissionDenied,
        other => TelemetryError::InitFailed {
            path,
            message: other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thermal_fields_follow_the_driver() {
        for (driver, expected) in [
            ("535.104.05", 251),
            ("580.65.06", 251),
            ("580.82", 269),
            ("580.159.03", 269),
            ("580.159-sim", 269),
            ("590.10", 269),
            ("no number", 251),
        ] {
            let fields = FieldNumbers::of_driver(driver);
            assert_eq!(fields.software_thermal, expected, "{driver}");
        }
    }

    #[test]
    fn a_missing_library_and_one_that_is_not_nvml_are_told_apart() {
        let missing = Library::open(Some(Utf8Path::new("/nowhere/libnvidia-ml.so.1")));
        assert!(matches!(
            missing.map(|_| ()),
            Err(TelemetryError::LibraryMissing { path, reason })
                if path == "/nowhere/libnvidia-ml.so.1" && !reason.is_empty()
        ));
        let other = Library::open(Some(Utf8Path::new("libc.so.6"))).map(|_| ());
        assert!(
            matches!(&other, Err(TelemetryError::NotNvml { symbol, .. }) if symbol.contains("nvmlInit")),
            "{other:?}"
        );
    }

    #[test]
    fn each_refusal_to_start_has_its_own_name() {
        let path = "libnvidia-ml.so.1";
        assert_eq!(
            cannot_open(path, &NvmlError::DriverNotLoaded),
            TelemetryError::DriverNotLoaded
        );
        assert_eq!(
            cannot_open(path, &NvmlError::NoPermission),
            TelemetryError::PermissionDenied
        );
        assert_eq!(
            cannot_open(path, &NvmlError::LibRmVersionMismatch),
            TelemetryError::DriverMismatch {
                path: path.to_owned()
            }
        );
    }
}
