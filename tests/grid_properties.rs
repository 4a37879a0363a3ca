//! What holds of every grid, whatever its axes.
#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "support/campaigns.rs"]
mod support;

use std::collections::{BTreeMap, BTreeSet};

use lemctl::campaign::{Campaign, Expansion, Point};
use lemctl::catalogue::{Catalogue, Predicate};
use lemctl::units::Digest;
use proptest::prelude::*;
use proptest::sample::{SizeRange, subsequence};
use serde_json::{Value, json};
use support::{GADGET, REFERENCE, load_text};

/// Axes of the reference backend with spellings of their values; the first spelling of each is plain.
const AXES: [(&str, &[&[&str]]); 8] = [
    (
        "batch_size",
        &[&["1", "0x1", "+1"], &["2", "0o2"], &["8", "0x8"], &["64"]],
    ),
    (
        "dtype",
        &[
            &["float32", "\"float32\"", "'float32'"],
            &["bfloat16", "\"bfloat16\""],
            &["float16"],
        ],
    ),
    ("num_heads", &[&["3"], &["4", "0x4"], &["6"]]),
    ("num_kv_heads", &[&["1"], &["2"], &["4"]]),
    ("context_length", &[&["40", "0x28"], &["64"], &["128"]]),
    (
        "temperature",
        &[
            &["0", "0.0", "0e1"],
            &["0.5", ".5", "5e-1"],
            &["1", "1.0", "1e0"],
        ],
    ),
    ("top_k", &[&["null", "~"], &["1"], &["40"], &["5000"]]),
    (
        "workload.output_tokens",
        &[&["4"], &["16", "0x10"], &["100"]],
    ),
];

/// Which values of which axes, and one group of sizes.
#[derive(Debug, Clone)]
struct Shape {
    axes: Vec<(usize, Vec<usize>)>,
    group: bool,
    exclude: bool,
    gadget: bool,
}

fn shapes() -> impl Strategy<Value = Shape> {
    let axis = |index: usize| {
        let values: Vec<usize> = (0..AXES[index].1.len()).collect();
        let size: SizeRange = (1..=values.len()).into();
        subsequence(values, size).prop_map(move |values| (index, values))
    };
    let chosen = subsequence((0..AXES.len()).collect::<Vec<_>>(), 1..=5);
    let axes = chosen.prop_flat_map(move |axes| axes.into_iter().map(axis).collect::<Vec<_>>());
    (axes, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(axes, group, exclude, gadget)| Shape {
            axes,
            group,
            exclude,
            gadget,
        },
    )
}

/// A campaign's text; `spell` picks the order of keys and the spelling of values.
fn text(shape: &Shape, mut spell: impl FnMut(usize) -> usize) -> String {
    let mut axes: Vec<String> = shape
        .axes
        .iter()
        .map(|(axis, values)| {
            let (name, spellings) = AXES[*axis];
            let values: Vec<&str> = values
                .iter()
                .map(|value| spellings[*value][spell(spellings[*value].len())])
                .collect();
            if spell(2) == 0 {
                format!("{name}: [{}]", values.join(", "))
            } else {
                format!("\"{name}\":\n        - {}", values.join("\n        - "))
            }
        })
        .collect();
    let mut sections = vec![
        "campaign_name: property".to_owned(),
        "model: {random: {seed: 5}}".to_owned(),
        match shape.axes.iter().any(|(axis, _)| AXES[*axis].0 == "workload.output_tokens") && !shape.gadget {
            true => "workload: {synthetic: {input_tokens: 30, prompts: 4}}".to_owned(),
            false => "workload:\n  synthetic:\n    prompts: 4\n    output_tokens: 8\n    input_tokens: 30".to_owned(),
        },
    ];
    let mut grid = vec!["per_backend:\n    reference:".to_owned()];
    if spell(2) == 1 {
        axes.reverse();
    }
    if spell(2) == 1 && axes.len() > 2 {
        axes.swap(0, 1);
    }
    for axis in &axes {
        grid[0].push_str(&format!("\n      {axis}"));
    }
    if shape.gadget {
        grid[0].push_str("\n    gadget: {eager: [false, true], graph_mode: [full, none], graph_sizes: [4, 8], max_seqs: [16, 64], max_tokens: [32, 128]}");
        grid.push("backends: [gadget, reference]".to_owned());
    } else {
        grid.push("backends: [reference]".to_owned());
    }
    if shape.group && !shape.gadget {
        let member =
            |hidden: &str, layers: &str| format!("{{num_layers: {layers}, hidden_size: {hidden}}}");
        grid.push(format!(
            "groups: [[{}, {}]]",
            member("48", "2"),
            member("60", "3")
        ));
    }
    if shape.exclude {
        grid.push(format!("exclude: [{{when: {}, reason: odd}}]", EXCLUDE));
    }
    if spell(2) == 1 {
        grid.reverse();
    }
    sections.push(format!("grid:\n  {}", grid.join("\n  ")));
    if spell(2) == 1 {
        sections.reverse();
    }
    sections.join("\n") + "\n"
}

const EXCLUDE: &str =
    r#"{"batch_size": {"ge": 8}, "any": [{"temperature": {"gt": 0}}, {"dtype": ["float16"]}]}"#;

fn usable(shape: &Shape) -> Option<Campaign> {
    // An axis over the outputs and a base that only one backend needs is a matter of other tests.
    if shape.gadget
        && shape
            .axes
            .iter()
            .any(|(axis, _)| AXES[*axis].0 == "workload.output_tokens")
    {
        return None;
    }
    support::try_load(&text(shape, |_| 0)).ok()
}

fn hashes(expansion: &Expansion) -> Vec<(String, Digest, Digest, usize)> {
    expansion
        .experiments
        .iter()
        .map(|e| (e.id.clone(), e.hash, e.engine_key, e.aliases.len()))
        .collect()
}

/// What a point asks for: its axes over the defaults, and the facts, worked out the slow way.
fn asked(campaign: &Campaign, catalogue: &Catalogue, point: Point) -> BTreeMap<String, Value> {
    let mut values: BTreeMap<String, Value> = catalogue
        .parameters()
        .iter()
        .map(|(name, parameter)| (name.clone(), parameter.default.clone()))
        .collect();
    values.insert("workload.output_tokens".to_owned(), json!(8));
    values.extend(campaign.settings(point));
    let output = values["workload.output_tokens"].as_u64().unwrap();
    values.insert("backend".to_owned(), json!(catalogue.backend()));
    values.insert("workload.max_input_tokens".to_owned(), json!(30));
    values.insert("workload.max_output_tokens".to_owned(), json!(output));
    values.insert("workload.max_total_tokens".to_owned(), json!(30 + output));
    values
}

fn violated(catalogue: &Catalogue, exclude: bool, values: &BTreeMap<String, Value>) -> Vec<String> {
    let holds = |predicate: &Predicate| {
        predicate.holds(&|name: &str| values.get(name).unwrap_or(&Value::Null))
    };
    let mut violated: Vec<String> = catalogue
        .rules()
        .iter()
        .filter(|rule| holds(&rule.forbid))
        .map(|rule| rule.id.clone())
        .collect();
    let condition = Predicate::parse(&serde_json::from_str(EXCLUDE).unwrap()).unwrap();
    if exclude
        && condition
            .names()
            .iter()
            .all(|name| catalogue.parameters().contains_key(*name))
        && holds(&condition)
    {
        violated.push("exclude[0]".to_owned());
    }
    violated
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, max_global_rejects: 1000, ..ProptestConfig::default() })]

    #[test]
    fn spelling_and_key_order_change_no_hash_and_no_id(shape in shapes(), choices in prop::collection::vec(0_usize..1000, 64)) {
        let plain = usable(&shape);
        prop_assume!(plain.is_some());
        let plain = plain.unwrap();
        let mut next = choices.iter().cycle();
        let other = load_text(&text(&shape, |options| next.next().unwrap() % options));
        let (plain_grid, other_grid) = (plain.expand(), other.expand());
        prop_assert_eq!(hashes(&plain_grid), hashes(&other_grid));
        prop_assert_eq!(plain.policy_digest(&plain_grid.experiments), other.policy_digest(&other_grid.experiments));
    }

    #[test]
    fn the_count_by_arithmetic_is_the_number_of_points(shape in shapes()) {
        let campaign = usable(&shape);
        prop_assume!(campaign.is_some());
        let campaign = campaign.unwrap();
        let expansion = campaign.expand();
        let kept: usize = expansion.experiments.iter().map(|experiment| 1 + experiment.aliases.len()).sum();
        prop_assert_eq!(campaign.count().total, (kept + expansion.pruned.len()) as u64);
        prop_assert_eq!(campaign.count().by_backend.values().sum::<u64>(), expansion.raw_points);
        let product: usize = shape.axes.iter().map(|(_, values)| values.len()).product();
        let reference = product * if shape.group && !shape.gadget { 2 } else { 1 };
        prop_assert_eq!(campaign.count().by_backend["reference"], reference as u64);
    }

    #[test]
    fn every_pruned_point_breaks_its_rule_and_no_kept_one_breaks_any(shape in shapes()) {
        let campaign = usable(&shape);
        prop_assume!(campaign.is_some());
        let campaign = campaign.unwrap();
        let expansion = campaign.expand();
        let catalogues = campaign.grid.catalogues();
        for pruned in &expansion.pruned {
            let told = campaign.describe(pruned);
            let catalogue = catalogues[told.backend.as_str()];
            let broken = violated(catalogue, shape.exclude, &asked(&campaign, catalogue, pruned.point()));
            prop_assert!(broken.contains(&told.rule), "{:?} is said to break {} but breaks {:?}", told.settings, told.rule, broken);
        }
        for experiment in &expansion.experiments {
            let catalogue = catalogues[experiment.backend.as_str()];
            for point in experiment.aliases.iter().chain([&experiment.point]) {
                let broken = violated(catalogue, shape.exclude, &asked(&campaign, catalogue, *point));
                prop_assert!(broken.is_empty(), "{:?} breaks {:?}", campaign.settings(*point), broken);
            }
        }
    }

    #[test]
    fn an_experiment_holds_the_parameters_of_its_backend_and_no_others(shape in shapes()) {
        let campaign = usable(&shape);
        prop_assume!(campaign.is_some());
        let campaign = campaign.unwrap();
        for experiment in campaign.expand().experiments {
            let text = if experiment.backend == "gadget" { GADGET } else { REFERENCE };
            let catalogue = Catalogue::parse("c", text).unwrap();
            let names: BTreeSet<&String> = experiment.engine.keys().chain(experiment.request.keys()).collect();
            prop_assert_eq!(names, catalogue.parameters().keys().collect::<BTreeSet<_>>());
            prop_assert!(experiment.varying.keys().all(|name| catalogue.parameters().contains_key(name) || name.starts_with("workload.")));
        }
    }

    #[test]
    fn hashes_are_those_of_the_canonical_form_and_ids_are_unique_and_safe(shape in shapes()) {
        let campaign = usable(&shape);
        prop_assume!(campaign.is_some());
        let campaign = campaign.unwrap();
        let expansion = campaign.expand();
        let mut ids = BTreeSet::new();
        let mut seen = BTreeSet::new();
        for experiment in &expansion.experiments {
            prop_assert_eq!(experiment.hash, Digest::of_canonical(&experiment.canonical()));
            prop_assert!(seen.insert(experiment.hash));
            prop_assert!(ids.insert(experiment.id.clone()), "{} twice", experiment.id);
            prop_assert!(experiment.id.len() <= 80 && experiment.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)), "{}", experiment.id);
            prop_assert_eq!(experiment.workload.digest, Digest::of(&experiment.workload.content.bytes));
        }
    }

    /// The engine key is a function of the engine's parameters, and of nothing else here.
    #[test]
    fn engines_are_shared_exactly_where_engine_parameters_are_equal(shape in shapes()) {
        let campaign = usable(&shape);
        prop_assume!(campaign.is_some());
        let campaign = campaign.unwrap();
        let experiments = campaign.expand().experiments;
        let mut by_key = BTreeMap::new();
        let mut by_engine = BTreeMap::new();
        for experiment in &experiments {
            let engine = format!("{} {:?}", experiment.backend, experiment.engine);
            prop_assert_eq!(by_key.entry(experiment.engine_key).or_insert(engine.clone()), &engine);
            prop_assert_eq!(*by_engine.entry(engine).or_insert(experiment.engine_key), experiment.engine_key);
        }
    }

    /// A point of the grid, written as an explicit experiment, is the same experiment.
    #[test]
    fn an_explicit_experiment_has_the_hash_of_its_point(shape in shapes(), pick in any::<prop::sample::Index>()) {
        let campaign = usable(&shape);
        prop_assume!(campaign.is_some());
        let campaign = campaign.unwrap();
        let experiments = campaign.expand().experiments;
        let experiment = &experiments[pick.index(experiments.len())];
        for point in experiment.aliases.iter().chain([&experiment.point]) {
            let settings = campaign.settings(*point);
            let output = if settings.contains_key("workload.output_tokens") { "" } else { "output_tokens: 8, " };
            let alone = load_text(&format!(
                "campaign_name: alone\nmodel: {{random: {{seed: 5}}}}\n\
                 workload: {{synthetic: {{input_tokens: 30, {output}prompts: 4}}}}\n\
                 experiments: [{{backend: {}, parameters: {}}}]\n",
                experiment.backend,
                json!(settings)
            ));
            let alone = alone.expand();
            prop_assert_eq!(alone.experiments[0].hash, experiment.hash);
            prop_assert_eq!(alone.experiments[0].engine_key, experiment.engine_key);
        }
    }
}

#[test]
fn what_has_no_effect_is_normalised_away_even_through_another() {
    let campaign = load_text(
        "campaign_name: x\nmodel: {random: {seed: 1}}\nworkload: {synthetic: {input_tokens: 8, output_tokens: 8}}\n\
         grid: {backends: [gadget], shared: {eager: [true, false], graph_mode: [full, none], graph_sizes: [4, 8]}}\n",
    );
    let expansion = campaign.expand();
    // eager: one; not eager with graphs: two sizes; without graphs: one.
    assert_eq!(expansion.experiments.len(), 4);
    assert_eq!(
        expansion
            .experiments
            .iter()
            .map(|experiment| experiment.aliases.len())
            .sum::<usize>(),
        4
    );
    assert!(
        expansion
            .experiments
            .iter()
            .filter(|e| e.engine["eager"] == true)
            .all(|e| e.engine["graph_sizes"] == 8)
    );
}

/// The condition that makes `draft_tokens` dead holds only once another has put `draft` to its default.
#[test]
fn what_has_no_effect_is_found_whatever_the_order_of_the_catalogue() {
    let campaign = load_text(
        "campaign_name: x\nmodel: {random: {seed: 1}}\nworkload: {synthetic: {input_tokens: 8, output_tokens: 8}}\n\
         grid: {backends: [gadget], shared: {eager: true, draft: true, draft_tokens: [2, 4]}}\n",
    );
    assert_eq!(campaign.expand().experiments.len(), 1);
}

#[test]
fn equal_workloads_are_made_once() {
    let campaign = load_text(
        "campaign_name: x\nmodel: {random: {seed: 1}}\n\
         workload: {synthetic: {output_tokens: 8}, arrival: {closed_loop: {}}}\n\
         grid: {backends: [reference], shared: {batch_size: [1, 2], workload.input_tokens: [8, 16], workload.concurrency: [2, 4]}}\n",
    );
    let experiments = campaign.expand().experiments;
    let contents: BTreeSet<_> = experiments
        .iter()
        .map(|e| std::sync::Arc::as_ptr(&e.workload.content))
        .collect();
    assert_eq!((experiments.len(), contents.len()), (8, 2));
}

#[test]
fn adding_an_experiment_keeps_the_ids_of_others() {
    let text = |extra: &str| {
        format!(
            "campaign_name: x\nmodel: {{random: {{seed: 1}}}}\nworkload: {{synthetic: {{input_tokens: 8, output_tokens: 8}}}}\n\
             grid: {{backends: [reference], shared: {{batch_size: [1, 2{extra}], threads: [1, 2]}}}}\n"
        )
    };
    let ids = |text: &str| -> BTreeSet<String> {
        load_text(text)
            .expand()
            .experiments
            .into_iter()
            .map(|e| e.id)
            .collect()
    };
    assert!(ids(&text(", 4")).is_superset(&ids(&text(""))));
}
