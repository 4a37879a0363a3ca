use super::*;
use crate::scenario::{Faults, Memory, Phantom, Reason, Throttle, Xid};

const S: u64 = 1_000_000_000;

fn gpu(faults: Faults) -> Gpu {
    let spec = GpuSpec {
        faults,
        ..GpuSpec::default()
    };
    Gpu::new(spec, "GPU-1", 1, 100 * S)
}

#[test]
fn states_draw_what_was_measured() {
    let mut gpu = gpu(Faults::default());
    let process = gpu.process(Some(7), None);
    gpu.change(process, Change::load(101 * S, 0.0, 1 << 30));
    gpu.change(process, Change::load(102 * S, 1.0, 1 << 30));
    gpu.change(process, Change::load(103 * S, 0.5, 1 << 30));
    gpu.change(process, Change::end(104 * S));
    gpu.advance(110 * S);
    let at = |tenths: u64| gpu.history().state(tenths * S / 10);
    let told = |tenths| (at(tenths).watts, at(tenths).sm_mhz, at(tenths).reasons);
    assert_eq!(told(1_005), (72.0, 345, 1));
    assert_eq!(told(1_015), (118.0, 1_980, 1));
    assert_eq!(told(1_025), (697.0, 1_380, 4));
    assert_eq!(told(1_035), (407.5, 1_980, 0));
    // The context goes with the list entry, 33 to 73 ms after the end.
    assert_eq!(gpu.history().state(104 * S + 32_000_000).watts, 118.0);
    assert_eq!(gpu.history().state(104 * S + 74_000_000).watts, 72.0);
    assert_eq!(
        gpu.history().joules(101 * S, 104 * S),
        118.0 + 697.0 + 407.5
    );
    assert_eq!(
        gpu.processes(103 * S),
        [Listed {
            pid: 7,
            bytes: 1 << 30
        }]
    );
    assert_eq!(gpu.used_bytes(104 * S + 80_000_000), 1 << 30);
    assert!(gpu.processes(104 * S + 80_000_000).is_empty());
    assert_eq!(gpu.used_bytes(104 * S + 124_000_000), 0);
    assert_eq!(gpu.utilisation_percent(104 * S), 50);
}

#[test]
fn what_is_told_late_changes_the_past() {
    let (mut once, mut late) = (gpu(Faults::default()), gpu(Faults::default()));
    for gpu in [&mut once, &mut late] {
        let process = gpu.process(Some(7), Some(1));
        gpu.change(process, Change::load(101 * S, 0.5, 5));
        // Another changes after what is told late.
        let other = gpu.process(Some(8), None);
        gpu.change(other, Change::load(102 * S + S / 2, 0.3, 5));
    }
    once.change(0, Change::load(102 * S, 0.0, 5));
    for tenth in 1_000..1_030 {
        late.advance(tenth * S / 10);
    }
    late.change(0, Change::load(102 * S, 0.0, 5));
    for gpu in [&mut once, &mut late] {
        gpu.advance(105 * S);
    }
    assert_eq!(
        once.history().joules(95 * S, 105 * S),
        late.history().joules(95 * S, 105 * S)
    );
    assert_eq!(
        once.counter_millijoules(105 * S),
        late.counter_millijoules(105 * S)
    );
}

#[test]
fn throttling_holds_while_one_log_computes() {
    let mut faults = Faults::default();
    faults.throttle.push(Throttle {
        cap_watts: Some(300.0),
        ..Throttle::new(
            &[Reason::HwSlowdown, Reason::HwThermal],
            When::while_log_busy(2),
        )
    });
    let mut gpu = gpu(faults);
    for log in [1, 2, 3] {
        let process = gpu.process(Some(log as u32), Some(log));
        let start = (100 + 10 * log as u64) * S;
        gpu.change(process, Change::load(start, 1.0, 0));
        gpu.change(process, Change::load(start + 4 * S, 0.0, 0));
        gpu.change(process, Change::end(start + 6 * S));
    }
    gpu.advance(200 * S);
    let state = |s: u64| gpu.history().state(s * S);
    assert_eq!((state(111).reasons, state(111).watts), (0x4, 697.0));
    assert_eq!(
        (state(121).reasons, state(121).watts, state(121).sm_mhz),
        (0x4c, 300.0, 1_200)
    );
    assert_eq!(state(125).reasons, 1);
    assert_eq!(state(131).reasons, 0x4);
    assert_eq!(gpu.history().counted_ns(0x40, 200 * S), 4 * S);
    assert_eq!(gpu.history().counted_ns(0x60, 122 * S), 2 * S);
    assert_eq!(gpu.history().counted_ns(0x4, 200 * S), 12 * S);
}

#[test]
fn strangers_memory_events_and_loss_come_in_time() {
    let faults = Faults {
        processes: vec![Phantom {
            pid: 66,
            mib: 10,
            busy: 0.0,
            when: When::between(1.0, 3.0),
        }],
        extra_memory: vec![Memory {
            mib: 3,
            when: When {
                after_log: Some(1),
                ..When::default()
            },
        }],
        xid: vec![Xid {
            code: 31,
            when: When::from(2.5),
        }],
        lost: Some(When::from(50.0)),
        ..Faults::default()
    };
    let mut gpu = gpu(faults);
    let process = gpu.process(Some(7), Some(1));
    gpu.change(process, Change::load(104 * S, 0.0, 1));
    gpu.change(process, Change::end(105 * S));
    gpu.advance(102 * S);
    assert_eq!(gpu.xids().count(), 0);
    gpu.advance(200 * S);
    assert!(gpu.processes(100 * S).is_empty());
    assert_eq!(
        gpu.processes(101 * S),
        [Listed {
            pid: 66,
            bytes: 10 << 20
        }]
    );
    assert_eq!(gpu.history().state(102 * S).watts, 118.0);
    assert_eq!(gpu.used_bytes(104 * S), 1);
    assert_eq!(gpu.used_bytes(106 * S), 3 << 20);
    let xids: Vec<_> = gpu.xids().collect();
    assert_eq!(
        xids,
        [XidEvent {
            at_ns: 102 * S + S / 2,
            code: 31
        }]
    );
    assert!(!gpu.is_lost(149 * S) && gpu.is_lost(150 * S));
}

#[test]
fn long_lives_forget_and_add_up() {
    let mut gpu = gpu(Faults::default());
    let process = gpu.process(Some(7), None);
    let mut joules = 0.0;
    for index in 0..200_000_u64 {
        let at_ns = 100 * S + index * 50_000_000;
        gpu.change(process, Change::load(at_ns, (index % 2) as f64, 0));
        if index % 100 == 0 {
            gpu.advance(at_ns);
        }
        joules += 0.05 * if index % 2 == 0 { 118.0 } else { 697.0 };
    }
    let end_ns = 100 * S + 200_000 * 50_000_000;
    gpu.advance(end_ns);
    assert!(gpu.history().changes() <= MANY_CHANGES + 200);
    let told = gpu.history().joules_since_start(end_ns);
    assert!((told - joules - 720.0).abs() < 1e-3, "{told} {joules}");
}
