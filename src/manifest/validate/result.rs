//! One accepted result: does it say what the journal says, do its figures follow from the worker's record, and do
//! they obey the physical identities?

use lem_protocol::Record;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::energy::{
    Identities, Outcome, RuleOutcome, SloFigures, WindowFigures, slo_figures, window_figures,
};
use crate::execution::{Figures, ResultFile, State, Verdict};
use crate::manifest::seal::MAX_FILE_BYTES;
use crate::manifest::{BaselineNote, EnergyNote, identities};
use crate::store::{Folders, read_regular};
use crate::units::Digest;

/// Names of the checks, in order.
pub(super) const CHECKS: [&str; 6] = [
    "result_is_cited",
    "figures_follow_from_record",
    "identity_power",
    "identity_tokens",
    "identity_above_resident",
    "identity_power_limit",
];

/// Relative difference that another order of adding explains.
const ROUNDING: f64 = 1e-9;

/// An accepted run and what the journal says of it. Its files hash as cited.
pub(super) struct Seen<'a> {
    pub folders: &'a Folders,
    pub state: &'a State,
    pub run: usize,
    pub cited: &'a ResultFile,
    /// The headline figures in the journal.
    pub headline: &'a Figures,
}

impl Seen<'_> {
    pub fn check(&self) -> Vec<RuleOutcome> {
        let result = match self.read(&self.cited.path) {
            Ok(result) => result,
            Err(why) => return vec![rule(CHECKS[0], Err(why))],
        };
        let mut rules = vec![
            rule(CHECKS[0], self.is_cited(&result)),
            rule(CHECKS[1], self.follows(&result)),
        ];
        match identities_of(&result) {
            Ok(identities) => rules.extend(identities.check()),
            Err(why) => rules.push(rule(CHECKS[2], Err(why))),
        }
        rules
    }

    fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, String> {
        let path = self.folders.results().join(path);
        let bytes = read_regular(&path, MAX_FILE_BYTES).map_err(|error| error.to_string())?;
        serde_json::from_slice(&bytes).map_err(|error| format!("cannot be read: {error}"))
    }

    /// Whether names, hashes, verdict and headline figures are those of the journal.
    fn is_cited(&self, result: &Value) -> Result<String, String> {
        let plan = self.state.plan();
        let experiment = plan.experiment_of(self.run);
        let want = [
            ("campaign", self.folders.campaign.clone()),
            ("campaign_id", self.folders.id.clone()),
            ("run", plan.runs[self.run].id.clone()),
            ("experiment", experiment.id.clone()),
            ("experiment_hash", experiment.hash.to_string()),
        ];
        for (name, want) in want {
            let found = result.get(name).and_then(Value::as_str);
            if found != Some(want.as_str()) {
                return Err(format!(
                    "{name} is {found:?} in the file, the journal has {want}"
                ));
            }
        }
        let config = result.get("config").ok_or("it has no config")?;
        let hash = Digest::of_canonical(config);
        if hash != experiment.hash {
            return Err(format!(
                "its config has hash {hash}, not {}",
                experiment.hash
            ));
        }
        let verdict: Verdict = part(result, "/verdict")?.ok_or("it has no verdict")?;
        if verdict != Verdict::Accepted {
            let word = verdict.word();
            return Err(format!("it is {word} in the file, accepted in the journal"));
        }
        let rate = self.headline.get("output_tokens_per_second").copied();
        let found = number(result, "/figures/output_tokens_per_second");
        match rate.zip(found) {
            Some((rate, found)) if near(rate, found) => {}
            _ => {
                return Err(format!(
                    "{found:?} tokens/s in the file, {rate:?} in the journal"
                ));
            }
        }
        Ok("names, hashes, verdict and throughput are the journal's".to_owned())
    }

    /// Computes the window's figures again from the worker's record.
    fn follows(&self, result: &Value) -> Result<String, String> {
        let folder = self
            .cited
            .path
            .rsplit_once('/')
            .map_or("", |(folder, _)| folder);
        let record: Record = self.read(&format!("{folder}/{}", lem_protocol::RECORD_FILE))?;
        let again = window_figures(&record).ok_or("its record has no window")?;
        let figures: WindowFigures = part(result, "/figures")?.ok_or("it has no figures")?;
        let counts = |figures: &WindowFigures| {
            [
                figures.start_ns,
                figures.end_ns,
                figures.requests,
                figures.input_tokens,
                figures.output_tokens,
            ]
        };
        let median = |latency: Option<crate::energy::Latency>| latency.map_or(0.0, |l| l.p50_ms);
        let rates = |figures: &WindowFigures| {
            [
                figures.seconds,
                figures.output_tokens_per_second,
                figures.requests_per_second,
                median(figures.ttft),
                median(figures.itl),
                median(figures.e2e),
            ]
        };
        let pairs = rates(&again).into_iter().zip(rates(&figures));
        if let Some(slo) = part::<SloFigures>(result, "/slo")? {
            let again = slo_figures(&record, &again, slo.slo);
            if (again.judged, again.met, again.kept) != (slo.judged, slo.met, slo.kept) {
                return Err(format!(
                    "{} of {} requests keep the service level in the file, {} of {} computed again from the record",
                    slo.met, slo.judged, again.met, again.judged
                ));
            }
        }
        let kept_up = |figures: &WindowFigures| {
            let open = figures.open_loop?;
            Some((open.scheduled, open.unfinished, open.saturated))
        };
        if kept_up(&again) != kept_up(&figures) {
            return Err(
                "whether the queue grew is another in the file than computed again from the record"
                    .to_owned(),
            );
        }
        let same = again.window == figures.window
            && counts(&again) == counts(&figures)
            && pairs.into_iter().all(|(again, found)| near(again, found));
        match same {
            true => Ok("computed again from the record: the same".to_owned()),
            false => Err(format!(
                "{} tokens/s in the file, {} computed again from the record",
                figures.output_tokens_per_second, again.output_tokens_per_second
            )),
        }
    }
}

/// The figures that the identities are of. What the layout must have and the file lacks is told, never passed over.
fn identities_of(result: &Value) -> Result<Identities, String> {
    let figures: WindowFigures = part(result, "/figures")?.ok_or("it has no figures")?;
    let energy: EnergyNote = part(result, "/energy")?.ok_or("it has no energy")?;
    let baseline: BaselineNote = part(result, "/baseline")?.ok_or("it has no baseline")?;
    Ok(identities(&figures, &energy, &baseline))
}

/// A part of a result in the layout that it must have; none where it is absent or null.
fn part<T: DeserializeOwned>(result: &Value, pointer: &str) -> Result<Option<T>, String> {
    let Some(value) = result.pointer(pointer).filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    T::deserialize(value)
        .map(Some)
        .map_err(|error| format!("{} cannot be read: {error}", &pointer[1..]))
}

fn number(result: &Value, pointer: &str) -> Option<f64> {
    result.pointer(pointer)?.as_f64()
}

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() <= ROUNDING * left.abs().max(right.abs())
}

fn rule(name: &str, checked: Result<String, String>) -> RuleOutcome {
    let (outcome, detail) = match checked {
        Ok(detail) => (Outcome::Pass, detail),
        Err(detail) => (Outcome::Fail, detail),
    };
    RuleOutcome {
        rule: name.to_owned(),
        outcome,
        detail,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn result(watts: f64) -> Value {
        json!({
            "figures": {"window": "whole_batch", "start_ns": 0, "end_ns": 10_000_000_000_u64, "seconds": 10.0,
                "requests": 1, "input_tokens": 1, "output_tokens": 10000, "output_tokens_per_second": 1000.0,
                "requests_per_second": 0.1, "ttft": null, "itl": null, "e2e": null, "queue": null, "prefill": null},
            "baseline": {"bare": [], "before": [], "after": [], "resident_watts": 100.0, "reasons": []},
            "energy": {
                "window": {"joules": 5000.0, "reason": null, "timing": null, "absolute": null,
                    "mean_watts": watts, "flags": [], "gpus": []},
                "figures": {"joules_per_output_token": 0.5, "joules_per_input_token": null,
                    "joules_per_request": null, "output_tokens_per_second_per_watt": 2.0,
                    "joules_above_resident": 4000.0, "joules_per_output_token_above_resident": 0.4,
                    "joules_per_input_token_above_resident": null, "joules_per_request_above_resident": null},
                "reason": null, "ramp": null, "drain": null, "cpu": {"domains": [], "absent": []},
                "readings": null, "library": null, "sampler": null, "gpus": [],
            },
        })
    }

    #[test]
    fn identities_take_energy_where_the_result_has_it() {
        let outcomes = |result: &Value| -> Vec<Outcome> {
            let checked = identities_of(result).expect("readable").check();
            checked.iter().map(|rule| rule.outcome).collect()
        };
        use Outcome::{Fail, NotApplicable, Pass};
        assert_eq!(outcomes(&result(500.0)), [Pass, Pass, Pass, NotApplicable]);
        assert_eq!(outcomes(&result(501.0)), [Fail, Fail, Pass, NotApplicable]);
        let mut none = result(500.0);
        none["energy"]["window"] = Value::Null;
        none["energy"]["figures"] = Value::Null;
        assert_eq!(outcomes(&none), [NotApplicable; 4]);
    }

    #[test]
    fn a_part_of_another_layout_or_of_another_name_is_told_and_not_passed_over() {
        let mut odd = result(500.0);
        odd["energy"]["window"]["news"] = json!(1);
        let why = identities_of(&odd).unwrap_err();
        assert!(why.starts_with("energy cannot be read"), "{why}");
        let mut renamed = result(500.0);
        let watts = renamed["baseline"]["resident_watts"].take();
        renamed["baseline"] =
            json!({"bare": [], "before": [], "after": [], "idle_watts": watts, "reasons": []});
        let why = identities_of(&renamed).unwrap_err();
        assert!(why.starts_with("baseline cannot be read"), "{why}");
        let mut gone = result(500.0);
        gone["energy"] = Value::Null;
        assert_eq!(identities_of(&gone).unwrap_err(), "it has no energy");
    }
}
