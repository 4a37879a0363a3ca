//! Who holds the GPU: nobody at first, then only the load program.

use crate::telemetry::{GpuTelemetry, OwnedProcess, Owner, observe};

use super::CharacteriseError;

/// What is known of who may hold the GPU.
pub(super) struct Occupants {
    gpu: String,
    ours: Option<u32>,
    unseen: bool,
    remarks: Vec<String>,
}

impl Occupants {
    /// Nobody holds it.
    pub(super) fn none(telemetry: &dyn GpuTelemetry, gpu: &str) -> Result<Self, CharacteriseError> {
        let mut occupants = Self {
            gpu: gpu.to_owned(),
            ours: None,
            unseen: false,
            remarks: Vec::new(),
        };
        occupants.check(telemetry)?;
        Ok(occupants)
    }

    /// From now on the load program with pid `pid` may hold it. Inside a PID namespace the driver knows it by
    /// another number: then the first newcomer, if it comes alone, is taken for it.
    pub(super) fn expect(&mut self, pid: u32) {
        self.ours = Some(pid);
        self.unseen = true;
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
        let mut pids: Vec<u32> = seen
            .processes
            .iter()
            .map(|owned| owned.process.pid)
            .collect();
        pids.dedup();
        if self.unseen && !pids.is_empty() {
            self.unseen = false;
            if let ([only], Some(_)) = (pids.as_slice(), self.ours) {
                self.ours = Some(*only);
            }
        }
        let strangers: Vec<String> = seen
            .processes
            .iter()
            .filter(|owned| Some(owned.process.pid) != self.ours)
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
