//! What the Compose subset reads, carries out and refuses.

use std::time::Duration;

use super::*;

fn read(text: &str) -> Result<ComposeFile, ComposeReport> {
    let variables = [("PUID", "1000"), ("PGID", "1001"), ("DATA", "/srv/data")];
    parse(
        "compose/x.yaml",
        text,
        &variables.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
    )
}

/// A worker with one more line.
fn worker(line: &str) -> String {
    format!(
        "services:\n  worker:\n    image: i\n    {line}\nvolumes:\n  cache: {{name: lem-cache}}\n"
    )
}

fn problems(text: &str) -> Vec<(u32, String, Option<String>)> {
    let report = read(text).expect_err(text);
    report
        .0
        .problems()
        .map(|p| (p.place.line, p.message.clone(), p.hint.clone()))
        .collect()
}

#[test]
fn reads_everything_it_documents() {
    let text = r#"
name: lem
services:
  worker:
    image: "lemctl/x:${TAG:-1}"
    user: ${PUID:?run lemctl init}:${PGID:?run lemctl init}
    entrypoint: ["/lem/agent", "init"]
    command: []
    environment: {HOME: /tmp, N: 4, COST: a$$b, EMPTY: ""}
    working_dir: /tmp
    volumes:
      - cache:/cache
      - ${DATA}:/data:ro
      - {type: volume, source: cache, target: /c2, read_only: true}
    tmpfs: ["/tmp:mode=1777,size=64m,exec", /run]
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    network_mode: none
    ipc: private
    shm_size: 64m
    ulimits: {core: 0, memlock: -1, stack: {soft: 1, hard: 2}}
    pids_limit: ${PIDS:-512}
    mem_limit: 2g
    devices: [/dev/null, "/dev/zero:/dev/z:r"]
    deploy: {resources: {reservations: {devices: [{driver: nvidia, count: 1, capabilities: [gpu]}]}}}
    stop_grace_period: 1m30s
    init: false
    labels: [a.b=c]
  fetch:
    image: i
    profiles: [fetch]
volumes:
  cache: {name: lem-cache, labels: {org.lemctl.volume: cache}}
"#;
    let file = read(text).unwrap_or_else(|report| panic!("{report}"));
    let labels = [("org.lemctl.volume".to_owned(), "cache".to_owned())].into();
    let cache = NamedVolume {
        name: "lem-cache".into(),
        labels,
    };
    let mount = |source, target: &str, read_only| ServiceMount {
        source,
        target: target.into(),
        read_only,
    };
    let expected = Service {
        image: "lemctl/x:1".into(),
        user: Some("1000:1001".into()),
        entrypoint: Some(vec!["/lem/agent".into(), "init".into()]),
        command: Some(vec![]),
        environment: [("HOME", "/tmp"), ("N", "4"), ("COST", "a$b"), ("EMPTY", "")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        working_dir: Some("/tmp".into()),
        mounts: vec![
            mount(MountSource::Volume(cache.clone()), "/cache", false),
            mount(MountSource::Bind("/srv/data".into()), "/data", true),
            mount(MountSource::Volume(cache.clone()), "/c2", true),
        ],
        tmpfs: [("/tmp", "mode=1777,size=64m,exec"), ("/run", "")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        read_only: true,
        cap_drop: vec!["ALL".into()],
        security_opt: vec!["no-new-privileges:true".into()],
        network_mode: Some("none".into()),
        ipc: Some("private".into()),
        shm_size: Some(64 << 20),
        ulimits: [("core", 0, 0), ("memlock", -1, -1), ("stack", 1, 2)]
            .map(|(name, soft, hard)| (name.to_owned(), Ulimit { soft, hard }))
            .into(),
        pids_limit: Some(512),
        mem_limit: Some(2 << 30),
        devices: vec![
            Device {
                host: "/dev/null".into(),
                container: "/dev/null".into(),
                permissions: "rwm".into(),
            },
            Device {
                host: "/dev/zero".into(),
                container: "/dev/z".into(),
                permissions: "r".into(),
            },
        ],
        gpus: Some(GpuReservation {
            devices: GpuSelection::Count(1),
            capabilities: vec!["gpu".into()],
        }),
        stop_grace_period: Some(Duration::from_secs(90)),
        init: Some(false),
        labels: [("a.b".to_owned(), "c".to_owned())].into(),
        profiles: vec![],
    };
    assert_eq!(file.worker, expected);
    assert_eq!(file.name.as_deref(), Some("lem"));
    assert_eq!(file.volumes, [("cache".to_owned(), cache)].into());
    assert!(file.fetch.is_some());
}

#[test]
fn every_key_that_is_accepted_is_carried_out() {
    // Each known key, given a value that is not its default, must change what is read: no key is
    // accepted and then ignored.
    let plain = read(&worker("stop_grace_period: 1s")).unwrap().worker;
    let values = [
        ("user", "1:2"),
        ("entrypoint", "[a]"),
        ("command", "[a]"),
        ("environment", "{A: b}"),
        ("working_dir", "/w"),
        ("volumes", "[cache:/c]"),
        ("tmpfs", "/t"),
        ("read_only", "true"),
        ("cap_drop", "[ALL]"),
        ("security_opt", "[a]"),
        ("network_mode", "none"),
        ("ipc", "host"),
        ("shm_size", "1m"),
        ("ulimits", "{core: 1}"),
        ("pids_limit", "5"),
        ("mem_limit", "1g"),
        ("devices", "[/dev/null]"),
        (
            "deploy",
            "{resources: {reservations: {devices: [{driver: nvidia, capabilities: [gpu]}]}}}",
        ),
        ("stop_grace_period", "9s"),
        ("init", "true"),
        ("labels", "{a: b}"),
        ("profiles", "[p]"),
    ];
    let covered: Vec<&str> = values
        .iter()
        .map(|(key, _)| *key)
        .chain(["image"])
        .collect();
    assert!(
        service_reader::SERVICE_KEYS
            .iter()
            .all(|key| covered.contains(key)),
        "a key without a value here"
    );
    for (key, value) in values {
        let read =
            read(&worker(&format!("{key}: {value}"))).unwrap_or_else(|report| panic!("{report}"));
        assert_ne!(read.worker, plain, "{key}");
    }
}

#[test]
fn unknown_keys_are_named_with_line_and_nearest_or_reason() {
    let text = "services:\n  worker:\n    image: i\n    shm-size: 1m\n    privileged: true\n    ports: [80]\n  web: {image: j}\nvolume: {}\n";
    let found = problems(text);
    let lines: Vec<u32> = found.iter().map(|(line, ..)| *line).collect();
    assert_eq!(lines, [4, 5, 6, 7, 8], "{found:?}");
    assert!(
        found[0].1.contains("`shm-size`")
            && found[0].2.as_deref() == Some("did you mean `shm_size`?"),
        "{found:?}"
    );
    assert!(
        found[1].2.as_deref().unwrap().contains("never privileged"),
        "{found:?}"
    );
    assert!(
        found[2].2.as_deref().unwrap().contains("known here: image"),
        "{found:?}"
    );
    assert!(found[3].1.contains("`web` in `services`"), "{found:?}");
    assert_eq!(
        found[4].2.as_deref(),
        Some("did you mean `volumes`?"),
        "{found:?}"
    );
}

#[test]
fn every_wrong_value_is_told() {
    for (line, part) in [
        ("user: root", "`user` takes numbers, `uid:gid`, not `root`"),
        ("user: 1000", "`uid:gid`"),
        (
            "user: ${NOBODY:?run lemctl init}:1",
            "`NOBODY` is not set: run lemctl init",
        ),
        ("entrypoint: /lem/agent init", "`entrypoint` takes a list"),
        ("environment: {A: true}", "in quotes"),
        ("environment: {A: }", "`environment.A` has no value"),
        ("environment: [A]", "`environment.A` has no value"),
        ("volumes: [other:/x]", "no volume `other`"),
        ("volumes: [~/x:/x]", "`~/x` begins with none of"),
        (
            "volumes: [{type: bind, source: x, target: /x}]",
            "`x` begins with none of",
        ),
        ("volumes: [/x]", "is not `source:target`"),
        ("volumes: [/x:/y:z]", "is not `source:target`"),
        (
            "volumes: [{type: tmpfs, source: x, target: /x}]",
            "stands under the service's `tmpfs`",
        ),
        ("volumes: [{type: bind, target: /x}]", "names no `source`"),
        (
            "volumes: [{type: bind, source: /x, target: y}]",
            "`y` in the container is not absolute",
        ),
        ("tmpfs: [tmp]", "`tmpfs` takes"),
        ("read_only: yes", "true or false"),
        ("network_mode: container:x", "none, bridge, host"),
        ("ipc: public", "private, none"),
        ("shm_size: 1.5g", "a size such as"),
        ("mem_limit: lots", "a size such as"),
        ("ulimits: {stack: {soft: 1}}", "both `soft` and `hard`"),
        ("ulimits: [a]", "`ulimits` takes a map"),
        ("pids_limit: many", "an integer"),
        ("devices: [null]", "`devices` takes a text"),
        ("devices: [/dev/x:/dev/y:q]", "`devices` takes"),
        ("deploy: {replicas: 2}", "`replicas` in `deploy`"),
        (
            "deploy: {resources: {reservations: {devices: [{driver: amd, capabilities: [gpu]}]}}}",
            "`driver` takes nvidia",
        ),
        (
            "deploy: {resources: {reservations: {devices: [{driver: nvidia}]}}}",
            "names no `capabilities`",
        ),
        ("stop_grace_period: 10", "a time such as"),
        ("image: j", "image"),
    ] {
        let found = problems(&worker(line));
        assert!(
            found.iter().any(|(_, message, _)| message.contains(part)),
            "{line}: {found:?}"
        );
        assert!(found.iter().all(|(at, ..)| *at == 4), "{line}: {found:?}");
    }
}

#[test]
fn relative_host_paths_are_seen_from_the_files_folder() {
    let anchored = |source: &str| {
        let text = worker(&format!(
            "volumes: [{{type: bind, source: {source}, target: /x}}]"
        ));
        let file = read(&text).unwrap_or_else(|report| panic!("{report}"));
        let mounts = file.anchored("/project/compose".into()).worker.mounts;
        match &mounts[0].source {
            MountSource::Bind(path) => path.clone(),
            MountSource::Volume(_) => panic!("a volume"),
        }
    };
    assert_eq!(anchored("/srv/x"), "/srv/x");
    assert_eq!(anchored("./x"), "/project/compose/x");
    assert_eq!(anchored("../models"), "/project/models");
    assert_eq!(anchored("../../../../x/./y"), "/x/y");
}

#[test]
fn a_file_without_a_worker_is_no_compose_file_of_ours() {
    for (text, part) in [
        ("", "the file"),
        ("[]", "takes a map"),
        ("services: {}", "no service `worker`"),
        ("services: {worker: {}}", "names no `image`"),
        (
            "services: {worker: {image: i}, fetch: {image: i}}",
            "in no profile",
        ),
        (
            "services: {worker: {image: i}}\nvolumes: {cache: }",
            "writes no `name` out",
        ),
        ("services: {worker: {image: i}", ""),
    ] {
        let found = problems(text);
        assert!(
            found.iter().any(|(_, message, _)| message.contains(part)),
            "{text}: {found:?}"
        );
    }
}

#[test]
fn the_reference_backend_gives_up_no_privilege() {
    let text = include_str!("../../compose/reference.yaml");
    let ids = [("PUID", "1000"), ("PGID", "1000")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    let file = parse("compose/reference.yaml", text, &ids.into())
        .unwrap_or_else(|report| panic!("{report}"));
    assert_eq!(file.worker.privileges(), Vec::<String>::new());
    let options = &file.worker.tmpfs["/tmp"];
    assert!(
        options.split(',').any(|option| option == "exec") && options.contains("size="),
        "{options}"
    );
    let given_up = |change: fn(&mut Service)| {
        let mut service = file.worker.clone();
        change(&mut service);
        service.privileges().len()
    };
    assert_eq!(given_up(|service| service.cap_drop.clear()), 1);
    assert_eq!(
        given_up(|service| service.security_opt = vec!["no-new-privileges:false".into()]),
        1
    );
    assert_eq!(given_up(|service| service.read_only = false), 1);
    assert_eq!(given_up(|service| service.network_mode = None), 1);
    assert_eq!(given_up(|service| service.ipc = Some("host".into())), 1);
    assert_eq!(given_up(|service| service.pids_limit = Some(-1)), 1);
}

#[test]
fn the_subset_is_documented() {
    let page = include_str!("../../docs/containers.md");
    let (_, subset) = page
        .split_once("## The subset of Compose")
        .expect("the chapter");
    let (subset, _) = subset.split_once("\n## ").expect("a chapter after it");
    let missing: Vec<_> = service_reader::SERVICE_KEYS
        .iter()
        .filter(|key| !subset.contains(&format!("`{key}`")))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/containers.md does not name {missing:?}"
    );
}
