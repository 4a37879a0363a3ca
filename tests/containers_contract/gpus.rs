//! How a container comes to its GPUs: what the Engine is asked for, read from the Engine itself, and what it says
//! where it cannot give any. Only the real Engine is asked: these are its fields and its words.

use bollard::Docker;
use lemctl::compose::{
    Device, GpuReservation, GpuSelection, MountSource, NamedVolume, ServiceMount,
};
use lemctl::containers::docker::DockerEngine;
use lemctl::containers::{ContainerEngine, ContainerSpec, EngineError};
use serde_json::{Value, json};

use crate::engine_bench::{Bench, TEST_LABEL};

const GPU: &str = "GPU-11111111-2222-3333-4444-555555555555";

/// The host's half of a container, as the Engine has it.
async fn host_config(bench: &Bench<DockerEngine>, id: &str) -> Value {
    let socket = bench.engine.socket().as_str().to_owned();
    let docker = Docker::connect_with_unix(&socket, 60, bollard::API_DEFAULT_VERSION);
    let answer = docker.expect("a client").inspect_container(id, None).await;
    let answer = serde_json::to_value(answer.expect("it is there")).expect("JSON");
    json!({"host": answer["HostConfig"], "mounts": answer["Mounts"]})
}

fn reserved(devices: GpuSelection) -> Option<GpuReservation> {
    Some(GpuReservation {
        devices,
        capabilities: vec!["gpu".into(), "utility".into()],
    })
}

pub async fn the_campaigns_gpus_stand_in_for_the_reservation(bench: &Bench<DockerEngine>) {
    let asked = async |name: &str, devices: GpuSelection, gpus: &[&str]| {
        let mut service = bench.service();
        service.gpus = reserved(devices);
        let mut overlay = bench.overlay(name);
        overlay.gpus = gpus.iter().map(|&gpu| gpu.to_owned()).collect();
        let spec = ContainerSpec::new(&service, &overlay).expect("fits");
        let id = bench.engine.create(&spec).await.expect("creates");
        let requests = host_config(bench, id.as_str()).await["host"]["DeviceRequests"].clone();
        bench.engine.remove(&id).await.expect("removes");
        let [request] = requests.as_array().expect("a list").as_slice() else {
            panic!("{requests}");
        };
        assert_eq!(request["Driver"], "nvidia");
        assert_eq!(request["Capabilities"], json!([["gpu", "utility"]]));
        (
            request["Count"].as_i64().unwrap_or(0),
            request["DeviceIDs"].clone(),
        )
    };
    // Whatever the file reserves, the campaign's GPUs are asked for by UUID, and no count beside them.
    let ids = json!([GPU]);
    assert_eq!(
        asked("a", GpuSelection::All, &[GPU]).await,
        (0, ids.clone())
    );
    assert_eq!(
        asked("b", GpuSelection::Count(2), &[GPU]).await,
        (0, ids.clone())
    );
    let file = GpuSelection::Ids(vec!["0".into()]);
    assert_eq!(asked("c", file.clone(), &[GPU]).await, (0, ids));
    // Without a campaign's GPUs the file stands.
    assert_eq!(asked("d", file, &[]).await, (0, json!(["0"])));
    assert_eq!(asked("e", GpuSelection::Count(2), &[]).await.0, 2);
    assert_eq!(asked("f", GpuSelection::All, &[]).await.0, -1);
}

pub async fn gpus_without_the_runtime_are_refused_with_the_way_out(bench: &Bench<DockerEngine>) {
    let runtimes = bench.engine.engine().await.expect("answers").runtimes;
    if runtimes.iter().any(|runtime| runtime == "nvidia") {
        return; // Then it starts, or says which GPU it does not know.
    }
    let mut service = bench.service();
    service.gpus = reserved(GpuSelection::All);
    let mut overlay = bench.overlay("gpu");
    overlay.gpus = vec![GPU.to_owned()];
    let spec = ContainerSpec::new(&service, &overlay).expect("fits");
    let id = bench
        .engine
        .create(&spec)
        .await
        .expect("creates all the same");
    let refused = bench.engine.start(&id).await.expect_err("no runtime");
    bench.engine.remove(&id).await.expect("removes");
    let EngineError::StartFailed { message, fix, .. } = refused else {
        panic!("{refused:?}");
    };
    assert!(
        message.contains("could not select device driver"),
        "{message}"
    );
    for way in [
        "NVIDIA Container Toolkit",
        "LEM_COMPOSE_VARIANT=device-nodes",
    ] {
        assert!(fix.contains(way), "{fix}");
    }
}

pub async fn nodes_of_other_gpus_are_left_out(bench: &Bench<DockerEngine>) {
    let device = |path: &str| Device {
        host: path.to_owned(),
        container: path.to_owned(),
        permissions: "rwm".to_owned(),
    };
    let mut service = bench.service();
    service.devices = vec![
        device("/dev/null"),
        device("/dev/zero"),
        device("/dev/full"),
    ];
    let mut overlay = bench.overlay("nodes");
    overlay.without_devices = vec!["/dev/zero".to_owned(), "/dev/absent".to_owned()];
    let spec = ContainerSpec::new(&service, &overlay).expect("fits");
    let id = bench.engine.create(&spec).await.expect("creates");
    let devices = host_config(bench, id.as_str()).await["host"]["Devices"].clone();
    let given: Vec<_> = devices
        .as_array()
        .expect("a list")
        .iter()
        .map(|device| device["PathOnHost"].as_str().expect("a path").to_owned())
        .collect();
    assert_eq!(given, ["/dev/null", "/dev/full"]);
    bench.engine.start(&id).await.expect("starts");
    bench.engine.remove(&id).await.expect("removes");
}

pub async fn a_model_is_mounted_read_only_beside_the_caches(bench: &Bench<DockerEngine>) {
    let mut service = bench.service();
    let volume = NamedVolume {
        name: format!("{}-cache", bench.key),
        labels: [(TEST_LABEL.to_owned(), bench.key.clone())].into(),
    };
    service.mounts = vec![ServiceMount {
        source: MountSource::Volume(volume.clone()),
        target: "/cache".into(),
        read_only: false,
    }];
    let mut overlay = bench.overlay("model");
    let model = bench.folder().join("model");
    std::fs::create_dir(&model).expect("a new folder");
    overlay.model = Some(model.clone());
    let spec = ContainerSpec::new(&service, &overlay).expect("fits");
    let id = bench.engine.create(&spec).await.expect("creates");
    let mounts = host_config(bench, id.as_str()).await["mounts"].clone();
    let at = |target: &str| {
        let mounts = mounts.as_array().expect("a list").iter();
        let mount = mounts.clone().find(|mount| mount["Destination"] == target);
        mount
            .cloned()
            .unwrap_or_else(|| panic!("nothing at {target}"))
    };
    assert_eq!(
        (&at("/model")["RW"], &at("/model")["Source"]),
        (&json!(false), &json!(model))
    );
    assert_eq!(
        (&at("/cache")["RW"], &at("/cache")["Name"]),
        (&json!(true), &json!(volume.name))
    );
    bench.engine.start(&id).await.expect("starts");
    bench.engine.remove(&id).await.expect("removes");
}
