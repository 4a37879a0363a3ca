//! Files of the safetensors format: 8 bytes of length, a JSON header, the tensors one after another. Many threads
//! draw chunks, one writes them in order and hashes what it writes; what waits in between is bounded.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Condvar, Mutex};

use lem_protocol::ModelFile;
use serde_json::json;

use super::shape::{Shape, Tensor};
use super::values::{CHUNK, Source};
use crate::failure::Failure;
use crate::folder::Folder;
use crate::progress::Progress;
use crate::sums::Sum;

/// Chunks that each thread may be ahead of what is written.
const AHEAD: usize = 3;

/// One file.
#[derive(Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its name.
    pub file: String,
    /// Its tensors, in the order of their bytes.
    pub tensors: Vec<Tensor>,
    header: Vec<u8>,
    /// Bytes of its tensors.
    values: u64,
}

impl Shard {
    /// Size of the file.
    pub fn bytes(&self) -> u64 {
        self.header.len() as u64 + self.values
    }

    /// Every chunk: which tensor, and which of its chunks.
    fn chunks(&self) -> Vec<(usize, u64)> {
        let tensors = self.tensors.iter().enumerate();
        tensors
            .flat_map(|(index, tensor)| {
                (0..tensor.values().div_ceil(CHUNK)).map(move |chunk| (index, chunk))
            })
            .collect()
    }
}

/// Cuts a model into files of at most `max_bytes` of tensors, named as transformers names them.
pub fn layout(shape: &Shape, max_bytes: u64) -> Vec<Shard> {
    let size = |tensor: &Tensor| tensor.values() * shape.dtype.bytes();
    let mut parts: Vec<(Vec<Tensor>, u64)> = Vec::new();
    for tensor in &shape.tensors {
        let bytes = size(tensor);
        match parts.last_mut() {
            Some((tensors, held)) if *held + bytes <= max_bytes => {
                tensors.push(tensor.clone());
                *held += bytes;
            }
            _ => parts.push((vec![tensor.clone()], bytes)),
        }
    }
    let count = parts.len();
    let named = parts.into_iter().enumerate();
    named
        .map(|(index, (tensors, values))| Shard {
            file: match count {
                1 => "model.safetensors".to_owned(),
                _ => format!("model-{:05}-of-{count:05}.safetensors", index + 1),
            },
            header: header(&tensors, shape),
            tensors,
            values,
        })
        .collect()
}

fn header(tensors: &[Tensor], shape: &Shape) -> Vec<u8> {
    let mut map = serde_json::Map::new();
    map.insert("__metadata__".to_owned(), json!({ "format": "pt" }));
    let mut at = 0;
    for tensor in tensors {
        let end = at + tensor.values() * shape.dtype.bytes();
        let entry = json!({ "dtype": shape.dtype.word(), "shape": tensor.shape, "data_offsets": [at, end] });
        map.insert(tensor.name.clone(), entry);
        at = end;
    }
    let mut text = serde_json::to_vec(&map).unwrap_or_default();
    // The tensors begin at a multiple of 8, as their readers map them into memory.
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.extend(text);
    header
}

/// Writes one file with `threads` threads that draw.
///
/// # Errors
/// What the disk said.
pub fn write(
    folder: &Folder,
    shard: &Shard,
    source: &Source,
    threads: usize,
    progress: &Progress,
) -> Result<ModelFile, Failure> {
    let chunks = shard.chunks();
    let turns = Turns::new(threads * AHEAD);
    let (send, drawn) = sync_channel(threads);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (send, turns, chunks) = (send.clone(), &turns, &chunks);
            scope.spawn(move || {
                while let Some(turn) = turns.next(chunks.len()) {
                    let (tensor, chunk) = chunks[turn];
                    let bytes = source.chunk(&shard.tensors[tensor], chunk);
                    if send.send((turn, bytes)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(send);
        let written = collect(folder, shard, &drawn, &turns, progress);
        turns.stop();
        drop(drawn);
        written
    })
}

/// Writes the chunks in their order, as they come.
fn collect(
    folder: &Folder,
    shard: &Shard,
    drawn: &Receiver<(usize, Vec<u8>)>,
    turns: &Turns,
    progress: &Progress,
) -> Result<ModelFile, Failure> {
    let path = folder.file(&shard.file);
    let disk = |action: &'static str| {
        let path = &path;
        move |error: std::io::Error| Failure::disk(action, path, &error)
    };
    let mut file = File::create(&path).map_err(disk("make"))?;
    let mut sum = Sum::default();
    let mut put = |bytes: &[u8]| {
        sum.add(bytes);
        progress.add(bytes.len() as u64);
        file.write_all(bytes)
    };
    put(&shard.header).map_err(disk("write"))?;
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (turn, bytes) in drawn {
        early.insert(turn, bytes);
        while let Some(bytes) = early.remove(&next) {
            put(&bytes).map_err(disk("write"))?;
            next += 1;
            turns.written(next);
        }
    }
    file.sync_all().map_err(disk("sync"))?;
    let bytes = sum.bytes();
    if bytes != shard.bytes() {
        return Err(Failure::new(
            "fetch_failed",
            format!(
                "{} came out with {bytes} bytes, not {}",
                shard.file,
                shard.bytes()
            ),
        ));
    }
    Ok(ModelFile {
        path: shard.file.clone(),
        bytes,
        sha256: sum.hex(),
    })
}

/// Whose turn it is: chunks are begun in order, and none far ahead of the last that is written.
struct Turns {
    ahead: usize,
    state: Mutex<(usize, usize, bool)>,
    changed: Condvar,
}

impl Turns {
    fn new(ahead: usize) -> Self {
        Self {
            ahead,
            state: Mutex::new((0, 0, false)),
            changed: Condvar::new(),
        }
    }

    /// The next chunk, once it may be begun; none after the last, or after a stop.
    fn next(&self, count: usize) -> Option<usize> {
        let mut state = self.state.lock().ok()?;
        loop {
            let (next, written, stopped) = *state;
            if stopped || next >= count {
                return None;
            }
            if next < written + self.ahead {
                state.0 += 1;
                return Some(next);
            }
            state = self.changed.wait(state).ok()?;
        }
    }

    fn written(&self, count: usize) {
        if let Ok(mut state) = self.state.lock() {
            state.1 = count;
        }
        self.changed.notify_all();
    }

    fn stop(&self) {
        if let Ok(mut state) = self.state.lock() {
            state.2 = true;
        }
        self.changed.notify_all();
    }
}
