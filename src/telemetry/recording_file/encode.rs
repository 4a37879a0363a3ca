//! Rows to Parquet through the crate's column writers: no Arrow needed for seven columns.

use std::sync::Arc;

use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use parquet::schema::types::ColumnPath;
use serde::Serialize;

use super::READINGS_SCHEMA;
use super::rows::Rows;
use crate::telemetry::Recording;

const SCHEMA: &str = "message readings {
    REQUIRED INT64 monotonic_ns;
    OPTIONAL INT64 before_ns;
    REQUIRED BYTE_ARRAY gpu (UTF8);
    REQUIRED BYTE_ARRAY series (UTF8);
    OPTIONAL DOUBLE value;
    OPTIONAL INT64 raw (INTEGER(64, false));
    REQUIRED BYTE_ARRAY unit (UTF8);
}";
/// The name under which the CPUs' rows stand.
const HOST: &str = "host";

/// The whole file.
pub(super) fn encode(recording: &Recording) -> Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties = Arc::new(properties(recording)?);
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties)?;
    for gpu in &recording.gpus {
        let mut group = writer.next_row_group()?;
        write_rows(&mut group, &gpu.readings.gpu, &Rows::of_gpu(gpu))?;
        group.close()?;
    }
    if let Some(rapl) = &recording.rapl {
        let mut group = writer.next_row_group()?;
        write_rows(&mut group, HOST, &Rows::of_host(rapl))?;
        group.close()?;
    }
    writer.into_inner()
}

fn properties(recording: &Recording) -> Result<WriterProperties, ParquetError> {
    let mut builder = WriterProperties::builder()
        .set_created_by(concat!("lemctl ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
        .set_key_value_metadata(Some(metadata(recording)?));
    // Stamps grow steadily: their differences are small, and no dictionary holds them.
    for stamps in ["monotonic_ns", "before_ns"] {
        builder = builder
            .set_column_dictionary_enabled(ColumnPath::from(stamps), false)
            .set_column_encoding(ColumnPath::from(stamps), Encoding::DELTA_BINARY_PACKED);
    }
    Ok(builder.build())
}

fn metadata(recording: &Recording) -> Result<Vec<KeyValue>, ParquetError> {
    #[derive(Serialize)]
    struct Gpu<'a> {
        gpu: &'a str,
        scope: &'a crate::telemetry::EnergyScope,
        average_source: crate::telemetry::PowerSource,
        errors: &'a std::collections::BTreeMap<String, crate::telemetry::ErrorTally>,
        dropped: &'a crate::telemetry::Dropped,
        breaks: &'a [crate::telemetry::CounterBreak],
    }
    let gpus: Vec<Gpu<'_>> = recording
        .gpus
        .iter()
        .map(|gpu| Gpu {
            gpu: &gpu.readings.gpu,
            scope: &gpu.scope,
            average_source: gpu.average_source,
            errors: &gpu.errors,
            dropped: &gpu.dropped,
            breaks: &gpu.breaks,
        })
        .collect();
    let absent = recording.rapl.as_ref().map(|rapl| &rapl.absent);
    Ok(vec![
        entry("schema_version", &READINGS_SCHEMA)?,
        entry("library", &recording.library)?,
        entry("simulated", &recording.library.simulated)?,
        entry("realtime_pair", &recording.realtime_pair)?,
        entry("started_ns", &recording.started_ns)?,
        entry("stopped_ns", &recording.stopped_ns)?,
        entry("settings", &recording.settings)?,
        entry("gpus", &gpus)?,
        entry("rapl_absent", &absent)?,
        entry("sampler_cost", &recording.cost)?,
    ])
}

fn entry(name: &str, value: &impl Serialize) -> Result<KeyValue, ParquetError> {
    let text =
        serde_json::to_string(value).map_err(|error| ParquetError::General(error.to_string()))?;
    Ok(KeyValue::new(format!("lemctl.{name}"), text))
}

fn write_rows<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    gpu: &str,
    rows: &Rows,
) -> Result<(), ParquetError> {
    let gpu = ByteArray::from(gpu);
    let gpus = vec![gpu; rows.monotonic_ns.len()];
    let units: Vec<ByteArray> = rows
        .unit
        .iter()
        .map(|unit| ByteArray::from(*unit))
        .collect();
    required::<Int64Type, _>(group, &rows.monotonic_ns)?;
    optional::<Int64Type, _>(group, &rows.before_ns)?;
    required::<ByteArrayType, _>(group, &gpus)?;
    required::<ByteArrayType, _>(group, &rows.series)?;
    optional::<DoubleType, _>(group, &rows.value)?;
    optional::<Int64Type, _>(group, &rows.raw)?;
    required::<ByteArrayType, _>(group, &units)
}

fn required<T: parquet::data_type::DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
) -> Result<(), ParquetError> {
    column::<T, W>(group, values, None)
}

fn optional<T: parquet::data_type::DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[Option<T::T>],
) -> Result<(), ParquetError> {
    let present: Vec<T::T> = values.iter().flatten().cloned().collect();
    let levels: Vec<i16> = values
        .iter()
        .map(|value| i16::from(value.is_some()))
        .collect();
    column::<T, W>(group, &present, Some(&levels))
}

fn column<T: parquet::data_type::DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let missing =
        || ParquetError::General("the schema has fewer columns than are written".to_owned());
    let mut column = group.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}
