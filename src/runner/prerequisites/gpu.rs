//! The GPU's driver, and the Engine's way to it. The reference backend needs neither.

use super::CheckLine;
use crate::containers::EngineInfo;

/// Where the NVIDIA driver says its version.
const DRIVER: &str = "/proc/driver/nvidia/version";

/// Whether a driver is there: without one, no container that reserves a GPU can start, and that is no fault.
pub(super) fn driver_is_there() -> bool {
    std::path::Path::new(DRIVER).exists()
}

/// Driver, then runtime or CDI.
pub(super) fn lines(info: Option<&EngineInfo>) -> Vec<CheckLine> {
    let driver = std::fs::read_to_string(DRIVER).ok();
    judge(driver.as_deref().and_then(|text| text.lines().next()), info)
}

fn judge(driver: Option<&str>, info: Option<&EngineInfo>) -> Vec<CheckLine> {
    let Some(driver) = driver else {
        let detail = format!("{DRIVER} is not there: CPU backends only");
        return vec![CheckLine::warn(
            "gpu driver",
            detail,
            "nothing to do for the reference backend; else install the NVIDIA driver",
        )];
    };
    let mut lines = vec![CheckLine::pass("gpu driver", driver.trim().to_owned())];
    let Some(info) = info else { return lines };
    let name = "gpu in containers";
    lines.push(if info.runtimes.iter().any(|runtime| runtime == "nvidia") {
        CheckLine::pass(name, "the Engine has the NVIDIA runtime")
    } else if info.cdi_devices.iter().any(|device| device.starts_with("nvidia.com/gpu=")) {
        CheckLine::pass(name, "the Engine has NVIDIA devices by CDI")
    } else {
        CheckLine::warn(
            name,
            "the Engine has neither the NVIDIA runtime nor CDI devices: GPU backends cannot start",
            "install nvidia-container-toolkit, then: sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker \
             (or list device nodes: LEM_COMPOSE_VARIANT=device-nodes in .env, docs/containers.md)",
        )
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::super::tests::engine_info;
    use super::*;

    #[test]
    fn either_way_to_the_gpu_will_do() {
        let mut info = engine_info();
        let last = |info: &EngineInfo| {
            judge(Some("NVRM version: 1"), Some(info))
                .pop()
                .unwrap()
                .status
        };
        assert_eq!(last(&info), Status::Warn);
        info.cdi_devices = vec!["nvidia.com/gpu=0".into()];
        assert_eq!(last(&info), Status::Pass);
        info.cdi_devices.clear();
        info.runtimes.push("nvidia".into());
        assert_eq!(last(&info), Status::Pass);
    }

    #[test]
    fn without_a_driver_there_is_one_warning() {
        let lines = judge(None, Some(&engine_info()));
        assert_eq!(
            lines.iter().map(|line| line.status).collect::<Vec<_>>(),
            [Status::Warn]
        );
    }
}
