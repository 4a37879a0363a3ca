//! What cargo-deny checks where it is installed (`scripts/deny.sh`), as far as Cargo.lock alone tells it: each package is
//! ours, or one of crates.io with the sum of its bytes.

#[test]
fn every_package_is_ours_or_pinned_by_its_sum() {
    let lock = std::fs::read_to_string("Cargo.lock").unwrap();
    let mut foreign = 0;
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let lines = package.lines();
            let found = lines.filter_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
            found.map(|value| value.trim_matches('"').to_owned()).next()
        };
        let name = field("name").unwrap();
        match field("source") {
            None => assert!(
                name.starts_with("lem"),
                "{name} is not ours, and comes from nowhere"
            ),
            Some(source) => {
                assert_eq!(
                    source, "registry+https://github.com/rust-lang/crates.io-index",
                    "{name}"
                );
                let sum = field("checksum").unwrap_or_default();
                assert_eq!(sum.len(), 64, "{name} has no sum");
                foreign += 1;
            }
        }
    }
    assert!(foreign > 100, "{foreign} packages");
}
