//! What the images are made of, read without an Engine: Dockerfiles as hadolint would have them, everything
//! pinned, locks complete, and one version of each engine everywhere. What can be built here is built by the
//! tests that need it; this keeps the rest right.

#[path = "image_sources/dockerfile.rs"]
mod dockerfile;
#[path = "image_sources/locks.rs"]
mod locks;

use std::collections::BTreeMap;

use dockerfile::{Dockerfile, all};
use lemctl::compose;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn text(path: &str) -> String {
    let path = format!("{ROOT}/{path}");
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_dockerfile_passes_the_rules() {
    let files = all();
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    for name in ["fetch", "pytorch", "reference", "tensorrt", "vllm"] {
        assert!(names.contains(&name), "{name} is missing in {names:?}");
    }
    let problems: Vec<String> = files.iter().flat_map(Dockerfile::problems).collect();
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn the_rules_can_fail() {
    let good = text("images/pytorch/Dockerfile");
    assert_eq!(
        Dockerfile::of("pytorch", &good).problems(),
        Vec::<String>::new()
    );
    let changes = [
        (
            "python:3.12.14-slim-trixie@sha256:78387bc3",
            "python:latest@sha256:78387bc3",
            "latest",
        ),
        (
            "@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea",
            "",
            "pinned",
        ),
        (
            "COPY lem-agent /lem/agent",
            "ADD lem-agent /lem/agent",
            "ADD",
        ),
        ("USER 65534:65534\n", "", "USER"),
        ("USER 65534:65534", "USER 0:0", "USER"),
        ("USER 65534:65534", "USER nobody", "USER"),
        (
            "USER 65534:65534\n",
            "USER 65534:65534\nRUN true\n",
            "after",
        ),
        (
            "ENTRYPOINT [\"/lem/agent\", \"init\"]",
            "ENTRYPOINT /lem/agent init",
            "ENTRYPOINT",
        ),
        ("ENTRYPOINT [", "CMD [\"x\"]\nENTRYPOINT [", "CMD"),
        ("RUN chmod", "RUN sudo chmod", "sudo"),
        ("RUN chmod", "RUN curl x | sh && chmod", "curl"),
        ("RUN chmod", "RUN cat x | sort && chmod", "pipe"),
        ("RUN chmod", "RUN cd /lem && chmod", "cd"),
        (" --require-hashes", "", "--require-hashes"),
        (" --no-cache-dir", "", "--no-cache-dir"),
        (" --no-install-recommends", "", "--no-install-recommends"),
        ("rm -rf /var/lib/apt/lists/*", "true", "lists"),
        (
            "apt-get update \\",
            "apt-get update && apt-get upgrade \\",
            "upgrade",
        ),
        (
            "ARG PIP_INDEX_URL\n",
            "ARG PIP_INDEX_URL=https://index.example/simple\n",
            "PIP_INDEX_URL",
        ),
        (
            "ARG PACKAGES=packages.lock\n",
            "ARG PACKAGES=packages.lock\nARG PIP_INDEX_URL\n",
            "PIP_INDEX_URL",
        ),
        (
            "    PYTHONPATH=",
            "    PIP_INDEX_URL=x PYTHONPATH=",
            "PIP_INDEX_URL",
        ),
        ("org.opencontainers.image.licenses", "licenses", "licenses"),
        (
            "image.version=\"5.17.0\"",
            "image.version=\"5.17.1\"",
            "version",
        ),
    ];
    for (from, to, word) in changes {
        assert!(good.contains(from), "{from}");
        let problems = Dockerfile::of("pytorch", &good.replacen(from, to, 1)).problems();
        assert!(
            problems.iter().any(|problem| problem.contains(word)),
            "{from} → {to}: {problems:?}"
        );
    }
}

#[test]
fn one_version_of_each_engine_everywhere() {
    let pins: BTreeMap<String, String> =
        serde_json::from_str(&text("catalogues/pins.json")).expect("versions by backend");
    let env = [("PUID", "1"), ("PGID", "1")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    for (backend, version) in &pins {
        let file = format!("compose/{backend}.yaml");
        let parsed = compose::parse(&file, &text(&file), &env.clone().into());
        let parsed = parsed.unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(parsed.worker.image, format!("lemctl/{backend}:{version}"));
        let engine = match backend.as_str() {
            "pytorch" => Some("transformers"),
            "vllm" => Some("vllm"),
            _ => None,
        };
        if let Some(engine) = engine {
            let lock = locks::read(&text(&format!("images/{backend}/requirements.lock")));
            assert_eq!(&lock.expect("a lock")[engine].version, version, "{backend}");
        }
        if let Some(fetch) = parsed.fetch {
            assert_eq!(
                fetch.image,
                format!("lemctl/fetch:{}", env!("CARGO_PKG_VERSION"))
            );
        }
    }
}

#[test]
fn every_lock_is_complete() {
    for backend in ["pytorch", "vllm"] {
        let lock = locks::read(&text(&format!("images/{backend}/requirements.lock")));
        let lock = lock.unwrap_or_else(|problem| panic!("{backend}: {problem}"));
        assert!(lock.len() > 20, "{backend}: the dependencies are missing");
        for line in text(&format!("images/{backend}/requirements.in")).lines() {
            let wanted = line.trim();
            if wanted.is_empty() || wanted.starts_with('#') {
                continue;
            }
            let (name, version) = wanted.split_once("==").unwrap_or((wanted, ""));
            let locked = lock
                .get(name)
                .unwrap_or_else(|| panic!("{backend}: no {name}"));
            assert!(
                version.is_empty() || locked.version == version,
                "{backend}: {name}"
            );
        }
        // The same model code and the same kernels below both.
        for shared in ["torch", "transformers", "triton"] {
            assert!(lock.contains_key(shared), "{backend}: {shared}");
        }
        let packages = text(&format!("images/{backend}/packages.lock"));
        for line in packages.lines() {
            let (name, version) = line.split_once('=').expect("name=version");
            assert!(
                !name.is_empty() && version.starts_with(|c: char| c.is_ascii_digit()),
                "{line}"
            );
        }
    }
    let versions = ["torch", "transformers", "triton"].map(|name| {
        ["pytorch", "vllm"].map(|backend| {
            let lock = locks::read(&text(&format!("images/{backend}/requirements.lock")));
            lock.expect("a lock")[name].version.clone()
        })
    });
    for [pytorch, vllm] in versions {
        assert_eq!(pytorch, vllm, "two backends, two versions below them");
    }
}

#[test]
fn a_lock_that_is_not_complete_is_found() {
    let hash = format!("--hash=sha256:{}", "a".repeat(64));
    assert!(locks::read(&format!("# x\na==1 \\\n    {hash}\n    # via b\n")).is_ok());
    for (lock, word) in [
        ("a==1\n".to_owned(), "no hash"),
        (format!("a>=1 \\\n    {hash}\n"), "not pinned"),
        (
            format!("a @ https://x/a.whl \\\n    {hash}\n"),
            "not pinned",
        ),
        (
            format!("--index-url https://x\na==1 \\\n    {hash}\n"),
            "an option",
        ),
        (
            format!("a==1 \\\n    {hash}\na==2 \\\n    {hash}\n"),
            "twice",
        ),
        ("a==1 \\\n    --hash=sha256:abc\n".to_owned(), "no SHA-256"),
        (
            format!("a==1 \\\n    --hash=md5:{}\n", "a".repeat(64)),
            "no SHA-256",
        ),
    ] {
        let problem = locks::read(&lock).expect_err(&lock);
        assert!(problem.contains(word), "{lock}: {problem}");
    }
}

/// The script that hosts without the NVIDIA toolkit need, with an `ldconfig` that knows some libraries.
#[test]
fn the_drivers_libraries_are_copied_into_a_folder_of_their_own() {
    let scratch = tempfile::tempdir().expect("a folder");
    let path = |name: &str| scratch.path().join(name).to_str().expect("text").to_owned();
    let listed = |names: &[(&str, &str)]| {
        let lines: Vec<String> = names
            .iter()
            .map(|(name, kind)| {
                std::fs::write(path(name), name).expect("a new file");
                format!("\t{name} ({kind}) => {}", path(name))
            })
            .collect();
        let script = format!("#!/bin/sh\ncat <<'EOF'\n{}\nEOF\n", lines.join("\n"));
        std::fs::write(path("ldconfig"), script).expect("a new file");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path("ldconfig"), executable).expect("our file");
    };
    let run = |folder: &str| {
        std::process::Command::new(format!("{ROOT}/scripts/driver-libraries.sh"))
            .arg(path(folder))
            .env(
                "PATH",
                format!("{}:/usr/bin:/bin", scratch.path().display()),
            )
            .output()
            .expect("bash is here")
    };
    listed(&[
        ("libcuda.so.1", "libc6,x86-64"),
        ("libnvidia-ml.so.1", "libc6,x86-64"),
        ("libnvidia-gpucomp.so.580.1", "libc6,x86-64"),
        ("libnvidia-nvvm.so.4", "libc6"),
        ("libc.so.6", "libc6,x86-64"),
    ]);
    let output = run("out");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut copied: Vec<_> = std::fs::read_dir(path("out"))
        .expect("the folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    copied.sort();
    // No 32-bit library, and never the C library.
    assert_eq!(
        copied,
        [
            "libcuda.so.1",
            "libnvidia-gpucomp.so.580.1",
            "libnvidia-ml.so.1"
        ]
    );
    let said = String::from_utf8(output.stdout).expect("text");
    let settings = compose::parse_env(".env", &said).unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(settings["LEM_COMPOSE_VARIANT"], "device-nodes");
    assert!(settings["LEM_DRIVER_LIBRARIES"].ends_with("/out"), "{said}");

    listed(&[("libcuda.so.1", "libc6,x86-64")]);
    let output = run("other");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("libnvidia-ml.so.1 is not here"));
}

#[test]
fn rules_name_the_packages_that_a_lock_lacks_and_no_others() {
    let mut named = 0;
    let pins: BTreeMap<String, String> =
        serde_json::from_str(&text("catalogues/pins.json")).unwrap();
    for backend in ["pytorch", "vllm"] {
        let lock = locks::read(&text(&format!("images/{backend}/requirements.lock"))).unwrap();
        let version = &pins[backend];
        let curated: serde_json::Value = serde_json::from_str(&text(&format!(
            "catalogues/{backend}-{version}.curated.json"
        )))
        .unwrap();
        for rule in curated["rules"].as_array().unwrap() {
            let Some(package) = rule["needs_package"].as_str() else {
                continue;
            };
            named += 1;
            assert!(
                !lock.contains_key(package),
                "{backend} has {package} by now: the rule {} prunes what would run",
                rule["id"]
            );
        }
    }
    assert!(named >= 5, "{named}");
    let pytorch = locks::read(&text("images/pytorch/requirements.lock")).unwrap();
    assert!(
        pytorch.contains_key("bitsandbytes"),
        "`quantization` of pytorch needs it"
    );
}
