//! The example campaigns load and expand to what their comments promise.

use lemctl::campaign::{Campaign, PromptSource, load};
use lemctl::catalogue::{Catalogue, Catalogues};

struct Files;

impl PromptSource for Files {
    fn read(&self, path: &str) -> Result<String, String> {
        std::fs::read_to_string(format!("campaigns/{path}")).map_err(|error| error.to_string())
    }
}

fn example(name: &str) -> Campaign {
    let file = format!("campaigns/{name}");
    let catalogue = Catalogue::parse(
        "reference",
        &std::fs::read_to_string("catalogues/reference-0.1.0.json").unwrap(),
    )
    .unwrap();
    let catalogues = Catalogues::new([catalogue]).unwrap();
    load(
        &file,
        &std::fs::read_to_string(&file).unwrap(),
        &catalogues,
        &Files,
    )
    .unwrap_or_else(|report| panic!("{report}"))
}

#[test]
fn the_quickstart_has_valid_pruned_and_equal_points() {
    let campaign = example("quickstart.yaml");
    let expansion = campaign.expand();
    for experiment in &expansion.experiments {
        println!(
            "{} {} +{}",
            experiment.id,
            experiment.engine_key.short(6),
            experiment.aliases.len()
        );
    }
    for pruned in &expansion.pruned {
        let point = campaign.describe(pruned);
        println!("{:?} {}", point.settings, point.rule);
    }
    assert_eq!(expansion.raw_points, 36);
    assert!(expansion.experiments.len() >= 8);
}
