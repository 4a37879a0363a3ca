//! What is not as it was: an edited campaign against the one that was begun, and the environment against
//! the last session's.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use super::{Opened, Planned, fingerprint};
use crate::execution::{RunStatus, State, Verdict};
use crate::units::Digest;

/// What an edit of the campaign means for its runs, by experiment hash and cycle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// Accepted runs that stay.
    pub kept: usize,
    /// Runs that the campaign did not have.
    pub new: usize,
    /// Runs that it no longer has.
    pub retired: usize,
    /// Whether order, gaps or other rules of execution differ.
    pub rules: bool,
}

impl Changes {
    /// Compares a campaign on disk with an edited one.
    #[must_use]
    pub fn between(opened: &Opened, edited: &Planned) -> Self {
        // Cycles that were added are taken over, so they are no change.
        let mut edited = edited.clone();
        edited.plan = edited.plan.grown_to(opened.planned.plan.cycles()).into();
        let edited = &edited;
        let runs = |planned: &Planned| -> HashSet<(Digest, u32)> {
            let plan = &planned.plan;
            plan.runs
                .iter()
                .map(|run| (plan.experiments[run.experiment].hash, run.cycle))
                .collect()
        };
        let (old, new) = (runs(&opened.planned), runs(edited));
        let plan = &opened.planned.plan;
        let accepted = |run: &usize| {
            let planned = &plan.runs[*run];
            let key = (plan.experiments[planned.experiment].hash, planned.cycle);
            new.contains(&key)
                && matches!(
                    opened.state.status(*run),
                    RunStatus::Ended {
                        verdict: Verdict::Accepted,
                        ..
                    }
                )
        };
        let folders = &opened.folders;
        let edited = fingerprint(edited, &folders.campaign, &folders.id);
        let begun = fingerprint(&opened.planned, &folders.campaign, &folders.id);
        let same =
            (edited.campaign_hash, edited.plan_hash) == (begun.campaign_hash, begun.plan_hash);
        Self {
            kept: (0..plan.runs.len()).filter(accepted).count(),
            new: new.difference(&old).count(),
            retired: old.difference(&new).count(),
            rules: !same && old == new,
        }
    }

    /// Whether nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.new == 0 && self.retired == 0 && !self.rules
    }
}

impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kept,
            new,
            retired,
            rules,
        } = self;
        write!(
            f,
            "{kept} accepted runs stay, {new} runs are new, {retired} are retired"
        )?;
        if *rules {
            write!(f, ", and order, gaps or other rules differ")?;
        }
        Ok(())
    }
}

/// Where the environment differs from the last session's in what numbers depend on: each by name, with
/// both values. Empty before the first session.
#[must_use]
pub fn drift(state: &State, now: &Value) -> Vec<String> {
    let before = state.environment();
    before.map_or_else(Vec::new, |(_, before)| differences(before, now))
}

fn differences(before: &Value, now: &Value) -> Vec<String> {
    let mut pointers: Vec<String> = [
        "/host/id",
        "/host/cpu_model",
        "/host/nvidia_driver",
        "/gpus",
        "/telemetry/driver",
        "/telemetry/cuda_driver",
        "/telemetry/simulated",
        "/lemctl",
    ]
    .map(str::to_owned)
    .into();
    if let Some(images) = before.get("images").and_then(Value::as_object) {
        pointers.extend(images.keys().map(|backend| format!("/images/{backend}/id")));
    }
    let gpus = before.pointer("/telemetry/gpus").and_then(Value::as_array);
    for (index, gpu) in gpus.into_iter().flatten().enumerate() {
        // The driver's own numbering may change without any difference to what is measured.
        let names = gpu.as_object().into_iter().flatten().map(|(name, _)| name);
        pointers.extend(
            names
                .filter(|name| *name != "index")
                .map(|name| format!("/telemetry/gpus/{index}/{name}")),
        );
    }
    let show = |value: Option<&Value>| value.map_or_else(|| "absent".to_owned(), Value::to_string);
    pointers
        .iter()
        .filter(|pointer| before.pointer(pointer) != now.pointer(pointer))
        .map(|pointer| {
            let name = pointer.trim_start_matches('/').replace('/', ".");
            format!(
                "{name} was {}, is {}",
                show(before.pointer(pointer)),
                show(now.pointer(pointer))
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_difference_is_named_with_both_values_and_nothing_else_is() {
        let before = json!({
            "host": {"id": "h", "cpu_model": "c", "nvidia_driver": "550", "boot_id": "b"},
            "gpus": ["GPU-1"],
            "telemetry": {
                "driver": "550", "cuda_driver": 12040, "simulated": false,
                "gpus": [{"index": 0, "uuid": "GPU-1", "name": "A", "power_limit_watts": 300.0}],
            },
            "lemctl": "1.0.0",
            "images": {"reference": {"id": "sha256:1", "tag": "x"}, "widget": {"id": "sha256:2"}},
        });
        let changed = |pointer: &str| {
            let mut now = before.clone();
            *now.pointer_mut(pointer).expect("it is there") = json!("other");
            differences(&before, &now)
        };
        assert_eq!(differences(&before, &before), [""; 0]);
        for name in [
            "host.id",
            "host.cpu_model",
            "host.nvidia_driver",
            "gpus",
            "telemetry.driver",
            "telemetry.cuda_driver",
            "telemetry.simulated",
            "telemetry.gpus.0.uuid",
            "telemetry.gpus.0.name",
            "telemetry.gpus.0.power_limit_watts",
            "lemctl",
            "images.reference.id",
            "images.widget.id",
        ] {
            let pointer = format!("/{}", name.replace('.', "/"));
            let was = before.pointer(&pointer).expect("it is there");
            let told = format!("{name} was {was}, is \"other\"");
            assert_eq!(changed(&pointer), [told]);
        }
        // Another boot, the driver's numbering and another tag of one image make no other numbers.
        for pointer in [
            "/host/boot_id",
            "/telemetry/gpus/0/index",
            "/images/reference/tag",
        ] {
            assert_eq!(changed(pointer), [""; 0], "{pointer}");
        }
        let mut now = before.clone();
        now["images"] = json!({"reference": {"id": "sha256:1"}});
        let gone = "images.widget.id was \"sha256:2\", is absent";
        assert_eq!(differences(&before, &now), [gone]);
    }
}
