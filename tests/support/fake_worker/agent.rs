//! The agent's short commands.

use lem_protocol::{ProbeReport, SweepReport};
use lemctl::clock::Clock;

use super::{Act, FakeWorker};
use crate::fake_engine::Process;

impl FakeWorker {
    pub(super) async fn agent(&self, process: Process) -> i64 {
        let said = match process.argv.get(1).map(String::as_str) {
            Some("exec") => return self.exec(process).await,
            Some("probe") => self.probe(&process),
            Some("sweep") => self.sweep(&process),
            other => panic!("no agent command {other:?}"),
        };
        let command: &'static str = if process.argv[1] == "probe" {
            "probe"
        } else {
            "sweep"
        };
        let said = match self.act(command) {
            Some(Act::Print(text)) => text.to_owned(),
            Some(Act::Leave(left)) => format!("{{\"swept\":0,\"left\":{left}}}"),
            Some(Act::Hang) => std::future::pending().await,
            Some(Act::Also(act)) => {
                act();
                said
            }
            _ => said,
        };
        process.stdout(format!("{said}\n")).await;
        0
    }

    fn probe(&self, process: &Process) -> String {
        let lease = std::fs::read_to_string(process.spec.overlay().control.join("lease"));
        let report = ProbeReport {
            uid: super::super::stage::UID,
            gid: super::super::stage::UID,
            groups: vec![],
            monotonic_ns: self.clock.monotonic_ns(),
            boot_id: super::super::stage::BOOT.to_owned(),
            lease_ns: lease.ok().and_then(|text| text.trim().parse().ok()),
            outbox_writable: true,
            root_writable: false,
            cap_eff: "0000000000000000".to_owned(),
            no_new_privs: true,
        };
        serde_json::to_string(&report).unwrap()
    }

    fn sweep(&self, process: &Process) -> String {
        let name = &process.spec.overlay().name;
        let killed = self.live.lock().unwrap().remove(name).unwrap_or_default();
        for worker in &killed {
            worker.notify_one();
        }
        let swept = u32::try_from(killed.len()).unwrap();
        serde_json::to_string(&SweepReport { swept, left: 0 }).unwrap()
    }
}
