//! Images: who they are and how they are built.

use lemctl::containers::{BuildFile, ContainerEngine, EngineError, ImageBuild};

use crate::engine_bench::{Bench, TEST_LABEL};

pub async fn an_engine_names_itself<E: ContainerEngine>(bench: &Bench<E>) {
    let info = bench.engine.engine().await.expect("answers");
    assert!(
        !info.version.is_empty() && !info.kernel.is_empty() && !info.storage_driver.is_empty(),
        "{info:?}"
    );
    let minor: u32 = info
        .api_version
        .strip_prefix("1.")
        .expect("major 1")
        .parse()
        .expect("a number");
    assert!(minor >= 41, "{info:?}");
    assert!(info.runtimes.contains(&"runc".to_owned()), "{info:?}");
    assert!(info.memory_bytes > 1 << 28 && info.cpus > 0, "{info:?}");
}

pub async fn an_image_that_is_not_there_is_none<E: ContainerEngine>(bench: &Bench<E>) {
    assert_eq!(
        bench
            .engine
            .image("lemt-cont-nowhere:9.9")
            .await
            .expect("answers"),
        None
    );
}

pub async fn a_build_tags_and_labels<E: ContainerEngine>(bench: &Bench<E>) {
    let mut lines = Vec::new();
    let built = bench
        .engine
        .build(&bench.image_build(), &mut |line| {
            lines.push(line.to_owned())
        })
        .await;
    let built = built.expect("builds");
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with("Step 2/") && line.contains("COPY testbox")),
        "{lines:?}"
    );
    assert_eq!(
        built.labels.get(TEST_LABEL).map(String::as_str),
        Some("image")
    );
    assert!(built.id.starts_with("sha256:"), "{built:?}");
    assert_eq!(
        bench.engine.image(&bench.image).await.expect("answers"),
        Some(built)
    );
}

pub async fn a_failed_build_names_its_step<E: ContainerEngine>(bench: &Bench<E>) {
    let build = ImageBuild {
        reference: "lemt-cont-broken:1".to_owned(),
        dockerfile: "FROM scratch\nCOPY absent /x\n".to_owned(),
        files: vec![BuildFile {
            path: "other".to_owned(),
            bytes: vec![1],
            executable: false,
        }],
        labels: Default::default(),
        arguments: Default::default(),
    };
    let failed = bench
        .engine
        .build(&build, &mut |_| {})
        .await
        .expect_err("`absent` is not in the context");
    let EngineError::BuildFailed {
        reference,
        step,
        message,
    } = failed
    else {
        panic!("{failed:?}")
    };
    assert_eq!(reference, "lemt-cont-broken:1");
    assert!(step.contains("COPY absent"), "{step}: {message}");
    assert_eq!(
        bench
            .engine
            .image("lemt-cont-broken:1")
            .await
            .expect("answers"),
        None
    );
}
