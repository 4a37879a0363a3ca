//! What makes the agent refuse to be PID 1, in real containers: the code, what was found, and what mends it.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Bench, docker};

#[test]
fn docker_each_refusal_says_what_mends_it() {
    let bench = Bench::new();
    bench.lease(60);
    let (user, mounts) = (&bench.user, bench.mounts());
    let (control, outbox) = (&mounts[..2], &mounts[2..]);
    assert!(
        bench
            .refusal("0:0", &mounts)
            .contains("[agent::root] PUID: found uid 0")
    );
    assert!(
        bench
            .refusal(user, outbox)
            .contains("[agent::control_not_mounted] /run/lem: found no mount")
    );
    assert!(
        bench
            .refusal(user, control)
            .contains("[agent::outbox_not_mounted] /outbox: found no mount")
    );
    let writable = [&bench.mount("control", "/run/lem", "")[..], outbox].concat();
    assert!(
        bench
            .refusal(user, &writable)
            .contains("/run/lem: found a writable mount")
    );
    let with_init = [&mounts[..], &["--init".into()]].concat();
    assert!(
        bench
            .refusal(user, &with_init)
            .contains("[agent::not_pid_1]")
    );
    fs::set_permissions(
        bench.folder.path().join("outbox"),
        fs::Permissions::from_mode(0o500),
    )
    .unwrap();
    let said = bench.refusal("54321:54321", &mounts);
    assert!(
        said.contains("[agent::outbox_not_writable] /outbox: found owner")
            && said.contains("mode 0500"),
        "{said}"
    );
    assert!(said.contains("chown -R 54321:54321"), "{said}");
}

#[test]
fn docker_what_an_engine_cannot_use_is_refused() {
    let bench = Bench::new();
    bench.lease(60);
    let user = &bench.user;
    fs::create_dir(bench.folder.path().join("model")).unwrap();
    let volume = format!("{}-cache", bench.name);
    let engine = |extra: &[&str]| {
        let shm = "--shm-size=1g";
        let environment = ["--env=LEM_BACKEND=vllm", "--env=XDG_CACHE_HOME=/cache", shm];
        let words = environment
            .iter()
            .chain(extra)
            .map(|word| (*word).to_owned());
        bench.mounts().into_iter().chain(words).collect::<Vec<_>>()
    };
    // The image has no /cache, so the Engine makes the volume for root.
    let of_root = format!("--mount=type=volume,src={volume},dst=/cache");
    let said = bench.refusal(user, &engine(&[&of_root]));
    docker(&["volume", "rm", &volume]);
    assert!(
        said.contains("[agent::cache_not_writable] /cache: found owner 0:0 mode 0755"),
        "{said}"
    );
    let caches = "--tmpfs=/cache:mode=1777";
    let said = bench.refusal(user, &engine(&[caches, "--shm-size=64m"]));
    assert!(
        said.contains("[agent::shm_too_small] /dev/shm: found 64 MiB"),
        "{said}"
    );
    let said = bench.refusal(
        user,
        &engine(&[caches, "--env=NVIDIA_VISIBLE_DEVICES=GPU-1"]),
    );
    assert!(said.contains("[agent::gpu_absent] /dev/nvidia*"), "{said}");
    let writable = [&engine(&[caches])[..], &bench.mount("model", "/model", "")].concat();
    let said = bench.refusal(user, &writable);
    assert!(said.contains("[agent::model_writable] /model"), "{said}");
    for (name, mode) in [("model", 0o700), ("outbox", 0o777)] {
        let path = bench.folder.path().join(name);
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let closed = [
        &engine(&[caches])[..],
        &bench.mount("model", "/model", ",readonly"),
    ]
    .concat();
    let said = bench.refusal("54321:54321", &closed);
    assert!(
        said.contains("[agent::model_not_readable] /model: found owner") && said.contains("0700"),
        "{said}"
    );
}
