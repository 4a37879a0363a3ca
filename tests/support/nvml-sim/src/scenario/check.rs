//! What a scenario must hold beyond its types.

use super::{GpuSpec, Load, Scenario, When};
use crate::ffi::FUNCTIONS;

impl Scenario {
    /// Checks it.
    ///
    /// # Errors
    /// The first thing that is wrong, by its key.
    pub fn check(&self) -> Result<(), String> {
        that(
            self.driver.ends_with("-sim"),
            "driver",
            "must end with -sim",
        )?;
        that(self.driver.len() < 80, "driver", "is too long")?;
        that(
            !self.gpus.is_empty() && self.gpus.len() <= 64,
            "gpus",
            "must be 1 to 64",
        )?;
        self.load.check("load")?;
        let mut uuids = Vec::new();
        for (index, gpu) in self.gpus.iter().enumerate() {
            let at = format!("gpus[{index}]");
            gpu.check(&at)?;
            uuids.push(self.uuid(index));
            uuids.extend(gpu.mig.iter().map(|mig| mig.uuid.clone()));
        }
        uuids.sort_unstable();
        let twice = uuids.windows(2).find(|pair| pair[0] == pair[1]);
        that(twice.is_none(), "gpus", "have a UUID twice")?;
        for (index, error) in self.errors.iter().enumerate() {
            let at = format!("errors[{index}]");
            that(
                FUNCTIONS.contains(&error.function.as_str()),
                &format!("{at}.function"),
                "is no function of the simulator",
            )?;
            that(
                error.field.is_none() || error.function == "nvmlDeviceGetFieldValues",
                &format!("{at}.field"),
                "goes only with nvmlDeviceGetFieldValues",
            )?;
            that(error.code != 0, &format!("{at}.code"), "must be an error")?;
            error.when.only_times(&format!("{at}.when"))?;
        }
        Ok(())
    }
}

impl GpuSpec {
    fn check(&self, at: &str) -> Result<(), String> {
        let key = |name: &str| format!("{at}.{name}");
        if let Some(uuid) = &self.uuid {
            that(
                uuid.starts_with("GPU-") && uuid.len() < 80,
                &key("uuid"),
                "must be GPU-…",
            )?;
        }
        that(
            self.name.ends_with("(simulated)") && self.name.len() < 90,
            &key("name"),
            "must end with (simulated)",
        )?;
        let power = &self.power;
        for (name, watts) in [
            ("bare_watts", power.bare_watts),
            ("context_watts", power.context_watts),
            ("busy_watts", power.busy_watts),
            ("capped_watts", power.capped_watts),
            ("limit_watts", power.limit_watts),
        ] {
            that(
                (0.0..=100_000.0).contains(&watts),
                &key(&format!("power.{name}")),
                "must be 0 to 100000",
            )?;
        }
        let sensor = &self.sensor;
        let range = |name: &str, [low, high]: [f64; 2], least: f64| {
            that(
                low >= least && low <= high && high <= 60_000.0,
                &key(name),
                "must be a range, low first",
            )
        };
        range("sensor.period_ms", sensor.period_ms, 1.0)?;
        range("sensor.counter_call_ms", sensor.counter_call_ms, 0.0)?;
        range("memory.returns_after_ms", self.memory.returns_after_ms, 0.0)?;
        for (name, ms) in [
            ("sensor.instant_ms", sensor.instant_ms),
            ("sensor.average_ms", sensor.average_ms),
            ("sensor.sample_ms", sensor.sample_ms),
        ] {
            that(
                (1.0..=10_000.0).contains(&ms),
                &key(name),
                "must be 1 to 10000",
            )?;
        }
        that(
            (0.0..=1_000.0).contains(&sensor.latency_ms),
            &key("sensor.latency_ms"),
            "must be 0 to 1000",
        )?;
        that(
            (1..=1_000).contains(&sensor.samples_kept),
            &key("sensor.samples_kept"),
            "must be 1 to 1000",
        )?;
        that(
            sensor.gain > 0.0 && sensor.gain < 10.0,
            &key("sensor.gain"),
            "must be above 0",
        )?;
        that(
            sensor.offset_watts.is_finite(),
            &key("sensor.offset_watts"),
            "must be a number",
        )?;
        that(
            (0.001..=1e6).contains(&self.thermal.time_constant_s),
            &key("thermal.time_constant_s"),
            "must be 0.001 to 1e6",
        )?;
        that(
            (0.0..=100.0).contains(&self.thermal.ambient_celsius)
                && (0.0..=10.0).contains(&self.thermal.celsius_per_watt),
            &key("thermal"),
            "is out of range",
        )?;
        that(
            self.memory.total_mib >= self.memory.reserved_mib && self.memory.total_mib < 1 << 30,
            &key("memory.total_mib"),
            "must hold reserved_mib",
        )?;
        let before = self.memory.unlisted_before_ms;
        that(
            (0.0..=self.memory.returns_after_ms[0]).contains(&before),
            &key("memory.unlisted_before_ms"),
            "must be at most returns_after_ms",
        )?;
        for (index, mig) in self.mig.iter().enumerate() {
            that(
                mig.uuid.starts_with("MIG-") && mig.uuid.len() < 80,
                &key(&format!("mig[{index}].uuid")),
                "must be MIG-…",
            )?;
        }
        if let Some(load) = &self.load {
            load.check(&key("load"))?;
        }
        self.faults_check(&key("faults"))
    }

    fn faults_check(&self, at: &str) -> Result<(), String> {
        let faults = &self.faults;
        let whens = faults
            .throttle
            .iter()
            .map(|fault| &fault.when)
            .chain(faults.xid.iter().map(|fault| &fault.when))
            .chain(&faults.lost)
            .chain(faults.extra_memory.iter().map(|fault| &fault.when));
        for when in whens {
            when.check(at)?;
        }
        for phantom in &faults.processes {
            phantom.when.only_times(&format!("{at}.processes.when"))?;
            that(
                (0.0..=1.0).contains(&phantom.busy),
                &format!("{at}.processes.busy"),
                "must be 0 to 1",
            )?;
        }
        Ok(())
    }
}

impl When {
    fn check(&self, at: &str) -> Result<(), String> {
        let (from, until) = (
            self.from_s.unwrap_or(0.0),
            self.until_s.unwrap_or(f64::INFINITY),
        );
        that(
            from >= 0.0 && from.is_finite() && until >= from,
            at,
            "has a `when` that ends before it begins",
        )?;
        that(
            self.while_log_busy != Some(0) && self.after_log != Some(0),
            at,
            "counts logs from 1",
        )
    }

    fn only_times(&self, at: &str) -> Result<(), String> {
        self.check(at)?;
        that(
            self.while_log_busy.is_none() && self.after_log.is_none(),
            at,
            "can only have from_s and until_s",
        )
    }
}

impl Load {
    fn check(&self, at: &str) -> Result<(), String> {
        let sources = [
            self.logs.is_some(),
            self.scenario.is_some(),
            self.trace.is_some(),
        ];
        that(
            sources.into_iter().filter(|is| *is).count() <= 1,
            at,
            "must be one of logs, scenario and trace",
        )?;
        that(
            !self.repeat || self.scenario.is_some(),
            &format!("{at}.repeat"),
            "goes only with scenario",
        )?;
        for (index, segment) in self.scenario.iter().flatten().enumerate() {
            let at = format!("{at}.scenario[{index}]");
            that(
                (0.000_1..=1e7).contains(&segment.for_s),
                &at,
                "must have for_s of 0.0001 to 1e7",
            )?;
            that(
                (0.0..=1.0).contains(&segment.busy),
                &at,
                "must have busy of 0 to 1",
            )?;
            that(
                segment.pid.is_some() || (segment.busy == 0.0 && segment.mib == 0),
                &at,
                "has a load and needs a pid",
            )?;
        }
        that(
            !self.repeat || self.scenario.iter().flatten().next().is_some(),
            at,
            "repeats nothing",
        )
    }
}

fn that(holds: bool, key: &str, must: &str) -> Result<(), String> {
    if holds {
        Ok(())
    } else {
        Err(format!("{key} {must}"))
    }
}
