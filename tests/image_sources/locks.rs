//! Reads a requirements.lock as `pip install --require-hashes` would, and is stricter: nothing but packages with
//! one version and at least one SHA-256.

use std::collections::BTreeMap;

/// One package.
#[derive(Debug)]
pub struct Locked {
    pub version: String,
}

pub fn read(lock: &str) -> Result<BTreeMap<String, Locked>, String> {
    let mut packages = BTreeMap::new();
    let joined = lock.replace("\\\n", " ");
    for line in joined.lines() {
        // Behind it pip-tools and uv say where a package comes from.
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with('-') {
            return Err(format!(
                "`{line}` is an option: an index is never written down"
            ));
        }
        let mut words = line.split_whitespace().take_while(|word| *word != ";");
        let requirement = words.next().unwrap_or_default();
        let Some((name, version)) = requirement.split_once("==") else {
            return Err(format!("`{requirement}` is not pinned by `==`"));
        };
        let mut hashes = 0;
        for hash in words.filter(|word| word.starts_with("--hash")) {
            let digest = hash.strip_prefix("--hash=sha256:").unwrap_or_default();
            if digest.len() != 64 || !digest.chars().all(|c| c.is_ascii_hexdigit()) {
                return Err(format!("{name}: `{hash}` is no SHA-256"));
            }
            hashes += 1;
        }
        if hashes == 0 {
            return Err(format!("{name} has no hash"));
        }
        let name = name.split('[').next().unwrap_or(name).to_owned();
        let version = version.to_owned();
        if packages.insert(name.clone(), Locked { version }).is_some() {
            return Err(format!("{name} is there twice"));
        }
    }
    Ok(packages)
}
