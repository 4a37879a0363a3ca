//! A Compose file and the `.env` beside it: text → variables → service → what a container is made of.
//!
//! The input is the Compose file; what follows a line `# .env` is the other file.

use std::collections::BTreeMap;

use lemctl::compose::{parse, parse_env, variables};
use lemctl::containers::{ContainerSpec, Overlay};

pub fn run(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (compose, env) = text.split_once("\n# .env\n").unwrap_or((&text, ""));
    let env = match parse_env(".env", env) {
        Ok(env) => env,
        Err(report) => {
            super::assert_printable(&report.to_string());
            BTreeMap::new()
        }
    };
    let variables = variables(&env, [], 1000, 1000);
    let file = match parse("compose/fuzzed.yaml", compose, &variables) {
        Ok(file) => file,
        Err(report) => {
            super::assert_printable(&report.to_string());
            assert!(report.0.problems().next().is_some());
            return;
        }
    };
    let overlay = Overlay {
        name: "lem-fuzzed".to_owned(),
        labels: BTreeMap::new(),
        gpus: vec!["GPU-00000000-0000-0000-0000-000000000000".to_owned()],
        without_devices: vec!["/dev/nvidia0".to_owned()],
        control: "/project/.lem/control".into(),
        outbox: "/project/.lem/outbox".into(),
        model: Some("/project/model".into()),
    };
    for service in [Some(&file.worker), file.fetch.as_ref()]
        .into_iter()
        .flatten()
    {
        match ContainerSpec::new(service, &overlay) {
            Ok(spec) => assert_eq!(spec.overlay().mounts().len(), 5),
            Err(error) => super::assert_printable(&error.to_string()),
        }
    }
}
