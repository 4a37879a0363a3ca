//! Weights drawn from a seed: tensors named and shaped as transformers names and shapes them, values from
//! N(0, `initializer_range`²), gains of norms 1, biases 0. What a tensor holds depends on the seed, its name and its
//! place in it, so the files are the same on every machine and for any number of threads.

mod normal;
mod safetensors;
mod shape;
mod values;

use std::fs::File;
use std::io::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lem_protocol::ModelFile;
use serde_json::json;

use crate::failure::Failure;
use crate::folder::Folder;
use crate::progress::Progress;
use crate::sums::Sum;
use safetensors::Shard;
use shape::Shape;
use values::Source;

/// Largest file of weights, in bytes of tensors; a larger tensor has its own.
const MAX_SHARD_BYTES: u64 = 4_000_000_000;
/// Most threads by default: more would only wait for the disk, and each holds some chunks.
const MAX_THREADS: usize = 32;
/// Files that are written at a time: each is hashed by one thread.
const LANES: usize = 4;

/// Writes a model of `config`'s shape into `folder`; gives its files, by path.
///
/// # Errors
/// `unsupported` for an architecture that is not known, `bad_config` for one that cannot be, or what the disk said.
pub fn write(
    folder: &Folder,
    config: &str,
    seed: u64,
    threads: u32,
) -> Result<Vec<ModelFile>, Failure> {
    write_sharded(folder, config, seed, threads, MAX_SHARD_BYTES)
}

fn write_sharded(
    folder: &Folder,
    config: &str,
    seed: u64,
    threads: u32,
    max_shard_bytes: u64,
) -> Result<Vec<ModelFile>, Failure> {
    let shape = Shape::of(config)?;
    let shards = safetensors::layout(&shape, max_shard_bytes);
    let total = shards.iter().map(Shard::bytes).sum();
    folder.has_room(total)?;
    let mut files = vec![
        whole(folder, "config.json", config.as_bytes())?,
        whole(
            folder,
            "generation_config.json",
            &pretty(&shape.generation_config()),
        )?,
    ];
    if shards.len() > 1 {
        let index = pretty(&index(&shards));
        files.push(whole(folder, "model.safetensors.index.json", &index)?);
    }
    let source = Source::new(seed, shape.deviation, shape.dtype);
    files.extend(weights(
        folder,
        &shards,
        &source,
        threads,
        &Progress::new(total),
    )?);
    folder.sync()?;
    files.sort();
    Ok(files)
}

/// Writes all shards, [`LANES`] at a time.
fn weights(
    folder: &Folder,
    shards: &[Shard],
    source: &Source,
    threads: u32,
    progress: &Progress,
) -> Result<Vec<ModelFile>, Failure> {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = match threads {
        0 => cpus.min(MAX_THREADS),
        threads => usize::try_from(threads).unwrap_or(cpus).min(1024),
    };
    let lanes = LANES.min(shards.len()).min(threads).max(1);
    let next = AtomicUsize::new(0);
    let outcome = Mutex::new(Ok(Vec::new()));
    std::thread::scope(|scope| {
        for lane in 0..lanes {
            let (next, outcome) = (&next, &outcome);
            let mine = threads / lanes + usize::from(lane < threads % lanes);
            scope.spawn(move || {
                while let Some(shard) = shards.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let written = safetensors::write(folder, shard, source, mine, progress);
                    let Ok(mut outcome) = outcome.lock() else {
                        return;
                    };
                    match (written, &mut *outcome) {
                        (Ok(file), Ok(files)) => files.push(file),
                        (Err(failure), Ok(_)) => *outcome = Err(failure),
                        (_, Err(_)) => {}
                    }
                    if outcome.is_err() {
                        return;
                    }
                }
            });
        }
    });
    outcome.into_inner().unwrap_or_else(|_| {
        Err(Failure::new(
            "fetch_failed",
            "a thread that wrote weights died",
        ))
    })
}

/// Which file holds which tensor, as transformers writes it.
fn index(shards: &[Shard]) -> serde_json::Value {
    let total: u64 = shards.iter().map(Shard::bytes).sum();
    let places = shards.iter().flat_map(|shard| {
        let tensors = shard.tensors.iter();
        tensors.map(|tensor| (tensor.name.clone(), json!(shard.file)))
    });
    let map: serde_json::Map<_, _> = places.collect();
    json!({ "metadata": { "total_size": total }, "weight_map": map })
}

fn pretty(value: &serde_json::Value) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).unwrap_or_default();
    text.push(b'\n');
    text
}

fn whole(folder: &Folder, name: &str, bytes: &[u8]) -> Result<ModelFile, Failure> {
    let path = folder.file(name);
    File::create(&path)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|error| Failure::disk("write", &path, &error))?;
    let mut sum = Sum::default();
    sum.add(bytes);
    Ok(ModelFile {
        path: name.to_owned(),
        bytes: sum.bytes(),
        sha256: sum.hex(),
    })
}

#[cfg(test)]
mod tests;
