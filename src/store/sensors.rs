//! The files of `lemctl gpu characterise`: `sensors/<uuid>-<driver>.json` in the project. They are few and
//! small and belong into the repository: intervals of sealed results rest on them, and a reviewer must be able
//! to look them up.

use camino::{Utf8Path, Utf8PathBuf};

use super::{StoreError, read_bounded, sync_folder, write_durable};
use crate::energy::sensor::{Sensor, SensorFile};

/// The folder below the project's root.
const FOLDER: &str = "sensors";
/// Largest file that is read, in bytes.
const MAX_BYTES: u64 = 256 * 1024;

/// Path below the project's root of the file of that GPU and driver.
#[must_use]
pub fn sensor_path(gpu: &str, driver_version: &str) -> String {
    // Both come from a library that was named on the command line: nothing of them may be a path.
    let safe = |text: &str| -> String {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        text.chars()
            .map(|c| if allowed(c) { c } else { '_' })
            .collect()
    };
    format!("{FOLDER}/{}-{}.json", safe(gpu), safe(driver_version))
}

/// Writes it: all of it or nothing. Gives its path below the project's root.
///
/// # Errors
/// If the folder or the file cannot be written.
pub fn write_sensor(root: &Utf8Path, file: &SensorFile) -> Result<String, StoreError> {
    let folder = root.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(StoreError::at("create", &folder))?;
    let path = sensor_path(&file.gpu, &file.driver_version);
    let mut text = serde_json::to_vec_pretty(file).map_err(|error| {
        StoreError::at("write", &root.join(&path))(std::io::Error::other(error))
    })?;
    text.push(b'\n');
    write_durable(&root.join(&path), &text)?;
    sync_folder(&folder)?;
    sync_folder(root)?;
    Ok(path)
}

/// What is known of a GPU's sensor with the driver that is there now: from its file, or assumed. Why it is only
/// assumed stands in the remarks, each beginning with a code: `sensor_not_characterised`, `sensor_file_stale`
/// or `sensor_file_unusable`.
#[must_use]
pub fn known_sensor(root: &Utf8Path, gpu: &str, name: &str, driver_version: &str) -> Sensor {
    let path = sensor_path(gpu, driver_version);
    let assumed = |remark: String| Sensor {
        remarks: vec![remark],
        ..Sensor::assumed(name)
    };
    match read(&root.join(&path)) {
        Ok(file) => match file.refused(gpu, driver_version) {
            None => file.sensor(&path),
            Some(reason) => assumed(format!(
                "sensor_file_unusable: {path} is not used: {reason}"
            )),
        },
        Err(reason) if root.join(&path).exists() => assumed(format!(
            "sensor_file_unusable: {path} is not used: {reason}"
        )),
        Err(_) => assumed(match stale(root, gpu, driver_version) {
            Some(stale) => format!("sensor_file_stale: {stale}"),
            None => format!("sensor_not_characterised: run lemctl gpu characterise --gpu {gpu}"),
        }),
    }
}

fn read(path: &Utf8Path) -> Result<SensorFile, String> {
    let bytes = read_bounded(path, MAX_BYTES).map_err(|error| error.source.to_string())?;
    serde_json::from_slice(&bytes).map_err(|error| error.to_string())
}

/// A file of the same GPU with another driver, and why it is not used.
fn stale(root: &Utf8Path, gpu: &str, driver_version: &str) -> Option<String> {
    let mut paths: Vec<Utf8PathBuf> = root
        .join(FOLDER)
        .read_dir_utf8()
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.into_path()))
        .filter(|path| path.extension() == Some("json"))
        .collect();
    paths.sort();
    let of_gpu = paths.iter().rev().filter_map(|path| {
        let file = read(path).ok().filter(|file| file.gpu == gpu)?;
        let reason = file.refused(gpu, driver_version)?;
        Some(format!(
            "{FOLDER}/{} is not used: {reason}",
            path.file_name()?
        ))
    });
    of_gpu.into_iter().next()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]
    use super::*;
    use crate::energy::sensor::{Estimate, Finding, Origin, SENSOR_FILE_VERSION};

    fn file(driver: &str) -> SensorFile {
        let found = Some(Estimate::new(50e6, 1e6));
        let finding = Finding {
            update_period_ns: found,
            averaging_window_ns: found,
            latency_ns: found,
            ..Finding::default()
        };
        SensorFile {
            schema_version: SENSOR_FILE_VERSION,
            gpu: "GPU-1".into(),
            name: "NVIDIA H100 80GB HBM3".into(),
            driver_version: driver.into(),
            simulated: false,
            measured_at: "2026-11-24T09:00:00.000Z".into(),
            lemctl_version: "0.1.0".into(),
            phase_seconds: 10.0,
            counter: finding.clone(),
            samples: finding.clone(),
            average: finding.clone(),
            instant: finding,
            idle: Vec::new(),
            context_above_bare_watts: None,
            agreement: Vec::new(),
            gain: None,
            remarks: Vec::new(),
        }
    }

    #[test]
    fn a_file_is_used_for_its_gpu_and_driver_only() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        let known = |gpu: &str, driver: &str| known_sensor(root, gpu, "NVIDIA H100", driver);
        let first = |sensor: Sensor| sensor.remarks.first().cloned().unwrap_or_default();
        assert!(first(known("GPU-1", "580.1")).starts_with("sensor_not_characterised"));

        assert_eq!(
            write_sensor(root, &file("580.1")).unwrap(),
            "sensors/GPU-1-580.1.json"
        );
        let sensor = known("GPU-1", "580.1");
        assert_eq!(sensor.traits.counter.update_period_ns.value, 50e6);
        assert_eq!(
            sensor.traits.origin,
            Origin::Characterised {
                file: "sensors/GPU-1-580.1.json".into()
            }
        );
        assert!(sensor.remarks.is_empty());

        let stale = known("GPU-1", "590.2");
        assert_eq!(stale.traits.origin, Origin::Assumed);
        let said = first(stale);
        assert!(
            said.starts_with("sensor_file_stale")
                && said.contains("580.1")
                && said.contains("590.2"),
            "{said}"
        );
        assert!(first(known("GPU-2", "580.1")).starts_with("sensor_not_characterised"));
    }

    #[test]
    fn a_file_that_is_not_what_its_name_says_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap();
        write_sensor(root, &file("580.1")).unwrap();
        let path = |driver: &str| root.join(sensor_path("GPU-1", driver));
        std::fs::rename(path("580.1"), path("590.2")).unwrap();
        let said = |driver: &str| known_sensor(root, "GPU-1", "", driver).remarks.join("\n");
        assert!(
            said("590.2").starts_with("sensor_file_unusable"),
            "{}",
            said("590.2")
        );
        assert!(said("590.2").contains("stale"));
        std::fs::write(path("600.3"), "{}").unwrap();
        assert!(
            said("600.3").starts_with("sensor_file_unusable"),
            "{}",
            said("600.3")
        );
        assert_eq!(sensor_path("../x", "/y"), "sensors/.._x-_y.json");
    }
}
