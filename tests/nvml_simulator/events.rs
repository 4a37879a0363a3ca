use lem_nvml_sim::scenario::{FunctionError, When, Xid};
use nvml_wrapper::bitmasks::event::EventTypes;

use super::*;

#[test]
fn an_xid_is_delivered_once() {
    let machine = one(Load::default(), |gpu| {
        gpu.faults.xid.push(Xid {
            code: 63,
            when: When::from(0.2),
        });
    });
    let nvml = load(&machine);
    let gpu = nvml.device_by_index(0).unwrap();
    let set = nvml.create_event_set().unwrap();
    let set = gpu
        .register_events(EventTypes::CRITICAL_XID_ERROR, set)
        .map_err(|failed| failed.error)
        .unwrap();
    assert_eq!(error(set.wait(20)), "Timeout");
    let event = set.wait(2_000).unwrap();
    assert_eq!(event.device.uuid().unwrap(), gpu.uuid().unwrap());
    assert!(matches!(
        event.event_data,
        Some(nvml_wrapper::enums::event::XidError::Value(63))
    ));
    assert_eq!(error(set.wait(50)), "Timeout");
}

#[test]
fn a_lost_gpu_answers_nothing_and_its_neighbour_does() {
    let mut gpu = GpuSpec::default();
    gpu.faults.lost = Some(When::from(0.15));
    let machine = SimulatedMachine::new(&Scenario {
        gpus: vec![gpu, GpuSpec::default()],
        ..Scenario::default()
    });
    let nvml = load(&machine);
    let gpu = nvml.device_by_index(0).unwrap();
    assert!(gpu.power_usage().is_ok());
    until(1.0, || error(gpu.power_usage()) == "GpuLost");
    assert_eq!(error(gpu.total_energy_consumption()), "GpuLost");
    assert_eq!(error(nvml.device_by_index(0)), "GpuLost");
    assert!(nvml.device_by_index(1).unwrap().power_usage().is_ok());
}

#[test]
fn functions_and_fields_fail_where_it_is_planted() {
    let planted = |function: &str, field, code| FunctionError {
        function: function.to_owned(),
        field,
        gpu: None,
        code,
        when: When::default(),
    };
    let machine = SimulatedMachine::new(&Scenario {
        errors: vec![
            planted("nvmlDeviceGetTotalEnergyConsumption", None, 13),
            planted("nvmlDeviceGetFieldValues", Some(186), 3),
        ],
        ..Scenario::default()
    });
    let nvml = load(&machine);
    let gpu = nvml.device_by_index(0).unwrap();
    // Number 13 is FUNCTION_NOT_FOUND.
    assert_eq!(error(gpu.total_energy_consumption()), "FunctionNotFound");
    use nvml_wrapper::structs::device::FieldId;
    let fields = gpu.field_values_for(&[FieldId(186), FieldId(185)]).unwrap();
    let told: Vec<_> = fields
        .into_iter()
        .map(|field| field.unwrap().value)
        .collect();
    assert!(matches!(told[0], Err(NvmlError::NotSupported)));
    assert!(told[1].is_ok());
}
