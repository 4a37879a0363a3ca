//! What Compose's own reading of a service asks of a container.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Where a key of Compose's reading must be found in the container, and as what.
pub fn expected(key: &str, value: &Value) -> Vec<(&'static str, Value)> {
    let text = || value.as_str().expect("a text").to_owned();
    let bytes = || match value {
        // Compose 1 prints `64m`, Compose 2 the number of bytes, as a text.
        Value::String(text) => {
            let shift = match text.chars().last() {
                Some('m') => 20,
                Some('g') => 30,
                _ => 0,
            };
            let digits = text.trim_end_matches(['m', 'g']);
            json!(digits.parse::<i64>().expect("a size") << shift)
        }
        number => number.clone(),
    };
    match key {
        "image" => vec![("Config.Image", value.clone())],
        "user" => vec![("Config.User", value.clone())],
        "entrypoint" => vec![("Config.Entrypoint", value.clone())],
        "command" => vec![("Config.Cmd", value.clone())],
        "environment" => {
            let variables = value.as_object().expect("a map").iter();
            let mut list: Vec<String> = variables
                .map(|(k, v)| format!("{k}={}", v.as_str().expect("a text")))
                .collect();
            list.sort();
            vec![("Config.Env", json!(list))]
        }
        "stop_grace_period" => {
            assert_eq!(text(), "10s");
            vec![("Config.StopTimeout", json!(10))]
        }
        "cap_drop" => vec![("HostConfig.CapDrop", value.clone())],
        "security_opt" => vec![("HostConfig.SecurityOpt", value.clone())],
        "read_only" => vec![("HostConfig.ReadonlyRootfs", value.clone())],
        "network_mode" => vec![("HostConfig.NetworkMode", value.clone())],
        "ipc" => vec![("HostConfig.IpcMode", value.clone())],
        "init" => vec![("HostConfig.Init", value.clone())],
        "pids_limit" => vec![("HostConfig.PidsLimit", value.clone())],
        "shm_size" => vec![("HostConfig.ShmSize", bytes())],
        "tmpfs" => {
            let items = value.as_array().expect("a list").iter().map(|item| {
                let (path, options) = item
                    .as_str()
                    .expect("a text")
                    .split_once(':')
                    .expect("options");
                (path.to_owned(), json!(options))
            });
            vec![("HostConfig.Tmpfs", Value::Object(items.collect()))]
        }
        "ulimits" => {
            let limits =
                value
                    .as_object()
                    .expect("a map")
                    .iter()
                    .map(|(name, limit)| match limit {
                        Value::Object(both) => {
                            json!({"Name": name, "Soft": both["soft"], "Hard": both["hard"]})
                        }
                        one => json!({"Name": name, "Soft": one, "Hard": one}),
                    });
            vec![("HostConfig.Ulimits", Value::Array(limits.collect()))]
        }
        "deploy" => {
            let asked = &value["resources"]["reservations"]["devices"][0];
            // `all` or -1, as versions of Compose print it.
            let count = asked["count"].as_i64().unwrap_or(-1);
            let request = json!({
                "Driver": asked["driver"], "Count": count, "DeviceIDs": null,
                "Capabilities": [asked["capabilities"]], "Options": {},
            });
            vec![("HostConfig.DeviceRequests", json!([request]))]
        }
        "devices" => {
            let devices = value.as_array().expect("a list").iter().map(|device| {
                let (host, container) = match device {
                    Value::String(text) => {
                        let mut parts = text.split(':');
                        let host = parts.next().expect("a path").to_owned();
                        let container = parts.next().map_or(host.clone(), str::to_owned);
                        (json!(host), json!(container))
                    }
                    long => (long["source"].clone(), long["target"].clone()),
                };
                json!({"PathOnHost": host, "PathInContainer": container, "CgroupPermissions": "rwm"})
            });
            vec![("HostConfig.Devices", Value::Array(devices.collect()))]
        }
        // Compared as what is mounted, since the two ways of mounting leave different fields.
        "volumes" => vec![],
        other => {
            panic!("`{other}` stands in the Compose file, and this test does not compare it yet")
        }
    }
}

/// Path → (source, type, writable) of what Compose's reading mounts. A volume's source is its name.
pub fn expected_mounts(
    service: &Value,
    volumes: &Value,
) -> BTreeMap<String, (String, String, bool)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mounts = service["volumes"].as_array().cloned().unwrap_or_default();
    let mount = |mount: &Value| {
        let (source, target, read_only) = match mount {
            Value::String(short) => {
                let parts: Vec<&str> = short.split(':').collect();
                let read_only = parts.get(2) == Some(&"ro");
                (parts[0].to_owned(), parts[1].to_owned(), read_only)
            }
            long => {
                let read_only = long["read_only"] == true;
                (text(&long["source"]), text(&long["target"]), read_only)
            }
        };
        let entry = match source.starts_with('/') {
            true => (source, "bind".to_owned(), !read_only),
            false => (
                text(&volumes[&source]["name"]),
                "volume".to_owned(),
                !read_only,
            ),
        };
        (target, entry)
    };
    mounts.iter().map(mount).collect()
}
