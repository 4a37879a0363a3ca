//! Containers: how they come, are found and go.

use std::time::Duration;

use lemctl::compose::{MountSource, NamedVolume, ServiceMount};
use lemctl::containers::{ContainerEngine, ContainerSpec, EngineError};

use crate::engine_bench::{Bench, TEST_LABEL};
use crate::started;

pub async fn a_container_lives_and_goes<E: ContainerEngine>(bench: &Bench<E>) {
    let engine = &bench.engine;
    let id = engine.create(&bench.spec("a")).await.expect("creates");
    let state = engine
        .inspect(&id)
        .await
        .expect("answers")
        .expect("is there");
    assert!(
        !state.running && state.exit_code.is_none() && state.pid.is_none(),
        "{state:?}"
    );
    assert_eq!(state.name, format!("{}-a", bench.key));
    assert_eq!(state.labels.get(TEST_LABEL), Some(&bench.key));

    engine.start(&id).await.expect("starts");
    engine.start(&id).await.expect("a second start is fine");
    let state = engine
        .inspect(&id)
        .await
        .expect("answers")
        .expect("is there");
    assert!(
        state.running && state.pid.is_some_and(|pid| pid > 1),
        "{state:?}"
    );
    let image = engine
        .image(&bench.image)
        .await
        .expect("answers")
        .expect("is there");
    assert_eq!(state.image_id, image.id);

    // PID 1 is deaf to TERM: the grace passes, then KILL.
    engine
        .stop(&id, Duration::from_millis(700))
        .await
        .expect("stops");
    let state = engine
        .inspect(&id)
        .await
        .expect("answers")
        .expect("is there");
    assert!(
        !state.running && state.exit_code == Some(137) && !state.oom_killed,
        "{state:?}"
    );
    engine
        .stop(&id, Duration::from_secs(1))
        .await
        .expect("a second stop is fine");

    engine.remove(&id).await.expect("removes");
    engine.remove(&id).await.expect("a second removal is fine");
    assert_eq!(engine.inspect(&id).await.expect("answers"), None);
    assert!(matches!(
        engine.start(&id).await,
        Err(EngineError::NotFound { .. })
    ));
    assert!(matches!(
        engine.stop(&id, Duration::ZERO).await,
        Err(EngineError::NotFound { .. })
    ));
}

pub async fn a_name_is_a_mutex<E: ContainerEngine>(bench: &Bench<E>) {
    let id = bench
        .engine
        .create(&bench.spec("a"))
        .await
        .expect("creates");
    let taken = bench
        .engine
        .create(&bench.spec("a"))
        .await
        .expect_err("the name is taken");
    assert!(matches!(&taken, EngineError::Conflict { .. }), "{taken:?}");
    assert!(taken.to_string().contains("-a"), "{taken}");
    bench
        .engine
        .remove(&id)
        .await
        .expect("removes a container that never ran");
    let id = bench
        .engine
        .create(&bench.spec("a"))
        .await
        .expect("the name is free again");
    bench.engine.remove(&id).await.expect("removes");
}

pub async fn a_missing_bind_is_refused_and_not_created<E: ContainerEngine>(bench: &Bench<E>) {
    let mut overlay = bench.overlay("a");
    overlay.outbox = bench.folder().join("absent");
    let spec = ContainerSpec::new(&bench.service(), &overlay).expect("fits");
    let refused = bench
        .engine
        .create(&spec)
        .await
        .expect_err("the outbox is not there");
    assert!(
        matches!(refused, EngineError::Api { status: 400, .. }),
        "{refused:?}"
    );
    assert!(refused.to_string().contains("absent"), "{refused}");
    assert!(
        !overlay.outbox.exists(),
        "the engine made a folder that nobody asked for"
    );
}

pub async fn a_missing_image_is_named<E: ContainerEngine>(bench: &Bench<E>) {
    let mut service = bench.service();
    service.image = "lemt-cont-nowhere:9.9".to_owned();
    let spec = ContainerSpec::new(&service, &bench.overlay("a")).expect("fits");
    let missing = bench
        .engine
        .create(&spec)
        .await
        .expect_err("there is no such image");
    let EngineError::ImageMissing { reference } = missing else {
        panic!("{missing:?}")
    };
    assert_eq!(reference, "lemt-cont-nowhere:9.9");
}

pub async fn lists_by_every_label<E: ContainerEngine>(bench: &Bench<E>) {
    let (a, b) = (
        started(bench, "a").await,
        bench
            .engine
            .create(&bench.spec("b"))
            .await
            .expect("creates"),
    );
    let ours = (TEST_LABEL, bench.key.as_str());
    let listed = bench.engine.list(&[ours]).await.expect("lists");
    let seen: Vec<_> = listed.iter().map(|c| (c.id.clone(), c.running)).collect();
    assert_eq!(
        seen,
        [(a.clone(), true), (b.clone(), false)],
        "running or not, in the order of names"
    );
    let name = |value| ("org.lemctl.test.name", value);
    let listed = bench.engine.list(&[ours, name("b")]).await.expect("lists");
    assert_eq!(listed.iter().map(|c| &c.id).collect::<Vec<_>>(), [&b]);
    assert_eq!(
        bench
            .engine
            .list(&[ours, name("")])
            .await
            .expect("lists")
            .len(),
        2,
        "an empty value is any"
    );
    assert!(
        bench
            .engine
            .list(&[ours, name("c")])
            .await
            .expect("lists")
            .is_empty()
    );
    for id in [a, b] {
        bench.engine.remove(&id).await.expect("removes");
    }
}

pub async fn volumes_outlive_containers<E: ContainerEngine>(bench: &Bench<E>) {
    let name = format!("{}-cache", bench.key);
    let mut service = bench.service();
    service.mounts.push(ServiceMount {
        source: MountSource::Volume(NamedVolume {
            name: name.clone(),
            labels: [(TEST_LABEL.to_owned(), bench.key.clone())].into(),
        }),
        target: "/cache".to_owned(),
        read_only: false,
    });
    let spec = ContainerSpec::new(&service, &bench.overlay("a")).expect("fits");
    let id = bench.engine.create(&spec).await.expect("creates");
    let in_use = bench.engine.remove_volume(&name).await.expect_err("in use");
    assert!(matches!(in_use, EngineError::Conflict { .. }), "{in_use:?}");
    bench.engine.remove(&id).await.expect("removes");
    let volumes = bench
        .engine
        .list_volumes(&[(TEST_LABEL, &bench.key)])
        .await
        .expect("lists");
    assert_eq!(
        volumes
            .iter()
            .map(|volume| &volume.name)
            .collect::<Vec<_>>(),
        [&name]
    );
    bench.engine.remove_volume(&name).await.expect("removes");
    bench
        .engine
        .remove_volume(&name)
        .await
        .expect("a second removal is fine");
    assert!(
        bench
            .engine
            .list_volumes(&[(TEST_LABEL, &bench.key)])
            .await
            .expect("lists")
            .is_empty()
    );
}
