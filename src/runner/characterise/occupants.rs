//! Who holds the GPU: nobody at first, then only the load program.

use crate::telemetry::{GpuTelemetry, OwnedProcess, Owner, observe};

use super::CharacteriseError;

/// What is known of who may hold the GPU.
pub(super) struct Occupants {
    gpu: String,
    ours: Vec<u32>,
    remarks: Vec<String>,
}

impl Occupants {
    /// Nobody holds it.
    pub(super) fn none(telemetry: &dyn GpuTelemetry, gpu: &str) -> Result<Self, CharacteriseError> {
        let mut occupants = Self {
            gpu: gpu.to_owned(),
            ours: Vec::new(),
            remarks: Vec::new(),
        };
        occupants.check(telemetry)?;
        Ok(occupants)
    }

    /// Whoever is there now and was not before is the load program with pid `pid`: inside a PID namespace the
    /// driver knows it by another number, so a single newcomer is taken for it.
    pub(super) fn expect_ours(
        &mut self,
        telemetry: &dyn GpuTelemetry,
        pid: u32,
    ) -> Result<(), CharacteriseError> {
        let mut new: Vec<u32> = observe(telemetry, &self.gpu)
            .processes
            .iter()
            .map(|owned| owned.process.pid)
            .collect();
        new.dedup();
        self.ours = match new.as_slice() {
            [only] => vec![*only],
            _ => vec![pid],
        };
        self.check(telemetry)
    }

    /// Nobody but ours holds it.
    pub(super) fn check(&mut self, telemetry: &dyn GpuTelemetry) -> Result<(), CharacteriseError> {
        let seen = observe(telemetry, &self.gpu);
        for error in seen.errors {
            let remark = format!("who uses the GPU could not all be seen: {error}");
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
        }
        let strangers: Vec<String> = seen
            .processes
            .iter()
            .filter(|owned| !self.ours.contains(&owned.process.pid))
            .map(named)
            .collect();
        if strangers.is_empty() {
            return Ok(());
        }
        Err(CharacteriseError::InUse {
            gpu: self.gpu.clone(),
            processes: strangers.join(", "),
        })
    }

    /// What could not be seen.
    pub(super) fn remarks(self) -> Vec<String> {
        self.remarks
    }
}

/// `pid 7 (container 0123456789ab)`.
fn named(owned: &OwnedProcess) -> String {
    let owner = match &owned.owner {
        Owner::Container { id } => format!("container {}", id.get(..12).unwrap_or(id)),
        Owner::Host { command } => command.clone(),
        Owner::Unknown => "not visible to this user".to_owned(),
    };
    format!("pid {} ({owner})", owned.process.pid)
}
